"""Whole answers: the text of each choice; reasoning and calls, which the dialect has no words for, are left out."""

from __future__ import annotations

import msgspec

from omniroute.errors import OmniRouteError
from omniroute.translate.canonical import Candidate, ChatResponse, Json, Refusal, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_completions.answer import (
    Choice,
    Completion,
    answer_id,
    echoed,
    finish_word,
    logprobs_of,
)
from omniroute.translate.openai_bodies import error_body, write_usage


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The body of ``response``: as many of its answers as the client asked for."""
    wanted = sorted((one for one in response.candidates if one.index < context.choices), key=lambda one: one.index)
    prompt = echoed(context)
    return msgspec.json.encode(
        Completion(
            answer_id(response.id, context),
            "text_completion",
            response.created_epoch_s or context.created_epoch_s,
            response.model or context.model,
            tuple(_choice(candidate, prompt) for candidate in wanted),
            write_usage(response.usage) if response.usage.known else None,
        )
    )


def error_event(error: OmniRouteError, _: str) -> bytes:
    """An error as the last event of a stream that had begun. No ``[DONE]`` follows: it must not look like a success."""
    return b"data: " + error_body(error, "") + b"\n\n"


def _choice(candidate: Candidate, prompt: str) -> Choice:
    said: list[str] = [prompt]
    probable: list[Json] = []
    for block in candidate.blocks:
        if isinstance(block, Text):
            said.append(f"\n\n{block.text}" if block.apart and any(said[1:]) else block.text)
            if block.logprobs:
                probable.append(block.logprobs.strip()[1:-1])
        elif isinstance(block, Refusal):
            said.append(block.text)
    logprobs = logprobs_of(b"[" + b",".join(probable) + b"]", len(prompt)) if probable else None
    return Choice("".join(said), candidate.index, logprobs, finish_word(candidate.finish))
