"""Cut an upstream's stream into events and answer the hot ones. The specification; ``stream_c`` is the speed.

A :class:`StreamCore` is a pump's translator (``pump_py.Translator``): bytes in, any split; the client's bytes out,
whole events only. It cuts (``framing_py``), matches shapes (``shapes_py``), and asks a *machine*
(``translate.stream.Machine``, or ``translate.observer.Observer``) about every event that no armed lane takes. The
bytes are the same with and without lanes, and however the input is cut.

Framing: ``sse`` (LF, CRLF, CR, comments, a byte-order mark, ``data`` before ``event``, several data lines, bare JSON
objects; a JSON array of objects where the first byte that is not blank is ``[``); ``ndjson``: a line is an event. An
event without data is none. At the end of input an unterminated last event counts if its data is complete JSON or
``[DONE]``; else ``cut`` is set.

Asking: before the machine is called it is told by ``caught(block, deltas, text_bytes, kept, stash)`` of each lane that
carried something, in the order armed, then ``begin(core)``. Then ``event``, ``forward`` or ``finish`` gives the bytes,
``settle(core)`` takes the counter back, and ``lanes()`` are armed in place of those before. Whoever calls the machine
from outside (for a failure of the transport) calls ``StreamCore.settle`` first. Once the machine is ``done`` nothing
more is read.

Lanes. A lane is armed for a shape, a choice and an index. Of the shapes armed, in the order armed, the first one
counts that the event has and that has a lane of the event's CHOICE and INDEX; if then one of the lane's tags may begin
in the text (``shapes_py.may_hold``), the machine is asked all the same. Otherwise the event is hot: it becomes
``head`` [``sequence`` ``middle``] text [``again`` text] ``tail`` (``silent``: nothing), and is counted. ``keep`` keeps
its text for ``caught``, bounded by ``max_event_bytes`` over all lanes and all of the stream (``overflow`` beyond it).

Forwarding (``forward``): what goes on is the blocks as they came (``framing_py``). A hot event's block, and one
without an event, needs nobody; a frame's bytes are not looked at. For every other event the machine's ``forward`` says
what goes on. A machine that is holding something back arms no lanes, so that every event comes to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from omniroute._speedups.framing_py import BLANKS, LATE, Cutter, is_complete, read_block
from omniroute._speedups.shapes_py import Shapes, may_hold

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An image part arrives as one line of megabytes; more than this is not an event any vendor sends."""


class Sequenced(Protocol):
    """Whoever keeps the counter of frames with a ``middle``."""

    sequence: int


class HotShape(Protocol):
    """``translate.stream.Hot``."""

    @property
    def shape(self) -> int: ...
    @property
    def choice(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def block(self) -> int: ...


class TextFrame(Protocol):
    """``translate.stream.Frame``."""

    @property
    def head(self) -> bytes: ...
    @property
    def tail(self) -> bytes: ...
    @property
    def middle(self) -> bytes | None: ...
    @property
    def again(self) -> bytes | None: ...
    @property
    def keep(self) -> bool: ...
    @property
    def silent(self) -> bool: ...


class ArmedLane(Protocol):
    """``translate.stream.Lane``."""

    @property
    def hot(self) -> HotShape: ...
    @property
    def frame(self) -> TextFrame: ...
    @property
    def tags(self) -> tuple[bytes, ...]: ...


class StreamMachine(Protocol):
    """What a core asks; besides, ``event`` of a core that translates and ``forward`` of one that forwards."""

    content: bool
    done: bool

    @property
    def finished(self) -> bool: ...
    def begin(self, sequencer: Sequenced) -> None: ...
    def finish(self) -> bytes: ...
    def settle(self, sequencer: Sequenced) -> None: ...
    def lanes(self) -> Sequence[ArmedLane]: ...
    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None: ...


@runtime_checkable
class Rendering(StreamMachine, Protocol):
    """The face of ``translate.stream.Machine``."""

    def event(self, name: bytes, data: bytes) -> bytes:
        """The client's bytes for an event."""
        ...


@runtime_checkable
class Forwarding(StreamMachine, Protocol):
    """The face of ``translate.observer.Observer``."""

    def forward(self, name: bytes, data: bytes, block: bytes) -> bytes:
        """What goes on for an event: ``block`` itself, something in its place, or b"" (hidden, or held back)."""
        ...


class _Carried:
    """A lane and what it has carried since it was armed."""

    __slots__ = ("deltas", "kept", "lane", "stash", "text_bytes")

    def __init__(self, lane: ArmedLane) -> None:
        self.lane = lane
        self.deltas = self.text_bytes = 0
        self.kept: list[bytes] = []
        self.stash = b""


class StreamCore:
    """See the module's docstring."""

    sequence: int
    done: bool  # the machine is done: nothing of use follows
    finished: bool  # every choice has finished
    content: bool  # something was said: the stream may be committed
    overflow: bool  # an event, or what is kept, grew beyond max_event_bytes; it and what follows is dropped
    cut: bool  # after finish(): the last event was incomplete and was dropped
    events: int  # events with data so far

    __slots__ = (
        "_armed", "_cr_passed", "_cutter", "_forwarding", "_kept_bytes", "_machine", "_max_event_bytes", "_rendering",
        "_shapes", "_use_lanes", "content", "cut", "done", "events", "finished", "overflow", "sequence",
    )  # fmt: skip

    def __init__(
        self,
        machine: Rendering | Forwarding,
        *,
        framing: str,
        shapes: Shapes | Sequence[object],
        forward: bool = False,
        lanes: bool = True,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        """``lanes=False``: every event goes to the machine (for tests, and slow).

        Raises ValueError for what is no framing or no shape, TypeError for a machine without the face it needs.
        """
        if not isinstance(machine, Forwarding if forward else Rendering):
            raise TypeError(f"{type(machine).__name__} has no {'forward' if forward else 'event'}")
        self._machine = machine
        self._forwarding = machine if forward and isinstance(machine, Forwarding) else None
        self._rendering = machine if not forward and isinstance(machine, Rendering) else None
        self._cutter = Cutter(framing, max_event_bytes)
        self._shapes = shapes if isinstance(shapes, Shapes) else Shapes(shapes)
        self._use_lanes = lanes
        self._max_event_bytes = max_event_bytes
        self._armed: list[_Carried] = []
        self._kept_bytes = 0
        self._cr_passed = False  # the last block went on and ended with CR: its LF may follow
        self.sequence = self.events = 0
        self.done = self.finished = self.content = self.overflow = self.cut = False

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for every event completed by ``data``."""
        out: list[bytes] = []
        if self.overflow or (self.done and not self._cr_passed):
            return b""
        for kind, block in self._cutter.cut(data):
            if kind == LATE:
                if self._cr_passed:
                    out.append(block)
                continue
            if self.done or self.overflow:
                self._cr_passed = False
                break
            self._block(block, *read_block(kind, block), out)
        if self.done:
            self._cutter.rest()
        elif self._cutter.overflow:
            self.overflow = True
        return b"".join(out)

    def finish(self) -> bytes:
        """The client's bytes at the end of the body: of an unterminated last event, then the machine's last word."""
        if self.overflow:
            return b""
        out: list[bytes] = []
        kind, block = self._cutter.rest()
        if not self.done and block:
            name, data = read_block(kind, block)
            if not block.strip(BLANKS):
                self._block(block, b"", b"", out)
            elif is_complete(data):
                self._block(block, name, data, out)
            else:
                self.cut = True
        if not self.overflow:
            self.settle()
            out.append(self._machine.finish())
            self._resume()
        return b"".join(out)

    def held_bytes(self) -> int:
        """Bytes of the incomplete event kept inside."""
        return self._cutter.held_bytes

    def settle(self) -> None:
        """Tell the machine what the lanes have carried: before anybody but this core calls it."""
        for carried in self._armed:
            if carried.deltas:
                block, kept = carried.lane.hot.block, b"".join(carried.kept)
                deltas, carried.deltas = carried.deltas, 0
                self._machine.caught(block, deltas, carried.text_bytes, kept, carried.stash)
                carried.text_bytes = 0
                carried.kept.clear()
                carried.stash = b""
        self._machine.begin(self)

    def _block(self, block: bytes, name: bytes, data: bytes, out: list[bytes]) -> None:
        if data:
            self.events += 1
            if not self._carry(block, data, out):
                self.settle()
                if self._forwarding is not None:
                    out.append(self._forwarding.forward(name, data, block))
                elif self._rendering is not None:
                    out.append(self._rendering.event(name, data))
                self._resume()
        elif self._forwarding is not None:
            out.append(block)
        self._cr_passed = self._forwarding is not None and bool(out) and out[-1].endswith(b"\r")

    def _resume(self) -> None:
        machine = self._machine
        machine.settle(self)
        self.content = self.content or machine.content
        self.done = machine.done
        self.finished = machine.finished
        self._armed = [_Carried(lane) for lane in machine.lanes()] if self._use_lanes and not self.done else []
        for carried in self._armed:
            if not 0 <= carried.lane.hot.shape < len(self._shapes):
                raise ValueError(f"there is no shape {carried.lane.hot.shape}")

    def _carry(self, block: bytes, data: bytes, out: list[bytes]) -> bool:
        """Let the event pass through the lane that takes it; False if none does."""
        for shape in dict.fromkeys(carried.lane.hot.shape for carried in self._armed):
            match = self._shapes.match(shape, data)
            if match is None:
                continue
            key = (shape, match.choice, match.index)
            for carried in self._armed:
                hot = carried.lane.hot
                if (hot.shape, hot.choice, hot.index) == key:
                    text = data[match.text_start : match.text_end]
                    if may_hold(text, carried.lane.tags):
                        return False
                    if match.stash:
                        carried.stash = match.stash
                    self._pass_by(carried, block, text, out)
                    return True
        return False

    def _pass_by(self, carried: _Carried, block: bytes, text: bytes, out: list[bytes]) -> None:
        frame = carried.lane.frame
        if self._forwarding is None and frame.keep:
            self._kept_bytes += len(text)
            if self._kept_bytes > self._max_event_bytes:
                self.overflow = True
                return
            carried.kept.append(text)
        carried.deltas += 1
        carried.text_bytes += len(text)
        self.content = True
        if self._forwarding is not None:
            out.append(block)
        elif not frame.silent:
            out.append(frame.head)
            if frame.middle is not None:
                out.append(b"%d%b" % (self.sequence, frame.middle))
                self.sequence += 1
            out.append(text if frame.again is None else text + frame.again + text)
            out.append(frame.tail)
