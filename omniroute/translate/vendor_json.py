"""JSON that vendors and clients wrote, read with one error for whatever may be wrong with it."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_HALF: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def decode_vendor(raw: bytes | str) -> object:
    """The value ``raw`` holds; ``ValueError`` if it is not JSON, not UTF-8, or nested deeper than the stack allows."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("not readable as JSON") from error


def decode_event(raw: bytes) -> object:
    """The same for one event of a stream of ours, to be looked at: halves of surrogate pairs are read as U+FFFD.

    An upstream may cut a pair in two, and then so do we; what reads the two texts has both.
    """
    return decode_vendor(_HALF.sub(rb"\1\\ufffd", raw))
