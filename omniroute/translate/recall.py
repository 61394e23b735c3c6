"""What clients lose between turns: signed reasoning that must go back unchanged, by the call it led to.

Clients of Gemini's and Ollama's dialects have no place for another vendor's signature, and many Chat clients drop
members they do not know (translation.md §15.5). So what a vendor will want back is noted when an answer goes by, under
the id of each call the client will answer, and put into the request that answers it. Pure: where the notes are kept,
for how long and how many, is the caller's business; nothing of this is needed where a client sends everything back.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Final

import msgspec

from omniroute.translate.canonical import Block, ChatRequest, ChatResponse, Reasoning, ToolCall, Turn
from omniroute.translate.events import Delta, Finish, Open, Sign, StreamEvent, Whole
from omniroute.translate.jsontext import unescaped

MAX_TEXT_BYTES: Final = 256 * 1024
"""Of the reasoning of one answer; more is not noted."""
MAX_CALLS: Final = 128
"""Of one answer whose calls are noted."""


class Remembered(msgspec.Struct, frozen=True):
    """What went before a call, and on it, in words only ``origin`` can use."""

    origin: str
    signature: str = ""
    """Of the call itself (Gemini)."""
    reasoning: tuple[Reasoning, ...] = ()

    @property
    def size_bytes(self) -> int:
        """About what it takes to keep."""
        return len(self.signature) + sum(len(r.text) + len(r.signature) + len(r.data) for r in self.reasoning)


Learn = Callable[[str, Remembered], None]
"""``(call id as the client knows it, what to remember)``."""


class Recorder:
    """Notes the reasoning and the calls of one stream, choice by choice, and tells ``learn`` at each finish."""

    __slots__ = ("_bytes", "_calls", "_learn", "_open", "_origin", "_said")

    def __init__(self, origin: str, learn: Learn) -> None:
        """``origin``: the dialect the stream came in."""
        self._origin = origin
        self._learn = learn
        self._said: dict[int, list[Reasoning]] = {}  # by choice, in order
        self._calls: dict[int, list[Open]] = {}
        self._open: dict[int, tuple[int, list[bytes], Open]] = {}  # reasoning, by block: choice, text, how it opened
        self._bytes = 0

    def wants(self, block: int) -> bool:
        """Whether text of ``block`` that goes by in a lane must be told."""
        return block in self._open

    def text(self, block: int, text: bytes) -> None:
        """More (escaped) text of a block it wants."""
        self._bytes += len(text)
        if self._bytes <= MAX_TEXT_BYTES:
            self._open[block][1].append(text)

    def note(self, event: StreamEvent) -> None:
        """Take down what ``event`` says."""
        match event:
            case Open(kind="reasoning"):
                self._open[event.block] = (event.choice, [], event)
            case Open(kind="tool") if len(self._calls.setdefault(event.choice, [])) < MAX_CALLS:
                self._calls[event.choice].append(event)
            case Delta() if event.block in self._open:
                self.text(event.block, event.text)
            case Sign():
                self._sign(event)
            case Whole(value=Reasoning()):
                assert isinstance(event.value, Reasoning)
                self._said.setdefault(event.choice, []).append(event.value)
            case Finish():
                self._finish(event.choice)
            case _:
                return

    def _sign(self, event: Sign) -> None:
        opened = self._open.get(event.block)
        if opened is not None:
            choice, texts, how = opened
            block = Reasoning(
                text=unescaped(b"".join(texts)), signature=event.signature, data=event.data, origin=event.origin,
                item_id=event.item_id or how.item_id, summary=how.summary,
            )  # fmt: skip
            self._said.setdefault(choice, []).append(block)

    def _finish(self, choice: int) -> None:
        if self._bytes > MAX_TEXT_BYTES:
            return
        said = tuple(self._said.get(choice, ()))
        for call in self._calls.get(choice, ()):
            _tell(self._learn, call.call_id, self._origin, call.signature, said)


def learn_answer(response: ChatResponse, origin: str, learn: Learn) -> None:
    """The same of a whole answer of ``origin``'s dialect."""
    for candidate in response.candidates:
        calls = [block for block in candidate.blocks if isinstance(block, ToolCall)]
        if not calls:
            continue
        said = tuple(b for b in candidate.blocks if isinstance(b, Reasoning) and (b.signature or b.data))
        if sum(len(block.text) for block in said) > MAX_TEXT_BYTES:
            continue
        for call in calls[:MAX_CALLS]:
            _tell(learn, call.call_id, origin, call.signature, said)


def recalled(request: ChatRequest, lookup: Callable[[str], Remembered | None], target: str) -> ChatRequest:
    """``request`` with what ``target`` made, and the client has lost, in front of its calls and on them."""
    turns = tuple(_recalled(turn, lookup, target) if turn.role == "assistant" else turn for turn in request.turns)
    return request if all(map(is_, turns, request.turns)) else msgspec.structs.replace(request, turns=turns)


def _recalled(turn: Turn, lookup: Callable[[str], Remembered | None], target: str) -> Turn:
    unsigned = [block for block in turn.blocks if isinstance(block, ToolCall) and not block.signature]
    notes = {call.call_id: note for call in unsigned if (note := lookup(call.call_id)) and note.origin == target}
    if not notes or any(isinstance(block, Reasoning) and block.origin == target for block in turn.blocks):
        return turn  # nothing is known, or this client has kept it
    blocks: list[Block] = []
    said = False
    for block in turn.blocks:
        known = notes.get(block.call_id) if isinstance(block, ToolCall) and not block.signature else None
        if isinstance(block, ToolCall) and known is not None:
            if not said:
                blocks[:0] = known.reasoning  # one answer's reasoning stands in front of all it says
                said = True
            blocks.append(msgspec.structs.replace(block, signature=known.signature))
        else:
            blocks.append(block)
    return msgspec.structs.replace(turn, blocks=tuple(blocks))


def _tell(learn: Learn, call_id: str, origin: str, signature: str, said: tuple[Reasoning, ...]) -> None:
    if call_id and (signature or said):
        learn(call_id, Remembered(origin, signature, said))
