"""Sans-IO: the wire dialects and the hub between them. Bytes and values in, bytes and values out; no clock, no dice.

Owns what a dialect's requests, answers, stream events and errors look like, and how one becomes another. Must not know
who is asking or who is called. Whoever carries a request chooses a :class:`Pair` by the two dialects' names; what one
dialect does is behind its :class:`Dialect`.
"""

from collections.abc import Mapping

from omniroute.discovery import find
from omniroute.translate.dialect import (
    AnswerContext,
    Asked,
    ClientSide,
    Counting,
    Dialect,
    Endpoint,
    Identity,
    Listed,
    Listing,
    Outgoing,
    Part,
    Peeked,
    UpstreamSide,
)
from omniroute.translate.dialects.openai_chat import EventKind, classify_event, error_body, tap
from omniroute.translate.notes import Note, Notes, Unsupported, UnsupportedContent
from omniroute.translate.upstream_errors import read_error, read_stream_error, retryable


def find_dialects() -> Mapping[str, Dialect]:
    """Every dialect, by name. Called once, where the program is put together."""
    return find("omniroute.translate.dialects", "DIALECT", Dialect)


__all__ = [
    "AnswerContext",
    "Asked",
    "ClientSide",
    "Counting",
    "Dialect",
    "Endpoint",
    "EventKind",
    "Identity",
    "Listed",
    "Listing",
    "Note",
    "Notes",
    "Outgoing",
    "Part",
    "Peeked",
    "Unsupported",
    "UnsupportedContent",
    "UpstreamSide",
    "classify_event",
    "error_body",
    "find_dialects",
    "read_error",
    "read_stream_error",
    "retryable",
    "tap",
]
