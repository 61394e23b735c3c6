"""From the upstream's body to the client: whole answers, and streams across the commit point.

Until the first content event nothing has reached the client and any failure is the next target's chance. From then on
the relay moves the bytes; this task sleeps until it says how that ended. Records are written before the last byte is
sent.
"""

from __future__ import annotations

from typing import Final

import trio

from omniroute._speedups import SseTap, Status, event_data
from omniroute.domain import Timeouts, Usage
from omniroute.errors import UpstreamError
from omniroute.pipeline.answer import answer_headers
from omniroute.pipeline.record import Book
from omniroute.pipeline.values import PipelineOptions, Request, Served
from omniroute.ports import ClientGone, Exchange, Reply
from omniroute.translate import EventKind, read_stream_error
from omniroute.wire import PumpLimits, Wire, WireError

CLIENT_LEFT: Final = frozenset({Status.WATCHED_GONE, Status.SINK_BROKEN, Status.SINK_STALLED})

LOOK_BYTES: Final = 2048
"""How much is read at a time before the commit point: the second event mostly is content, the rest is the pump's."""

ERROR_CLASS: Final = {
    Status.CLOSED: "truncated",
    Status.TRUNCATED: "truncated",
    Status.RESET: "reset",
    Status.MALFORMED: "malformed",
    Status.TOO_LARGE: "too_large",
    Status.DEADLINE: "timeout_idle",
    Status.TOTAL_DEADLINE: "timeout_total",
}
_SAID: Final = {
    "truncated": "ended its answer before it was complete",
    "reset": "broke the connection in the middle of its answer",
    "malformed": "sent an answer that is not valid HTTP",
    "too_large": "sent an answer larger than the gateway accepts",
    "timeout_idle": "sent nothing for too long in the middle of its answer",
    "timeout_total": "did not finish its answer within the total time allowed",
}


def upstream_failed(status: Status, served: Served) -> UpstreamError:
    """The error that says how an upstream's body ended."""
    error_class = ERROR_CLASS.get(status, "reset")
    late = error_class.startswith("timeout")
    return UpstreamError(
        f"Provider '{served.target.connection.provider}' {_SAID[error_class]}.",
        error_class=error_class,
        answered=True,
        status=504 if late else 502,
        kind="timeout" if late else "upstream_incomplete",
        code="gateway_timeout" if late else "upstream_incomplete",
    )


def not_an_answer(served: Served) -> UpstreamError:
    """The error for a success status over a body that is no answer."""
    return UpstreamError(
        f"Provider '{served.target.connection.provider}' answered with status {served.status} and something that is "
        "neither a JSON object nor an event stream, such as an HTML page or half a document; is its base URL right?",
        error_class="malformed",
        answered=True,
    )


class Delivery:
    """One attempt's answer on its way. The book is closed before the last byte goes out."""

    __slots__ = ("_book", "_exchange", "_options", "_reply", "_request", "_served", "_source", "_timeouts", "_total_at")

    def __init__(
        self,
        request: Request,
        served: Served,
        reply: Reply,
        exchange: Exchange,
        total_at: float,
        book: Book,
        options: PipelineOptions,
    ) -> None:
        self._request = request
        self._served = served
        self._reply = reply
        self._exchange = exchange
        self._source: Wire = exchange.source
        self._timeouts: Timeouts = served.target.connection.timeouts
        self._total_at = total_at
        self._book = book
        self._options = options

    async def explanation(self) -> bytes:
        """The body of an error answer, b"" if too large or broken off: its status says enough. Raises ClientGone."""
        try:
            return await self._source.read_body(self._options.error_body_bytes, self._read_deadline())
        except WireError as exc:
            if exc.status is Status.WATCHED_GONE:
                raise ClientGone from exc
            return b""

    async def whole(self) -> None:
        """Answer with the upstream's whole body. Raises UpstreamError before the commit point, ClientGone."""
        dialect, served = self._request.dialect, self._served
        try:
            body = await self._source.read_body(self._options.response_body_bytes, self._read_deadline())
        except WireError as exc:
            raise self._reading(exc) from exc
        try:
            failure, usage = dialect.read_answer(body)
        except ValueError as exc:
            if not any(name == b"content-encoding" for name, _ in self._exchange.headers):
                raise not_an_answer(served) from exc
            # Compressed although nobody asked for it: the header goes with it, the client may know how.
            failure, usage = None, Usage()
        if failure is not None:
            raise read_stream_error(failure)
        served.usage = usage
        served.committed_at = trio.current_time()
        served.bytes_out = len(body)
        served.outcome = "ok"
        answer = answer_headers(self._request, served, self._exchange)
        self._book.close()
        try:
            await self._reply.complete(served.status, answer, (body,))
        except WireError as exc:
            raise ClientGone from exc

    async def stream(self) -> None:
        """Answer with the upstream's stream. Raises UpstreamError before the commit point, ClientGone after or before.

        After the commit point an upstream's failure is reported in-band, recorded, and this returns.
        """
        tap = self._request.dialect.tap(self._request.peeked)
        held = await self._hold(tap)
        served, reply, source = self._served, self._reply, self._source
        served.committed_at = trio.current_time()
        self._book.commit()
        first = reply.begin(served.status, answer_headers(self._request, served, self._exchange)) + reply.frame(held)
        if tap.done or source.body_complete:
            last = tap.finish()
            served.bytes_out = len(held) + len(last)
            self._read_along(tap)
            await self._finish(tap, Status.OK, first + reply.frame(last) + reply.last_chunk)
            return
        limits = PumpLimits(
            idle_s=self._timeouts.idle_s,
            write_s=self._timeouts.client_write_s,
            total_at=self._total_at,
            heartbeat_s=self._request.snapshot.settings.heartbeat_s,
        )
        try:
            status = await source.pump(reply.sink, tap, limits, first=first, chunked=reply.chunked)
        finally:
            served.bytes_out = len(held) + source.forwarded_bytes
            self._read_along(tap)
        if status in CLIENT_LEFT:
            raise ClientGone
        tail = reply.last_chunk
        if status is Status.OK:
            tail = source.result
            served.bytes_out += self._payload_bytes(tail)
        await self._finish(tap, status, tail)

    async def _hold(self, tap: SseTap) -> bytes:
        """Everything up to the first content event, and what came with it. Raises UpstreamError or ClientGone."""
        held: list[bytes] = []
        held_bytes = 0
        while True:
            try:
                piece = await self._source.read_piece(self._read_deadline(), LOOK_BYTES)
            except WireError as exc:
                raise self._reading(exc) from exc
            events = tap.split(piece) if piece else [tap.finish()]
            committed = self._commits(tap, events)
            held += events
            # What the tap keeps of an incomplete event is bounded by the tap: an image may well come first.
            held_bytes += sum(map(len, events))
            if committed:
                return b"".join(held)
            if not piece:
                if tap.cut or (held_bytes and not tap.events):
                    raise not_an_answer(self._served)
                raise upstream_failed(Status.TRUNCATED, self._served)
            if tap.overflow or held_bytes > self._options.held_bytes:
                raise upstream_failed(Status.TOO_LARGE, self._served)

    def _commits(self, tap: SseTap, events: list[bytes]) -> bool:
        """Whether one of ``events`` is content; those after it need not be looked at. Raises UpstreamError.

        A whole answer in place of a stream is made one: some providers ignore ``stream``, and no client looks for that.
        """
        dialect = self._request.dialect
        for place, event in enumerate(events):
            kind = dialect.classify_event(event_data(event))
            if kind is EventKind.CONTENT and event.startswith(b"{"):
                events[place] = dialect.unfold(event)
            if kind is EventKind.ERROR:
                raise read_stream_error(tap.error)
            if kind is not EventKind.HANDSHAKE:
                return True
        return False

    async def _finish(self, tap: SseTap, status: Status, tail: bytes) -> None:
        """Record, then send the end: a clean one, or the error in the client's dialect."""
        served, reply, dialect = self._served, self._reply, self._request.dialect
        # An upstream may give fewer answers than asked for; if it also breaks off, the missing ones were on their way.
        complete = tap.done or tap.finished or (status is Status.OK and tap.finishes > 0)
        if tap.error:
            served.outcome = "upstream_error"
            served.error_class = "in_band_error"
        elif complete and not tap.overflow and status is not Status.TOTAL_DEADLINE:
            served.outcome = "ok"
        else:
            error = upstream_failed(
                Status.TOO_LARGE if tap.overflow else Status.TRUNCATED if status is Status.OK else status, served
            )
            served.outcome = "upstream_error"
            served.error_class = error.error_class
            event = dialect.error_event(error, self._request.incoming.request_id)
            if status is Status.OK:
                event = b"\n\n" + event  # the upstream's last event may lack its blank line; one too many is nothing
            served.bytes_out += len(event)
            self._book.close()
            await self._send(tail.removesuffix(reply.last_chunk) + reply.frame(event) + reply.last_chunk)
            return
        self._book.close()
        await self._send(tail)

    async def _send(self, tail: bytes) -> None:
        try:
            await self._reply.end(tail)
        except WireError as exc:
            raise ClientGone from exc

    def _payload_bytes(self, tail: bytes) -> int:
        """Of a pump's tail, without framing: at most one chunk, then the last."""
        framed = len(tail) - len(self._reply.last_chunk)
        return framed - tail.index(b"\r\n") - 4 if framed and self._reply.chunked else framed

    def _read_along(self, tap: SseTap) -> None:
        self._served.events = tap.events
        if tap.usage:
            self._served.usage = self._request.dialect.usage_of(tap.usage)

    def _read_deadline(self) -> float:
        idle_s = self._timeouts.idle_s
        idle_at = trio.current_time() + idle_s if idle_s else 0.0
        if self._total_at and (not idle_at or self._total_at < idle_at):
            return self._total_at
        return idle_at

    def _reading(self, exc: WireError) -> Exception:
        if exc.status is Status.WATCHED_GONE:
            return ClientGone()
        late = exc.status is Status.DEADLINE and self._total_at and trio.current_time() >= self._total_at
        return upstream_failed(Status.TOTAL_DEADLINE if late else exc.status, self._served)
