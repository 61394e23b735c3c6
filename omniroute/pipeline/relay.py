"""From the upstream's body to the client: whole answers, and streams across the commit point.

Until the first content event nothing has reached the client and any failure is the next target's chance. From then on
the relay moves the bytes; this task sleeps until it says how that ended. Records are written before the last byte is
sent.
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
import trio

from omniroute._speedups import Status
from omniroute.domain import Timeouts, Usage
from omniroute.errors import ClientError
from omniroute.pipeline.answer import TOKEN_COUNT_HEADER, answer_headers
from omniroute.pipeline.context import NO_CONTEXT, context_of
from omniroute.pipeline.failures import not_an_answer, upstream_failed
from omniroute.pipeline.record import Book
from omniroute.pipeline.values import Encoded, PipelineOptions, Request, Served
from omniroute.ports import ClientGone, Exchange, Reply
from omniroute.translate import Answer, Flow, InspectedFlow, Inspection, open_flow
from omniroute.wire import PumpLimits, Wire, WireError

CLIENT_LEFT: Final = frozenset({Status.WATCHED_GONE, Status.SINK_BROKEN, Status.SINK_STALLED})

LOOK_BYTES: Final = 2048
"""How much is read at a time before the commit point: the second event mostly is content, the rest is the pump's."""

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An image part arrives as one line of megabytes; more than this is not an event any vendor sends."""

_COUNTED: Final = ((TOKEN_COUNT_HEADER, b"upstream"),)


class Delivery(msgspec.Struct, eq=False):
    """One attempt's answer on its way. The book is closed before the last byte goes out.

    A Struct, as other objects that every request has one of: made in a third of the time.
    """

    _request: Request
    _served: Served
    _encoded: Encoded
    _reply: Reply
    _exchange: Exchange
    _source: Wire
    """The exchange's."""
    _timeouts: Timeouts
    """The connection's."""
    _total_at: float
    _book: Book
    _options: PipelineOptions
    _inspection: Inspection | None = None

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
        served = self._served
        try:
            body = await self._source.read_body(self._options.response_body_bytes, self._read_deadline(served.head_at))
        except WireError as exc:
            raise self._reading(exc) from exc
        counts = self._request.peeked.operation == "count"
        answer = self._counted(body) if counts else self._understood(body)
        served.usage = answer.usage
        served.committed_at = trio.current_time()
        served.bytes_out = len(answer.body)
        served.outcome = "ok"
        headers = answer_headers(self._request, served, self._encoded, self._exchange, _COUNTED if counts else ())
        if self._request.kept is not None:
            self._keep(answer.body)
        self._book.close(served.committed_at)
        try:
            await self._reply.complete(served.status, headers, (answer.body,))
        except WireError as exc:
            raise ClientGone from exc

    def _counted(self, body: bytes) -> Answer:
        """The number of tokens that ``body`` tells, in the client's words. Raises UpstreamError."""
        counting, write_count = self._encoded.pair.far.counting, self._request.door.client.write_count
        assert counting is not None, "encode_count has asked it"
        assert write_count is not None, "no dialect asks for a number it cannot write"
        try:
            tokens = counting.read_answer(body)
        except ValueError as exc:
            raise not_an_answer(self._served) from exc
        return Answer(write_count(tokens, False), Usage(known=True))  # counting costs nothing

    def _understood(self, body: bytes) -> Answer:
        """``body`` in the client's words. Raises UpstreamError."""
        encoded = self._encoded
        quirks = self._served.target.connection.quirks
        passed = encoded.passed
        try:
            return encoded.pair.answer(
                body, NO_CONTEXT if passed else context_of(self._request, self._served, encoded), quirks, passed=passed
            )
        except ValueError as exc:
            if not passed or self._is_page():
                raise not_an_answer(self._served) from exc
            if any(name == b"content-encoding" for name, _ in self._exchange.headers):
                # Compressed although nobody asked for it: the header goes with it, the client may know how.
                return Answer(body, Usage())
        try:  # a stream although none was asked for is made an answer
            encoded = self._understand()
            return encoded.pair.answer(body, context_of(self._request, self._served, encoded), quirks, passed=False)
        except ValueError as exc:
            raise not_an_answer(self._served) from exc

    async def stream(self) -> None:
        """Answer with the upstream's stream. Raises UpstreamError before the commit point, ClientGone after or before.

        After the commit point an upstream's failure is reported in-band, recorded, and this returns.
        """
        flow, held = await self._hold()
        served, reply, source, reader = self._served, self._reply, self._source, flow.reader
        served.committed_at = trio.current_time()
        self._book.commit()
        headers = answer_headers(self._request, served, self._encoded, self._exchange)
        first = reply.begin(served.status, headers) + reply.frame(held)
        if reader.done or source.body_complete:
            last = b"" if reader.done else reader.finish()
            served.bytes_out = len(held) + len(last)
            self._read_along(flow)
            await self._finish(flow, Status.OK, first + reply.frame(last) + reply.last_chunk, held + last)
            return
        try:
            status = await source.pump(reply.sink, reader, self._limits(), first=first, chunked=reply.chunked)
        finally:
            served.bytes_out = len(held) + source.forwarded_bytes
            self._read_along(flow)
        if status in CLIENT_LEFT:
            raise ClientGone
        tail, last = reply.last_chunk, b""
        if status is Status.OK:
            tail = source.result
            last = self._payload(tail)
            served.bytes_out += len(last)
        await self._finish(flow, status, tail, last)

    def _flow(self, first: bytes) -> Flow:
        """The way back for a stream that begins with ``first``.

        What passes must be a stream: an answer in place of one is translated, unless its dialect knows better.
        """
        request, encoded = self._request, self._encoded
        identity, framing = encoded.pair.identity, encoded.pair.far.framing
        if encoded.passed and framing == "sse" and first[:1] == b"{" and identity and identity.unfold is None:
            encoded = self._understand()
        flow = open_flow(
            encoded.pair,
            context_of(request, self._served, encoded),
            request.peeked,
            self._served.target.connection.quirks,
            passed=encoded.passed,
            max_event_bytes=MAX_EVENT_BYTES,
        )
        if not self._served.checked or encoded.passed:
            return flow
        self._inspection = Inspection(request.door.client, MAX_EVENT_BYTES)
        return InspectedFlow(flow, self._inspection)

    def _limits(self) -> PumpLimits:
        client = self._request.door.client
        of = client.heartbeat_of
        heartbeat = client.heartbeat if of is None else of(self._request.peeked.variant)
        return PumpLimits(
            idle_s=self._timeouts.idle_s,
            write_s=self._timeouts.client_write_s,
            total_at=self._total_at,
            heartbeat_s=self._request.snapshot.settings.heartbeat_s if heartbeat else 0.0,
            heartbeat=heartbeat,
        )

    def _understand(self) -> Encoded:
        """From here on the answer is translated although the request's bytes have passed."""
        with contextlib.suppress(ClientError):  # the upstream has taken it: only what is repeated of it is not known
            self._request.canonical()
        self._encoded = msgspec.structs.replace(self._encoded, passed=False)
        return self._encoded

    async def _hold(self) -> tuple[Flow, bytes]:
        """How the stream goes back, and everything up to the first content, and what came with it.

        Clients that wait for the head get it, with the first events, once those have been there for a while. Raises
        UpstreamError or ClientGone.
        """
        flow: Flow | None = None
        held: list[bytes] = []
        held_bytes = 0
        heard = False
        silence_s = self._options.head_silence_s if self._request.door.client.needs_head else 0.0
        silent_at = 0.0
        while True:
            until = self._read_deadline()
            early = silent_at > 0 and (not until or silent_at < until)
            try:
                piece = await self._source.read_piece(silent_at if early else until, LOOK_BYTES)
            except WireError as exc:
                if early and flow is not None and exc.status is Status.DEADLINE:
                    return flow, b"".join(held)
                if flow is not None:
                    self._read_along(flow)
                raise self._reading(exc) from exc
            flow = flow or self._flow(piece.lstrip())
            said = flow.look(piece)
            if said:
                held.append(said)
                # What the reader keeps of an incomplete event is bounded by it: an image may well come first.
                held_bytes += len(said)
                silent_at = trio.current_time() + silence_s if silence_s else 0.0
            if flow.content:
                return flow, b"".join(held)
            heard = heard or bool(piece)
            self._check_held(flow, held_bytes, heard=heard, ended=not piece)

    def _is_page(self) -> bool:
        """A page for people: lines of it can be taken for the lines of a stream."""
        return any(name == b"content-type" and value.startswith(b"text/html") for name, value in self._exchange.headers)

    def _check_held(self, flow: Flow, held_bytes: int, *, heard: bool, ended: bool) -> None:
        """Raise UpstreamError if nothing can come of a stream that has said nothing yet.

        ``heard``: bytes have come, whatever they are; ``ended``: no more will.
        """
        reader = flow.reader
        self._read_along(flow)  # it may have cost something all the same
        if ended and (reader.cut or self._is_page() or (heard and not reader.events)):
            raise not_an_answer(self._served)
        if flow.failure is not None:
            raise flow.failure
        if ended:
            raise upstream_failed(Status.TRUNCATED, self._served)
        if reader.overflow or held_bytes > self._options.held_bytes:
            raise upstream_failed(Status.TOO_LARGE, self._served)

    async def _finish(self, flow: Flow, status: Status, tail: bytes, last: bytes) -> None:
        """Record, then send the end: a clean one, or the error in the client's dialect.

        ``last``: the end of what the client has got by then, b"" if that was a whole event: more than that may be
        the rest of the upstream's input, whose last event lacks its end.
        """
        served, reply, reader = self._served, self._reply, flow.reader
        in_time = not reader.overflow and status is not Status.TOTAL_DEADLINE
        more = b""
        if in_time and status is not Status.OK and reader.finished and not reader.done:
            more = reader.finish()  # every choice has its end: what is missing is only the stream's own
        failure = flow.failure
        if failure is not None and flow.told:
            served.outcome = "upstream_error"
            served.error_class = "truncated" if failure.kind == "upstream_incomplete" else "in_band_error"
        elif in_time and flow.complete(whole=status is Status.OK):
            served.outcome = "ok"
            kept = self._request.kept
            if kept is not None:
                self._keep(kept.history.answer_in(tail + more))
        else:
            error = upstream_failed(
                Status.TOO_LARGE if reader.overflow else Status.TRUNCATED if status is Status.OK else status, served
            )
            served.outcome = "upstream_error"
            served.error_class = error.error_class
            more += flow.fail(error, last=last)
        served.bytes_out += len(more)
        if self._inspection is not None:
            self._inspection.end()
            served.grammar = self._inspection.verdict
        self._book.close()
        if more:
            tail = tail.removesuffix(reply.last_chunk) + reply.frame(more) + reply.last_chunk
        await self._send(tail)

    def _keep(self, answer: bytes) -> None:
        """Before the last byte goes out: a client that has an id can refer to it."""
        kept, quirks = self._request.kept, self._served.target.connection.quirks
        if kept is not None and not (self._encoded.passed and quirks.responses_store):
            kept.keep(answer, self._served.started_epoch_s)

    async def _send(self, tail: bytes) -> None:
        try:
            await self._reply.end(tail)
        except WireError as exc:
            raise ClientGone from exc

    def _payload(self, tail: bytes) -> bytes:
        """A pump's tail without framing: at most one chunk, then the last."""
        framed = tail.removesuffix(self._reply.last_chunk)
        return framed.partition(b"\r\n")[2].removesuffix(b"\r\n") if self._reply.chunked else framed

    def _read_along(self, flow: Flow) -> None:
        self._served.events = flow.reader.events
        self._served.usage = flow.usage
        if self._inspection is not None:
            self._served.grammar = self._inspection.verdict
        for reason in flow.lost:  # too late for the head: the record and the log have it
            if self._served.notes is not None:
                self._served.notes.add("finish_reason", "approximated", f"nobody knows what '{reason}' means")

    def _read_deadline(self, now: float = 0.0) -> float:
        """``now``: the time where it was just read."""
        idle_s = self._timeouts.idle_s
        idle_at = (now or trio.current_time()) + idle_s if idle_s else 0.0
        if self._total_at and (not idle_at or self._total_at < idle_at):
            return self._total_at
        return idle_at

    def _reading(self, exc: WireError) -> Exception:
        if exc.status is Status.WATCHED_GONE:
            return ClientGone()
        late = exc.status is Status.DEADLINE and self._total_at and trio.current_time() >= self._total_at
        return upstream_failed(Status.TOTAL_DEADLINE if late else exc.status, self._served)
