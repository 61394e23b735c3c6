"""Streams that pass, read along by a tap: it knows this dialect's chunks and looks at no more than it must.

A ``translate.flow.Flow``. Before the commit point every event is looked at, after it the tap is alone with the pump.
"""

from __future__ import annotations

from omniroute._speedups import SseTap, event_data
from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.dialect import Peeked
from omniroute.translate.dialects.openai_chat.stream import EventKind, classify_event, tap, unfold
from omniroute.translate.dialects.openai_chat.usage import usage_of
from omniroute.translate.openai_bodies import error_body
from omniroute.translate.upstream_errors import read_stream_error


class TapFlow:
    """The answer to one request."""

    __slots__ = ("_failure", "_request_id", "content", "reader")

    def __init__(self, peeked: Peeked, request_id: str) -> None:
        self.reader: SseTap = tap(peeked)
        self.content = False
        self._failure: UpstreamError | None = None
        self._request_id = request_id

    @property
    def failure(self) -> UpstreamError | None:
        """What an event said has gone wrong."""
        if self._failure is None and self.reader.error:
            self._failure = read_stream_error(self.reader.error)
        return self._failure

    @property
    def told(self) -> bool:
        """The client's bytes hold the failure."""
        return self.failure is not None

    @property
    def usage(self) -> Usage:
        """Counts so far."""
        return usage_of(self.reader.usage) if self.reader.usage else Usage()

    @property
    def lost(self) -> tuple[str, ...]:
        """Nothing: bytes pass."""
        return ()

    def look(self, data: bytes) -> bytes:
        """The client's bytes before the commit. Events after the first content need not be looked at.

        A whole answer in place of a stream is made one: some providers ignore ``stream``, and no client looks for that.
        """
        events = self.reader.split(data) if data else [self.reader.finish()]
        for place, event in enumerate(events):
            told = event_data(event)
            kind = classify_event(told)
            if kind is EventKind.ERROR:
                self._failure = read_stream_error(self.reader.error or told)
                break
            if kind is EventKind.HANDSHAKE:
                continue
            self.content = True
            if event.startswith(b"{"):
                events[place] = unfold(event) or _as_event(event)
            break
        return b"".join(events)

    def complete(self, *, whole: bool) -> bool:
        """Whether the answer came to its end."""
        reader = self.reader
        # An upstream may give fewer answers than asked for; if it also breaks off, the missing ones were on their way.
        return not reader.error and (reader.done or reader.finished or (whole and reader.finishes > 0))

    def fail(self, error: UpstreamError, *, last: bytes) -> bytes:
        """The client's bytes for a failure outside the stream."""
        gap = b"" if not last or last.endswith(b"\n\n") else b"\n\n"
        return gap + b"data: " + error_body(error, self._request_id) + b"\n\n"


def _as_event(body: bytes) -> bytes:
    return b"data: " + b"".join(body.splitlines()) + b"\n\n"  # line ends are white space between members
