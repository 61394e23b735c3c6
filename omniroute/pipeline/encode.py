"""The request as the target's upstream gets it: the client's bytes patched in place, or a request through the hub."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from omniroute.domain import Connection, Target
from omniroute.pipeline.values import Encoded, Request
from omniroute.ports import Headers, WireRequest
from omniroute.translate import Notes, Outgoing, recalled

STRICT_HEADER: Final = b"x-omniroute-strict"
_YES: Final = frozenset({b"1", b"true", b"yes", b"on"})


def encode(request: Request, target: Target, attempt_id: str) -> Encoded:
    """The request in the words of ``target``'s upstream.

    Raises ClientError for a request that is wrong, ``Unsupported`` for one that this upstream's dialect cannot carry
    (in strict mode: cannot carry whole), UpstreamError for a connection whose dialect this process does not know.
    """
    connection, incoming, peeked = target.connection, request.incoming, request.peeked
    way = request.door.ways.to(connection, request.snapshot)
    pair = way.pair
    identity = way.passes_by
    if identity is not None and pair.is_own(incoming.body):
        headers = way.headers(incoming.headers, attempt_id, passed=True, stream=peeked.stream)
        parts = identity.encode_request(incoming.body, peeked, model=target.model, quirks=connection.quirks)
        path = identity.path(peeked, target.model)
        return Encoded(WireRequest(connection, b"POST", path, headers, parts, sum(map(len, parts))), pair, passed=True)
    notes = Notes()
    canonical = msgspec.structs.replace(request.canonical(), model=target.model)
    if request.recollection and request.door.client.forgets:
        canonical = recalled(canonical, partial(request.recollection.lookup, request.caller.key_id), connection.dialect)
    outgoing = pair.far.write_request(canonical, connection.quirks, notes)
    if strict(incoming.headers):
        notes.refuse_if_strict()
    headers = way.headers(incoming.headers, attempt_id, passed=False, stream=peeked.stream)
    wire = _written(connection, outgoing, headers)
    return Encoded(wire, pair, passed=False, names=outgoing.names, call_ids=outgoing.call_ids, notes=notes)


def encode_count(request: Request, target: Target, attempt_id: str) -> Encoded | None:
    """The question how many tokens the request has, for ``target``'s upstream; None if that answers none.

    Raises as ``encode`` does.
    """
    connection = target.connection
    way = request.door.ways.to(connection, request.snapshot)
    counting = way.pair.far.counting
    if counting is None:
        return None
    notes = Notes()
    canonical = msgspec.structs.replace(request.canonical(), model=target.model)
    outgoing = counting.write_request(canonical, connection.quirks, notes)
    headers = way.headers(request.incoming.headers, attempt_id, passed=False, stream=False)
    return Encoded(_written(connection, outgoing, headers), way.pair, passed=False, notes=notes)


def strict(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the client refuses to have anything lost."""
    return headers.get(STRICT_HEADER, b"").lower() in _YES


def _written(connection: Connection, outgoing: Outgoing, headers: Headers) -> WireRequest:
    body = outgoing.body
    return WireRequest(connection, b"POST", outgoing.path, headers, body, sum(map(len, body)))
