"""The request as the target's upstream gets it: the client's bytes patched in place, or a request through the hub."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from omniroute.domain import Connection, Target
from omniroute.errors import UpstreamError
from omniroute.pipeline.values import FORWARDED, Encoded, Request
from omniroute.ports import Headers, WireRequest
from omniroute.translate import Notes, Outgoing, Pair, UpstreamSide, recalled

MOCKS: Final = frozenset({"demo", "mock"})
"""Providers that are ``omniroute mock``: only these get the header that tells it how to behave."""
MOCK_HEADER: Final = b"x-mock"

ATTEMPT_HEADER: Final = b"x-omniroute-attempt"
"""The ledger's id of the attempt, opaque to anybody else: an upstream's records can be matched with ours row by row."""

STRICT_HEADER: Final = b"x-omniroute-strict"
_YES: Final = frozenset({b"1", b"true", b"yes", b"on"})

_JSON: Final = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))
_ACCEPT_SSE: Final = (b"accept", b"text/event-stream")
_ACCEPT_NDJSON: Final = (b"accept", b"application/x-ndjson")
_ACCEPT_JSON: Final = (b"accept", b"application/json")


def encode(request: Request, target: Target, attempt_id: str) -> Encoded:
    """The request in the words of ``target``'s upstream.

    Raises ClientError for a request that is wrong, ``Unsupported`` for one that this upstream's dialect cannot carry
    (in strict mode: cannot carry whole), UpstreamError for a connection whose dialect this process does not know.
    """
    connection, body, peeked = target.connection, request.incoming.body, request.peeked
    pair = request.door.pairs.get(connection.dialect) or pair_of(request, connection)
    if pair.passes(body, connection.quirks):
        outgoing = pair.forward(body, peeked, model=target.model, quirks=connection.quirks)
        headers = _headers(request, pair.far, connection, attempt_id, request.door.forwarded, stream=peeked.stream)
        return Encoded(_written(connection, outgoing, headers), pair, passed=True)
    notes = Notes()
    canonical = msgspec.structs.replace(request.canonical(), model=target.model)
    if request.door.client.forgets:
        canonical = recalled(canonical, partial(request.recollection.lookup, request.caller.key_id), connection.dialect)
    outgoing = pair.far.write_request(canonical, connection.quirks, notes)
    if strict(request.incoming.headers):
        notes.refuse_if_strict()
    headers = _headers(request, pair.far, connection, attempt_id, FORWARDED, stream=peeked.stream)
    wire = _written(connection, outgoing, headers)
    return Encoded(wire, pair, passed=False, names=outgoing.names, call_ids=outgoing.call_ids, notes=notes)


def encode_count(request: Request, target: Target, attempt_id: str) -> Encoded | None:
    """The question how many tokens the request has, for ``target``'s upstream; None if that answers none.

    Raises as ``encode`` does.
    """
    connection = target.connection
    pair = pair_of(request, connection)
    counting = pair.far.counting
    if counting is None:
        return None
    notes = Notes()
    canonical = msgspec.structs.replace(request.canonical(), model=target.model)
    outgoing = counting.write_request(canonical, connection.quirks, notes)
    headers = _headers(request, pair.far, connection, attempt_id, FORWARDED, stream=False)
    return Encoded(_written(connection, outgoing, headers), pair, passed=False, notes=notes)


def pair_of(request: Request, connection: Connection) -> Pair:
    """The way from the client to ``connection``. Raises UpstreamError if this process does not know its dialect."""
    pair = request.door.pairs.get(connection.dialect)
    if pair is None:  # control is newer than this worker, which is about to be replaced
        raise UpstreamError(
            f"Connection '{connection.label}' speaks '{connection.dialect}', which this gateway does not.",
            error_class="unknown_dialect",
            scope="connection",
        )
    return pair


def strict(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the client refuses to have anything lost."""
    return headers.get(STRICT_HEADER, b"").lower() in _YES


def _written(connection: Connection, outgoing: Outgoing, headers: Headers) -> WireRequest:
    body = outgoing.body
    return WireRequest(connection, b"POST", outgoing.path, headers, body, sum(map(len, body)))


def _headers(
    request: Request,
    far: UpstreamSide,
    connection: Connection,
    attempt_id: str,
    forwarded: tuple[bytes, ...],
    *,
    stream: bool,
) -> Headers:
    """The connection's own headers go before the client's, and those before what the dialect sends by default."""
    accept = _ACCEPT_JSON if not stream else _ACCEPT_SSE if far.framing == "sse" else _ACCEPT_NDJSON
    headers = [*_JSON, accept, (ATTEMPT_HEADER, attempt_id.encode())]
    credential = connection.credential.reveal()
    if credential:
        headers.append(far.presented(credential))
    own: list[tuple[bytes, bytes]] = []
    taken: set[bytes] = set()
    if connection.headers:
        own = [(name.encode(), value.encode()) for name, value in connection.headers]
        taken = {name for name, _ in own}
    given = request.incoming.headers
    for name in forwarded:
        value = given.get(name)
        if value is not None and name not in taken:
            headers.append((name, value))
            taken.add(name)
    headers += [one for one in far.headers if one[0] not in taken]
    if connection.provider in MOCKS and MOCK_HEADER in given:
        headers.append((MOCK_HEADER, given[MOCK_HEADER]))
    return (*headers, *own)
