"""Token counts in this dialect's words, read (translation.md §12.3)."""

from __future__ import annotations

from typing import Final

from omniroute._speedups import jsonspan
from omniroute.domain import Usage
from omniroute.translate.vendor_json import decode_vendor

MAX_TOKENS: Final = 10**12
"""More is a vendor's mistake; a ledger of 64-bit integers must be able to add it up."""


def usage_of(raw: bytes) -> Usage:
    """Counts of one ``usage`` object. Never raises: what cannot be read is 0; not ``known`` if nothing could be."""
    try:
        usage = decode_vendor(raw)
    except ValueError:
        return Usage()
    if not isinstance(usage, dict):
        return Usage()
    # Servers that speak Chat as well mix up the names.
    input_total = _count(usage, "input_tokens", "prompt_tokens")
    output_total = _count(usage, "output_tokens", "completion_tokens")
    if input_total is None and output_total is None:
        return Usage()
    inputs = usage.get("input_tokens_details") or usage.get("prompt_tokens_details")
    outputs = usage.get("output_tokens_details") or usage.get("completion_tokens_details")
    input_total, output_total = input_total or 0, output_total or 0
    # A part is never more than its whole, whatever a vendor adds up.
    cache_read = min(_count(inputs, "cached_tokens") or 0, input_total)
    return Usage(
        input_total=input_total,
        cache_read=cache_read,
        cache_write_5m=min(_count(inputs, "cache_write_tokens") or 0, input_total - cache_read),
        output_total=output_total,
        reasoning=min(_count(outputs, "reasoning_tokens") or 0, output_total),
        audio_in=min(_count(inputs, "audio_tokens") or 0, input_total),
        audio_out=min(_count(outputs, "audio_tokens") or 0, output_total),
        known=True,
    )


def usage_of_body(body: bytes) -> Usage:
    """Counts of a whole response. Never raises."""
    try:
        (span,) = jsonspan.spans(body, (b"usage",))
    except ValueError:
        return Usage()
    return Usage() if span is None else usage_of(body[span[0] : span[1]])


def _count(source: object, *names: str) -> int | None:
    """The first of ``names`` in ``source`` that is a number of tokens; None if none is."""
    if not isinstance(source, dict):
        return None
    for name in names:
        value = source.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return int(min(value, MAX_TOKENS))
    return None
