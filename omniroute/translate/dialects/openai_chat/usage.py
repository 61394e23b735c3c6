"""Token counts, in the words of OpenAI and of those who speak its dialect (routing.md §15.4, translation.md §12.3)."""

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
    inputs, outputs = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    total = _count(usage, "total_tokens")
    input_total = _count(usage, "prompt_tokens", "input_tokens")
    output_total = _count(usage, "completion_tokens", "output_tokens")
    if input_total is None and output_total is None and total is None:
        return Usage()
    if input_total is None:
        input_total = max(0, (total or 0) - (output_total or 0))
    if output_total is None:
        output_total = max(0, (total or 0) - input_total)
    reasoning = _count(outputs, "reasoning_tokens") or 0
    if reasoning and total == input_total + output_total + reasoning:
        output_total += reasoning  # xAI counts reasoning beside the completion [rec]
    cache_read = _count(inputs, "cached_tokens")
    if cache_read is None:
        cache_read = _count(usage, "prompt_cache_hit_tokens", "cache_read_input_tokens") or 0  # DeepSeek; some relays
    cache_write = _count(inputs, "cache_write_tokens")
    if cache_write is None:
        cache_write = _count(usage, "cache_creation_input_tokens") or 0
    # A part is never more than its whole, whatever a vendor adds up [rec: OpenRouter told 11 of 10 tokens as
    # reasoning].
    cache_read = min(cache_read, input_total)
    return Usage(
        input_total=input_total,
        cache_read=cache_read,
        cache_write_5m=min(cache_write, input_total - cache_read),
        output_total=output_total,
        reasoning=min(reasoning, output_total),
        audio_in=min(_count(inputs, "audio_tokens") or 0, input_total),
        audio_out=min(_count(outputs, "audio_tokens") or 0, output_total),
        known=True,
    )


def usage_of_body(body: bytes) -> Usage:
    """Counts of a whole response: its ``usage``, or Groq's ``x_groq.usage``."""
    try:
        usage, groq = jsonspan.spans(body, (b"usage", b"x_groq"))
        if usage is None or body[usage[0]] != ord("{"):
            if groq is None:
                return Usage()
            inner = body[groq[0] : groq[1]]
            (usage,) = jsonspan.spans(inner, (b"usage",))
            return Usage() if usage is None else usage_of(inner[usage[0] : usage[1]])
    except ValueError:
        return Usage()
    return usage_of(body[usage[0] : usage[1]])


def _count(source: object, *names: str) -> int | None:
    """The first of ``names`` in ``source`` that is a number of tokens, however it is spelled; None if none is."""
    if not isinstance(source, dict):
        return None
    for name in names:
        value = source.get(name)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return int(min(value, MAX_TOKENS))
    return None
