"""Thinking of another upstream in a request that would pass: unsigned, which Anthropic refuses (translation.md §15)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan

# As JSON libraries write it, dense or airy: every body is searched, and a pattern would take three times as long. No
# text can hold it, since there a quotation mark is escaped; arguments of a tool can, so what it says is looked at.
_UNSIGNED: Final = (b'"signature":""', b'"signature": ""')


class _Block(msgspec.Struct, frozen=True):
    type: str = ""
    signature: str | None = None


class _Turn(msgspec.Struct, frozen=True):
    content: str | tuple[_Block, ...] = ""


class _Asked(msgspec.Struct, frozen=True):
    messages: tuple[_Turn, ...] = ()


_asked: Final = msgspec.json.Decoder(_Asked)


def is_foreign(body: bytes) -> bool:
    """Whether a turn holds thinking with an empty signature: what clients are shown of models that sign nothing."""
    if not any(jsonspan.holds(body, unsigned) for unsigned in _UNSIGNED):
        return False
    try:
        turns = _asked.decode(body).messages
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False  # what is wrong with it the upstream says
    return any(
        block.type == "thinking" and block.signature == ""
        for turn in turns
        if not isinstance(turn.content, str)
        for block in turn.content
    )
