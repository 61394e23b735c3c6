"""Machines to put behind a stream core: one that writes everything down, and one that renders text as its lanes do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import ModuleType
from typing import Final

import msgspec

from omniroute._speedups.shapes_py import Leaf


class Hot(msgspec.Struct, frozen=True):
    shape: int
    choice: int
    index: int
    block: int


class Frame(msgspec.Struct, frozen=True):
    head: bytes = b""
    tail: bytes = b""
    middle: bytes | None = None
    again: bytes | None = None
    keep: bool = False
    silent: bool = False


class Lane(msgspec.Struct, frozen=True):
    hot: Hot
    frame: Frame
    tags: tuple[bytes, ...] = ()


class Call(msgspec.Struct, frozen=True):
    """What a core said or asked."""

    what: str
    name: bytes = b""
    data: bytes = b""
    numbers: tuple[int, ...] = ()


class Recorder:
    """Says nothing, remembers all: every event as ``Call("event", name, data)``."""

    def __init__(self, lanes: Sequence[Lane] = (), *, done_at: bytes = b"[DONE]") -> None:
        self.calls: list[Call] = []
        self.armed: Sequence[Lane] = lanes
        self.content = self.done = self.finished = False
        self.counter = 0
        self._done_at = done_at

    def begin(self, sequencer: object) -> None:
        self.counter = sequencer.sequence  # type: ignore[attr-defined]
        self.calls.append(Call("begin", numbers=(self.counter,)))

    def event(self, name: bytes, data: bytes) -> bytes:
        self.calls.append(Call("event", name, data))
        self.done = data.strip() == self._done_at
        return self.answer(name, data)

    def forward(self, name: bytes, data: bytes, block: bytes) -> bytes:
        self.calls.append(Call("forward", name, data))
        self.done = data.strip() == self._done_at
        return block

    def finish(self) -> bytes:
        self.calls.append(Call("finish"))
        return b""

    def settle(self, sequencer: object) -> None:
        sequencer.sequence = self.counter  # type: ignore[attr-defined]

    def lanes(self) -> Sequence[Lane]:
        return self.armed

    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        self.calls.append(Call("caught", kept, stash, (block, deltas, text_bytes)))

    def answer(self, name: bytes, data: bytes) -> bytes:
        """What ``event`` gives; for subclasses."""
        return b""

    def events(self) -> list[tuple[bytes, bytes]]:
        return [(call.name, call.data) for call in self.calls if call.what in ("event", "forward")]


class Scribe(Recorder):
    """Renders every text itself as its lanes would, so that output with and without lanes must be the same.

    It reads events with msgspec and knows shapes by their meaning, not by the cores' way of matching them. A block opens
    with the first event of its shape, choice and index; from then on its lane is armed.
    """

    def __init__(self, specs: Sequence[object], *, tags: tuple[bytes, ...] = (), numbered: bool = False) -> None:
        super().__init__()
        self._specs = specs
        self._tags = tags
        self._numbered = numbered
        self._open: dict[tuple[int, int, int], int] = {}
        self.totals: dict[int, tuple[int, int, bytes]] = {}
        self.stashes: dict[int, bytes] = {}

    def answer(self, name: bytes, data: bytes) -> bytes:
        self.content = True
        self.finished = b"stop" in data
        for shape, spec in enumerate(self._specs):
            found = read(spec, data)
            if found is None:
                continue
            text = found["text"][1:-1]
            key = (shape, int(found.get("choice", b"0")), int(found.get("index", b"0")))
            opened = b"" if key in self._open else b"(open %d)" % len(self._open)
            block = self._open.setdefault(key, len(self._open))
            self._count(block, 1, len(text), text, found.get("stash", b""))
            frame = self._frame(block)
            number = b""
            if frame.middle is not None:
                number = b"%d%b" % (self.counter, frame.middle)
                self.counter += 1
            if frame.silent:
                return opened
            more = b"" if frame.again is None else frame.again + text
            return opened + frame.head + number + text + more + frame.tail
        return b"(%b|%b)" % (name, data)

    def lanes(self) -> Sequence[Lane]:
        return [
            Lane(Hot(shape, choice, index, block), self._frame(block), self._tags)
            for (shape, choice, index), block in self._open.items()
        ]

    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        super().caught(block, deltas, text_bytes, kept, stash)
        self._count(block, deltas, text_bytes, kept, stash)

    def _frame(self, block: int) -> Frame:
        middle = b"#" if self._numbered and block % 2 == 0 else None
        again = b"~" if self._numbered and block % 3 == 0 else None
        return Frame(b"[%d:" % block, b"]", middle, again, keep=True, silent=block % 5 == 4)

    def _count(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        before = self.totals.get(block, (0, 0, b""))
        self.totals[block] = (before[0] + deltas, before[1] + text_bytes, before[2] + kept)
        if stash:
            self.stashes[block] = stash


def read(spec: object, data: bytes) -> dict[str, bytes] | None:
    """The leaves of ``spec`` in the event ``data`` by kind, None if it does not have the shape. By msgspec's reading."""
    found: dict[str, bytes] = {}
    # msgspec refuses halves of surrogate pairs, which may stand in a text: they are moved elsewhere and back.
    moved = ESCAPE.sub(lambda escape: escape.group().replace(b"\\ud", b"\\ue").replace(b"\\uD", b"\\uE"), data)
    try:
        fits = _read(spec, moved, found)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if len(found.get("text", b"")) <= 2:
        return None
    found["text"] = ESCAPE.sub(
        lambda escape: escape.group().replace(b"\\ue", b"\\ud").replace(b"\\uE", b"\\uD"), found["text"]
    )
    return found if fits else None


def _read(spec: object, data: bytes, found: dict[str, bytes]) -> bool:
    data = data.strip(b" \t\r\n")
    if isinstance(spec, Mapping):
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        return all(name in members or not _is_needed(inner) for name, inner in spec.items()) and all(
            name in spec and _read(spec[name], bytes(value), found) for name, value in members.items()
        )
    if isinstance(spec, list):
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
        return len(items) == 1 and _read(spec[0], bytes(items[0]), found)
    assert isinstance(spec, Leaf)
    found[spec.kind] = data
    return FITS[spec.kind](spec, data)


def _is_needed(spec: object) -> bool:
    if isinstance(spec, Mapping):
        return any(map(_is_needed, spec.values()))
    if isinstance(spec, list):
        return _is_needed(spec[0])
    assert isinstance(spec, Leaf)
    return spec.kind in ("text", "is", "true")


def _number(largest: int) -> Callable[[Leaf, bytes], bool]:
    return lambda _, data: data.isdigit() and len(data) < 6 and str(int(data)) == data.decode() and int(data) <= largest


ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
FITS: Final[dict[str, Callable[[Leaf, bytes], bool]]] = {
    "text": lambda _, data: isinstance(msgspec.json.decode(data), str),
    "choice": _number(255),
    "index": _number(65535),
    "any": lambda _, data: msgspec.json.decode(data) is not Ellipsis,
    "stash": lambda _, data: msgspec.json.decode(data) is not Ellipsis,
    "null": lambda _, data: data == b"null",
    "false": lambda _, data: data == b"false",
    "true": lambda _, data: data == b"true",
    "empty": lambda _, data: msgspec.json.decode(data) in (None, "", [], {}),
    "is": lambda leaf, data: data == b'"' + leaf.text + b'"',
}


def cut(data: bytes, *places: int) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


STATE: Final = ("done", "finished", "content", "overflow", "cut", "events", "sequence")


def drive(
    half: ModuleType, machine: Recorder, pieces: Sequence[bytes], **options: object
) -> tuple[bytes, dict[str, object]]:
    """Everything that comes out of a core over ``machine``, and the state it ends in."""
    core = half.StreamCore(machine, **options)
    out = b"".join([*(core.feed(piece) for piece in pieces), core.finish()])
    return out, {name: getattr(core, name) for name in STATE}
