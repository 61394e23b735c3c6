"""The pump: body bytes of one link through a translator into another link's outbox. Part of ``relay_py``."""

from __future__ import annotations

from typing import Protocol

from omniroute._speedups.dechunk_py import BodyReader
from omniroute._speedups.halves_py import READ_BYTES, Inbox, Outbox
from omniroute._speedups.status import Status

LAST_CHUNK = b"0\r\n\r\n"


class Translator(Protocol):
    """What a pump feeds body bytes through. ``SseTap`` is one; the decoder-encoder pairs of later dialects are others.

    What it raises ends its pump with MALFORMED (the exception's type in ``detail``) and harms no other link.
    """

    @property
    def done(self) -> bool:
        """The end mark was seen: the pump finishes now, whatever follows in the body."""
        ...

    @property
    def finished(self) -> bool:
        """Every choice has its finish reason: silence for ``after_finish_s`` is now a normal end, not a stall."""
        ...

    @property
    def overflow(self) -> bool:
        """An event grew beyond the translator's own bound: the pump ends with TOO_LARGE."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What may go to the client now. Whole events only, so that the pump may add a comment or an error after it."""
        ...

    def finish(self) -> bytes:
        """The same at the end of the body."""
        ...


class Pump:
    """A parked pump. An :class:`~omniroute._speedups.operations_py.Operation`; instants are on the caller's clock."""

    __slots__ = (
        "_after_finish_s",
        "_body",
        "_bound_bytes",
        "_chunked",
        "_heard_at",
        "_heartbeat",
        "_heartbeat_s",
        "_idle_s",
        "_sink",
        "_spoke_at",
        "_total_at",
        "_translator",
        "_was_full",
        "_write_s",
        "detail",
        "first_forward_at",
        "forwarded_bytes",
        "held_bytes",
        "last_forward_at",
        "result",
    )

    def __init__(
        self,
        body: BodyReader,
        sink: Outbox,
        translator: Translator | None,
        *,
        bound_bytes: int,
        chunked: bool,
        now: float,
    ) -> None:
        self._body = body
        self._sink = sink
        self._translator = translator
        self._bound_bytes = bound_bytes
        self._chunked = chunked
        self._heard_at = now  # when the source last sent, or was last allowed to
        self._spoke_at = now  # when the sink was last given anything, heartbeats included
        self._was_full = False
        self._idle_s = self._write_s = self._after_finish_s = self._total_at = self._heartbeat_s = 0.0
        self._heartbeat = b""
        self.result = b""
        self.detail = ""
        self.held_bytes = 0
        self.first_forward_at = self.last_forward_at = 0.0
        self.forwarded_bytes = 0

    def limit(self, *, idle_s: float, write_s: float, after_finish_s: float, total_at: float) -> None:
        """Set the deadlines; 0 turns one off."""
        self._idle_s, self._write_s = idle_s, write_s
        self._after_finish_s, self._total_at = after_finish_s, total_at

    def beat(self, heartbeat_s: float, heartbeat: bytes) -> None:
        """Send ``heartbeat`` whenever the sink was given nothing for ``heartbeat_s``; 0 turns it off."""
        self._heartbeat_s, self._heartbeat = heartbeat_s, heartbeat

    @property
    def full(self) -> bool:
        """More than the write bound waits in the sink: the source is not read."""
        return len(self._sink.held) > self._bound_bytes

    @property
    def wants_input(self) -> bool:
        return not self.full

    def advance(self, inbox: Inbox, now: float) -> Status | None:
        """Move what can be moved."""
        if self._translator is not None and self._translator.done:
            return self._end(b"", whole=False)
        if self._was_full and not self.full:
            self._heard_at = now  # its silence was our doing
        while not self.full and not self._sink.broken:
            data = self._body.take(inbox.held, READ_BYTES)
            if data:
                self._heard_at = now
            status = self._move(data, inbox, now)
            if status is not None or not data:
                self._was_full = self.full
                return status
        self._was_full = self.full
        return self._sink_broken() if self._sink.broken else None

    def overdue(self, now: float) -> Status | None:
        """The deadlines, and the heartbeat."""
        if self._total_at and now >= self._total_at:
            self.detail = "the answer took longer than its total deadline"
            return Status.TOTAL_DEADLINE
        if self._sink.held:
            if self._write_s and now - self._sink.moved_at >= self._write_s:
                self.detail = f"the sink took nothing for {self._write_s:g} s"
                return Status.SINK_STALLED
            if self.full:
                return None
        silence_s = now - self._heard_at
        if self._translator is not None and self._translator.finished and self._after_finish_s:
            return self._end(b"", whole=True) if silence_s >= self._after_finish_s else None
        if self._idle_s and silence_s >= self._idle_s:
            self.detail = f"nothing came for {self._idle_s:g} s"
            return Status.DEADLINE
        # A sink that has bytes waiting is not listening: another comment would only pile up.
        if self._heartbeat_s and now - self._spoke_at >= self._heartbeat_s and not self._sink.held:
            self._spoke_at = now
            self._sink.queue((self._framed(self._heartbeat),), now)
        return self._sink_broken() if self._sink.broken else None

    def _move(self, data: bytes, inbox: Inbox, now: float) -> Status | None:
        """``data`` (may be empty) through the translator; the status if this is the end."""
        body = self._body
        ended = body.complete or (
            not data and not body.error and inbox.end is Status.CLOSED and not inbox.held and body.end_of_input()
        )
        if data or ended:
            status = self._feed(data, now, whole=ended)
            if status is not None:
                return status
        if body.error and not data:
            self.detail = body.error
            return Status.MALFORMED
        if data or inbox.end is None:
            return None
        if inbox.end is Status.RESET:
            self.detail = inbox.detail
            return Status.RESET
        self.detail = "the peer closed inside the body"
        return Status.TRUNCATED

    def _feed(self, data: bytes, now: float, *, whole: bool) -> Status | None:
        translator = self._translator
        output = data
        if translator is not None:
            try:
                output = translator.feed(data) if data else b""
            except Exception as exc:  # noqa: BLE001  # a dialect's defect must not stop the other links of this relay
                return self._translator_raised(exc)
            if translator.overflow:
                self._forward(output, now)
                self.detail = "an event is larger than its translator's bound"
                return Status.TOO_LARGE
            whole = whole and not translator.done
            if translator.done:
                return self._end(output, whole=False)
        if whole:
            return self._end(output, whole=True)
        self._forward(output, now)
        return None

    def _end(self, output: bytes, *, whole: bool) -> Status:
        """OK, with the tail in ``result``. ``whole``: the body ended, so the translator has a last word."""
        if whole and self._translator is not None:
            try:
                output += self._translator.finish()
            except Exception as exc:  # noqa: BLE001  # as in _feed
                return self._translator_raised(exc)
        self.result = self._framed(output) + (LAST_CHUNK if self._chunked else b"")
        return Status.OK

    def _forward(self, output: bytes, now: float) -> None:
        if not output:
            return
        self._sink.queue((self._framed(output),), now)
        self.forwarded_bytes += len(output)
        self.first_forward_at = self.first_forward_at or now
        self.last_forward_at = self._spoke_at = now

    def _framed(self, data: bytes) -> bytes:
        if not self._chunked or not data:  # an empty chunk would be the last one
            return data
        return b"%x\r\n%b\r\n" % (len(data), data)

    def _sink_broken(self) -> Status:
        self.detail = self._sink.broken
        return Status.SINK_BROKEN

    def _translator_raised(self, exc: Exception) -> Status:
        self.detail = f"the translator failed: {type(exc).__name__}"  # its text may quote the payload
        return Status.MALFORMED
