"""Stream events for a Gemini client (translation.md §13.3, G).

Text and thoughts go out at once; a call when it is complete, and not before the next thing is said: the last object of
a stream holds the last calls, the reasons why the candidates stopped, and the counts. With ``alt=sse`` objects are
events, else elements of one JSON array.
"""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from omniroute.domain import Usage
from omniroute.translate import jsontext
from omniroute.translate.canonical import Citation, Json, ToolCall
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.gemini.answer import WireCandidate
from omniroute.translate.dialects.gemini.errors import error_body
from omniroute.translate.dialects.gemini.parts_out import call_part, logprobs_result, parts_of, sources_of
from omniroute.translate.dialects.gemini.schema import NOTHING, Content, Part, Wire
from omniroute.translate.dialects.gemini.usage import UsageMetadata, written
from omniroute.translate.dialects.gemini.words import JSON_ARRAY, ORIGIN, write_finish
from omniroute.translate.events import (
    Cite,
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.stream import Frame

_SILENT: Final = Frame(b"", b"", keep=True, silent=True)
_END: Final = b"\r\n"
_SSE: Final = b"data: "


class _Object(Wire, frozen=True, kw_only=True):
    """One object of a stream."""

    candidates: list[WireCandidate] | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str
    response_id: str


class _Held:
    """What a candidate has to say with the next object."""

    __slots__ = ("citations", "finish", "logprobs", "parts")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.citations: list[Citation] = []
        self.logprobs: Json = b""
        self.finish: FinishReason | None = None


class _Call:
    """A call in the making."""

    __slots__ = ("arguments", "opening", "signature")

    def __init__(self, opening: Open) -> None:
        self.opening = opening
        self.arguments: list[bytes] = []
        self.signature = opening.signature


class Encoder:
    """One stream. A StreamEncoder."""

    __slots__ = (
        "_array", "_calls", "_context", "_elements", "_held", "_names", "_open", "_usage", "sequence",
    )  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.sequence = 0
        self._context = context
        self._array = context.variant == JSON_ARRAY
        self._elements = 0
        self._names = (context.model, context.attempt_id)
        """``modelVersion`` and ``responseId``."""
        self._usage = Usage()
        self._open: dict[int, Open] = {}
        self._calls: dict[int, _Call] = {}
        self._held: dict[int, _Held] = {}

    # -- the face of a StreamEncoder -----------------------------------------------------------------------------------
    def encode(self, event: StreamEvent) -> bytes:
        """The client's bytes for ``event``."""
        match event:
            case Start():
                self._names = (event.model or self._context.model, event.id or self._context.attempt_id)
                self._usage = event.usage or self._usage
            case Report():
                self._usage = event.usage
            case Finish():
                self._of(event.choice).finish = event.finish
            case End():
                return self._object(written(self._usage)) + self._closing()
            case Failure():
                # Calls held back stay here: nobody should run a tool for an answer that failed.
                return self._element(error_body(event.error, self._context.request_id)) + self._closing()
            case _:
                return self._said(event)
        return b""

    def frame(self, block: int) -> Frame | None:
        """Text between the members of an object; arguments are kept until their call is complete."""
        if block in self._calls:
            return _SILENT
        opening = self._open.get(block)
        if opening is None or self._held or (self._array and not self._elements):
            return None  # what is held goes first; so does the bracket of an array
        head, tail = self._around(opening)
        return Frame(head, tail)

    def caught(self, block: int, text: bytes) -> None:
        """More arguments of a call."""
        self._calls[block].arguments.append(text)

    def _said(self, event: Open | Delta | Sign | Cite | Probabilities | Whole | Close) -> bytes:
        match event:
            case Open():
                self._begin(event)
            case Sign():
                self._sign(event)
            case Cite():
                self._of(event.choice).citations.append(event.citation)
            case Close():
                self._close(event)
            case Delta():
                return self._delta(event)
            case Probabilities():
                return self._probabilities(event)
            case Whole():
                return self._whole(event)
            case _:
                assert_never(event)
        return b""

    # -- blocks --------------------------------------------------------------------------------------------------------
    def _begin(self, opening: Open) -> None:
        if opening.kind == "tool":
            self._calls[opening.block] = _Call(opening)
        else:
            self._open[opening.block] = opening

    def _delta(self, delta: Delta) -> bytes:
        call = self._calls.get(delta.block)
        if call is not None:
            call.arguments.append(delta.text)
            return b""
        out = self._flushed()
        head, tail = self._around(self._open[delta.block])
        self._elements += 1
        return out + head + delta.text + tail

    def _sign(self, sign: Sign) -> None:
        if sign.origin != ORIGIN or not sign.signature:
            return
        call = self._calls.get(sign.block)
        if call is not None:
            call.signature = sign.signature
            return
        thought = True if self._open[sign.block].kind == "reasoning" else None
        self._of(sign.choice).parts.append(Part(text="", thought=thought, thought_signature=sign.signature))

    def _probabilities(self, event: Probabilities) -> bytes:
        out = self._flushed() if event.choice in self._held and self._held[event.choice].logprobs else b""
        self._of(event.choice).logprobs = event.content
        return out

    def _whole(self, event: Whole) -> bytes:
        parts = list(parts_of(event.value, self._context))
        if not parts:
            return b""
        out = self._flushed()
        self._of(event.choice).parts += parts
        return out

    def _close(self, event: Close) -> None:
        self._open.pop(event.block, None)
        call = self._calls.pop(event.block, None)
        if call is None:
            return
        opening = call.opening
        signature = call.signature if opening.origin in {"", ORIGIN} else ""
        arguments = jsontext.unescaped(b"".join(call.arguments))
        whole = ToolCall(
            call_id=opening.call_id,
            name=opening.name,
            arguments=arguments,
            custom=opening.custom,
            signature=signature,
        )
        self._of(event.choice).parts.append(call_part(whole, self._context))

    # -- objects -------------------------------------------------------------------------------------------------------
    def _of(self, choice: int) -> _Held:
        return self._held.setdefault(choice, _Held())

    def _flushed(self) -> bytes:
        """What was held back, as an object of its own."""
        return self._object(None) if self._held else b""

    def _object(self, usage: UsageMetadata | None) -> bytes:
        model, response_id = self._names
        candidates = [_candidate(choice, self._held[choice]) for choice in sorted(self._held)]
        self._held = {}
        return self._element(
            msgspec.json.encode(
                _Object(
                    candidates=candidates or None,
                    usage_metadata=usage,
                    model_version=model,
                    response_id=response_id,
                )
            )
        )

    def _element(self, encoded: bytes) -> bytes:
        """``encoded`` as the next event, or the next element of the array."""
        before = self._before()
        self._elements += 1
        return before + encoded + self._after()

    def _around(self, opening: Open) -> tuple[bytes, bytes]:
        """Everything of an object before and after the text of ``opening``'s block."""
        model, response_id = self._names
        head = self._before() + b'{"candidates":[{"content":{"role":"model","parts":[{"text":"'
        thought = b'","thought":true}]},"index":%d}]' if opening.kind == "reasoning" else b'"}]},"index":%d}]'
        names = msgspec.json.encode(_Object(model_version=model, response_id=response_id))[1:]
        return head, thought % opening.choice + b"," + names + self._after()

    def _before(self) -> bytes:
        if not self._array:
            return _SSE
        return b"," + _END if self._elements else b"["

    def _after(self) -> bytes:
        return b"" if self._array else _END + _END

    def _closing(self) -> bytes:
        return b"]" + _END if self._array else b""


def _candidate(choice: int, held: _Held) -> WireCandidate:
    finish = held.finish
    return WireCandidate(
        content=Content(role="model", parts=held.parts or [Part(text="")]),
        finish_reason=write_finish(finish) if finish is not None else None,
        finish_message=(finish.detail or None) if finish is not None and finish.reason == "filter" else None,
        index=choice,
        citation_metadata=sources_of(held.citations),
        logprobs_result=logprobs_result(held.logprobs) if held.logprobs else NOTHING,
    )
