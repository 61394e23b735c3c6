"""How much Gemini is to think: levels in generation 3, budgets in 2.5 (translation.md §11.8)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, Thinking
from omniroute.translate.dialects.gemini.schema import ThinkingConfig
from omniroute.translate.dialects.gemini.words import ORIGIN
from omniroute.translate.notes import Notes
from omniroute.translate.thinking import budget_of, effort_of

_LEVELS: Final[Mapping[str, str]] = MappingProxyType(
    {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH", "max": "XHIGH"}
)
# Source: ai.google.dev/gemini-api/docs/thinking, budgets by model: Pro 128..32768 and never off; Flash 0..24576.
_PRO_LEAST: Final = 128
_PRO_MOST: Final = 32_768
_FLASH_MOST: Final = 24_576
_FLASH: Final = "flash"


def thinking_config(request: ChatRequest, quirks: Quirks, notes: Notes) -> ThinkingConfig | None:
    """What the request says of thinking, in the words of its model's generation; None if it says nothing."""
    thinking = request.thinking
    if thinking is None:
        return None
    if thinking.summary not in {"", "auto"}:
        notes.add(thinking.at, "approximated", "Gemini has one kind of summary", info=True)
    # Elsewhere thoughts are shown unless a client says otherwise; Google's own clients have to ask.
    show = True if thinking.show is None and request.origin != ORIGIN else thinking.show
    if thinking.mode == "off" or thinking.effort == "none":
        return _off(thinking, request.model, quirks, notes)
    if quirks.gemini_thinking == "level":
        return ThinkingConfig(thinking_level=_level(thinking, notes), include_thoughts=show)
    if thinking.mode == "adaptive":
        return ThinkingConfig(thinking_budget=-1, include_thoughts=show)
    wanted = thinking.budget if thinking.mode == "budget" else budget_of(thinking.effort, quirks)
    most = _FLASH_MOST if _FLASH in request.model else _PRO_MOST
    if wanted > most and thinking.mode == "budget":
        notes.add(thinking.at, "approximated", f"the model thinks for {most} tokens at most")
    return ThinkingConfig(thinking_budget=min(wanted, most), include_thoughts=show)


def _off(thinking: Thinking, model: str, quirks: Quirks, notes: Notes) -> ThinkingConfig:
    if quirks.gemini_thinking == "budget":
        if "2.5-pro" not in model:
            return ThinkingConfig(thinking_budget=0)
        notes.add(thinking.at, "approximated", "the model cannot stop thinking; it gets its least budget")
        return ThinkingConfig(thinking_budget=_PRO_LEAST)
    notes.add(thinking.at, "approximated", "the model cannot stop thinking; it gets its lowest level")
    return ThinkingConfig(thinking_level="MINIMAL" if _FLASH in model else "LOW")


def _level(thinking: Thinking, notes: Notes) -> str | None:
    if thinking.mode == "budget":
        notes.add(thinking.at, "approximated", "the model takes levels, not budgets")
        return _LEVELS[effort_of(thinking.budget)]
    if not thinking.effort:
        return None
    return _LEVELS.get(thinking.effort, thinking.effort.upper())
