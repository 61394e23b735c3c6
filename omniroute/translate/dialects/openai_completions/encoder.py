"""Streams: ``text_completion`` chunks of a choice's text (recording legacy-completions)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.domain import Usage
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.canonical import Refusal, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_completions.answer import answer_id, echoed, finish_word, logprobs_of
from omniroute.translate.dialects.openai_completions.answer_out import error_event
from omniroute.translate.events import (
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
from omniroute.translate.jsontext import escaped, literal, unescaped
from omniroute.translate.openai_bodies import write_usage
from omniroute.translate.stream import Frame

_SAID: Final = frozenset({"text", "refusal"})
"""Kinds of blocks that are the choice's text; the dialect has no words for the others."""
_BLANK_LINE: Final = rb"\n\n"
_IGNORED: Final = Frame(b"", b"", silent=True)


class CompletionsEncoder:
    """One stream, written."""

    __slots__ = (
        "_chars", "_context", "_counts", "_head", "_open", "_owed", "_probable", "_spoke", "_spoken", "_tail", "_usage",
        "sequence",
    )  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.sequence = 0
        self._context = context
        self._head = b""
        self._tail = b"}]" + (b',"usage":null' if context.include_usage else b"") + b"}\n\n"
        self._usage = Usage()
        self._open: dict[int, int] = {}
        """Blocks of text, and the choice each belongs to."""
        self._owed: set[int] = set()
        """Blocks that are set off by a blank line."""
        self._spoke: set[int] = set()
        """Open blocks that have text."""
        self._spoken: set[int] = set()
        """Choices that have text."""
        self._chars: dict[int, int] = {}
        """Of each choice that has begun, the characters of its text so far (counted where offsets are asked for)."""
        self._probable: dict[int, int] = {}
        """Of each choice, the characters whose probabilities have been told."""
        self._counts = context.request is None or context.request.logprobs is not None

    def encode(self, event: StreamEvent) -> bytes:
        """The chunks for one event."""
        match event:
            case Start():
                return self._started(event)
            case Open():
                return self._opened(event)
            case Delta():
                return self._said(event.block, event.text)
            case Whole():
                return self._whole(event)
            case Probabilities() | Close():
                return self._beside(event)
            case _:
                return self._over(event)

    def frame(self, block: int) -> Frame | None:
        """Around text."""
        choice = self._open.get(block)
        if choice is None:
            return _IGNORED
        if block not in self._spoke:
            return None  # the first text of a block always comes by ``encode``: from then on there is some
        head, tail = self._around(choice)
        return Frame(head, tail, keep=self._counts)

    def caught(self, block: int, text: bytes) -> None:
        """Count its characters."""
        choice = self._open.get(block)
        if choice is not None:
            self._chars[choice] += len(unescaped(text))

    # -- inner ---------------------------------------------------------------------------------------------------------
    def _started(self, event: Start) -> bytes:
        if self._head:
            return b""
        context = self._context
        self._head = b'data: {"id":%b,"object":"text_completion","created":%d,"model":%b,"choices":[' % (
            literal(answer_id(event.id, context)),
            event.created_epoch_s or context.created_epoch_s,
            literal(event.model or context.model),
        )
        return self._begun(0)

    def _begun(self, choice: int) -> bytes:
        """What a choice begins with: the prompt, if it is to be repeated."""
        begun = b"" if self._head else self._started(Start())
        if choice in self._chars:
            return begun
        prompt = echoed(self._context)
        self._chars[choice] = self._probable[choice] = len(prompt)
        return begun + (self._chunk(choice, escaped(prompt)) if prompt else b"")

    def _around(self, choice: int) -> tuple[bytes, bytes]:
        tail = b'","index":%d,"logprobs":null,"finish_reason":null' % choice
        return self._head + b'{"text":"', tail + self._tail

    def _chunk(self, choice: int, text: bytes) -> bytes:
        head, tail = self._around(choice)
        return head + text + tail

    def _opened(self, event: Open) -> bytes:
        if event.choice >= self._context.choices or event.kind not in _SAID:
            return b""
        begun = self._begun(event.choice)
        self._open[event.block] = event.choice
        if event.apart and event.choice in self._spoken:
            self._owed.add(event.block)
        return begun

    def _said(self, block: int, text: bytes) -> bytes:
        choice = self._open.get(block)
        if choice is None:
            return b""
        if block in self._owed:
            self._owed.discard(block)
            text = _BLANK_LINE + text
        self._spoke.add(block)
        self._spoken.add(choice)
        if self._counts:
            self._chars[choice] += len(unescaped(text))
        return self._chunk(choice, text)

    def _beside(self, event: Probabilities | Close) -> bytes:
        if isinstance(event, Probabilities):
            return self._probabilities(event)
        self._open.pop(event.block, None)
        self._spoke.discard(event.block)
        return b""

    def _probabilities(self, event: Probabilities) -> bytes:
        """A chunk without text: the text it is about has been sent."""
        choice = self._open.get(event.block)
        if choice is None:
            return b""
        found = logprobs_of(event.content, self._probable[choice])
        self._probable[choice] += sum(map(len, found.tokens))
        told = msgspec.json.encode(found)
        choice_tail = b'"index":%d,"logprobs":%b,"finish_reason":null' % (choice, told)
        return self._head + b'{"text":"",' + choice_tail + self._tail

    def _whole(self, event: Whole) -> bytes:
        if not isinstance(event.value, Text | Refusal) or not event.value.text:
            return b""
        opened = self.encode(Open(choice=event.choice, block=event.block, kind="text"))
        said = self.encode(Delta(event.choice, event.block, escaped(event.value.text)))
        return opened + said + self.encode(Close(event.choice, event.block))

    def _over(self, event: StreamEvent) -> bytes:
        match event:
            case Report():
                self._usage = event.usage
            case Finish():
                return self._finished(event.choice, event.finish)
            case Failure():
                return error_event(event.error, self._context.request_id)
            case End():
                return self._ended()
            case _:
                pass  # signatures and citations have no place here
        return b""

    def _finished(self, choice: int, finish: FinishReason) -> bytes:
        if choice >= self._context.choices:
            return b""
        begun = self._begun(choice)
        reason = literal(finish_word(finish))
        tail = b'"index":%d,"logprobs":null,"finish_reason":%b' % (choice, reason)
        return begun + self._head + b'{"text":"",' + tail + self._tail

    def _ended(self) -> bytes:
        out = b""
        if self._context.include_usage:
            begun = b"" if self._head else self._started(Start())
            out = begun + self._head + b'],"usage":%b}\n\n' % msgspec.json.encode(write_usage(self._usage))
        return out + b"data: [DONE]\n\n"
