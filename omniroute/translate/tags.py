"""Internal tags never reach a client, and ``<think>`` text becomes reasoning where a model's quirk says so.

:class:`TagStage` does it to the events of a stream, ``strip_tags_of_response`` to a whole answer in the hub,
``strip_tags`` to a body or event that passes as bytes. How tags are found is in ``tagged_text``. Tool arguments are the
user's data: nothing in them is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.translate import jsontext
from omniroute.translate.canonical import Block, ChatResponse, Reasoning, Refusal, Text
from omniroute.translate.events import (
    BlockKind,
    Cite,
    Close,
    Delta,
    Finish,
    Open,
    Probabilities,
    Sign,
    StreamEvent,
    Whole,
)
from omniroute.translate.fold import Folder, unfold
from omniroute.translate.tagged_text import CERTAIN, CLOSING, END_THINK, OPENING, THINK, Cleaner, Piece, Thinking

INTERNAL: Final = (OPENING, CLOSING)

_SAID: Final = (Text, Reasoning, Refusal)
_HALF: Final = b"omn"
_TAGGED: Final = re.compile(rb"(?:<|\\u003[cC])(?:\\?/|\\u002[fF])?omn")
_TEXT_MEMBERS: Final = frozenset(
    {
        b'"content"',
        b'"text"',
        b'"reasoning_content"',
        b'"reasoning"',
        b'"refusal"',
        b'"thinking"',
        b'"response"',
        b'"delta"',
    }
)
"""Members whose strings a model wrote for people, over all dialects."""
_TOOL_MEMBERS: Final = frozenset(
    {b'"tool_calls"', b'"function_call"', b'"functionCall"', b'"arguments"', b'"input"', b'"args"', b'"partial_json"'}
)
"""Members that hold what a model wrote for a tool, at any depth."""
_TOOL_TYPE: Final = re.compile(rb'"type"\s*:\s*"(?:response\.\w+_call_\w+\.\w+|input_json_delta)"')
# The lone quote is a string that does not end: the scan stops there, lest it begin again at every quote in it.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|"', re.DOTALL)


class _Block:
    """What becomes of one of the decoder's blocks."""

    __slots__ = ("choice", "cleaner", "kind", "number", "opening", "waiting")

    def __init__(self, opening: Open) -> None:
        self.choice = opening.choice
        self.opening = opening
        self.cleaner = Cleaner()
        self.kind: BlockKind | None = None
        """What the encoder has open for it; None: nothing yet, or no more."""
        self.number = -1
        """As which."""
        self.waiting: list[Sign | Cite] = []
        """Came before it was known what the text is."""


class TagStage:
    """Between decoder and encoder. Blocks are numbered anew, in the order in which they open here."""

    __slots__ = ("_blocks", "_carried", "_numbers", "_think", "_thinking")

    def __init__(self, *, think: bool) -> None:
        """``think``: text that begins with ``<think>`` becomes reasoning."""
        self._think = think
        self._thinking: dict[int, Thinking] = {}
        self._blocks: dict[int, _Block] = {}
        self._carried: dict[int, bytes] = {}
        """By choice: the tag its last text block ended in, which the next may go on with."""
        self._numbers = 0

    def apply(self, event: StreamEvent) -> Iterable[StreamEvent]:
        """The events to go on with."""
        match event:
            case Open():
                return self._open(event)
            case Delta() | Close() | Sign() | Cite() | Probabilities():
                block = self._blocks.get(event.block)
                return () if block is None else self._within(block, event)
            case Whole():
                return (msgspec.structs.replace(event, block=self._next_number(), value=_cleaned(event.value)),)
            case Finish():
                self._carried.pop(event.choice, None)
            case _:
                pass
        return (event,)

    def block_of(self, block: int) -> int:
        """What the encoder knows the decoder's open ``block`` as."""
        known = self._blocks.get(block)
        return block if known is None else known.number

    def tags(self, block: int) -> tuple[bytes, ...] | None:
        """Tags that must not pass by in a lane of ``block``; None: nothing of it may (a tag may be half read)."""
        known = self._blocks.get(block)
        if known is None or known.kind is None or known.cleaner.holding:
            return None
        if known.opening.kind == "tool":
            return ()
        thinking = self._thinking_of(known)
        if thinking is None or thinking.phase == "text":
            return INTERNAL
        return (*INTERNAL, END_THINK) if thinking.settled else None

    def _open(self, event: Open) -> Iterator[StreamEvent]:
        block = self._blocks[event.block] = _Block(event)
        if event.kind == "text":
            block.cleaner.feed(self._carried.pop(event.choice, b""))
        thinking = self._thinking_of(block)
        if thinking is None or thinking.phase == "text":
            yield self._opened(block, event.kind)

    def _within(self, block: _Block, event: Delta | Close | Sign | Cite | Probabilities) -> Iterator[StreamEvent]:
        match event:
            case Delta():
                yield from self._said(block, event.text)
            case Close():
                yield from self._closed(block)
                del self._blocks[event.block]
            case Probabilities():
                # Those of tags and of text that became reasoning have nowhere to go.
                if block.kind == block.opening.kind:
                    yield msgspec.structs.replace(event, block=block.number)
            case Sign() | Cite():
                if block.kind == block.opening.kind:
                    yield msgspec.structs.replace(event, block=block.number)
                else:
                    block.waiting.append(event)

    def _said(self, block: _Block, text: bytes) -> Iterator[StreamEvent]:
        if block.opening.kind != "tool":
            text = block.cleaner.feed(text)
        if text:
            thinking = self._thinking_of(block)
            pieces: list[Piece] | None = None if thinking is None else thinking.feed(text)
            yield from self._pieces(block, ((block.opening.kind, text),) if pieces is None else pieces)

    def _closed(self, block: _Block) -> Iterator[StreamEvent]:
        """The end of the decoder's ``block``: what is held is decided, or goes on in the choice's next text."""
        if block.opening.kind == "text" and (carried := block.cleaner.carry()):
            self._carried[block.choice] = carried
        rest = block.cleaner.finish()
        thinking = self._thinking_of(block)
        if thinking is not None:
            yield from self._pieces(block, [*(thinking.feed(rest) if rest else ()), *thinking.finish()])
        elif rest:
            yield from self._pieces(block, ((block.opening.kind, rest),))
        if block.waiting and block.kind != block.opening.kind:
            yield from self._switch(block, block.opening.kind)
        if block.kind is not None:
            yield Close(block.choice, block.number)

    def _pieces(self, block: _Block, pieces: Iterable[tuple[BlockKind, bytes]]) -> Iterator[StreamEvent]:
        for kind, text in pieces:
            if kind != block.kind:
                yield from self._switch(block, kind)
            yield Delta(block.choice, block.number, text)

    def _switch(self, block: _Block, kind: BlockKind) -> Iterator[StreamEvent]:
        if block.kind is not None:
            yield Close(block.choice, block.number)
        yield self._opened(block, kind)
        if kind == block.opening.kind:
            for event in block.waiting:
                yield msgspec.structs.replace(event, block=block.number)
            block.waiting.clear()

    def _opened(self, block: _Block, kind: BlockKind) -> Open:
        block.kind, block.number = kind, self._next_number()
        if kind == block.opening.kind:
            return msgspec.structs.replace(block.opening, block=block.number)
        return Open(choice=block.choice, block=block.number, kind=kind)

    def _thinking_of(self, block: _Block) -> Thinking | None:
        """What splits the text of ``block``'s choice; None if nothing is to be split."""
        if not self._think or block.opening.kind != "text":
            return None
        return self._thinking.setdefault(block.choice, Thinking())

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers - 1


def _cleaned(value: Block) -> Block:
    """A whole block without tags in its text."""
    if not isinstance(value, Text | Reasoning | Refusal) or "<" not in value.text:
        return value
    cleaner = Cleaner()
    text = cleaner.feed(jsontext.escaped(value.text)) + cleaner.finish()
    return msgspec.structs.replace(value, text=jsontext.unescaped(text))


def strip_tags_of_response(response: ChatResponse, *, think: bool) -> ChatResponse:
    """A whole answer without internal tags and, with ``think``, with ``<think>`` text as reasoning: as in a stream."""
    for candidate in response.candidates:
        if any(_is_tagged(block, think) for block in candidate.blocks):
            break
    else:
        return response
    stage, folder = TagStage(think=think), Folder()
    for event in unfold(response):
        for one in stage.apply(event):
            folder.encode(one)
    stripped = folder.response()
    return msgspec.structs.replace(response, candidates=stripped.candidates)


def _is_tagged(block: Block, think: bool) -> bool:
    if not isinstance(block, _SAID) or "<" not in block.text:
        return False
    return any(begun.decode() in block.text for begun in CERTAIN) or (think and THINK.decode() in block.text)


def strip_tags(body: bytes) -> bytes:
    """A JSON body without internal tags in the texts a model wrote; otherwise byte for byte."""
    return rewrite(body, ()) if is_tagged(body) else body


def is_tagged(body: bytes) -> bool:
    """Whether one of our tags, or half of one, may be in ``body``: cheap, and false for nearly all."""
    return jsonspan.holds(body, _HALF) and _TAGGED.search(body) is not None


def rewrite(body: bytes, texts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """``body`` (JSON, or an event's data) with ``texts`` replaced, (old, new) in the order they stand, and no tag left.

    Only strings a model wrote for people are looked at; everything else is kept byte for byte.
    """
    todo = iter(texts)
    old, new = next(todo, (None, b""))
    out: list[bytes] = []
    at = 0
    for start, end in _texts(body):
        text = body[start:end]
        if text == old:
            replacement = new
            old, new = next(todo, (None, b""))
        elif _HALF in text:
            cleaner = Cleaner()
            replacement = cleaner.feed(text) + cleaner.finish()
        else:
            continue
        out += (body[at:start], replacement)
        at = end
    out.append(body[at:])
    return b"".join(out)


class _Nesting:
    """Where in a JSON document a scan is."""

    __slots__ = ("_lists", "_members", "_tools")

    def __init__(self, tools: bool) -> None:
        """``tools``: all of it is said to a tool."""
        self._members: list[bytes] = [b""]
        """Of each open container the member whose value is read; a list has that of the object around it."""
        self._lists = [False]
        self._tools = int(tools)

    def enter(self, is_list: bool) -> None:
        self._tools += self._members[-1] in _TOOL_MEMBERS
        self._lists.append(is_list)
        self._members.append(self._members[-1] if is_list else b"")

    def leave(self) -> None:
        if len(self._members) > 1:
            self._lists.pop()
            self._members.pop()
            self._tools -= self._members[-1] in _TOOL_MEMBERS

    def name(self, member: bytes) -> None:
        """The value of ``member`` follows; b"": none does yet."""
        if not self._lists[-1]:
            self._members[-1] = member

    @property
    def at_text(self) -> bool:
        """A string that stands here was written for people."""
        return not self._tools and self._members[-1] in _TEXT_MEMBERS


def _texts(body: bytes) -> Iterator[tuple[int, int]]:
    """Where the strings are that a model wrote for people, without their quotes; a scan, as nesting is the vendor's."""
    nesting = _Nesting(_TOOL_TYPE.search(body) is not None)
    last = b""
    for token in _TOKEN.finditer(body):
        text = token.group()
        if text in (b"{", b"["):
            nesting.enter(text == b"[")
        elif text in (b"}", b"]"):
            nesting.leave()
        elif text == b":":
            nesting.name(last)
        elif text == b",":
            nesting.name(b"")
        elif text == b'"':
            return
        elif nesting.at_text:
            yield token.start() + 1, token.end() - 1
        last = text
