"""Reasoning of another upstream in a request that would pass: the vendor looks its id up (translation.md §15)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from omniroute._speedups import jsonspan

# As ``output`` makes them; the vendor's own have no second underscore.
_OUR_ID: Final = re.compile(r"rs_[0-9a-f]{16,64}_\d+")
_ANY_ID: Final = b'"rs_'
_IN_BODY: Final = re.compile(rb'"rs_[0-9a-f]{16,64}_\d+"')


class _Item(msgspec.Struct, frozen=True):
    type: str = ""
    id: str | None = None
    encrypted_content: str | None = None


class _Asked(msgspec.Struct, frozen=True):
    input: str | tuple[_Item, ...] | None = None


_asked: Final = msgspec.json.Decoder(_Asked)


def is_foreign(body: bytes) -> bool:
    """Whether ``input`` holds reasoning under an id of ours with nothing in it that could be read without its maker."""
    if not jsonspan.holds(body, _ANY_ID) or _IN_BODY.search(body) is None:
        return False
    try:
        items = _asked.decode(body).input
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False  # what is wrong with it the upstream says
    return isinstance(items, tuple) and any(
        item.type == "reasoning" and not item.encrypted_content and _OUR_ID.fullmatch(item.id or "") for item in items
    )
