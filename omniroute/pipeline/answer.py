"""The head of an answer: what the upstream said end to end, then where the answer came from."""

from __future__ import annotations

from functools import lru_cache
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
    b"%bx-omniroute-attempts: %d\r\nx-omniroute-overhead-ms: %.3f\r\n"
    b"server-timing: gateway;dur=%.3f, upstream;dur=%.3f\r\n"
)

_ORIGINS: Final = 4096
"""Origins remembered: targets in use, mostly a handful."""


@lru_cache(_ORIGINS)
def _origin(provider: str, model: str, label: str) -> bytes:
    said = f"provider: {provider}\r\nx-omniroute-model: {model}\r\nx-omniroute-connection: {label}\r\n"
    return b"x-omniroute-" + said.encode()


"""Names of providers and labels are checked when they are set, models when asked for: none holds a line end."""


def answer_headers(request: Request, served: Served, exchange: Exchange) -> HeaderBlock:
    """The headers of the answer to ``request`` that ``exchange`` brought."""
    target, connection = served.target, served.target.connection
    upstream_ms = (served.head_at - served.started_at) * 1000
    own_ms = (served.started_at - request.incoming.received_at - served.lost_s) * 1000
    stream = request.peeked.stream
    origin = _origin(connection.provider, target.model, connection.label)
    own = _OWN % (origin, served.number, own_ms, own_ms, upstream_ms)
    relayed = heads.relayed_lines(exchange.headers, _DROPPED_STREAMING if stream else _DROPPED)
    return HeaderBlock(relayed + own, _STREAM_HEADERS if stream else ())
