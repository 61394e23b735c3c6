"""The head of an answer: what the upstream said end to end, then where the answer came from."""

from __future__ import annotations

from typing import Final

from omniroute._speedups import heads
from omniroute.pipeline.values import Request, Served
from omniroute.ports import CONNECTION_HEADERS, Exchange, HeaderBlock

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

_OWN: Final = (
    b"x-omniroute-provider: %b\r\nx-omniroute-model: %b\r\nx-omniroute-connection: %b\r\nx-omniroute-attempts: %d\r\n"
    b"x-omniroute-overhead-ms: %.3f\r\nserver-timing: gateway;dur=%.3f, upstream;dur=%.3f\r\n"
)
"""Names of providers and labels are checked when they are set, models when asked for: none holds a line end."""


def answer_headers(request: Request, served: Served, exchange: Exchange) -> HeaderBlock:
    """The headers of the answer to ``request`` that ``exchange`` brought."""
    target, connection = served.target, served.target.connection
    upstream_ms = (served.head_at - served.started_at) * 1000
    own_ms = (served.started_at - request.incoming.received_at - served.lost_s) * 1000
    stream = request.peeked.stream
    own = _OWN % (
        connection.provider.encode(), target.model.encode(), connection.label.encode(), served.number,
        own_ms, own_ms, upstream_ms,
    )  # fmt: skip
    relayed = heads.relayed_lines(exchange.headers, _DROPPED_STREAMING if stream else _DROPPED)
    return HeaderBlock(relayed + own, _STREAM_HEADERS if stream else ())
