"""The shape of a conversation: turns merged, tool results beside their calls (translation.md §11.3, §11.4).

Pure: turns in, turns out. Writers of dialects choose which of it their target demands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from omniroute.translate.canonical import Block, Text, ToolCall, ToolResult, Turn
from omniroute.translate.notes import Notes

NO_RESULT: Final = "The tool gave no result."
"""Stands where a client left a call unanswered: vendors refuse such a conversation."""


def merged(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Neighbouring turns of one role as one: blocks one after another, never glued. System turns stay apart."""
    listed = tuple(turns)
    if not _has_neighbours(listed):
        return listed
    out: list[Turn] = []
    blocks: list[Block] = []  # of the last turn: joined once, since a client may send any number of turns
    for turn in listed:
        if out and out[-1].role == turn.role != "system":
            blocks += turn.blocks
            continue
        if out:
            out[-1] = msgspec.structs.replace(out[-1], blocks=tuple(blocks))
        out.append(turn)
        blocks = list(turn.blocks)
    if out:
        out[-1] = msgspec.structs.replace(out[-1], blocks=tuple(blocks))
    return tuple(out)


def without_empty(turns: Iterable[Turn], *, blank: bool = False) -> tuple[Turn, ...]:
    """Without empty texts (``blank``: nor texts of white space only) and the turns that leaves empty."""

    def is_empty(block: Block) -> bool:
        return isinstance(block, Text) and not (block.text.strip() if blank else block.text)

    out: list[Turn] = []
    for turn in turns:
        blocks = turn.blocks
        if any(map(is_empty, blocks)):
            blocks = tuple(block for block in blocks if not is_empty(block))
        if blocks:
            out.append(turn if blocks is turn.blocks else msgspec.structs.replace(turn, blocks=blocks))
    return tuple(out)


def paired(turns: Iterable[Turn], notes: Notes, *, in_call_order: bool = False) -> tuple[Turn, ...]:
    """Every call answered in the user turn right after it, results first, other content after.

    Clients may spread calls over several turns in a row, and results too: an answer is one turn from its first call
    on, results are in the first turn of the user's after it. Turns that neither concerns stay the client's own.

    Results find their call by id, without one by name and then by order (Gemini, Ollama). Calls without an id get one,
    ids used twice in a turn become different, results learn their call's name. A result without a call is dropped, a
    call without a result gets an error as its result; both are noted. ``in_call_order``: results follow the order of
    the calls instead of the client's. Calls in several turns of the assistant's with their results after the last one
    are made in one turn.
    """
    out: list[Turn] = []
    waiting: list[ToolCall] = []
    serial = 0
    listed = tuple(turns)
    for turn in _gathered(listed) if _has_neighbours(listed) else listed:
        if turn.role == "assistant":
            if waiting:
                out.append(Turn(role="user", blocks=_answers((), waiting, notes, in_call_order), at=out[-1].at))
            named = _with_ids(turn, serial)
            waiting = [block for block in named.blocks if isinstance(block, ToolCall)]
            serial += len(waiting)
            out.append(named)
        elif turn.role == "user":
            results = [block for block in turn.blocks if isinstance(block, ToolResult)]
            if turn.blocks and not (results or waiting):
                out.append(turn)
                continue
            rest = tuple(block for block in turn.blocks if not isinstance(block, ToolResult))
            blocks = _answers(results, waiting, notes, in_call_order) + rest
            waiting = []
            if blocks:
                out.append(msgspec.structs.replace(turn, blocks=blocks))
        else:
            out.append(turn)
    if waiting:
        out.append(Turn(role="user", blocks=_answers((), waiting, notes, in_call_order), at=out[-1].at))
    return tuple(out)


def _has_neighbours(turns: Sequence[Turn]) -> bool:
    """Whether two turns of one side follow each other: in most conversations none do."""
    last = ""
    for turn in turns:
        if turn.role == last:
            return True
        last = turn.role
    return False


def _gathered(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Of each run of turns of one side: its calls in one turn, its results in one turn.

    Google's client sends a streamed answer back as a turn for each piece, and then the results of all its calls.
    """
    for role, run in groupby(turns, lambda turn: turn.role):
        said = list(run)
        if role == "assistant":
            calling = next((n for n, turn in enumerate(said) if _holds(turn, ToolCall)), len(said))
            yield from said[:calling]
            if said[calling:]:
                yield _joined(said[calling:])
        elif role == "user" and any(_holds(turn, ToolResult) for turn in said[1:]):
            results = tuple(block for turn in said for block in turn.blocks if isinstance(block, ToolResult))
            for place, turn in enumerate(said):
                rest = tuple(block for block in turn.blocks if not isinstance(block, ToolResult))
                yield msgspec.structs.replace(turn, blocks=rest if place else results + rest)
        else:
            yield from said


def _holds(turn: Turn, kind: type[Block]) -> bool:
    return any(isinstance(block, kind) for block in turn.blocks)


def _joined(turns: Sequence[Turn]) -> Turn:
    """All as one; texts that meet stay two."""
    blocks: list[Block] = []
    for turn in turns:
        more = turn.blocks
        if blocks and more and isinstance(blocks[-1], Text) and isinstance(more[0], Text):
            more = (msgspec.structs.replace(more[0], apart=True), *more[1:])
        blocks += more
    return msgspec.structs.replace(turns[0], blocks=tuple(blocks))


def _with_ids(turn: Turn, serial: int) -> Turn:
    """Calls of ``turn`` with ids, all different. Invented ones depend on the call's place only."""
    seen: set[str] = set()
    blocks: list[Block] = []
    changed = False
    for block in turn.blocks:
        if isinstance(block, ToolCall):
            call_id = block.call_id
            if not call_id or call_id in seen:
                call_id = f"{block.call_id or 'call'}_{serial + len(seen)}"
                blocks.append(msgspec.structs.replace(block, call_id=call_id))
                seen.add(call_id)
                changed = True
                continue
            seen.add(call_id)
        blocks.append(block)
    return msgspec.structs.replace(turn, blocks=tuple(blocks)) if changed else turn


def _answers(
    results: Sequence[ToolResult], calls: list[ToolCall], notes: Notes, in_call_order: bool
) -> tuple[ToolResult, ...]:
    """One result for each of ``calls``."""
    if [result.call_id for result in results] == [call.call_id for call in calls]:  # as most clients send them
        pairs = zip(results, calls, strict=True)
        return tuple(msgspec.structs.replace(said, name=call.name, custom=call.custom) for said, call in pairs)
    answered: dict[str, ToolResult] = {}
    waiting = _Waiting(calls)
    for result in results:
        call = waiting.take(result)
        if call is None:
            notes.add(result.at, "dropped", "no call of the turn before it has this id")
            continue
        answered[call.call_id] = msgspec.structs.replace(
            result, call_id=call.call_id, name=call.name, custom=call.custom
        )
    for call in calls:
        if call.call_id not in answered:
            notes.add(call.at, "synthesised", "the call has no result; an error stands for it")
            answered[call.call_id] = ToolResult(
                call_id=call.call_id, name=call.name, blocks=(Text(text=NO_RESULT),), is_error=True,
                custom=call.custom, at=call.at,
            )  # fmt: skip
    if in_call_order:
        return tuple(answered[call.call_id] for call in calls)
    return tuple(answered.values())


class _Waiting:
    """Calls of a turn, to be answered by their id, else by their name, else in order: each once, in linear time."""

    __slots__ = ("_by_id", "_by_name", "_in_order")

    def __init__(self, calls: Iterable[ToolCall]) -> None:
        self._in_order = deque(calls)
        self._by_id = {call.call_id: call for call in self._in_order}
        self._by_name: dict[str, deque[ToolCall]] = {}
        for call in self._in_order:
            self._by_name.setdefault(call.name, deque(maxlen=len(self._in_order))).append(call)

    def take(self, result: ToolResult) -> ToolCall | None:
        """The call that ``result`` answers, which no other will; None if there is none."""
        if result.call_id:
            return self._by_id.pop(result.call_id, None)
        queue = self._by_name.get(result.name) if result.name else self._in_order
        while queue:
            call = self._by_id.pop(queue.popleft().call_id, None)
            if call is not None:
                return call
        return None
