"""Google's words beside ours: finish reasons, levels, tiers, the placeholder for signatures.

Source: google-genai 3.4.0, ``types.FinishReason``, ``BlockedReason``, ``ServiceTier``; translation.md §12.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from omniroute.translate.canonical import Finish, FinishClass

ORIGIN: Final = "gemini"

JSON_ARRAY: Final = "json_array"
"""``Peeked.variant`` of a stream without ``alt=sse``."""

NO_SIGNATURE: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""Google's documented stand-in for a thought signature nobody has: base64 of skip_thought_signature_validator."""

_FILTERS: Final = frozenset(
    {
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION",
        "PUP_LIMITED_DISABLED",
    }
)  # fmt: skip
_FAILURES: Final = frozenset(
    {
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "OTHER",
    }
)  # fmt: skip
"""Nothing produced: an error. Something produced: it stopped there."""

_WRITTEN: Final[Mapping[FinishClass, str]] = MappingProxyType(
    {
        "stop": "STOP", "stop_sequence": "STOP", "tool": "STOP", "pause": "STOP", "length": "MAX_TOKENS",
        "context_window": "MAX_TOKENS", "filter": "SAFETY", "error": "OTHER",
    }
)  # fmt: skip


def read_finish(word: str, message: str, *, produced: bool, called: bool) -> Finish:
    """What a candidate's ``finishReason`` means, given whether it said anything, and called a tool."""
    if word in _FAILURES and not produced:
        return Finish(reason="error", raw=word, detail=message)
    if word == "MAX_TOKENS":
        return Finish(reason="length", raw=word)
    if word in _FILTERS:
        return Finish(reason="filter", raw=word, detail=message)
    return Finish(reason="tool" if called else "stop", raw=word, unknown=word not in {"STOP", ""})


def blocked(reason: str) -> Finish:
    """The finish of an answer that was refused before it began."""
    return Finish(reason="filter", raw=reason, detail=f"The provider blocked the prompt: {reason}.")


def write_finish(finish: Finish) -> str:
    """The ``finishReason`` for a client."""
    if finish.reason == "filter" and finish.raw in _FILTERS:
        return finish.raw
    return _WRITTEN[finish.reason]


def is_finish_word(word: str) -> bool:
    """Whether a ``finishReason`` says anything."""
    return word not in {"", "FINISH_REASON_UNSPECIFIED"}


_TIERS: Final = {"standard": "default", "flex": "flex", "priority": "priority"}


def read_tier(word: str) -> str:
    """Google's service tier in OpenAI's word; unknown ones as they are."""
    return _TIERS.get(word.lower(), word.lower())


def write_tier(word: str) -> str | None:
    """OpenAI's service tier in Google's word; None if it has none."""
    return next((google for google, openai in _TIERS.items() if openai == word), None)
