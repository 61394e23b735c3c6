"""The head of an answer: what the upstream said end to end, then where the answer came from."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from omniroute._speedups import heads
from omniroute.pipeline.losses import lost_fields, translation
from omniroute.pipeline.values import Encoded, Request, Served
from omniroute.ports import CONNECTION_HEADERS, Exchange, HeaderBlock, Headers
from omniroute.translate import Notes

_NOT_RELAYED: Final = CONNECTION_HEADERS | {
    b"server", b"set-cookie", b"alt-svc", b"strict-transport-security", b"request-id",
    b"access-control-allow-origin", b"access-control-allow-credentials", b"access-control-expose-headers",
}  # fmt: skip
"""Response headers that speak of the upstream's own connection, site or browser policy."""

_OF_THE_BODY: Final = frozenset(
    {b"content-type", b"content-encoding", b"content-disposition", b"etag", b"last-modified", b"vary"}
)
"""Those that speak of a body which the client gets in other words."""

_DROPPED: Final = heads.NameSet(_NOT_RELAYED)
_DROPPED_STREAMING: Final = heads.NameSet(
    _NOT_RELAYED | {b"content-type", b"cache-control", b"x-accel-buffering"}  # every dialect's stream has its own
)
_DROPPED_TRANSLATED: Final = heads.NameSet(_NOT_RELAYED | _OF_THE_BODY | {b"cache-control", b"x-accel-buffering"})

JSON: Final = ((b"content-type", b"application/json"),)

TOKEN_COUNT_HEADER: Final = b"x-omniroute-token-count"
"""Who counted: ``upstream`` or ``tokenizer``."""

_OWN: Final = (
    b"%bx-omniroute-attempts: %d\r\nx-omniroute-overhead-ms: %b\r\nserver-timing: gateway;dur=%b, upstream;dur=%.3f\r\n"
)

_ORIGINS: Final = 4096
"""Origins remembered: targets in use, mostly a handful."""


@lru_cache(_ORIGINS)
def _origin(provider: str, model: str, label: str) -> bytes:
    said = f"provider: {provider}\r\nx-omniroute-model: {model}\r\nx-omniroute-connection: {label}\r\n"
    return b"x-omniroute-" + said.encode()


"""Names of providers and labels are checked when they are set, models when asked for: none holds a line end."""


def answer_headers(
    request: Request, served: Served, encoded: Encoded, exchange: Exchange, more: Headers = ()
) -> HeaderBlock:
    """The headers of the answer to ``request`` that ``exchange`` brought, and ``more``."""
    target, connection = served.target, served.target.connection
    client = request.door.client
    upstream_ms = (served.head_at - served.started_at) * 1000
    own_ms = b"%.3f" % ((served.started_at - request.incoming.received_at - served.lost_s) * 1000)
    stream = request.peeked.stream
    origin = _origin(connection.provider, target.model, connection.label)
    own = _OWN % (origin, served.number, own_ms, own_ms, upstream_ms)
    pairs: Headers = more
    if stream:
        of = client.stream_headers_of
        pairs = client.stream_headers if of is None else of(request.peeked.variant)
    if encoded.passed:
        relayed = heads.relayed_lines(exchange.headers, _DROPPED_STREAMING if stream else _DROPPED)
    else:
        relayed = heads.relayed_lines(exchange.headers, _DROPPED_TRANSLATED)
        pairs = (*(pairs if stream else (*JSON, *more)), *_told_losses(encoded.notes))
    if client.request_id_header:
        pairs = (*pairs, (client.request_id_header, request.incoming.request_id.encode()))
    return HeaderBlock(relayed + own, pairs)


def _told_losses(notes: Notes | None) -> Headers:
    """What the translation lost; nothing where it lost nothing."""
    if not notes:
        return ()
    lost = lost_fields(notes)
    told = (b"x-omniroute-translation", translation(notes).encode())
    return ((b"x-omniroute-lossy", lost), told) if lost else (told,)
