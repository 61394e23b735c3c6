"""JSON that vendors and clients wrote, read with one error for whatever may be wrong with it."""

from __future__ import annotations

import msgspec


def decode_vendor(raw: bytes | str) -> object:
    """The value ``raw`` holds; ``ValueError`` if it is not JSON, not UTF-8, or nested deeper than the stack allows."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("not readable as JSON") from error
