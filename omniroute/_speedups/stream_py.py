"""Cut an upstream's stream into events and answer the hot ones. The specification; ``stream_c`` is the speed.

A :class:`StreamCore` is a pump's translator (``pump_py.Translator``): bytes in, any split; the client's bytes out, whole
events only. It cuts (``framing``), matches **shapes**, and asks a *machine* (``translate.stream.Machine``, or an observer
of the same face) about every event that no armed lane takes.

Framing: ``sse`` as in ``tap_py`` (LF, CRLF, CR, comments, a byte-order mark, ``data`` before ``event``, several data lines, bare
JSON objects), and a JSON array of objects where the first byte that is not blank is ``[``; ``ndjson``: a line is an event.
An event without data is none. At the end of input an unterminated last event counts if its data is complete JSON or
``[DONE]``; else ``cut`` is set.

Shapes. A shape is a nested dict: member name to a leaf, another dict (an object) or a one-element list (a list with exactly that
one element). An event has a shape if its data is one JSON object whose members are all named in the shape (any order, none
twice), every leaf allows the value, and TEXT is there and not empty. Leaves:

``TEXT``    a JSON string; its escaped bytes are what a lane carries. Exactly one per shape. Only well-formed escapes and UTF-8.
``CHOICE``  an integer 0..255, 0 if absent         ``INDEX``   an integer 0..65535, 0 if absent
``ANY``     any value, not looked at                ``NULL``    null              ``FALSE``  false             ``TRUE``  true
``EMPTY``   null, "", [] or {}                      ``STASH``   any value; its bytes of the last event are kept for the machine
``Is(b"x")`` the string x, written without escapes

All members but TEXT, TRUE and ``Is`` may be absent: those tell one shape from another.

Lanes. After each call of the machine its ``lanes()`` are armed; they replace the ones before. An event whose shape, CHOICE and
INDEX are those of an armed lane, and in whose text none of the lane's tags may begin (no ``<`` or ``\\u003c`` from which on text and
tag agree as far as both go), becomes ``head`` [``sequence`` ``middle``] text ``tail`` (``silent``: nothing), and is
counted; ``keep`` keeps its text, bounded by ``max_event_bytes`` over all lanes (``overflow`` beyond). Before the machine is called
again it is told by ``caught(lane, deltas, text_bytes, kept, stash)`` of each lane that carried something, in the order armed.

Forwarding (``forward``): blocks go on as they came. An event that has any of the shapes is content and needs nobody, unless
a tag may begin in its text; of every other the machine's ``event`` says, None: forward as it is; bytes: these instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An image part arrives as one line of megabytes; more than this is not an event any vendor sends."""


class Leaf:
    """What a shape says of a value."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: bytes = b"") -> None:
        self.kind = kind
        self.text = text

    def __repr__(self) -> str:
        return self.kind.upper() if self.kind != "is" else f"Is({self.text!r})"


TEXT: Final = Leaf("text")
CHOICE: Final = Leaf("choice")
INDEX: Final = Leaf("index")
ANY: Final = Leaf("any")
NULL: Final = Leaf("null")
FALSE: Final = Leaf("false")
TRUE: Final = Leaf("true")
EMPTY: Final = Leaf("empty")
STASH: Final = Leaf("stash")


def Is(text: bytes) -> Leaf:  # noqa: N802 - reads like a leaf's name in a shape
    """The string ``text``, written without escapes."""
    return Leaf("is", text)


class Sequenced(Protocol):
    """Whoever keeps the counter of frames with a ``middle``."""

    sequence: int


class StreamMachine(Protocol):
    """What a core asks about events; ``translate.stream.Machine`` (hub) and ``translate.observer.Observer`` (forward)."""

    content: bool
    done: bool

    @property
    def finished(self) -> bool: ...
    def begin(self, sequencer: Sequenced) -> None: ...
    def event(self, name: bytes, data: bytes) -> bytes | None: ...
    def finish(self) -> bytes: ...
    def settle(self, sequencer: Sequenced) -> None: ...
    def lanes(self) -> Sequence[object]: ...
    def caught(self, lane: object, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None: ...


class StreamCore:
    """See the module's docstring."""

    sequence: int
    done: bool  # the machine is done, or failed
    finished: bool
    content: bool  # something was said: the stream may be committed
    overflow: bool
    cut: bool  # after finish(): the last event was incomplete and was dropped
    events: int  # events with data so far

    def __init__(
        self,
        machine: StreamMachine,
        *,
        framing: str,
        shapes: Sequence[object],
        forward: bool = False,
        lanes: bool = True,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        """``lanes=False``: every event goes to the machine (for tests, and slow)."""
        raise NotImplementedError

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for every event completed by ``data``."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """The client's bytes at the end of the upstream's body."""
        raise NotImplementedError

    def fail(self, end: bytes) -> bytes:
        """Reserved."""
        raise NotImplementedError
