"""Sampling, thinking, formats and the rest of a request's settings, in Anthropic's words (translation.md §11.1)."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, Json, Thinking
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.fields import field
from omniroute.translate.members import member, word
from omniroute.translate.notes import Notes
from omniroute.translate.schema_subset import from_openapi
from omniroute.translate.thinking import MIN_BUDGET, budget_of, effort_of

_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_LEAST_TOP_P: Final = 0.95
"""With thinking."""

# What Anthropic has no parameter for; the second ones are not expected to change an answer.
_UNKNOWN: Final = (
    "seed", "presence", "frequency", "logit_bias", "logprobs", "top_logprobs", "verbosity", "cache_retention",
)  # fmt: skip
_HARMLESS: Final = ("cache_key", "store")
_NOT_HERE: Final = (*_UNKNOWN, *_HARMLESS)
_values: Final[attrgetter[tuple[object, ...]]] = attrgetter(*_NOT_HERE)


class ThinkingOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """``thinking``."""

    type: str
    budget_tokens: int | None = None
    display: str = ""


class FormatOut(msgspec.Struct, frozen=True, tag="json_schema", tag_field="type"):
    """``output_config.format``."""

    schema: Raw


class OutputConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """``output_config``."""

    effort: str = ""
    format: FormatOut | None = None


class Metadata(msgspec.Struct, frozen=True):
    """``metadata``."""

    user_id: str


class Sampling(msgspec.Struct, frozen=True):
    """What of the sampling parameters is sent."""

    temperature: Raw | None
    top_p: Raw | None
    top_k: Raw | None


def write_sampling(request: ChatRequest, quirks: Quirks, notes: Notes, *, thinks: bool) -> Sampling:
    """Temperature and its like, as far as the model takes them; ``thinks``: it takes few while it thinks."""
    kept: list[Raw | None] = []
    for name, asked in (("temperature", request.temperature), ("top_p", request.top_p), ("top_k", request.top_k)):
        value = asked
        if value is None:
            pass
        elif not quirks.anthropic_sampling:
            notes.add(field(request, name), "dropped", "the model takes no sampling parameters")
            value = None
        elif thinks and not _goes_with_thinking(name, value):
            notes.add(field(request, name), "dropped", "it cannot be set while the model thinks")
            value = None
        elif name == "temperature" and float(value) > 1:
            notes.add(field(request, name), "approximated", "1 is the highest Anthropic takes")
            value = b"1"
        kept.append(None if value is None else Raw(value))
    return Sampling(*kept)


def write_thinking(
    request: ChatRequest, quirks: Quirks, notes: Notes, *, limit: int, forced: bool, resumed: bool
) -> tuple[ThinkingOut | None, str]:
    """``thinking`` and ``output_config.effort``.

    ``forced``: a tool must be called; ``resumed``: the last calls were made without thinking.
    """
    told = request.thinking
    if told is None:
        return None, ""
    if told.mode == "off":
        return ThinkingOut("disabled"), ""
    if told.mode == "effort" and request.origin == ORIGIN:
        return None, told.effort  # Anthropic's own clients may ask for effort without thinking
    adaptive = quirks.anthropic_thinking == "adaptive"
    if forced or (resumed and not adaptive):
        reason = "a tool that must be called" if forced else "going on after calls that were made without it"
        notes.add(told.at, "dropped", f"thinking cannot be combined with {reason}")
        return None, ""
    display = "omitted" if told.show is False else ""
    if adaptive:
        return ThinkingOut("adaptive", display=display), _effort(told, notes)
    budget = _budget(told, quirks, notes, limit)
    return (None if budget is None else ThinkingOut("enabled", budget, display)), ""


def write_format(request: ChatRequest, notes: Notes) -> FormatOut | None:
    """``output_config.format``, for answers that follow a schema."""
    told = request.format
    if told is None or told.kind != "json_schema" or not told.schema:
        return None
    if told.strict is False:
        notes.add(told.at, "approximated", "a schema is always followed strictly", info=True)
    return FormatOut(Raw(from_openapi(told.schema, told.at) if told.openapi else told.schema))


def write_user(request: ChatRequest) -> Metadata | None:
    """``metadata``: whose request it is."""
    user = request.user or (word(member(request.metadata, b"user_id")) if request.metadata else "")
    return Metadata(user) if user else None


def write_tier(request: ChatRequest, notes: Notes) -> str:
    """``service_tier``."""
    tier = _TIERS.get(request.service_tier, request.service_tier if request.origin == ORIGIN else "")
    if request.service_tier and not tier:
        notes.add(field(request, "service_tier"), "dropped", "Anthropic has no such tier")
    return tier


def note_dropped(request: ChatRequest, notes: Notes) -> None:
    """Note every setting Anthropic has no place for."""
    for name, value in zip(_NOT_HERE, _values(request), strict=True):
        if value is not None and value is not False and value != "":
            notes.add(field(request, name), "dropped", "Anthropic has no such parameter", info=name in _HARMLESS)
    if request.choices is not None and request.choices > 1:
        notes.add(field(request, "choices"), "dropped", "Anthropic gives one answer")
    if request.metadata is not None and not word(member(request.metadata, b"user_id")):
        notes.add(field(request, "metadata"), "dropped", "Anthropic takes a user's id only", info=True)
    if any(not stop.strip() for stop in request.stop):
        notes.add(request.stop_at, "dropped", "stop sequences of white space only are refused")


def _goes_with_thinking(name: str, value: Json) -> bool:
    if name == "temperature":
        return float(value) == 1
    return name == "top_p" and float(value) >= _LEAST_TOP_P


def _effort(told: Thinking, notes: Notes) -> str:
    if told.mode == "budget":
        notes.add(told.at, "approximated", "the model takes a level, not a budget")
        return effort_of(told.budget)
    return "low" if told.effort == "minimal" else told.effort


def _budget(told: Thinking, quirks: Quirks, notes: Notes, limit: int) -> int | None:
    """Thinking tokens: less than the whole answer's limit; None where that leaves too few."""
    if told.mode == "adaptive":
        notes.add(told.at, "approximated", "the model takes a budget")
    budget = told.budget if told.mode == "budget" else budget_of(told.effort or "medium", quirks)
    if min(budget, limit - 1) < MIN_BUDGET:
        notes.add(told.at, "dropped", f"the model thinks with {MIN_BUDGET} tokens or not at all")
        return None
    if budget >= limit:
        notes.add(told.at, "approximated", "thinking must leave room for the answer")
        return limit - 1
    return budget
