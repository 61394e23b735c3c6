"""Answers as they are written: ``text_completion`` objects, whole and as chunks."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from omniroute.translate.canonical import ChatRequest, Finish, FinishClass, Json, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_completions.request_in import ECHO
from omniroute.translate.members import items, member, members, word
from omniroute.translate.openai_bodies import UsageBody

_WORDS: Final[dict[FinishClass, Literal["stop", "length", "content_filter"]]] = {
    "length": "length",
    "context_window": "length",
    "filter": "content_filter",
}
_PREFIX: Final = "cmpl-"
MAX_TOKENS: Final = 1_000_000
"""Of which one answer's probabilities are told."""
MAX_ALTERNATIVES: Final = 64


class Logprobs(msgspec.Struct, frozen=True):
    """Log probabilities, token by token. ``text_offset`` counts characters of the choice's text."""

    tokens: list[str]
    token_logprobs: list[msgspec.Raw]
    top_logprobs: list[dict[str, msgspec.Raw]]
    text_offset: list[int]


class Choice(msgspec.Struct, frozen=True):
    """One of ``choices``."""

    text: str
    index: int
    logprobs: Logprobs | None
    finish_reason: str | None


class Completion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole answer, or one chunk of it."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: UsageBody | None = None


def answer_id(given: str, context: AnswerContext) -> str:
    """The upstream's id if it has the dialect's shape, else one of ours."""
    return given if given.startswith(_PREFIX) else _PREFIX + context.attempt_id


def finish_word(finish: Finish | None) -> str:
    """The dialect's word: it has no tools, and nothing but text to refuse with."""
    return "stop" if finish is None else _WORDS.get(finish.reason, "stop")


def echoed(context: AnswerContext) -> str:
    """What the text begins with: the prompt, if the client asked for that."""
    return _prompt_of(context.request) if context.variant == ECHO and context.request is not None else ""


def logprobs_of(content: Json, offset: int) -> Logprobs:
    """Chat's list of log probabilities in this dialect's columns; ``offset``: characters before its first token."""
    found = Logprobs([], [], [], [])
    for entry in items(content, MAX_TOKENS):
        token, probability, others = members(entry, (b"token", b"logprob", b"top_logprobs"))
        told = word(token)
        found.tokens.append(told)
        found.token_logprobs.append(msgspec.Raw(probability or b"null"))
        alternatives = items(others, MAX_ALTERNATIVES)
        found.top_logprobs.append(
            {word(member(one, b"token")): msgspec.Raw(member(one, b"logprob") or b"null") for one in alternatives}
        )
        found.text_offset.append(offset)
        offset += len(told)
    return found


def _prompt_of(request: ChatRequest) -> str:
    return "".join(block.text for turn in request.turns for block in turn.blocks if isinstance(block, Text))
