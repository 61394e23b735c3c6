"""JSON that vendors and clients wrote, read with one error for whatever may be wrong with it."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_kept: Final = msgspec.json.Decoder(msgspec.Raw)
_looked_at: Final = msgspec.json.Decoder(float_hook=float)
_HALF: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def decode_vendor(raw: bytes | str) -> object:
    """The value ``raw`` holds; ``ValueError`` if it is not JSON, not UTF-8, or nested deeper than the stack allows."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("not readable as JSON") from error


def is_json(raw: bytes) -> bool:
    """Whether ``raw`` is one JSON value that any reader takes; its numbers may be of any size: nobody converts them."""
    try:
        _kept.decode(raw)
        return raw.isascii() or bool(raw.decode())  # what is kept is not looked at as a text
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def decode_event(raw: bytes) -> object:
    """The value of one event of a stream of ours, to be looked at; ``ValueError`` if it is none.

    Halves of surrogate pairs are read as U+FFFD: an upstream may cut a pair in two, and then so do we; what reads the
    two texts has both. A number that is too large for any float is an infinite one.
    """
    try:
        return _looked_at.decode(_HALF.sub(rb"\1\\ufffd", raw))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("not readable as JSON") from error
