"""Sans-IO: the wire dialects and the hub between them. Bytes and values in, bytes and values out; no clock, no dice.

Owns what a dialect's requests, answers, stream events and errors look like, and how one becomes another. Must not know
who is asking or who is called. Whoever carries a request chooses a :class:`Pair` by the two dialects' names; what one
dialect does is behind its :class:`Dialect`.
"""

from collections.abc import Mapping

from omniroute.discovery import find
from omniroute.translate.canonical import ChatRequest, ChatResponse, Text, Turn
from omniroute.translate.core_flow import open_flow
from omniroute.translate.dialect import (
    AnswerContext,
    Asked,
    ClientSide,
    Counting,
    Dialect,
    Endpoint,
    History,
    Identity,
    Listed,
    Listing,
    Outgoing,
    Part,
    Peeked,
    UpstreamSide,
)
from omniroute.translate.flow import Flow
from omniroute.translate.inspection import InspectedFlow, Inspection
from omniroute.translate.notes import Note, Notes, Unsupported, UnsupportedContent
from omniroute.translate.openai_bodies import error_body
from omniroute.translate.pairing import Answer, Pair
from omniroute.translate.recall import Remembered, recalled
from omniroute.translate.stream import BYTES_PER_TOKEN
from omniroute.translate.texts import texts_of
from omniroute.translate.upstream_errors import read_error, read_stream_error, retryable


def find_dialects() -> Mapping[str, Dialect]:
    """Every dialect, by name. Called once, where the program is put together."""
    return find("omniroute.translate.dialects", "DIALECT", Dialect)


__all__ = [
    "BYTES_PER_TOKEN",
    "Answer",
    "AnswerContext",
    "Asked",
    "ChatRequest",
    "ChatResponse",
    "ClientSide",
    "Counting",
    "Dialect",
    "Endpoint",
    "Flow",
    "History",
    "Identity",
    "InspectedFlow",
    "Inspection",
    "Listed",
    "Listing",
    "Note",
    "Notes",
    "Outgoing",
    "Pair",
    "Part",
    "Peeked",
    "Remembered",
    "Text",
    "Turn",
    "Unsupported",
    "UnsupportedContent",
    "UpstreamSide",
    "error_body",
    "find_dialects",
    "open_flow",
    "read_error",
    "read_stream_error",
    "recalled",
    "retryable",
    "texts_of",
]
