"""A client's request to the Ollama dialect, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest
from omniroute.translate.dialects.ollama import DIALECT
from omniroute.translate.notes import Notes

CLIENT = DIALECT.client
UPSTREAM = DIALECT.upstream
IDENTITY = DIALECT.identity
assert CLIENT is not None
assert UPSTREAM is not None
assert IDENTITY is not None

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Request(msgspec.Struct, frozen=True):
    """Satisfies ``dialect.Asked``."""

    body: bytes
    path: str = "/api/chat"
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}


def read(body: object, path: str = "/api/chat") -> ChatRequest:
    """What the hub is told; ``body`` in JSON already if it is bytes."""
    request = Request(body if isinstance(body, bytes) else msgspec.json.encode(body), path)
    return CLIENT.read_request(request, CLIENT.peek(request))


def chat(**members: object) -> ChatRequest:
    return read({"model": "m", "messages": [{"role": "user", "content": "x"}]} | members)


def write(request: ChatRequest, quirks: Quirks | None = None) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """The upstream's body and the losses."""
    notes = Notes()
    outgoing = UPSTREAM.write_request(request, quirks or Quirks(), notes)
    assert outgoing.path == "/api/chat"
    return msgspec.json.decode(b"".join(outgoing.body)), [(note.field, note.action) for note in notes]
