"""Between streams and whole answers: events to one ``ChatResponse``, and one ``ChatResponse`` to events.

What the two cannot say alike is little: an empty text is no block of a stream, and ``legacy`` of a call, ``ext`` and
``origin`` of an answer have no event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from omniroute.domain import Usage
from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatResponse,
    Citation,
    Json,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.events import (
    Cite,
    Close,
    Delta,
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

_KEPT = Frame(b"", b"", keep=True, silent=True)


class _Block:
    """A block in the making."""

    __slots__ = ("choice", "citations", "logprobs", "opening", "signs", "text", "whole")

    def __init__(self, choice: int, opening: Open | None, whole: Block | None) -> None:
        self.choice = choice
        self.opening = opening
        self.whole = whole
        self.text: list[bytes] = []
        self.signs: list[Sign] = []
        self.citations: list[Citation] = []
        self.logprobs: list[Json] = []

    def value(self) -> Block:
        """The block as far as it is known."""
        opening = self.opening
        if opening is None:
            assert self.whole is not None
            return self.whole
        text = jsontext.unescaped(b"".join(self.text))
        signature = next((sign.signature for sign in reversed(self.signs) if sign.signature), opening.signature)
        match opening.kind:
            case "text":
                return Text(
                    text=text,
                    citations=tuple(self.citations),
                    signature=signature,
                    phase=opening.phase,
                    apart=opening.apart,
                    logprobs=_one_list(self.logprobs),
                )
            case "reasoning":
                return Reasoning(
                    text=text,
                    signature=signature,
                    data=next((sign.data for sign in reversed(self.signs) if sign.data), ""),
                    origin=next((sign.origin for sign in reversed(self.signs)), opening.origin),
                    item_id=next((sign.item_id for sign in reversed(self.signs) if sign.item_id), opening.item_id),
                    summary=opening.summary,
                )
            case "tool":
                return ToolCall(
                    call_id=opening.call_id,
                    name=opening.name,
                    arguments=text,
                    custom=opening.custom,
                    item_id=opening.item_id,
                    signature=signature,
                )
            case "refusal":
                return Refusal(text=text)
            case _:
                assert_never(opening.kind)


class Folder:
    """A StreamEncoder that writes nothing and remembers everything."""

    sequence: int = 0

    def __init__(self) -> None:
        self._start = Start()
        self._blocks: dict[int, _Block] = {}
        self._finishes: dict[int, FinishReason] = {}
        self._usage = Usage()

    def encode(self, event: StreamEvent) -> bytes:
        """b"": the event is remembered."""
        match event:
            case Start():
                self._start = event
                self._usage = event.usage or self._usage
            case Open():
                self._blocks[event.block] = _Block(event.choice, event, None)
            case Whole():
                self._blocks[event.block] = _Block(event.choice, None, event.value)
            case Delta():
                self._blocks[event.block].text.append(event.text)
            case Sign():
                self._blocks[event.block].signs.append(event)
            case Cite():
                self._blocks[event.block].citations.append(event.citation)
            case Probabilities():
                self._blocks[event.block].logprobs.append(event.content)
            case Report():
                self._usage = event.usage
            case Finish():
                self._finishes.setdefault(event.choice, event.finish)
            case _:  # Close, End: blocks are complete when asked for. Failure: the machine keeps it
                pass
        return b""

    def frame(self, block: int) -> Frame | None:
        """Silent and kept."""
        return _KEPT if block in self._blocks else None

    def caught(self, block: int, text: bytes) -> None:
        """More text of ``block``."""
        self._blocks[block].text.append(text)

    def response(self) -> ChatResponse:
        """Everything so far as one answer: blocks in order of opening, choices by index."""
        choices: dict[int, list[Block]] = {number: [] for number in self._finishes}
        for block in self._blocks.values():
            choices.setdefault(block.choice, []).append(block.value())
        return ChatResponse(
            id=self._start.id,
            model=self._start.model,
            created_epoch_s=self._start.created_epoch_s,
            service_tier=self._start.service_tier,
            usage=self._usage,
            candidates=tuple(
                Candidate(blocks=tuple(choices[number]), finish=self._finishes.get(number), index=number)
                for number in sorted(choices)
            ),
        )


def unfold(response: ChatResponse, *, first_block: int = 0) -> Iterator[StreamEvent]:
    """The events of a whole answer, Start to Finish (no End): text in one delta, blocks from ``first_block`` on."""
    yield Start(
        id=response.id,
        model=response.model,
        created_epoch_s=response.created_epoch_s,
        service_tier=response.service_tier,
    )
    number = first_block
    for candidate in response.candidates:
        for block in candidate.blocks:
            if not (isinstance(block, Text) and block == Text(text="", phase=block.phase, at=block.at)):
                yield from _unfolded(block, candidate.index, number)
                number += 1
    if response.usage != Usage():
        yield Report(response.usage)
    for candidate in response.candidates:
        if candidate.finish is not None:
            yield Finish(candidate.index, candidate.finish)


def _unfolded(block: Block, choice: int, number: int) -> Iterator[StreamEvent]:
    opening, text = _opening(block, choice, number)
    if opening is None:
        yield Whole(choice=choice, block=number, value=block)
        return
    yield opening
    if text:
        yield Delta(choice, number, jsontext.escaped(text))
    if isinstance(block, Text):
        for citation in block.citations:
            yield Cite(choice, number, citation)
        if block.logprobs:
            yield Probabilities(choice, number, block.logprobs)
        if block.signature:
            yield Sign(choice=choice, block=number, signature=block.signature, origin="gemini")
    elif isinstance(block, Reasoning) and (block.signature or block.data):
        yield Sign(
            choice=choice,
            block=number,
            signature=block.signature,
            data=block.data,
            item_id=block.item_id,
            origin=block.origin,
        )
    yield Close(choice, number)


def _opening(block: Block, choice: int, number: int) -> tuple[Open | None, str]:
    """How ``block`` opens and what it says; None if it comes in one piece."""
    match block:
        case Text() if block.text:
            return Open(choice=choice, block=number, kind="text", phase=block.phase, apart=block.apart), block.text
        case Reasoning() if not block.redacted and (block.text or block.data or block.signature):
            opening = Open(
                choice=choice,
                block=number,
                kind="reasoning",
                item_id=block.item_id,
                origin=block.origin,
                summary=block.summary,
            )
            return opening, block.text
        case Refusal():
            return Open(choice=choice, block=number, kind="refusal"), block.text
        case ToolCall():
            opening = Open(
                choice=choice,
                block=number,
                kind="tool",
                call_id=block.call_id,
                name=block.name,
                custom=block.custom,
                item_id=block.item_id,
                signature=block.signature,
                origin="gemini" if block.signature else "",
            )
            return opening, block.arguments
        case _:
            return None, ""


def _one_list(lists: list[Json]) -> Json:
    """Several JSON lists as one, as spelled."""
    items = [inner for content in lists if (inner := content.strip()[1:-1].strip())]
    return b"[" + b",".join(items) + b"]" if lists else b""


__all__ = ["Folder", "unfold"]
