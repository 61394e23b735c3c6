"""From a door to a connection: what of every request on that way is the same, put together once per snapshot.

Whether bytes may pass, and which headers go along, is decided by the dialects, the connection and its provider; of a
request only its id, and its few headers that upstreams may see, are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from omniroute.domain import Connection, Snapshot
from omniroute.errors import UpstreamError
from omniroute.ports import Headers
from omniroute.translate import Identity, Pair, UpstreamSide

FORWARDED: Final = (b"idempotency-key",)
"""Client headers every upstream gets to see; a dialect adds its own. Everything else is nobody's business."""

MOCKS: Final = frozenset({"demo", "mock"})
"""Providers that are ``omniroute mock``: only these get the header that tells it how to behave."""
MOCK_HEADER: Final = b"x-mock"

ATTEMPT_HEADER: Final = b"x-omniroute-attempt"
"""The ledger's id of the attempt, opaque to anybody else: an upstream's records can be matched with ours row by row."""

MAX_WAYS: Final = 1024
"""Remembered per door; at the bound all are forgotten and put together anew."""

_JSON: Final = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))
_ACCEPT: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "sse": (b"accept", b"text/event-stream"),
    "ndjson": (b"accept", b"application/x-ndjson"),
    "whole": (b"accept", b"application/json"),
}


class RequestHeaders(msgspec.Struct, frozen=True):
    """Of the requests on one way that are answered alike."""

    fixed: Headers
    forwarded: tuple[bytes, ...]
    """The client's, where it sends them."""
    unless_given: Headers
    """Those of them that the dialect sends by default."""

    def of(self, given: Mapping[bytes, bytes], attempt_id: str) -> Headers:
        """All of one attempt; ``given`` are the client's."""
        headers = [*self.fixed, (ATTEMPT_HEADER, attempt_id.encode())]
        for name in self.forwarded:
            value = given.get(name)
            if value is not None:
                headers.append((name, value))
        if self.unless_given:
            headers += [default for default in self.unless_given if default[0] not in given]
        return tuple(headers)


class Way(msgspec.Struct, frozen=True):
    """From a door to a connection."""

    connection: Connection
    pair: Pair
    passes_by: Identity | None
    """How bytes pass where nothing in them is foreign; None if none do."""
    passing: RequestHeaders
    passing_stream: RequestHeaders
    translated: RequestHeaders
    translated_stream: RequestHeaders

    def headers(self, given: Mapping[bytes, bytes], attempt_id: str, *, passed: bool, stream: bool) -> Headers:
        """Of an attempt at a request with the headers ``given``."""
        if stream:
            return (self.passing_stream if passed else self.translated_stream).of(given, attempt_id)
        return (self.passing if passed else self.translated).of(given, attempt_id)


class Ways:
    """Those from one door, by connection: a hash of all it holds would cost more than the look-up saves."""

    __slots__ = ("_forwarded", "_known", "_pairs", "_snapshot")

    def __init__(self, pairs: Mapping[str, Pair], forwarded: tuple[bytes, ...]) -> None:
        """``pairs``: by the upstream's dialect. ``forwarded``: to an upstream of the door's own dialect."""
        self._pairs = pairs
        self._forwarded = forwarded
        self._snapshot: Snapshot | None = None
        self._known: dict[int, Way] = {}  # each keeps its connection alive, hence an identity is never a recycled one

    def to(self, connection: Connection, snapshot: Snapshot) -> Way:
        """The way to ``connection``, of ``snapshot``. Raises UpstreamError: this process does not know its dialect."""
        if snapshot is not self._snapshot:  # what a removed connection held goes with the snapshot that had it
            self._snapshot = snapshot
            self._known = {}
        way = self._known.get(id(connection))
        return self._made(connection) if way is None else way

    def _made(self, connection: Connection) -> Way:
        pair = self._pairs.get(connection.dialect)
        if pair is None:  # control is newer than this worker, which is about to be replaced
            raise UpstreamError(
                f"Connection '{connection.label}' speaks '{connection.dialect}', which this gateway does not.",
                error_class="unknown_dialect",
                scope="connection",
            )
        framing = pair.far.framing
        way = Way(
            connection,
            pair,
            pair.identity if pair.may_pass(connection.quirks) else None,
            _headers(pair.far, connection, self._forwarded, "whole"),
            _headers(pair.far, connection, self._forwarded, framing),
            _headers(pair.far, connection, FORWARDED, "whole"),
            _headers(pair.far, connection, FORWARDED, framing),
        )
        if len(self._known) >= MAX_WAYS:
            self._known = {}
        self._known[id(connection)] = way
        return way


def _headers(
    far: UpstreamSide, connection: Connection, forwarded: tuple[bytes, ...], answer: Literal["sse", "ndjson", "whole"]
) -> RequestHeaders:
    """The connection's own headers go before the client's, and those before what the dialect sends by default."""
    credential = connection.credential.reveal()
    own = tuple((name.encode(), value.encode()) for name, value in connection.headers)
    taken = {name for name, _ in own}
    asked = tuple(name for name in forwarded if name not in taken)
    defaults = [default for default in far.headers if default[0] not in taken]
    return RequestHeaders(
        (
            *_JSON,
            _ACCEPT[answer],
            *((far.presented(credential),) if credential else ()),
            *(default for default in defaults if default[0] not in asked),
            *own,
        ),
        (*asked, MOCK_HEADER) if connection.provider in MOCKS else asked,
        tuple(default for default in defaults if default[0] in asked),
    )
