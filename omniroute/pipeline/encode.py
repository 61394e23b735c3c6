"""The request as the target's upstream gets it. Same dialect on both sides: the client's bytes, patched in place."""

from __future__ import annotations

from typing import Final

from omniroute.domain import Connection, Target
from omniroute.pipeline.values import Request
from omniroute.ports import Headers, WireRequest

FORWARDED: Final = (
    b"idempotency-key",
    b"openai-beta",
    b"openai-organization",
    b"openai-project",
    b"x-mock",  # tells a scripted upstream (omniroute mock) how to behave
)
"""Client headers an upstream gets to see. Everything else is ours or nobody's business."""

ATTEMPT_HEADER: Final = b"x-omniroute-attempt"
"""The ledger's id of the attempt, opaque to anybody else: an upstream's records can be matched with ours row by row."""

_JSON: Final = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))
_ACCEPT_SSE: Final = (b"accept", b"text/event-stream")
_ACCEPT_JSON: Final = (b"accept", b"application/json")


def encode(request: Request, target: Target, attempt_id: str) -> WireRequest:
    """The wire request for ``target``. Raises ClientError for a body that cannot be patched."""
    parts = request.dialect.encode_request(request.incoming.body, request.peeked, model=target.model)
    return WireRequest(
        connection=target.connection,
        method=b"POST",
        path=request.dialect.path,
        headers=_headers(request, target.connection, attempt_id),
        body=parts,
        body_bytes=sum(map(len, parts)),
    )


def _headers(request: Request, connection: Connection, attempt_id: str) -> Headers:
    headers = [*_constant_headers(connection, request.peeked.stream), (ATTEMPT_HEADER, attempt_id.encode())]
    given = request.incoming.headers
    headers += [(name, given[name]) for name in FORWARDED if name in given]
    return tuple(headers)


def _constant_headers(connection: Connection, stream: bool) -> Headers:
    credential = connection.credential.reveal()
    return (
        *_JSON,
        _ACCEPT_SSE if stream else _ACCEPT_JSON,
        *(((b"authorization", b"Bearer " + credential.encode()),) if credential else ()),
        *((name.encode(), value.encode()) for name, value in connection.headers),
    )
