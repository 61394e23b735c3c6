"""Streams of an Anthropic upstream, read (translation.md §5.4, §13.1).

Blocks are told apart by ``index``; one is open at a time, but nothing here depends on it. Blocks of the vendor's own
(server tools, their results, whatever is new) are collected and given in one piece: their ``input_json_delta`` are no
arguments of a tool of the client's. A second ``message_start`` (a relay began anew) closes what was open; what was said
cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from omniroute._speedups import INDEX, TEXT, Is, jsonspan
from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import Opaque, Reasoning
from omniroute.translate.dialects.anthropic import vendor
from omniroute.translate.dialects.anthropic.answer import read_answer
from omniroute.translate.dialects.anthropic.usage import Counters, counters, usage_of
from omniroute.translate.events import (
    BlockKind,
    Cite,
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.fold import unfold
from omniroute.translate.members import count, member, members, text, word
from omniroute.translate.stream import Hot
from omniroute.translate.upstream_errors import read_stream_error, stream_incomplete

MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Of one vendor's own block, collected; the largest seen is a search result of 300 KB."""


def _shape(kind: bytes, said: str) -> dict[str, object]:
    return {"type": Is(b"content_block_delta"), "index": INDEX, "delta": {"type": Is(kind), said: TEXT}}


SHAPES: Final = (
    _shape(b"text_delta", "text"),
    _shape(b"thinking_delta", "thinking"),
    _shape(b"input_json_delta", "partial_json"),
)
_SHAPE_OF: Final[dict[BlockKind, int]] = {"text": 0, "reasoning": 1, "tool": 2}
_KINDS: Final[dict[str, BlockKind]] = {"text": "text", "thinking": "reasoning", "tool_use": "tool"}
_SAID_BY: Final[dict[str, tuple[BlockKind, bytes]]] = {
    "text_delta": ("text", b"text"),
    "thinking_delta": ("reasoning", b"thinking"),
    "input_json_delta": ("tool", b"partial_json"),
}


class _Block:
    """An open block of the client's kinds."""

    __slots__ = ("given", "kind", "number", "said")

    def __init__(self, number: int, kind: BlockKind, given: bytes = b"") -> None:
        self.number = number
        self.kind = kind
        self.given = given
        """Arguments the start event already held, escaped: they count if no fragment follows."""
        self.said = False


class _Collected:
    """An open block of the vendor's own."""

    __slots__ = ("bytes", "content", "kind", "pieces", "raw")

    def __init__(self, kind: str, raw: bytes) -> None:
        self.kind = kind
        self.raw = raw
        self.pieces: list[bytes] = []
        self.content: list[bytes] = []
        self.bytes = len(raw)

    def whole(self) -> bytes:
        """The block with the input (or, compacted, the content) that came in deltas; b"" if it cannot be written."""
        raw = self.raw
        try:
            given = jsontext.unescaped(b"".join(self.pieces)).encode("utf-8", "replace")
            if jsontext.is_object(given):
                raw = vendor.with_member(raw, b"input", given)
            if self.content:
                raw = vendor.with_member(raw, b"content", b'"' + b"".join(self.content) + b'"')
        except ValueError:  # too deep, or nothing at all: see Decoder._collect
            return b""
        return vendor.compact_or_nothing(raw)


class Decoder:
    """A StreamDecoder of one stream."""

    ending = 0
    """Finishes are told at once."""

    __slots__ = ("_called", "_collected", "_counters", "_done", "_finished", "_next", "_open", "_started", "_usage")

    def __init__(self, quirks: Quirks) -> None:
        """``quirks``: none matter here."""
        del quirks
        self._open: dict[int, _Block] = {}
        self._collected: dict[int, _Collected] = {}
        self._counters: Counters = {}
        self._usage = Usage()
        self._next = 0
        self._started = False
        self._called = False
        self._finished = False
        self._done = False

    def decode(self, name: bytes, data: bytes) -> Iterable[StreamEvent]:
        """What one event says."""
        if self._done or not data.startswith(b"{"):
            return ()  # a relay's end mark or keep-alive in place of JSON
        try:
            jsonspan.spans(data, ())
        except ValueError:
            return self._fail(
                UpstreamError("The upstream sent an event that is not JSON.", error_class="protocol", answered=True)
            )
        return tuple(self._read(word(member(data, b"type")) or name.decode("latin-1"), data))

    def finish(self) -> Iterable[StreamEvent]:
        """The end of input: normal after a stop reason."""
        if self._done:
            return ()
        if not self._finished:
            return self._fail(stream_incomplete())
        self._done = True
        return (End(),)

    def hot(self) -> Iterable[Hot]:
        """Every open block's deltas."""
        return [Hot(_SHAPE_OF[block.kind], 0, index, block.number) for index, block in self._open.items()]

    def caught(self, block: int, deltas: int, stash: bytes) -> None:
        """Arguments came in fragments."""
        del stash
        for open_block in self._open.values():
            if open_block.number == block and deltas:
                open_block.said = True

    # -- events ------------------------------------------------------------------------------------------------------
    def _read(self, kind: str, data: bytes) -> Iterator[StreamEvent]:
        match kind:
            case "message_start":
                yield from self._message_start(data)
            case "content_block_start":
                yield from self._block_start(data)
            case "content_block_delta":
                yield from self._block_delta(data)
            case "content_block_stop":
                yield from self._close(_index(member(data, b"index")))
            case "message_delta":
                yield from self._message_delta(data)
            case "message_stop":
                yield from self._message_stop()
            case "message" if not self._started and member(data, b"content").startswith(b"["):
                yield from self._whole_answer(data)
            case _:
                error, told = members(data, (b"error", b"message"))
                if error or (kind == "error" and told):
                    yield from self._error(error or data)

    def _message_start(self, data: bytes) -> Iterator[StreamEvent]:
        message = member(data, b"message")
        if not message.startswith(b"{"):
            return
        message_id, model, usage = members(message, (b"id", b"model", b"usage"))
        self._tell(usage)
        if self._started:
            yield from self._close_all()
            yield Report(self._usage)
            return
        self._started = True
        tier = member(usage, b"service_tier")
        yield Start(
            id=word(message_id),
            model=word(model),
            service_tier=word(tier),
            usage=self._usage if self._usage.known else None,
        )

    def _begin(self) -> Iterator[StreamEvent]:
        """A Start for a stream whose first event was lost."""
        if not self._started:
            self._started = True
            yield Start()

    def _block_start(self, data: bytes) -> Iterator[StreamEvent]:
        index_raw, raw = members(data, (b"index", b"content_block"))
        index = _index(index_raw)
        if self._finished or not raw.startswith(b"{"):
            return
        yield from self._begin()
        yield from self._close(index)  # never stopped: two blocks cannot share an index
        yield from self._close_said()
        type_raw, call_id, name, given = members(raw, (b"type", b"id", b"name", b"input"))
        vendors = word(type_raw)
        kind = _KINDS.get(vendors)
        if vendors == "redacted_thinking":
            hidden = member(raw, b"data")
            value = Reasoning(data=word(hidden), redacted=True, origin=vendor.ORIGIN)
            yield Whole(block=self._number(), value=value)
        elif not vendors or (kind == "tool" and not word(name)):
            self._collected[index] = _Collected("", b"")  # no block, no call is made of something nameless
        elif kind is None:
            self._collected[index] = _Collected(vendors, raw)
        elif kind == "tool":
            self._called = True
            arguments = vendor.object_text(given)
            opened = _Block(self._number(), kind, b"" if arguments == "{}" else jsontext.escaped(arguments))
            self._open[index] = opened
            yield Open(
                block=opened.number, kind=kind, call_id=word(call_id), name=word(name),
                origin=vendor.ORIGIN,
            )  # fmt: skip
        else:
            yield from self._open_said(index, kind, raw)

    def _open_said(self, index: int, kind: BlockKind, raw: bytes) -> Iterator[StreamEvent]:
        """A text or thinking block; relays may put its beginning, or all of it, into the start."""
        block = self._open[index] = _Block(self._number(), kind)
        yield Open(block=block.number, kind=kind, origin=vendor.ORIGIN)
        plain, thinking, signature, citations = members(raw, (b"text", b"thinking", b"signature", b"citations"))
        for citation in vendor.read_citations(citations):
            yield Cite(0, block.number, citation)
        said = text(plain if kind == "text" else thinking)
        if said:
            yield Delta(0, block.number, said)
        if kind == "reasoning" and word(signature):
            yield Sign(block=block.number, signature=word(signature), origin=vendor.ORIGIN)

    def _block_delta(self, data: bytes) -> Iterator[StreamEvent]:
        index_raw, delta = members(data, (b"index", b"delta"))
        if self._finished or not delta.startswith(b"{"):
            return
        index = _index(index_raw)
        vendors = word(member(delta, b"type"))
        collected = self._collected.get(index)
        if collected is not None:
            self._collect(index, collected, vendors, delta)
            return
        block = self._open.get(index)
        if vendors in _SAID_BY:
            kind, said = _SAID_BY[vendors]
            yield from self._said(index, block, kind, text(member(delta, said)))
        elif block is not None and block.kind == "reasoning" and vendors == "signature_delta":
            signature = word(member(delta, b"signature"))
            if signature:
                yield Sign(block=block.number, signature=signature, origin=vendor.ORIGIN)
        elif block is not None and block.kind == "text" and vendors == "citations_delta":
            citation = vendor.read_citation(member(delta, b"citation"))
            if citation is not None:
                yield Cite(0, block.number, citation)

    def _said(self, index: int, block: _Block | None, kind: BlockKind, said: bytes) -> Iterator[StreamEvent]:
        if not said:
            return
        if block is None or block.kind != kind:
            if kind == "tool":
                return  # arguments of no call
            yield from self._begin()
            yield from self._close(index)
            yield from self._close_said()
            block = self._open[index] = _Block(self._number(), kind)
            yield Open(block=block.number, kind=kind, origin=vendor.ORIGIN)
        block.said = True
        yield Delta(0, block.number, said)

    def _collect(self, index: int, collected: _Collected, vendors: str, delta: bytes) -> None:
        fragment, content = (text(raw) for raw in members(delta, (b"partial_json", b"content")))
        collected.bytes += len(fragment) + len(content)
        if collected.bytes > MAX_HELD_BYTES:
            self._collected[index] = _Collected("", b"")  # nothing comes of it; later deltas still have a place
        elif vendors == "input_json_delta":
            collected.pieces.append(fragment)
        elif content:
            collected.content.append(content)

    def _message_delta(self, data: bytes) -> Iterator[StreamEvent]:
        delta, usage = members(data, (b"delta", b"usage"))
        yield from self._begin()
        if usage.startswith(b"{"):
            self._tell(usage)
            yield Report(self._usage)
        if self._finished or not delta.startswith(b"{"):
            return
        reason, sequence, details = members(delta, (b"stop_reason", b"stop_sequence", b"stop_details"))
        if word(reason):
            yield from self._finish(word(reason), word(sequence), details)

    def _finish(self, reason: str, sequence: str = "", details: bytes = b"") -> Iterator[StreamEvent]:
        yield from self._close_all()
        self._finished = True
        yield Finish(0, vendor.read_finish(reason, sequence, details, called=self._called))

    def _message_stop(self) -> Iterator[StreamEvent]:
        yield from self._begin()
        if not self._finished:
            yield from self._finish("")  # an end mark without a reason: taken for a normal end, and reported
        self._done = True
        yield End()

    def _whole_answer(self, data: bytes) -> Iterator[StreamEvent]:
        """An upstream that takes no notice of ``stream``."""
        self._started = self._finished = True
        yield from unfold(read_answer(data, Quirks()))

    def _error(self, error: bytes) -> Iterator[StreamEvent]:
        if not self._finished:  # after the stop reason everything has been said
            yield from self._fail(read_stream_error(error))

    # -- state -------------------------------------------------------------------------------------------------------
    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _tell(self, usage: bytes) -> None:
        self._counters = {**self._counters, **counters(usage)}
        self._usage = usage_of(self._counters)

    def _close(self, index: int) -> Iterator[StreamEvent]:
        block = self._open.pop(index, None)
        if block is not None:
            if block.given and not block.said:
                yield Delta(0, block.number, block.given)
            yield Close(0, block.number)
        collected = self._collected.pop(index, None)
        raw = b"" if collected is None else collected.whole()
        if collected is not None and raw:
            yield Whole(block=self._number(), value=Opaque(origin=vendor.ORIGIN, raw=raw, kind=collected.kind))

    def _close_said(self) -> Iterator[StreamEvent]:
        """Text and thinking that were never stopped: they do not go on beside what comes now."""
        for index in [index for index, block in self._open.items() if block.kind != "tool"]:
            yield from self._close(index)

    def _close_all(self) -> Iterator[StreamEvent]:
        for index in sorted({*self._open, *self._collected}):
            yield from self._close(index)

    def _fail(self, error: UpstreamError) -> tuple[StreamEvent, ...]:
        self._done = True
        return (Failure(error),)


def _index(raw: bytes) -> int:
    """A block's index; 0 if it is none."""
    return count(raw) or 0
