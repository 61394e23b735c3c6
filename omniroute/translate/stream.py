"""Streams through the hub: a decoder's events, cleaned of tags, into an encoder, one upstream event at a time.

Theory of operation
-------------------
``_speedups`` cuts the upstream's bytes into events and hands each to a :class:`Machine`, which returns the client's
bytes for it. Most events of a stream are one more piece of text in a block that is already open, and the client's bytes
for it differ from the last ones in that text alone. So after each event the machine tells (``lanes``) which
**hot shapes** may now be answered without it: for a shape, choice and index as they stand in the event, the bytes
before and after the text (a :class:`Frame`). The compiled half matches the shape, copies the still-escaped text between
head and tail, and calls nobody. The next event that is not hot comes here again, after ``caught``: what the lanes
carried meanwhile. A stream gives the same bytes with and without lanes; a test cuts every vector both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.events import (
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
from omniroute.translate.recall import Recorder
from omniroute.translate.sound import sound

_SAYS: Final = (Delta, Whole, Sign, Finish, End)
"""Events after which an answer has begun, if only an empty one; so has it when a tool is called."""

BYTES_PER_TOKEN: Final = 4
"""For the estimate of an answer whose upstream told no usage: of English text, by and large."""

MAX_READ_BYTES: Final = 256 * 1024 * 1024
"""Of one stream's events that no lane carries: an encoder may have to keep what they say to the end (Responses repeats
its answer, calls wait for their arguments). A hundred times the longest answer; the lanes have a bound of their own."""


class Hot(msgspec.Struct, frozen=True):
    """A shape of the upstream's events that now feeds an open block."""

    shape: int
    """Which of ``UpstreamSide.shapes``."""
    choice: int
    """As the event writes it (0 where the shape has no CHOICE)."""
    index: int
    """As the event writes it (0 where the shape has no INDEX)."""
    block: int


class Frame(msgspec.Struct, frozen=True):
    """The client's bytes around a text: ``head`` [``sequence`` ``middle``] text [``again`` text] ``tail``."""

    head: bytes
    tail: bytes
    middle: bytes | None = None
    """Not None: a number that grows by one per event is written between ``head`` and it (Responses)."""
    again: bytes | None = None
    """Not None: the text is written a second time, after it."""
    keep: bool = False
    """The text is also kept, and handed to ``StreamEncoder.caught``."""
    silent: bool = False
    """Nothing is written now; the text is only kept."""


class Lane(msgspec.Struct, frozen=True):
    """An armed shape."""

    hot: Hot
    frame: Frame
    tags: tuple[bytes, ...]
    """A text in which one of these (unescaped, ``<`` first) may begin is not hot."""


class StreamDecoder(Protocol):
    """Events of one upstream dialect, read. State per stream; sans-IO."""

    @property
    def ending(self) -> int:
        """Choices whose reason to finish is known and told by ``finish`` only; 0 where it is told at once."""
        ...

    def decode(self, name: bytes, data: bytes) -> Iterable[StreamEvent]:
        """What one event says. ``name``: of the SSE event, b"" if it has none. Never raises, whatever it holds."""
        ...

    def finish(self) -> Iterable[StreamEvent]:
        """The input is over: ends with End or Failure, unless one was given already (translation.md §13.2)."""
        ...

    def hot(self) -> Iterable[Hot]:
        """Shapes that feed an open block from now on, until the next ``decode``."""
        ...

    def caught(self, block: int, deltas: int, stash: bytes) -> Usage | None:
        """``deltas`` events went by for ``block``; ``stash``: the last value of the shape's STASH, b"" if none.

        Returns the counts that told, so that a stream nobody reads to its end is paid for; they are reported as well
        with the next event.
        """
        ...


class StreamEncoder(Protocol):
    """Events of one client dialect, written. State per stream; sans-IO."""

    sequence: int
    """Next number for frames with a ``middle``."""

    def encode(self, event: StreamEvent) -> bytes:
        """The client's bytes for one event, b"" if it says nothing yet or cannot."""
        ...

    def frame(self, block: int) -> Frame | None:
        """How further text of ``block`` is written; None: every delta must come to ``encode``."""
        ...

    def caught(self, block: int, text: bytes) -> None:
        """``text`` (escaped) of ``block`` was written (or kept) by its frame, whose ``keep`` was set."""
        ...


class Stage(Protocol):
    """Something between decoder and encoder: the tag cleaner."""

    def apply(self, event: StreamEvent) -> Iterable[StreamEvent]:
        """The events to go on with."""
        ...

    def block_of(self, block: int) -> int:
        """What the encoder knows the decoder's open ``block`` as."""
        ...

    def tags(self, block: int) -> tuple[bytes, ...] | None:
        """Tags that must not pass by in a lane of ``block``; None: nothing of it may (a tag may be half read)."""
        ...


class Sequencer(Protocol):
    """The counter the lanes share; ``_speedups.StreamCore`` is one."""

    sequence: int


class Facts:
    """What has gone by in a stream, as far as the gateway acts on it."""

    __slots__ = (
        "_ended",
        "_finished",
        "choices",
        "content",
        "done",
        "failure",
        "finish_reason",
        "finishes",
        "lost",
        "model",
        "usage",
    )

    def __init__(self, choices: int) -> None:
        self._ended = False
        self._finished: set[int] = set()
        self.choices = choices
        self.content = False
        """Something has been said: this stream may be committed to the client."""
        self.done = False
        """The end mark was seen: nothing of use follows."""
        self.failure: UpstreamError | None = None
        self.finishes = 0
        self.finish_reason = ""
        """Of the first choice that finished, in the vendor's own word."""
        self.usage = Usage()
        self.model = ""
        """The first the upstream named."""
        self.lost: list[Finish] = []
        """Finishes whose reason nobody knows."""

    def finished_with(self, ending: int) -> bool:
        """Every choice has finished, ``ending`` of them by what their decoder knows."""
        return max(self.finishes, ending) >= self.choices

    def note(self, event: StreamEvent) -> None:
        """Take down what ``event`` says."""
        if isinstance(event, _SAYS) or (isinstance(event, Open) and event.kind == "tool"):
            self.content = True
        match event:
            case Start():
                self.model = self.model or event.model
                self.usage = event.usage or self.usage
            case Report():
                self.usage = event.usage
            case Finish():
                self._finished.add(event.choice)
                self.finishes = len(self._finished)
                self.finish_reason = self.finish_reason or event.finish.raw
                if event.finish.unknown:
                    self.lost.append(event)
            case Failure():
                self.failure = event.error
                self._ended = self.done = True
            case End():
                self._ended = self.done = True
            case _:
                return


class Machine(Facts):
    """One stream on its way from an upstream's dialect to a client's."""

    __slots__ = (
        "_call_prefix", "_calls", "_decoder", "_delivered_bytes", "_encoder", "_estimate_input", "_recorder", "_stage",
        "_told", "_unread_bytes",
    )  # fmt: skip

    def __init__(
        self,
        decoder: StreamDecoder,
        encoder: StreamEncoder,
        stage: Stage,
        *,
        choices: int,
        estimated_input: int,
        call_prefix: str = "",
        recorder: Recorder | None = None,
        max_read_bytes: int = MAX_READ_BYTES,
    ) -> None:
        """``call_prefix``: of ids for calls the upstream gave none; "": the encoder makes them."""
        super().__init__(choices)
        self._call_prefix = call_prefix
        self._calls = 0
        self._recorder = recorder
        self._told: set[int] = set()  # blocks whose text is kept for the recorder alone
        self._decoder = decoder
        self._encoder = encoder
        self._stage = stage
        self._estimate_input = estimated_input
        self._delivered_bytes = 0
        self._unread_bytes = max_read_bytes

    @property
    def finished(self) -> bool:
        """Every choice has finished: little can follow."""
        return self.finished_with(self._decoder.ending)

    def event(self, name: bytes, data: bytes) -> bytes:
        """The client's bytes for one event of the upstream; an answer that does not end is ended as failed."""
        self._unread_bytes -= len(data)
        if self._unread_bytes < 0:
            return self.fail(
                UpstreamError("The provider's answer does not end.", error_class="too_large", answered=True)
            )
        return self._carry(self._decoder.decode(name, data))

    def finish(self) -> bytes:
        """The client's bytes at the end of the upstream's input: nothing if ``done``."""
        return self._carry(self._decoder.finish())

    def fail(self, error: UpstreamError) -> bytes:
        """The client's bytes for a failure outside the stream (reset, deadline), nothing if it had ended."""
        return self._carry((Failure(error),))

    def lanes(self) -> Sequence[Lane]:
        """What may go by without ``event`` until the next call of it."""
        if self._ended:
            return ()
        armed: list[Lane] = []
        for hot in self._decoder.hot():
            tags = self._stage.tags(hot.block)
            frame = None if tags is None else self._encoder.frame(self._stage.block_of(hot.block))
            if frame is not None and tags is not None:
                armed.append(Lane(hot, self._recorded(frame, hot.block), tags))
        return armed

    def _recorded(self, frame: Frame, block: int) -> Frame:
        """``frame``, its text also kept if the recorder wants it."""
        if frame.keep or self._recorder is None or not self._recorder.wants(self._stage.block_of(block)):
            return frame
        self._told.add(block)
        return msgspec.structs.replace(frame, keep=True)

    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        """The lane of ``block`` has carried ``deltas`` events with ``text_bytes`` of text since it was armed."""
        self._delivered_bytes += text_bytes
        if deltas:
            self.content = True
        self.usage = self._decoder.caught(block, deltas, stash) or self.usage
        if kept:
            known_as = self._stage.block_of(block)
            if self._recorder is not None and self._recorder.wants(known_as):
                self._recorder.text(known_as, kept)
            if block not in self._told:
                self._encoder.caught(known_as, kept)

    def begin(self, sequencer: Sequencer) -> None:
        """Before ``event``, ``finish`` or ``fail``: the encoder's counter goes on where the lanes left it."""
        self._encoder.sequence = sequencer.sequence

    def settle(self, sequencer: Sequencer) -> None:
        """After them: the lanes' counter goes on where the encoder left it."""
        sequencer.sequence = self._encoder.sequence

    def _carry(self, events: Iterable[StreamEvent]) -> bytes:
        out: list[bytes] = []
        for raw in events:
            told = sound(raw)
            for staged in () if told is None else self._stage.apply(told):
                if self._ended:
                    break
                event = self._named(staged)
                self.note(event)
                if self._recorder is not None:
                    self._recorder.note(event)
                if isinstance(event, Delta):
                    self._delivered_bytes += len(event.text)
                if isinstance(event, End) and not self.usage.known:
                    # Only a client whose dialect demands numbers is told these; the ledger keeps them as unknown.
                    out.append(self._encoder.encode(Report(self._estimate())))
                out.append(self._encoder.encode(event))
        return b"".join(out)

    def _named(self, event: StreamEvent) -> StreamEvent:
        """``event``; a call the upstream gave no id gets one, the same for client and recorder."""
        if not self._call_prefix or not isinstance(event, Open) or event.kind != "tool" or event.call_id:
            return event
        self._calls += 1
        return msgspec.structs.replace(event, call_id=f"{self._call_prefix}_{self._calls - 1}")

    def _estimate(self) -> Usage:
        output = -(-self._delivered_bytes // BYTES_PER_TOKEN)
        return Usage(input_total=self._estimate_input, output_total=output)
