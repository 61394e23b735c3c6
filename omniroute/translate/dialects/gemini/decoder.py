"""Gemini's stream as stream events (translation.md §13.1, G); a whole answer is a stream of one chunk.

Nothing marks the end of a stream, and some services write ``STOP`` on every chunk [rec: utf8-stream]: so a candidate's
finish is what its last reason said, told when the input is over. ``usageMetadata`` is cumulative: the last one counts,
also of those that passed by in lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute._speedups import ANY, CHOICE, EMPTY, FALSE, NULL, STASH, TEXT, TRUE
from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.canonical import Text
from omniroute.translate.dialects.gemini.beside import citations_of, probabilities_of
from omniroute.translate.dialects.gemini.partial_args import Arguments
from omniroute.translate.dialects.gemini.told import (
    Call,
    Candidate,
    Chunk,
    Part,
    arguments_of,
    read_call,
    read_chunks,
    read_part,
    read_piece,
)
from omniroute.translate.dialects.gemini.usage import usage_of
from omniroute.translate.dialects.gemini.words import ORIGIN, blocked, is_finish_word, read_finish
from omniroute.translate.events import (
    BlockKind,
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
from omniroute.translate.stream import Hot
from omniroute.translate.upstream_errors import read_stream_error, stream_incomplete

MAX_CANDIDATES: Final = 256
"""Answers of one request; a larger index is a mistake."""


def _shape(part: dict[str, object]) -> dict[str, object]:
    return {
        "candidates": [
            {
                "content": {"parts": [part], "role": ANY},
                "index": CHOICE,
                "finishReason": NULL,
                "safetyRatings": ANY,
                "groundingMetadata": EMPTY,
                "citationMetadata": EMPTY,
                "urlContextMetadata": EMPTY,
                "avgLogprobs": ANY,
                "tokenCount": ANY,
            }
        ],
        "usageMetadata": STASH,
        "promptFeedback": {"safetyRatings": ANY},
        "modelVersion": ANY,
        "responseId": ANY,
        "createTime": ANY,
    }


SHAPES: Final[tuple[object, ...]] = (
    _shape({"text": TEXT, "thought": FALSE}),
    _shape({"text": TEXT, "thought": TRUE}),
)
_TEXT: Final = 0
_THOUGHT: Final = 1


class _PartialCall:
    """A call that arrives in pieces."""

    __slots__ = ("arguments", "block")

    def __init__(self, block: int) -> None:
        self.block = block
        self.arguments = Arguments()


class _Answer:
    """One candidate."""

    __slots__ = ("block", "call", "called", "cited", "kind", "message", "produced", "reason")

    def __init__(self) -> None:
        self.block = -1
        """The open text or reasoning block, -1 if there is none."""
        self.kind: BlockKind = "text"
        self.call: _PartialCall | None = None
        self.called = False
        self.produced = False
        """Something was said; thoughts alone are no answer."""
        self.reason = ""
        self.message = ""
        self.cited: set[tuple[str, str]] = set()


class Decoder:
    """One stream. A StreamDecoder."""

    __slots__ = ("_answers", "_blocked", "_blocks", "_ended", "_ids", "_started", "_usage", "_whole")

    def __init__(self, quirks: Quirks, *, whole: bool = False) -> None:
        """``whole``: the one chunk is a whole answer, complete even if it gives no reason why."""
        del quirks  # nothing Gemini's servers differ in when they answer
        self._whole = whole
        self._started = False
        self._ended = False
        self._blocks = 0
        self._answers: dict[int, _Answer] = {}
        self._ids: set[str] = set()
        self._usage = b""
        """The last ``usageMetadata``, not told yet."""
        self._blocked = ""

    # -- the face of a StreamDecoder -----------------------------------------------------------------------------------
    @property
    def ending(self) -> int:
        """Candidates that have a reason: they, and usage, may still get another."""
        return sum(bool(answer.reason) for answer in self._answers.values())

    def decode(self, name: bytes, data: bytes) -> Iterator[StreamEvent]:
        """What one chunk says; a list holds several (and an error, at times)."""
        del name  # Google gives events none
        data = data.strip(b" \t\r\n")
        if self._ended or not data or data == b"[DONE]":
            return  # some relays add OpenAI's end mark, which says nothing here
        try:
            chunks = read_chunks(data)
        except ValueError:
            yield self._fail(_bad_answer("The provider sent something that is no answer of Gemini's."))
            return
        for chunk in chunks:
            if not self._ended:
                yield from self._read(chunk)

    def finish(self) -> Iterator[StreamEvent]:
        """Close what is open, then say how each candidate finished; a failure if one did not."""
        if self._ended:
            return
        for number, answer in sorted(self._answers.items()):
            yield from self._close_all(number, answer)
        finishes = self._finishes()
        failed = next((finish for finish in finishes.values() if finish.reason == "error"), None)
        if not finishes or len(finishes) < len(self._answers):
            yield self._fail(stream_incomplete())
        elif failed is not None and all(finish.reason == "error" for finish in finishes.values()):
            why = f": {failed.detail}" if failed.detail else "."
            yield self._fail(_bad_answer(f"The provider gave no answer but {failed.raw}{why}"))
        else:
            yield from self._report()
            for number, finish in finishes.items():
                yield Finish(number, finish)
            self._ended = True
            yield End()

    def hot(self) -> Iterator[Hot]:
        """More of a candidate's open text or thoughts."""
        if not self._ended:
            for number, answer in self._answers.items():
                if answer.block >= 0:
                    yield Hot(_TEXT if answer.kind == "text" else _THOUGHT, number, 0, answer.block)

    def caught(self, block: int, deltas: int, stash: bytes) -> Usage | None:
        """Keep the last counts."""
        del block, deltas
        if not stash:
            return None
        self._usage = stash
        return usage_of(stash)

    # -- chunks --------------------------------------------------------------------------------------------------------
    def _read(self, chunk: Chunk) -> Iterator[StreamEvent]:
        if chunk.error:
            yield self._fail(read_stream_error(chunk.error))
            return
        self._usage = chunk.usage or self._usage
        reports = list(self._report())
        if not self._started:
            self._started = True
            known = next((report.usage for report in reports if report.usage.known), None)
            yield Start(id=chunk.id, model=chunk.model, created_epoch_s=chunk.created_epoch_s, usage=known)
        yield from reports
        self._blocked = chunk.blocked or self._blocked
        for candidate in chunk.candidates:
            if candidate.index < MAX_CANDIDATES:
                yield from self._candidate(candidate)

    def _candidate(self, candidate: Candidate) -> Iterator[StreamEvent]:
        number = candidate.index
        answer = self._answers.setdefault(number, _Answer())
        for raw in candidate.parts:
            yield from self._part(number, answer, read_part(raw))
        if answer.block >= 0 and answer.kind == "text":
            for citation in citations_of(candidate.cited, candidate.grounding):
                if (citation.url, citation.cited_text) not in answer.cited:
                    answer.cited.add((citation.url, citation.cited_text))
                    yield Cite(number, answer.block, citation)
            if content := probabilities_of(candidate.logprobs):
                yield Probabilities(number, answer.block, content)
        if is_finish_word(candidate.reason):
            answer.reason, answer.message = candidate.reason, candidate.message

    def _part(self, number: int, answer: _Answer, part: Part) -> Iterator[StreamEvent]:
        if part.call:
            yield from self._call(number, answer, read_call(part.call), part.signature)
            return
        kind: BlockKind = "reasoning" if part.thought else "text"
        if part.text:
            yield from self._open(number, answer, kind)
            answer.produced = answer.produced or kind == "text"
            yield Delta(number, answer.block, part.text)
        elif part.block is not None:
            yield from self._close(number, answer)
            answer.produced = True
            yield Whole(choice=number, block=self._next(), value=part.block)
        if part.signature and part.is_text:
            if answer.block >= 0 and answer.kind == kind:
                yield Sign(choice=number, block=answer.block, signature=part.signature, origin=ORIGIN)
            else:
                yield from self._close(number, answer)
                yield Whole(choice=number, block=self._next(), value=Text(text="", signature=part.signature))

    # -- calls ---------------------------------------------------------------------------------------------------------
    def _call(self, number: int, answer: _Answer, call: Call, signature: str) -> Iterator[StreamEvent]:
        if call.name:
            yield from self._close_all(number, answer)
            answer.called = answer.produced = True
            block = self._next()
            yield Open(
                choice=number,
                block=block,
                kind="tool",
                call_id=self._new_id(call.id),
                name=call.name,
                signature=signature,
                origin=ORIGIN,
            )
            if not call.goes_on and not call.pieces:
                yield Delta(number, block, arguments_of(call.args))
                yield Close(number, block)
                return
            answer.call = _PartialCall(block)
        if answer.call is None:
            return  # more of nothing: a call without a name is none
        answer.call.arguments.start(call.args)
        for piece in call.pieces:
            answer.call.arguments.add(read_piece(piece))
        if signature and not call.name:
            yield Sign(choice=number, block=answer.call.block, signature=signature, origin=ORIGIN)
        if not call.goes_on:
            yield from self._end_call(number, answer)

    def _end_call(self, number: int, answer: _Answer) -> Iterator[StreamEvent]:
        call, answer.call = answer.call, None
        if call is not None:
            yield Delta(number, call.block, jsontext.escaped(call.arguments.json().decode()))
            yield Close(number, call.block)

    def _new_id(self, call_id: str) -> str:
        """``call_id``, "" if another call of this answer has it."""
        if call_id in self._ids:
            return ""
        self._ids.add(call_id)
        return call_id

    # -- blocks --------------------------------------------------------------------------------------------------------
    def _open(self, number: int, answer: _Answer, kind: BlockKind) -> Iterator[StreamEvent]:
        """Make an open block of ``kind``."""
        if answer.block >= 0 and answer.kind == kind:
            return
        yield from self._close(number, answer)
        answer.block, answer.kind = self._next(), kind
        yield Open(choice=number, block=answer.block, kind=kind, origin=ORIGIN, summary=kind == "reasoning")

    def _close(self, number: int, answer: _Answer) -> Iterator[StreamEvent]:
        if answer.block >= 0:
            block, answer.block = answer.block, -1
            yield Close(number, block)

    def _close_all(self, number: int, answer: _Answer) -> Iterator[StreamEvent]:
        yield from self._close(number, answer)
        yield from self._end_call(number, answer)

    def _next(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    # -- ends ----------------------------------------------------------------------------------------------------------
    def _finishes(self) -> dict[int, FinishReason]:
        """How each candidate finished, as far as it did."""
        if self._blocked and not any(answer.produced for answer in self._answers.values()):
            return {0: blocked(self._blocked)}
        return {
            number: read_finish(answer.reason, answer.message, produced=answer.produced, called=answer.called)
            for number, answer in sorted(self._answers.items())
            if answer.reason or (self._whole and answer.produced)
        }

    def _report(self) -> Iterator[Report]:
        if self._usage:
            usage, self._usage = usage_of(self._usage), b""
            yield Report(usage)

    def _fail(self, error: UpstreamError) -> StreamEvent:
        self._ended = True
        return Failure(error)


def _bad_answer(message: str) -> UpstreamError:
    return UpstreamError(message, error_class="in_band_error", answered=True, code="upstream_error")
