"""How much a model is to reason: levels and budgets of one dialect in those of another (translation.md §11.8)."""

from __future__ import annotations

from typing import Final

from omniroute.domain import Quirks

LOW_BUDGET: Final = 2048
MEDIUM_BUDGET: Final = 16384
"""Largest budgets that are still called low and medium; beyond is high."""

MIN_BUDGET: Final = 1024
"""Anthropic's least: fewer tokens mean no thinking."""


def effort_of(budget: int) -> str:
    """The level a budget of tokens comes closest to."""
    if budget <= LOW_BUDGET:
        return "low"
    return "medium" if budget <= MEDIUM_BUDGET else "high"


def budget_of(effort: str, quirks: Quirks) -> int:
    """Tokens for a level. ``minimal`` counts as low, everything above high (and what nobody knows) as high."""
    low, medium, high = quirks.effort_budgets
    return {"minimal": low, "low": low, "medium": medium}.get(effort, high)
