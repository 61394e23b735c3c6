"""Whole answers for a client, written (translation.md §12.1)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.translate.canonical import (
    Candidate,
    ChatResponse,
    Image,
    Json,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_chat.answer_schema import (
    Annotation,
    Call,
    Choice,
    Completion,
    Custom,
    ExtraContent,
    Function,
    ImagePart,
    Message,
    annotation,
    image_part,
    probabilities,
    signature_content,
    text_literal,
)
from omniroute.translate.dialects.openai_chat.details import Entry, carries, entries_of
from omniroute.translate.dialects.openai_chat.finish import finish_word
from omniroute.translate.dialects.openai_chat.restore import Restorer, custom_input
from omniroute.translate.openai_bodies import write_usage

BLANK_LINE: Final = "\n\n"

_NEVER_NULL: Final = frozenset({"ollama"})
"""Dialects whose content is always a string."""

_encoder: Final = msgspec.json.Encoder()


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The body of ``response``: as many of its answers as the client asked for."""
    restorer = Restorer(context)
    wanted = [one for one in response.candidates if one.index < max(1, context.choices)]
    silent = "" if response.origin in _NEVER_NULL else None
    return _encoder.encode(
        Completion(
            restorer.answer_id(response.id),
            "chat.completion",
            response.created_epoch_s or context.created_epoch_s,
            response.model or context.model,
            tuple(_choice(candidate, restorer, silent) for candidate in sorted(wanted, key=_index)),
            write_usage(response.usage) if response.usage.known else None,
            restorer.tier(response.service_tier),
        )
    )


def _index(candidate: Candidate) -> int:
    return candidate.index


def _choice(candidate: Candidate, restorer: Restorer, silent: str | None) -> Choice:
    plain = _plain_text(candidate)
    if plain is not None:
        message = Message(role="assistant", content=plain, refusal=None)
        return Choice(candidate.index, message, finish_word(candidate.finish, legacy=False))
    return _put_together(candidate, restorer, silent)


def _plain_text(candidate: Candidate) -> str | None:
    """All that is said where that is one text and nothing about it, as in most answers; else None."""
    if len(candidate.blocks) != 1 or (candidate.finish is not None and candidate.finish.reason == "filter"):
        return None
    block = candidate.blocks[0]
    if not isinstance(block, Text) or block.citations or block.signature or block.logprobs:
        return None
    return block.text


def _put_together(candidate: Candidate, restorer: Restorer, silent: str | None) -> Choice:
    message = _Message(restorer, silent)
    for block in candidate.blocks:
        match block:
            case Text():
                message.say(block)
            case Reasoning():
                message.think(block)
            case ToolCall():
                message.call(block)
            case Refusal():
                message.refusals.append(block.text)
            case Image():
                message.show(block)
            case _:
                pass  # what only another vendor understands
    finish = candidate.finish
    if finish is not None and finish.reason == "filter" and finish.detail and message.silent:
        message.refusals.append(finish.detail)
    word = finish_word(finish, legacy=restorer.legacy and bool(message.calls))
    logprobs = b"[" + b",".join(message.probabilities) + b"]"
    return Choice(candidate.index, message.finished(), word, probabilities(logprobs) if message.probabilities else None)


class _Message:
    """An answer's message, put together block by block."""

    def __init__(self, restorer: Restorer, silent: str | None) -> None:
        """``silent``: the content where there is none."""
        self._restorer = restorer
        self._nothing = silent
        self._texts: list[str] = []
        self._chars = 0
        self._thoughts: list[str] = []
        self._details: list[Entry] = []
        self._blocks = 0
        self._notes: list[Annotation] = []
        self._images: list[ImagePart] = []
        self._extra: ExtraContent | None = None
        self.calls: list[Call] = []
        self.refusals: list[str] = []
        self.probabilities: list[Json] = []

    @property
    def silent(self) -> bool:
        """Nothing has been said yet."""
        return not (any(self._texts) or self._thoughts or self.calls or self.refusals)

    def say(self, block: Text) -> None:
        """More of the content."""
        piece = BLANK_LINE + block.text if block.apart and any(self._texts) else block.text
        start = self._chars + len(piece) - len(block.text)
        self._texts.append(piece)
        self._chars += len(piece)
        for citation in block.citations:
            note = annotation(citation, start, self._chars)
            if note is not None:
                self._notes.append(note)
        if block.signature:
            self._extra = signature_content(block.signature)
        if block.logprobs:
            self.probabilities.append(block.logprobs.strip()[1:-1])

    def think(self, block: Reasoning) -> None:
        """More of the reasoning."""
        if block.text:
            self._thoughts.append(block.text)
        if carries(block):
            self._details += entries_of(block, self._blocks)
        elif block.signature:
            self._extra = signature_content(block.signature)
        self._blocks += 1

    def call(self, block: ToolCall) -> None:
        """Another call."""
        name = self._restorer.tool(block.name)
        call_id = self._restorer.call_id(block.call_id)
        extra = signature_content(block.signature) if block.signature else None
        emulated = not block.custom and self._restorer.emulated(name)
        if block.custom or emulated:
            text = custom_input(block.arguments) if emulated else block.arguments
            self.calls.append(Call(call_id, "custom", custom=Custom(name, text_literal(text)), extra_content=extra))
        else:
            function = Function(name, text_literal(block.arguments or "{}"))
            self.calls.append(Call(call_id, "function", function=function, extra_content=extra))

    def show(self, block: Image) -> None:
        """A picture."""
        part = image_part(block)
        if part is not None:
            self._images.append(part)

    def finished(self) -> Message:
        """The whole message."""
        legacy = self.calls[0].function if self._restorer.legacy and self.calls else None
        return Message(
            role="assistant",
            content="".join(self._texts) if self._texts else self._nothing,
            refusal="".join(self.refusals) or None,
            tool_calls=() if legacy else tuple(self.calls),
            function_call=legacy,
            reasoning_content=BLANK_LINE.join(self._thoughts),
            reasoning_details=tuple(self._details),
            annotations=tuple(self._notes),
            images=tuple(self._images),
            extra_content=self._extra,
        )
