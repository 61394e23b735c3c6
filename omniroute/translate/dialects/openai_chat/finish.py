"""Finish reasons, read and written (translation.md §12.2)."""

from __future__ import annotations

from typing import Final

from omniroute.translate.canonical import Finish, FinishClass

_CLASSES: Final[dict[str, FinishClass]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
    # What servers that speak the dialect send beside OpenAI's words.
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "context_window",  # Mistral
    "tool_use": "tool",
    "insufficient_system_resource": "error",  # DeepSeek
    "error": "error",  # OpenRouter, Mistral
}

_WORDS: Final[dict[FinishClass, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_window": "length",
    "tool": "tool_calls",
    "filter": "content_filter",
    "pause": "stop",
    "error": "stop",  # never written: an error is one
}


def read_finish(word: str, *, called: bool, refused: bool) -> Finish:
    """What ``word`` means after an answer that ``called`` a tool or ``refused``. "" and unknown words are a stop."""
    reason = _CLASSES.get(word)
    unknown = reason is None
    if reason is None or reason == "stop":
        reason = "tool" if called else "filter" if refused else "stop"
    return Finish(reason=reason, raw=word, unknown=unknown)


def finish_word(finish: Finish | None, *, legacy: bool) -> str:
    """The dialect's word. ``legacy``: the client asked with ``functions``."""
    word = "stop" if finish is None else _WORDS[finish.reason]
    return "function_call" if legacy and word == "tool_calls" else word
