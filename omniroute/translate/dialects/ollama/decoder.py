"""Ollama's stream as stream events (translation.md §13.1, O): thinking, content, whole tool calls, the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute._speedups import ANY, EMPTY, FALSE, TEXT
from omniroute.domain import Quirks
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import Image, Inline
from omniroute.translate.dialects.ollama.schema import Told
from omniroute.translate.dialects.ollama.told import (
    calls_of,
    created_of,
    finish_of,
    images_of,
    is_null,
    logprobs_of,
    message_of,
    read_line,
    text_of,
    usage_of,
)
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
from omniroute.translate.media import picture_type
from omniroute.translate.stream import Hot
from omniroute.translate.upstream_errors import read_stream_error

_ENVELOPE: Final = {"model": ANY, "created_at": ANY, "done": FALSE, "remote_model": ANY, "remote_host": ANY}
_NOTHING_ELSE: Final = {"role": ANY, "images": EMPTY, "tool_calls": EMPTY}

SHAPES: Final = (
    _ENVELOPE | {"message": _NOTHING_ELSE | {"content": TEXT, "thinking": EMPTY}},
    _ENVELOPE | {"message": _NOTHING_ELSE | {"content": EMPTY, "thinking": TEXT}},
    _ENVELOPE | {"response": TEXT, "thinking": EMPTY},
    _ENVELOPE | {"response": EMPTY, "thinking": TEXT},
)
"""Text and thinking of ``/api/chat``, then of ``/api/generate``."""

_TEXT: Final = 0
_THINKING: Final = 1
_GENERATE: Final = 2


class Decoder:
    """One stream. A StreamDecoder."""

    ending = 0
    """Finishes are told at once."""

    __slots__ = ("_block", "_blocks", "_called", "_ended", "_generate", "_kind", "_started")

    def __init__(self, quirks: Quirks) -> None:
        del quirks  # Ollama servers differ in what they leave out, and that is seen
        self._started = False
        self._ended = False
        self._called = False
        self._generate = False
        """Lines have the shape of ``/api/generate``."""
        self._blocks = 0
        self._block = -1
        """The open block, -1 if there is none."""
        self._kind: BlockKind = "text"

    def decode(self, name: bytes, data: bytes) -> Iterator[StreamEvent]:
        """What one line says."""
        del name  # NDJSON has none
        told = None if self._ended else read_line(data)
        if told is None:
            return
        if not is_null(told.error):
            self._ended = True
            yield Failure(read_stream_error(bytes(told.error)))
            return
        if not self._started:
            self._started = True
            self._generate = not is_null(told.response)
            yield Start(model=jsontext.unescaped(text_of(told.model)), created_epoch_s=created_of(told))
        yield from self._said(told)
        if bytes(told.done) == b"true":
            yield from self._close()
            yield Report(usage_of(told))
            yield Finish(0, finish_of(told, called=self._called))
            self._ended = True
            yield End()

    def finish(self) -> Iterator[StreamEvent]:
        """The end of the input is a failure unless a line said ``done``."""
        if not self._ended:
            self._ended = True
            yield Failure(
                UpstreamError(
                    "The provider's stream ended before its last line.",
                    error_class="truncated",
                    answered=True,
                    kind="upstream_incomplete",
                    code="upstream_stream_incomplete",
                )
            )

    def hot(self) -> Iterator[Hot]:
        """More of the open block."""
        if self._block >= 0 and not self._ended:
            shape = _TEXT if self._kind == "text" else _THINKING
            yield Hot(shape + (_GENERATE if self._generate else 0), 0, 0, self._block)

    def caught(self, block: int, deltas: int, stash: bytes) -> None:
        """Nothing of it matters to later lines."""

    def _said(self, told: Told) -> Iterator[StreamEvent]:
        message = message_of(told)
        thinking, content = text_of(message.thinking), text_of(message.content)
        if thinking:
            yield from self._open("reasoning")
            yield Delta(0, self._block, thinking)
        if content:
            yield from self._open("text")
            yield Delta(0, self._block, content)
        probabilities = logprobs_of(told)
        if probabilities and self._block >= 0 and self._kind == "text":
            yield Probabilities(0, self._block, probabilities)
        for image in images_of(told, message):
            yield from self._close()
            source = Inline(picture_type(image) or "image/png", image)
            yield Whole(block=self._next(), value=Image(source=source))
        for call in calls_of(message):
            yield from self._close()
            block = self._next()
            self._called = True
            yield Open(block=block, kind="tool", call_id=call.call_id, name=call.name)
            yield Delta(0, block, call.arguments)
            yield Close(0, block)

    def _open(self, kind: BlockKind) -> Iterator[StreamEvent]:
        """Make an open block of ``kind``."""
        if self._block >= 0 and self._kind == kind:
            return
        yield from self._close()
        self._block, self._kind = self._next(), kind
        yield Open(block=self._block, kind=kind)

    def _close(self) -> Iterator[StreamEvent]:
        if self._block >= 0:
            yield Close(0, self._block)
            self._block = -1

    def _next(self) -> int:
        self._blocks += 1
        return self._blocks - 1
