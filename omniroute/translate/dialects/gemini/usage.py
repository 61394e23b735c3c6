"""Token counts, read and written (translation.md §12.3).

Google counts thoughts beside the candidates, and what tools put into the prompt beside the prompt.
"""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Usage
from omniroute.translate.dialects.gemini.schema import Wire
from omniroute.translate.vendor_json import decode_vendor

MAX_TOKENS: Final = 10**12
"""More is a vendor's mistake; a ledger of 64-bit integers must be able to add it up."""


class _Plain(msgspec.Struct, gc=False, rename="camel"):
    """What Google itself sends of text, the greater part of all answers. Its members decline what is unusual."""

    prompt_token_count: int
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0


_AUDIO: Final = b'"AUDIO"'
_plain: Final = msgspec.json.Decoder(_Plain)


class UsageMetadata(Wire, frozen=True):
    """``usageMetadata`` as we write it."""

    prompt_token_count: int
    candidates_token_count: int
    total_token_count: int
    thoughts_token_count: int = 0
    cached_content_token_count: int = 0
    estimated: bool = False
    """Ours: the upstream told none."""


def usage_of(raw: bytes) -> Usage:
    """Counts of one ``usageMetadata``. Never raises; not ``known`` if it holds no count."""
    return (None if _AUDIO in raw else _plain_usage_of(raw)) or _lenient_usage_of(raw)


def _plain_usage_of(raw: bytes) -> Usage | None:
    """The same for counts that are all there and within each other; None for anything else."""
    try:
        told = _plain.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return None
    input_total = told.prompt_token_count + told.tool_use_prompt_token_count
    output_total = told.candidates_token_count + told.thoughts_token_count
    counts = (told.prompt_token_count, told.tool_use_prompt_token_count, told.candidates_token_count)
    if not (
        all(0 <= count <= MAX_TOKENS for count in counts)
        and 0 <= told.thoughts_token_count <= MAX_TOKENS
        and 0 <= told.cached_content_token_count <= input_total
    ):
        return None
    return Usage(
        input_total, told.cached_content_token_count, 0, 0, output_total, told.thoughts_token_count, known=True
    )


def _lenient_usage_of(raw: bytes) -> Usage:
    try:
        told = decode_vendor(raw)
    except ValueError:
        return Usage()
    if not isinstance(told, dict):
        return Usage()
    prompt, candidates = _count(told, "promptTokenCount"), _count(told, "candidatesTokenCount")
    thoughts, total = _count(told, "thoughtsTokenCount"), _count(told, "totalTokenCount")
    if prompt is None and candidates is None and total is None and thoughts is None:
        return Usage()
    tools = _count(told, "toolUsePromptTokenCount") or 0
    output_total = (candidates or 0) + (thoughts or 0)
    if prompt is None:
        prompt = max(0, (total or 0) - output_total - tools)
    input_total = prompt + tools
    return Usage(
        input_total=input_total,
        cache_read=min(_count(told, "cachedContentTokenCount") or 0, input_total),
        output_total=output_total,
        reasoning=thoughts or 0,
        audio_in=min(_of_modality(told, "promptTokensDetails"), input_total),
        audio_out=min(_of_modality(told, "candidatesTokensDetails"), output_total),
        known=True,
    )


def usage_of_body(body: bytes) -> Usage:
    """Counts of a whole answer, read without building it. Never raises."""
    try:
        (span,) = jsonspan.spans(body, (b"usageMetadata",))
    except ValueError:
        return Usage()
    return Usage() if span is None else usage_of(body[span[0] : span[1]])


def written(usage: Usage) -> UsageMetadata:
    """``usage`` in Google's members."""
    return UsageMetadata(
        prompt_token_count=usage.input_total,
        candidates_token_count=max(0, usage.output_total - usage.reasoning),
        total_token_count=usage.input_total + usage.output_total,
        thoughts_token_count=usage.reasoning,
        cached_content_token_count=usage.cache_read,
        estimated=not usage.known,
    )


def encoded(usage: Usage) -> msgspec.Raw:
    """The same as JSON text."""
    return msgspec.Raw(msgspec.json.encode(written(usage)))


def _of_modality(told: dict[str, object], name: str) -> int:
    """Tokens of sound in a list of counts by modality."""
    details = told.get(name)
    if not isinstance(details, list):
        return 0
    counts = (detail for detail in details if isinstance(detail, dict) and detail.get("modality") == "AUDIO")
    return sum(_count(detail, "tokenCount") or 0 for detail in counts)


def _count(source: dict[str, object], name: str) -> int | None:
    """A number of tokens, also one spelled as a string, as 64-bit counts are in Google's JSON; None if it is none."""
    value = source.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return int(min(value, MAX_TOKENS))
    return None
