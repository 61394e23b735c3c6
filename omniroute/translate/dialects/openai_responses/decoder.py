"""The vendor's events to stream events (translation.md §7.4, §13.1).

Theory of operation
-------------------
Items are told apart by ``output_index``: some relays change the ids in every event. A block opens with its first text
(a call with its item, as soon as its name is known), so nothing empty is ever opened. Every text comes up to five
times: as deltas, in its own ``done`` event, in its part's, in its item's and in the last response; from some servers
only in one of these. The first that has it is taken (``said``), later ones only end what is open. A text or a thought
also ends when anything else opens; should it go on after that, it goes on in a new block. Items of the vendor's own
tools are opaque, and their events are nobody else's business.

A whole response in place of a stream is read by the same code: it is the last event of the stream it should have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.translate import events
from omniroute.translate.canonical import Image, Inline, Json, Opaque, Reasoning
from omniroute.translate.dialects.openai_responses import shapes
from omniroute.translate.dialects.openai_responses.content_in import NAME, citation_of
from omniroute.translate.dialects.openai_responses.finish import finish_of
from omniroute.translate.dialects.openai_responses.slots import CALLS, Slot
from omniroute.translate.dialects.openai_responses.usage import usage_of
from omniroute.translate.members import count, items, member, members, text, word
from omniroute.translate.stream import Hot
from omniroute.translate.upstream_errors import read_stream_error, stream_incomplete

MAX_ITEMS: Final = 4096
"""Items of one answer, parts of one item: far more than any model makes."""

_MEMBERS: Final = (
    b"type", b"output_index", b"content_index", b"summary_index", b"delta", b"item", b"part", b"text", b"arguments",
    b"input", b"refusal", b"logprobs", b"annotation", b"response", b"error", b"name", b"output", b"object",
)  # fmt: skip
_SHAPES: Final = {
    "text": shapes.TEXT_DELTA,
    "refusal": shapes.REFUSAL_DELTA,
    "summary": shapes.SUMMARY_DELTA,
    "thought": shapes.THOUGHT_DELTA,
    "arguments": shapes.ARGUMENTS_DELTA,
    "input": shapes.INPUT_DELTA,
}
_BETWEEN_PARTS: Final = b"\\n\\n"
_PARTS: Final = {"output_text": "text", "text": "text", "refusal": "refusal"}
"""Kinds of message parts to kinds of blocks."""


class _Told(msgspec.Struct, frozen=True):
    """One event, its members as they are spelled."""

    type: Json
    output_index: Json
    content_index: Json
    summary_index: Json
    delta: Json
    item: Json
    part: Json
    text: Json
    arguments: Json
    input: Json
    refusal: Json
    logprobs: Json
    annotation: Json
    response: Json
    error: Json
    name: Json
    output: Json
    object: Json


class Decoder:
    """A ``stream.StreamDecoder``."""

    ending = 0
    """Finishes are told at once."""

    __slots__ = ("_blocks", "_called", "_ended", "_messages", "_open", "_slots", "_started")

    def __init__(self, quirks: Quirks) -> None:
        del quirks  # every deviation is recognised where it occurs
        self._slots: dict[int, Slot] = {}
        self._open: dict[int, Slot] = {}
        self._blocks = 0
        self._messages = 0
        self._called = False
        self._started = False
        self._ended = False

    # -- stream.StreamDecoder ---------------------------------------------------------------------------------------
    def decode(self, name: bytes, data: bytes) -> Iterable[events.StreamEvent]:
        """What one event says."""
        if self._ended:
            return ()
        told = _Told(*members(data, _MEMBERS))
        kind = word(told.type) or name.decode("ascii", "replace")
        return list(self._event(kind, told, data))

    def whole(self, body: bytes) -> Iterable[events.StreamEvent]:
        """What a whole response says, up to its End."""
        if not self._started:
            yield self._start(body)
        yield from self._terminal("completed", body)

    def finish(self) -> Iterable[events.StreamEvent]:
        """The input is over."""
        if self._ended:
            return ()
        self._ended = True
        return (events.Failure(stream_incomplete()),)

    def hot(self) -> Iterable[Hot]:
        """Shapes that feed an open block."""
        return [
            Hot(_SHAPES[slot.kind], slot.part, slot.index, block)
            for block, slot in self._open.items()
            if slot.part <= shapes.MAX_PART and slot.index <= shapes.MAX_ITEM
        ]

    def caught(self, block: int, deltas: int, stash: bytes) -> None:
        """``deltas`` events went by for ``block``."""
        slot = self._open.get(block)
        if slot is not None and deltas:
            slot.said.add(slot.part)

    # -- events -----------------------------------------------------------------------------------------------------
    def _event(self, kind: str, told: _Told, data: bytes) -> Iterator[events.StreamEvent]:
        if kind == "error" or (told.error and not told.output and not kind.startswith("response.")):
            yield from self._fail(told.error or data)
            return
        if not kind and told.output and word(told.object) == "response":
            yield from self.whole(data)
            return
        if not kind.startswith("response."):
            return
        if not self._started:
            yield self._start(told.response)
        stage = kind.removeprefix("response.")
        if stage in _TERMINAL:
            yield from self._terminal(stage, told.response)
            return
        index = count(told.output_index) or 0
        if index <= shapes.MAX_ITEM:
            yield from self._of_item(stage, index, told)

    def _of_item(self, stage: str, index: int, told: _Told) -> Iterator[events.StreamEvent]:
        match stage:
            case "output_item.added":
                yield from self._added(index, told.item)
            case "output_item.done":
                yield from self._item_done(index, told.item)
            case "content_part.done":
                yield from self._part_done(index, told)
            case "output_text.annotation.added":
                yield from self._cite(self._slots.get(index), told.annotation)
            case _ if stage in _SPOKEN:
                kind, whole = _SPOKEN[stage]
                yield from self._spoken(index, kind, told, whole=whole)
            case _:
                return  # of the vendor's own tools

    def _start(self, response: Json) -> events.Start:
        self._started = True
        given, model, created, tier = members(response, (b"id", b"model", b"created_at", b"service_tier"))
        return events.Start(
            id=word(given),
            model=word(model),
            created_epoch_s=count(created.partition(b".")[0]) or 0,
            service_tier=word(tier),
        )

    def _fail(self, error: Json) -> Iterator[events.StreamEvent]:
        self._ended = True
        yield events.Failure(read_stream_error(error))

    def _terminal(self, stage: str, response: Json) -> Iterator[events.StreamEvent]:
        error, usage, output, status, details = members(
            response, (b"error", b"usage", b"output", b"status", b"incomplete_details")
        )
        state = word(status) or stage
        if error or state in ("failed", "cancelled") or stage in ("failed", "cancelled"):
            said = msgspec.json.encode({"message": f"The response came back {state}, without a reason."})
            yield from self._fail(error or said)
            return
        yield from self._rest(items(output, MAX_ITEMS))
        for block in list(self._open):
            yield from self._close(block)
        if usage:
            yield events.Report(usage_of(usage))
        reason = word(member(details, b"reason"))
        yield events.Finish(0, finish_of("incomplete" if reason else state, reason, called=self._called))
        self._ended = True
        yield events.End()

    def _rest(self, output: tuple[Json, ...]) -> Iterator[events.StreamEvent]:
        """What only the last event has: all of it if nothing was streamed, else the ends of items without one."""
        streamed = bool(self._slots)
        for index, item in enumerate(output):
            slot = self._slots.get(index)
            if (slot is None and not streamed) or (slot is not None and slot.matches(word(member(item, b"type")))):
                yield from self._item_done(index, item)

    # -- items ------------------------------------------------------------------------------------------------------
    def _slot(self, index: int, item_type: str) -> Slot:
        """The item at ``index``, known from now on."""
        slot = self._slots.get(index)
        if slot is None:
            slot = self._slots[index] = Slot(index, item_type)
            if item_type == "message":
                slot.apart = self._messages > 0
                self._messages += 1
        return slot

    def _added(self, index: int, item: Json) -> Iterator[events.StreamEvent]:
        item_type, given, phase = members(item, (b"type", b"id", b"phase"))
        if len(self._slots) >= MAX_ITEMS or index in self._slots:
            return
        slot = self._slot(index, word(item_type) or "message")
        slot.item_id, slot.phase = word(given), word(phase)
        if slot.item_type in CALLS:
            yield from self._call(slot, item)

    def _item_done(self, index: int, item: Json) -> Iterator[events.StreamEvent]:
        item_type = word(member(item, b"type")) or "message"
        if index not in self._slots and len(self._slots) >= MAX_ITEMS:
            return
        slot = self._slot(index, item_type)
        if slot.done:
            return
        slot.done = True
        slot.item_id = slot.item_id or word(member(item, b"id"))
        slot.phase = slot.phase or word(member(item, b"phase"))
        match slot.item_type:
            case "message":
                for number, part in enumerate(items(member(item, b"content"), MAX_ITEMS)):
                    yield from self._whole_part(slot, number, part)
            case "reasoning":
                yield from self._whole_reasoning(slot, item)
            case "function_call" | "custom_tool_call":
                yield from self._call(slot, item)
                slot.part = 0
                yield from self._text(slot, CALLS[slot.item_type], 0, member(item, slot.text_member), whole=True)
            case _:
                yield from self._hosted(slot, item)
        if slot.block is not None:
            yield from self._close(slot.block)

    def _whole_part(self, slot: Slot, number: int, part: Json) -> Iterator[events.StreamEvent]:
        kind = _PARTS.get(word(member(part, b"type")))
        if kind is None:
            return
        said = member(part, b"refusal" if kind == "refusal" else b"text")
        yield from self._text(slot, kind, number, said, whole=True)
        if slot.block is not None and slot.part == number:
            for annotation in items(member(part, b"annotations"), MAX_ITEMS)[slot.cited :]:
                yield from self._cite(slot, annotation)

    def _whole_reasoning(self, slot: Slot, item: Json) -> Iterator[events.StreamEvent]:
        summary, content, encrypted = members(item, (b"summary", b"content", b"encrypted_content"))
        for number, part in enumerate(items(summary, MAX_ITEMS)):
            yield from self._text(slot, "summary", number, member(part, b"text"), whole=True)
        for number, part in enumerate(items(content, MAX_ITEMS)):
            yield from self._text(slot, "thought", number, member(part, b"text"), whole=True)
        data = word(encrypted)
        if not data:
            return
        if slot.block is None and not slot.said:
            thought = Reasoning(data=data, origin=NAME, item_id=slot.item_id, redacted=True)
            yield events.Whole(block=self._number(), value=thought)
        elif slot.block is not None:
            yield events.Sign(block=slot.block, data=data, item_id=slot.item_id, origin=NAME)

    def _hosted(self, slot: Slot, item: Json) -> Iterator[events.StreamEvent]:
        result = word(member(item, b"result")) if slot.item_type == "image_generation_call" else ""
        yield from self._end_speech()
        if result:
            form = word(member(item, b"output_format")) or "png"
            yield events.Whole(block=self._number(), value=Image(source=Inline(f"image/{form}", result)))
        elif word(member(item, b"type")):  # what has no kind is nothing anybody can read
            yield events.Whole(block=self._number(), value=Opaque(origin=NAME, raw=item, kind=slot.item_type))

    def _call(self, slot: Slot, item: Json) -> Iterator[events.StreamEvent]:
        """Open a call as soon as its name is known: a call nobody can answer is none."""
        if slot.opened:
            return
        name, call_id = members(item, (b"name", b"call_id"))
        slot.name = slot.name or word(name)
        slot.call_id = slot.call_id or word(call_id)
        if not slot.name:
            return
        yield from self._open_block(slot, CALLS[slot.item_type], 0)
        self._called = True
        held, slot.held = b"".join(slot.held), []
        if held and slot.block is not None:
            slot.said.add(0)
            yield events.Delta(0, slot.block, held)

    # -- texts ------------------------------------------------------------------------------------------------------
    def _spoken(self, index: int, kind: str, told: _Told, *, whole: bool) -> Iterator[events.StreamEvent]:
        """A delta, or (``whole``) a text's own ``done``."""
        slot = self._slots.get(index)
        if slot is None:
            if len(self._slots) >= MAX_ITEMS:
                return
            slot = self._slot(index, _ITEMS[kind])
        if not slot.speaks(kind):
            return
        part = count(told.summary_index if kind == "summary" else told.content_index) or 0
        said = (getattr(told, _WHOLE.get(kind, "text")) if whole else told.delta) or b""
        if kind in ("arguments", "input") and not slot.opened:
            if told.name:
                yield from self._call(slot, b'{"name":' + told.name + b"}")
            if not slot.opened:
                if not whole and text(said):
                    slot.held.append(text(said))
                return
        yield from self._text(slot, kind, part, said, whole=whole, logprobs=told.logprobs)

    def _text(
        self, slot: Slot, kind: str, part: int, raw: Json, *, whole: bool, logprobs: Json = b""
    ) -> Iterator[events.StreamEvent]:
        """More text of a part; ``whole``: all of it, which counts only if none was said before."""
        said = text(raw)
        if not said or (whole and part in slot.said) or not slot.takes(kind):
            return
        if kind in ("arguments", "input"):
            if slot.block is None:
                return  # it was closed, or never had a name
        elif slot.block is None or slot.kind != kind or (slot.part != part and kind in ("text", "refusal")):
            if slot.block is not None:
                yield from self._close(slot.block)
            yield from self._open_block(slot, kind, part)
        elif slot.part != part:
            assert slot.block is not None
            yield events.Delta(0, slot.block, _BETWEEN_PARTS)
            slot.part = part
        slot.said.add(part)
        assert slot.block is not None
        yield events.Delta(0, slot.block, said)
        if logprobs and logprobs != b"[]" and kind == "text" and not whole:
            yield events.Probabilities(0, slot.block, logprobs)

    def _part_done(self, index: int, told: _Told) -> Iterator[events.StreamEvent]:
        slot = self._slots.get(index)
        if slot is None or slot.item_type != "message":
            return
        number = count(told.content_index) or 0
        yield from self._whole_part(slot, number, told.part)
        if slot.block is not None and slot.part == number:
            yield from self._close(slot.block)

    def _cite(self, slot: Slot | None, annotation: Json) -> Iterator[events.StreamEvent]:
        if slot is None or slot.block is None or slot.kind != "text" or not annotation.startswith(b"{"):
            return
        slot.cited += 1
        yield events.Cite(0, slot.block, citation_of(annotation))

    # -- blocks -----------------------------------------------------------------------------------------------------
    def _number(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _open_block(self, slot: Slot, kind: str, part: int) -> Iterator[events.StreamEvent]:
        yield from self._end_speech()
        slot.open(self._number(), kind, part)
        assert slot.block is not None
        self._open[slot.block] = slot
        yield slot.opening()

    def _end_speech(self) -> Iterator[events.StreamEvent]:
        """Texts and thoughts end where something else begins; calls may be open side by side."""
        for block, slot in list(self._open.items()):
            if slot.item_type not in CALLS:
                yield from self._close(block)

    def _close(self, block: int) -> Iterator[events.StreamEvent]:
        slot = self._open.pop(block)
        slot.block = None
        yield events.Close(0, block)


_TERMINAL: Final = frozenset({"completed", "incomplete", "failed", "cancelled", "done"})
_SPOKEN: Final = {
    "output_text.delta": ("text", False),
    "output_text.done": ("text", True),
    "refusal.delta": ("refusal", False),
    "refusal.done": ("refusal", True),
    "reasoning_summary_text.delta": ("summary", False),
    "reasoning_summary_text.done": ("summary", True),
    "reasoning_text.delta": ("thought", False),
    "reasoning_text.done": ("thought", True),
    "function_call_arguments.delta": ("arguments", False),
    "function_call_arguments.done": ("arguments", True),
    "custom_tool_call_input.delta": ("input", False),
    "custom_tool_call_input.done": ("input", True),
}
"""Stage of an event to the kind of text in it, and whether it is all of it."""
_WHOLE: Final = {"refusal": "refusal", "arguments": "arguments", "input": "input"}
"""Where a ``done`` event has the text; the others: ``text``."""
_ITEMS: Final = {
    "text": "message", "refusal": "message", "summary": "reasoning", "thought": "reasoning",
    "arguments": "function_call", "input": "custom_tool_call",
}  # fmt: skip
