"""One target, tried once: gate, encode, call, relay. The record is written whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from omniroute._speedups import Shared, heads
from omniroute.errors import ClientError, OmniRouteError
from omniroute.pipeline.encode import encode
from omniroute.pipeline.gate import Permit
from omniroute.pipeline.record import Book
from omniroute.pipeline.relay import Delivery
from omniroute.pipeline.values import PipelineOptions, Request, Served
from omniroute.ports import CONNECTION_HEADERS, ClientGone, Exchange, HeaderBlock, Journal, Reply, Upstream
from omniroute.translate import read_error

_NOT_RELAYED: Final = CONNECTION_HEADERS | {
    b"server", b"set-cookie", b"alt-svc", b"strict-transport-security",
    b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-expose-headers",
}  # fmt: skip
"""Response headers that speak of the upstream's own connection, site or browser policy."""

_STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_DROPPED: Final = heads.NameSet(_NOT_RELAYED)
_DROPPED_STREAMING: Final = heads.NameSet(_NOT_RELAYED | {name for name, _ in _STREAM_HEADERS})


class Attempts:
    """Tries targets for requests of one worker."""

    __slots__ = ("_journal", "_options", "_shared", "_upstream")

    def __init__(self, journal: Journal, upstream: Upstream, shared: Shared, options: PipelineOptions) -> None:
        self._journal = journal
        self._upstream = upstream
        self._shared = shared
        self._options = options

    async def attempt(self, request: Request, served: Served, reply: Reply) -> None:
        """The client has its answer when this returns. ``served`` says what happened, also when it raises.

        Raises UpstreamError (nothing was sent: try another target), ClientError, ClientGone.
        """
        target = served.target
        with Permit(target.connection, self._shared):
            wire_request = encode(request, target, served.attempt_id)
            served.body_bytes = wire_request.body_bytes
            book = Book(self._journal, request, served)

            def record() -> None:
                book.close(trio.current_time())

            timeouts = target.connection.timeouts
            total_at = request.incoming.received_at + timeouts.total_s if timeouts.total_s else 0.0
            try:
                called_at = trio.current_time()
                exchange = await self._upstream.call(wire_request, watch=request.incoming.watch, total_at=total_at)
                with exchange:
                    served.head_at = trio.current_time()
                    served.status = exchange.status
                    served.connect_ms = exchange.connect_ms
                    delivery = Delivery(request, served, reply, exchange, total_at, record, self._options)

                    def headers() -> HeaderBlock:
                        waited_s = served.head_at - called_at
                        return answer_headers(request, served, exchange, waited_s)

                    await self._deliver(request, served, exchange, delivery, headers)
            except ClientGone:
                served.outcome = "client_gone"
                raise
            except OmniRouteError as exc:
                served.outcome = "client_error" if isinstance(exc, ClientError) else "upstream_error"
                served.error_class = getattr(exc, "error_class", exc.code)
                raise
            finally:
                record()

    async def _deliver(
        self,
        request: Request,
        served: Served,
        exchange: Exchange,
        delivery: Delivery,
        headers: Callable[[], HeaderBlock],
    ) -> None:
        if not 200 <= exchange.status < 300:
            raise read_error(exchange.status, exchange.headers, await delivery.explanation())
        if request.peeked.stream:
            await delivery.stream(headers)
        else:
            await delivery.whole(headers)


def answer_headers(request: Request, served: Served, exchange: Exchange, upstream_s: float) -> HeaderBlock:
    """What the client is told besides the body: the upstream's end-to-end headers, then where the answer came from."""
    target = served.target
    upstream_ms = upstream_s * 1000
    own_ms = max(0.0, (served.head_at - request.incoming.received_at) * 1000 - upstream_ms)
    stream = request.peeked.stream
    return HeaderBlock(
        heads.relayed_lines(exchange.headers, _DROPPED_STREAMING if stream else _DROPPED),
        (
            *(_STREAM_HEADERS if stream else ()),
            (b"x-omniroute-provider", target.connection.provider.encode()),
            (b"x-omniroute-model", target.model.encode()),
            (b"x-omniroute-connection", target.connection.label.encode()),
            (b"x-omniroute-attempts", b"%d" % served.number),
            (b"x-omniroute-overhead-ms", b"%.3f" % own_ms),
            (b"server-timing", b"gateway;dur=%.3f, upstream;dur=%.3f" % (own_ms, upstream_ms)),
        ),
    )
