"""Requests of clients, for tests."""

from collections.abc import Mapping

import msgspec


class Asking(msgspec.Struct, frozen=True):
    """A request; satisfies ``dialect.Asked``."""

    body: bytes
    path: str = "/v1/chat/completions"
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}


def ask(**members: object) -> Asking:
    """A request with ``members`` beside a model and, unless given, one message."""
    given = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | members
    return Asking(msgspec.json.encode(given))
