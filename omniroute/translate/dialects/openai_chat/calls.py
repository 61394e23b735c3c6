"""Tool calls of a stream, put together from fragments as vendors send them (translation.md §13.1, §17).

A fragment belongs to the call of its ``index``. Vendors leave the index out, count from one, repeat the id, send an
empty one, or begin a new call at a used index with a new id. A call is told of when its arguments begin, since its name
may still come in pieces, or when something else begins or ends. What has no name is no call: it is never told of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from omniroute.translate.canonical import Json
from omniroute.translate.events import Close, Delta, Open, StreamEvent
from omniroute.translate.jsontext import compact, escaped, is_complete
from omniroute.translate.members import count, member, members, text, word

MAX_CALLS: Final = 1024
"""Of one choice."""

MAX_HELD_BYTES: Final = 1024 * 1024
"""Arguments that came before their call's name; no vendor is known to send any."""

_FRAGMENT: Final = (b"index", b"id", b"type", b"function", b"custom", b"extra_content")
_INNER: Final = (b"name", b"arguments", b"input")


class Call:
    """One call."""

    __slots__ = ("begun", "block", "call_id", "complete", "custom", "held", "held_bytes", "index", "name", "signature")

    def __init__(self, index: int, call_id: str) -> None:
        self.index = index
        self.call_id = call_id
        self.name = ""
        self.custom = False
        self.signature = ""
        self.block = -1
        """Of the stream; -1 until it is told of."""
        self.begun = False
        """Arguments have come."""
        self.complete = False
        """The first of them were all there are: one JSON value."""
        self.held: list[bytes] = []
        self.held_bytes = 0


class Calls:
    """The calls of one choice."""

    __slots__ = ("_all", "_by_id", "_by_index", "_choice", "_new_block", "_told", "last")

    def __init__(self, choice: int, new_block: Callable[[], int]) -> None:
        self._choice = choice
        self._new_block = new_block
        self._by_index: dict[int, Call] = {}
        self._by_id: dict[str, Call] = {}
        self._all: list[Call] = []
        self._told: set[str] = set()
        self.last: Call | None = None
        """Whose fragment came last: the only one an index-less fragment can go on with."""

    def __len__(self) -> int:
        return sum(call.block >= 0 for call in self._all)

    def fragment(self, raw: Json, place: int, *, whole: bool, shift: int = 0) -> Iterator[StreamEvent]:
        """What a fragment says; ``place`` is its place in its list.

        ``whole``: it is a call of a whole message. ``shift`` is added to its index: it is of another choice.
        """
        index, call_id, kind, function, custom, extra = members(raw, _FRAGMENT)
        name, arguments, free = members(function or custom, _INNER)
        at = place if whole else count(index)
        call = self._call(None if at is None else at + shift, word(call_id), word(name), again=place > 0)
        if call is None:
            return
        if call is not self.last and self.last is not None:
            yield from self.tell(self.last)
        self.last = call
        if call.block < 0:
            call.custom = call.custom or word(kind) == "custom" or bool(custom and not function)
            call.signature = call.signature or signature_of(extra)
            call.call_id = call.call_id or word(call_id)
            piece = word(name)
            # A name that is said again is no second piece of it.
            if piece and piece != call.name and not (call.begun and call.name):
                call.name += piece
        yield from self._arguments(call, argument_text(arguments) or text(free))

    def tell(self, call: Call) -> Iterator[StreamEvent]:
        """Tell of ``call`` if that has not been done and it has a name."""
        if call.block >= 0 or not call.name:
            return
        call.block = self._new_block()
        taken = call.call_id in self._told
        self._told.add(call.call_id)
        yield Open(
            choice=self._choice,
            block=call.block,
            kind="tool",
            call_id="" if taken else call.call_id,
            name=call.name,
            custom=call.custom,
            signature=call.signature,
            origin="gemini" if call.signature else "",
        )
        for piece in call.held:
            yield Delta(self._choice, call.block, piece)
        call.held.clear()

    def close(self) -> Iterator[StreamEvent]:
        """Tell of every call that has a name, and that all are complete."""
        for call in self._all:
            yield from self.tell(call)
        for call in self._all:
            if call.block >= 0:
                yield Close(self._choice, call.block)
        self._by_index.clear()
        self.last = None

    def _call(self, index: int | None, call_id: str, name: str, *, again: bool) -> Call | None:
        """Whose fragment it is; a new call's if need be, None if too many. ``again``: not the first of its list."""
        last = self.last
        if index is None:
            if call_id in self._by_id:
                return self._by_id[call_id]
            # Without index and id: the call goes on, unless this clearly names another.
            if last is not None and not call_id and not (name and (again or name != last.name or last.complete)):
                return last
            index = max(self._by_index, default=-1) + 1
        found = self._by_index.get(index)
        if found is None or self._replaces(found, call_id, name):
            if len(self._all) >= MAX_CALLS:
                return None
            found = self._by_index[index] = Call(index, call_id)
            self._all.append(found)
            if call_id:
                self._by_id[call_id] = found
        return found

    @staticmethod
    def _replaces(found: Call, call_id: str, name: str) -> bool:
        """Whether a fragment at a used index begins a new call: it has a new id, and a name to be called by."""
        return bool(call_id and found.call_id and call_id != found.call_id and name)

    def _arguments(self, call: Call, piece: bytes) -> Iterator[StreamEvent]:
        if not piece:
            return
        if not call.begun:
            call.begun = True
            call.complete = is_complete(piece)
        if call.block < 0 and call.name:
            yield from self.tell(call)
        if call.block >= 0:
            yield Delta(self._choice, call.block, piece)
        elif call.held_bytes + len(piece) <= MAX_HELD_BYTES:
            call.held.append(piece)
            call.held_bytes += len(piece)


def argument_text(raw: Json) -> bytes:
    """Arguments, escaped: a string, or what some servers send in its place, the object itself."""
    if not raw.startswith((b"{", b"[")):
        return text(raw)
    with suppress(ValueError):  # it holds halves of surrogate pairs: as it came, then
        raw = compact(raw)
    return escaped(raw.decode("utf-8", "replace"))


def signature_of(extra: Json) -> str:
    """``extra_content.google.thought_signature``."""
    return word(member(member(extra, b"google"), b"thought_signature"))
