"""Carriers: where a signature hides in a dialect that has no place for it, and comes back (translation.md §15).

A client sends some texts back unchanged: an Anthropic signature, a Responses item's ``encrypted_content``. Foreign
data travels there as ``omr1:<origin>[-redacted]:[<item id>:]<data>``. A carrier says whose it is, so it is never shown
to a vendor that did not make it.
"""

from __future__ import annotations

from typing import Final

import msgspec

PREFIX: Final = "omr1:"
_REDACTED: Final = "-redacted"
_WITH_ITEM: Final = "openai_responses"
"""The dialect whose items are only understood with their id."""


class Carried(msgspec.Struct, frozen=True):
    """What a carrier holds."""

    origin: str
    """The dialect that made it."""
    data: str
    item_id: str = ""
    redacted: bool = False


def wrap(carried: Carried) -> str:
    """The carrier's text. It spells dialects with dashes, as the first release of the format did."""
    kind = carried.origin.replace("_", "-") + (_REDACTED if carried.redacted else "")
    item = f"{carried.item_id}:" if carried.origin == _WITH_ITEM else ""
    return f"{PREFIX}{kind}:{item}{carried.data}"


def unwrap(text: str) -> Carried | None:
    """What ``text`` carries; None if it is no carrier: a vendor's own."""
    if not text.startswith(PREFIX):
        return None
    kind, _, data = text.removeprefix(PREFIX).partition(":")
    redacted = kind.endswith(_REDACTED)
    origin = kind.removesuffix(_REDACTED).replace("-", "_")
    item_id = ""
    if origin == _WITH_ITEM:
        item_id, _, data = data.partition(":")
    return Carried(origin, data, item_id, redacted)
