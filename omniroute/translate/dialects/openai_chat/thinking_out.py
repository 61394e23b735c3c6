"""How much to reason, for an upstream: OpenAI's level, or the client's own words where it speaks the same dialect."""

from __future__ import annotations

from omniroute.translate.canonical import Thinking
from omniroute.translate.notes import Notes
from omniroute.translate.thinking import effort_of


def effort(thinking: Thinking | None, notes: Notes) -> str:
    """``reasoning_effort``; "" where the model decides."""
    if thinking is None:
        return ""
    if thinking.summary:
        notes.add("reasoning.summary", "dropped", "reasoning is shown or not, as the provider likes", info=True)
    match thinking.mode:
        case "off":
            return "none"
        case "budget":
            notes.add(thinking.at, "approximated", "a budget of thinking tokens becomes a level", info=True)
            return effort_of(thinking.budget)
        case "effort" | "adaptive":
            return thinking.effort


def own_words(thinking: Thinking | None) -> dict[str, object]:
    """The member a client of this dialect said it by, if not by OpenAI's: its provider may know no other."""
    if thinking is None or thinking.at == "reasoning_effort":
        return {}
    on = thinking.mode != "off"
    match thinking.at.partition(".")[0]:
        case "reasoning":
            return {"reasoning": _reasoning(thinking)}
        case "thinking":
            told: dict[str, object] = {"type": "enabled" if on else "disabled"}
            return {"thinking": told | ({"budget_tokens": thinking.budget} if thinking.budget else {})}
        case _:
            switch: dict[str, object] = {"enable_thinking": on}
            return switch | ({"thinking_budget": thinking.budget} if thinking.budget else {})


def _reasoning(thinking: Thinking) -> dict[str, object]:
    """OpenRouter's member."""
    told: dict[str, object] = {"enabled": thinking.mode != "off"}
    if thinking.effort:
        told = {"effort": thinking.effort}
    elif thinking.budget:
        told = {"max_tokens": thinking.budget}
    return told | ({"exclude": True} if thinking.show is False else {})
