"""Sans-IO: the wire dialects. Bytes and values in, bytes and values out; no socket, no clock, no dice.

Owns what a dialect's requests, responses, stream events and errors look like. Must not know who is asking or who is
called. While there is one dialect its functions are offered here by name; a :class:`Dialect` holds the same ones for
whoever has to choose.
"""

from collections.abc import Mapping

from omniroute.discovery import find
from omniroute.translate.dialect import Dialect, Endpoint, EventKind, Peeked
from omniroute.translate.dialects.openai_chat import (
    PATH,
    body_error,
    classify_event,
    encode_request,
    error_body,
    error_event,
    model_body,
    models_body,
    peek,
    read_answer,
    tap,
    unfold,
    usage_of,
    usage_of_body,
)
from omniroute.translate.upstream_errors import read_error, read_stream_error, retryable


def find_dialects() -> Mapping[str, Dialect]:
    """Every dialect, by name. Called once, where the program is put together."""
    return find("omniroute.translate.dialects", "DIALECT", Dialect)


__all__ = [
    "PATH",
    "Dialect",
    "Endpoint",
    "EventKind",
    "Peeked",
    "body_error",
    "classify_event",
    "encode_request",
    "error_body",
    "error_event",
    "find_dialects",
    "model_body",
    "models_body",
    "peek",
    "read_answer",
    "read_error",
    "read_stream_error",
    "retryable",
    "tap",
    "unfold",
    "usage_of",
    "usage_of_body",
]
