"""Stream events as Ollama's lines (translation.md §13.3, O): text at once, calls whole, one line that is done."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.domain import Usage
from omniroute.translate import jsontext
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.canonical import Image, Inline, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.ollama.answer import call_of, done_reason, durations, said, timestamp
from omniroute.translate.dialects.ollama.errors import error_event
from omniroute.translate.dialects.ollama.peek import GENERATE
from omniroute.translate.dialects.ollama.schema import Call, Line
from omniroute.translate.events import (
    BlockKind,
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.stream import Frame

_KEPT: Final = Frame(b"", b"", keep=True, silent=True)
"""Arguments go out as one object, when they are complete."""
_BLANK_LINE: Final = rb"\n\n"
"""Between two texts that are not one: escaped."""
_END_LINE: Final = b"\n"


class Encoder:
    """One stream. A StreamEncoder; choices beyond the first are left out, an Ollama answer has but one."""

    __slots__ = (
        "_arguments", "_begun", "_calls", "_context", "_created_at", "_finish", "_first_ns", "_kinds", "_model",
        "_open", "_usage", "sequence",
    )  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.sequence = 0
        self._context = context
        self._model = context.model
        self._created_at = timestamp(context.created_epoch_s)
        self._open: dict[int, Open] = {}
        self._arguments: dict[int, bytearray] = {}
        self._calls = 0
        self._finish: FinishReason | None = None
        self._usage = Usage()
        self._first_ns: int | None = None
        self._begun: set[int] = set()
        """Open blocks of which something was said."""
        self._kinds: set[BlockKind] = set()
        """What was said so far, in any block."""

    def encode(self, event: StreamEvent) -> bytes:
        """The lines for one event."""
        line = b""
        match event:
            case Delta(choice=0):
                line = self._delta(event)
            case Close(choice=0):
                line = self._close(event.block)
            case Probabilities(choice=0):
                line = self._line(b"", logprobs=event.content)
            case Whole(choice=0):
                line = self._whole(event)
            case Failure():
                line = error_event(event.error, self._context.request_id)
            case End():
                line = self._done()
            case _:
                self._learn(event)
        return line

    def frame(self, block: int) -> Frame | None:
        """The line around more text of ``block``."""
        opened = self._open.get(block)
        if opened is None:
            return None
        if opened.kind == "tool":
            return _KEPT
        if block not in self._begun:
            return None  # the first delta of a block may need a blank line before it
        mark = b"\0"
        head, _, tail = self._text_line(mark, thinking=opened.kind == "reasoning").partition(mark)
        return Frame(head, tail)

    def caught(self, block: int, text: bytes) -> None:
        """More arguments."""
        if block in self._arguments:
            self._arguments[block] += text

    def _learn(self, event: StreamEvent) -> None:
        """Remember what is said later, or in other lines."""
        match event:
            case Start():
                self._model = event.model or self._model
                self._usage = event.usage or self._usage
            case Open(choice=0):
                self._open[event.block] = event
                if event.kind == "tool":
                    self._arguments[event.block] = bytearray()
            case Report():
                self._usage = event.usage
            case Finish(choice=0):
                self._finish = event.finish
            case _:
                pass  # signatures and sources have no place, other choices neither

    def _delta(self, event: Delta) -> bytes:
        opened = self._open.get(event.block)
        if opened is None:
            return b""
        self._spoken()
        if opened.kind == "tool":
            self._arguments[event.block] += event.text
            return b""
        thinking = opened.kind == "reasoning"
        text = event.text
        if event.block not in self._begun:
            self._begun.add(event.block)
            if opened.kind in self._kinds and (opened.apart or thinking):
                text = _BLANK_LINE + text
            self._kinds.add(opened.kind)
        return self._text_line(text, thinking=thinking)

    def _close(self, block: int) -> bytes:
        opened = self._open.pop(block, None)
        self._begun.discard(block)
        if opened is None or opened.kind != "tool":
            return b""
        arguments = jsontext.unescaped(bytes(self._arguments.pop(block)))
        call = call_of(
            self._context,
            self._calls,
            call_id=opened.call_id,
            name=opened.name,
            arguments=arguments,
            custom=opened.custom,
        )
        self._calls += 1
        return self._line(b"", calls=(call,))

    def _whole(self, event: Whole) -> bytes:
        match event.value:
            case Image(source=Inline() as source):
                return self._line(b"", images=(source.data,))
            case Text(text=text) if text:
                return self._text_line(jsontext.escaped(text), thinking=False)
            case _:
                return b""  # what no client of Ollama could read

    def _text_line(self, text: bytes, *, thinking: bool) -> bytes:
        return self._line(b"", thinking=text) if thinking else self._line(text)

    def _line(
        self,
        text: bytes,
        *,
        thinking: bytes = b"",
        calls: tuple[Call, ...] = (),
        images: tuple[str, ...] = (),
        logprobs: bytes = b"",
    ) -> bytes:
        """One line that is not the last."""
        self._spoken()
        line = Line(model=self._model, created_at=self._created_at, done=False)
        generate = self._context.variant == GENERATE
        line = said(line, text, thinking=thinking, calls=calls, images=images, generate=generate)
        if logprobs:
            line = msgspec.structs.replace(line, logprobs=msgspec.Raw(logprobs))
        return msgspec.json.encode(line) + _END_LINE

    def _done(self) -> bytes:
        now_ns = self._context.elapsed_ns()
        line = Line(model=self._model, created_at=self._created_at, done=True, done_reason=done_reason(self._finish))
        line = durations(
            line, self._usage, total_ns=now_ns, prompt_ns=now_ns if self._first_ns is None else self._first_ns
        )
        # Why nothing was said has no member of its own, and an empty answer would not tell.
        unsaid = self._first_ns is None and self._finish is not None and self._finish.reason == "filter"
        text = jsontext.escaped(self._finish.detail) if unsaid and self._finish is not None else b""
        line = said(line, text, generate=self._context.variant == GENERATE)
        return msgspec.json.encode(line) + _END_LINE

    def _spoken(self) -> None:
        """The first word of the answer: what went before counts as reading the prompt."""
        if self._first_ns is None:
            self._first_ns = self._context.elapsed_ns()
