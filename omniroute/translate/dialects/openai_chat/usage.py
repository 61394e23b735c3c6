"""Token counts, in the words of OpenAI and of those who speak its dialect (routing.md §15.4, translation.md §12.3)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Usage
from omniroute.translate.vendor_json import decode_vendor

MAX_TOKENS: Final = 10**12
"""More is a vendor's mistake; a ledger of 64-bit integers must be able to add it up."""


class _PlainInputs(msgspec.Struct, gc=False):
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    audio_tokens: int = 0


class _PlainOutputs(msgspec.Struct, gc=False):
    reasoning_tokens: int = 0
    audio_tokens: int = 0


class _Plain(msgspec.Struct, gc=False):
    """What OpenAI itself sends. The fields after the details are other vendors': their presence declines."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PlainInputs | None = None
    completion_tokens_details: _PlainOutputs | None = None
    prompt_cache_hit_tokens: object = None
    cache_read_input_tokens: object = None
    cache_creation_input_tokens: object = None


_plain_decoder: Final = msgspec.json.Decoder(_Plain)
_NO_INPUTS: Final = _PlainInputs()
_NO_OUTPUTS: Final = _PlainOutputs()


def usage_of(raw: bytes) -> Usage:
    """Counts of one ``usage`` object. Never raises: what cannot be read is 0; not ``known`` if nothing could be."""
    return _plain_usage_of(raw) or _lenient_usage_of(raw)


def _plain_usage_of(raw: bytes) -> Usage | None:
    """The same for usage in OpenAI's own words whose parts are within their wholes; None for anything else."""
    try:
        told = _plain_decoder.decode(raw)
    except msgspec.MsgspecError:
        return None
    inputs, outputs = told.prompt_tokens_details or _NO_INPUTS, told.completion_tokens_details or _NO_OUTPUTS
    prompt, completion = told.prompt_tokens, told.completion_tokens
    cached, written = inputs.cached_tokens, inputs.cache_write_tokens
    if (
        told.total_tokens != prompt + completion
        or not 0 <= cached <= cached + written <= prompt <= MAX_TOKENS
        or not 0 <= outputs.reasoning_tokens <= completion <= MAX_TOKENS
        or not (0 <= inputs.audio_tokens <= prompt and 0 <= outputs.audio_tokens <= completion)
        or told.prompt_cache_hit_tokens is not None
        or told.cache_read_input_tokens is not None
        or told.cache_creation_input_tokens is not None
    ):
        return None
    return Usage(
        prompt, cached, written, 0, completion, outputs.reasoning_tokens, inputs.audio_tokens, outputs.audio_tokens,
        True,
    )  # fmt: skip


def _lenient_usage_of(raw: bytes) -> Usage:
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
