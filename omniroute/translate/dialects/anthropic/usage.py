"""Token counts in Anthropic's words (translation.md §12.3): input is told without what a cache read or took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Usage
from omniroute.translate.vendor_json import decode_vendor

MAX_TOKENS: Final = 10**12
"""More is a vendor's mistake; a ledger of 64-bit integers must be able to add it up."""

_PLAIN: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
_NESTED: Final = {
    "cache_creation": ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    "output_tokens_details": ("thinking_tokens",),
}

Counters = Mapping[str, int]
"""What was told so far, by the vendor's names; nested ones by theirs alone."""


class CacheCreation(msgspec.Struct, frozen=True):
    """What was written to caches, by how long they live."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    """What the output was spent on."""

    thinking_tokens: int


class WireUsage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``usage`` as we write it."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: int
    output_tokens_details: OutputDetails | None = None
    estimated: bool = False
    """Ours: the upstream told none. Of whole answers alone; a stream has a comment."""


def counters(raw: bytes) -> Counters:
    """The counters of one ``usage`` object. Never raises: what cannot be read is not there."""
    try:
        usage = decode_vendor(raw)
    except ValueError:
        return {}
    if not isinstance(usage, dict):
        return {}
    found = {name: count for name in _PLAIN if (count := _count(usage.get(name))) is not None}
    for name, parts in _NESTED.items():
        inner = usage.get(name)
        if isinstance(inner, dict):
            found |= {part: count for part in parts if (count := _count(inner.get(part))) is not None}
    return found


def usage_of(told: Counters) -> Usage:
    """The counts in our words; not ``known`` if neither input nor output was told."""
    if "input_tokens" not in told and "output_tokens" not in told:
        return Usage()
    return added_up(
        told.get("input_tokens", 0),
        told.get("output_tokens", 0),
        read=told.get("cache_read_input_tokens", 0),
        written=told.get("cache_creation_input_tokens"),
        written_5m=told.get("ephemeral_5m_input_tokens", 0),
        written_1h=told.get("ephemeral_1h_input_tokens", 0),
        thinking=told.get("thinking_tokens", 0),
    )


def added_up(
    new: int, output: int, *, read: int, written: int | None, written_5m: int, written_1h: int, thinking: int
) -> Usage:
    """The vendor's counters in our words. ``written``: to caches; None if only its parts were told."""
    if written is None:
        written = written_5m + written_1h
    long_lived = min(written_1h, written)
    return Usage(
        input_total=new + read + written,
        cache_read=read,
        cache_write_5m=written - long_lived,
        cache_write_1h=long_lived,
        output_total=output,
        reasoning=min(thinking, output),
        known=True,
    )


def usage_of_body(body: bytes) -> Usage:
    """Counts of a whole answer. Never raises."""
    try:
        (span,) = jsonspan.spans(body, (b"usage",))
    except ValueError:
        return Usage()
    return Usage() if span is None else usage_of(counters(body[span[0] : span[1]]))


def write_usage(usage: Usage, *, whole: bool) -> WireUsage:
    """The counts in Anthropic's words. ``whole``: of an answer's body, where ``input_tokens`` must be there.

    The last event of a stream needs ``output_tokens`` only, so an estimate of the input is not repeated there.
    """
    written = usage.cache_write_5m + usage.cache_write_1h
    told = usage.known
    return WireUsage(
        input_tokens=max(0, usage.input_total - usage.cache_read - written) if whole or told else None,
        cache_creation_input_tokens=written if told else None,
        cache_read_input_tokens=usage.cache_read if told else None,
        cache_creation=CacheCreation(usage.cache_write_5m, usage.cache_write_1h)
        if whole and usage.cache_write_1h
        else None,
        output_tokens=usage.output_total,
        output_tokens_details=OutputDetails(usage.reasoning) if usage.reasoning else None,
    )


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return int(min(value, MAX_TOKENS))
