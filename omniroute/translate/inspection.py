"""Some streams in production are held against the grammar their clients rely on, as all of them are in tests.

An :class:`InspectedFlow` is a flow whose bytes a second reader sees: it cuts them as a client would and feeds them to
the dialect's checker. It changes nothing of them, and what it finds names rules, never content. It costs a call into
Python for every piece and a decoded document for every event, so it is for a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

from omniroute._speedups import Shapes, StreamCore
from omniroute._speedups.stream_py import ArmedLane, Sequenced
from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.dialect import Checker, ClientSide
from omniroute.translate.flow import Flow, Reader

SOUND: Final = "ok"
"""The verdict on a stream, or on as much of one as was sent, that breaks no rule."""
_NDJSON: Final = b"application/x-ndjson"
_DEMANDS: Final = frozenset({"demand", "_need", "_require", "_object", "_listed"})
"""What checkers call to state a rule: its caller is where the rule stands."""


class Inspection:
    """One stream's."""

    __slots__ = ("_broken", "_checker", "_core", "_events", "content", "done")

    def __init__(self, client: ClientSide, max_event_bytes: int) -> None:
        ndjson = client.stream_headers[0][1].startswith(_NDJSON)
        self.content = False
        self.done = False
        self._checker: Checker = client.checker()
        self._broken = ""
        self._events = 0
        self._core = StreamCore(
            self, framing="ndjson" if ndjson else "sse", shapes=Shapes(()), max_event_bytes=max_event_bytes
        )

    @property
    def verdict(self) -> str:
        """``ok``, or which rule of the checker was broken first, by its place, and in which event."""
        return self._broken or SOUND

    def saw(self, data: bytes) -> bytes:
        """``data``, which went to the client."""
        if data and not self._broken:
            self._core.feed(data)
        return data

    def end(self) -> None:
        """Nothing follows: cleanly, or after the dialect's own error."""
        if not self._broken:
            self._core.finish()
            self._hold(None)

    def _hold(self, event: tuple[bytes, bytes] | None) -> None:
        """Ask the checker about one event, or about the end."""
        try:
            if event is None:
                self._checker.end()
            else:
                self._checker.event(*event)
        except Exception as exc:  # noqa: BLE001 - the stream is its client's, whatever is wrong with who looks at it
            self._broken = f"{_place(exc.__traceback__)} {type(exc).__name__} in event {self._events}"
            self.done = True

    # -- what a core asks of its machine -------------------------------------------------------------------------------
    @property
    def finished(self) -> bool:
        """Nobody asks."""
        return False

    def event(self, name: bytes, data: bytes) -> bytes:
        """One event of the client's."""
        self._events += 1
        self._hold((name, data))
        return b""

    def finish(self) -> bytes:
        """The end is told by ``end``."""
        return b""

    def begin(self, sequencer: Sequenced) -> None:
        """Nothing is numbered."""

    def settle(self, sequencer: Sequenced) -> None:
        """Nothing is numbered."""

    def lanes(self) -> Sequence[ArmedLane]:
        """Every event is looked at."""
        return ()

    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        """Never called: there are no lanes."""


class _SeenReader:
    """A reader whose output is seen."""

    __slots__ = ("_inspection", "_reader")

    def __init__(self, reader: Reader, inspection: Inspection) -> None:
        self._reader = reader
        self._inspection = inspection

    @property
    def done(self) -> bool:
        return self._reader.done

    @property
    def finished(self) -> bool:
        return self._reader.finished

    @property
    def overflow(self) -> bool:
        return self._reader.overflow

    @property
    def cut(self) -> bool:
        return self._reader.cut

    @property
    def events(self) -> int:
        return self._reader.events

    def feed(self, data: bytes) -> bytes:
        return self._inspection.saw(self._reader.feed(data))

    def finish(self) -> bytes:
        return self._inspection.saw(self._reader.finish())


class InspectedFlow:
    """A ``Flow`` over another whose every byte ``inspection`` sees."""

    __slots__ = ("_flow", "_inspection", "reader")

    def __init__(self, flow: Flow, inspection: Inspection) -> None:
        self._flow = flow
        self._inspection = inspection
        self.reader: Reader = _SeenReader(flow.reader, inspection)

    @property
    def content(self) -> bool:
        """Something was said."""
        return self._flow.content

    @property
    def failure(self) -> UpstreamError | None:
        """What has gone wrong."""
        return self._flow.failure

    @property
    def told(self) -> bool:
        """The client's bytes hold the failure."""
        return self._flow.told

    @property
    def usage(self) -> Usage:
        """Counts so far."""
        return self._flow.usage

    @property
    def lost(self) -> tuple[str, ...]:
        """Reasons to finish that nobody knows."""
        return self._flow.lost

    def look(self, data: bytes) -> bytes:
        """The client's bytes before the commit."""
        return self._inspection.saw(self._flow.look(data))

    def complete(self, *, whole: bool) -> bool:
        """Whether the answer came to its end."""
        return self._flow.complete(whole=whole)

    def fail(self, error: UpstreamError, *, last: bytes) -> bytes:
        """The client's bytes for a failure outside the stream."""
        return self._inspection.saw(self._flow.fail(error, last=last))


def _place(traceback: TracebackType | None) -> str:
    """``file:line`` of the rule: a checker's message quotes what it objects to, and that is somebody's conversation."""
    place = "?"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_name not in _DEMANDS:
            folder, _, file = code.co_filename.rpartition("/")
            place = f"{folder.rpartition('/')[2]}/{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
