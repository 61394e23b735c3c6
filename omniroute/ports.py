"""Protocols the pipeline is handed; ``app`` hands in what implements them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from omniroute.domain import AttemptRecord, Connection, OpenAttempt, Snapshot, StoredResponse
from omniroute.wire import Wire

Buffer = bytes | bytearray | memoryview
Headers = tuple[tuple[bytes, bytes], ...]
"""Names in lower case, in the order received."""

HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Headers of one hop, never sent on: RFC 9110 §7.6.1, and what old clients send in the same spirit."""

CONNECTION_HEADERS: Final = HOP_BY_HOP | {b"content-length", b"date", b"x-request-id"}
"""Of a connection or of the edge: an upstream's are never sent on, the edge writes its own."""


class HeaderBlock(msgspec.Struct, frozen=True, gc=False):
    """Headers of an answer of which many are an upstream's: those come as lines and stay lines."""

    lines: bytes
    """From ``_speedups.heads.relayed_lines``, hence sound, and none of ``CONNECTION_HEADERS``."""
    pairs: Headers
    """Sent after them."""


class Configuration(Protocol):
    """Where the snapshot in force comes from."""

    def current(self) -> Snapshot:
        """The snapshot of this instant: one load and a comparison, and a reload only when the epoch moved."""
        ...


class Journal(Protocol):
    """Where attempts are noted: never waits."""

    def open(self, attempt: OpenAttempt) -> int:
        """A slot for an attempt about to start. Raises ``errors.Overloaded`` if finished calls could not be kept."""
        ...

    def amend(self, slot: int, attempt: OpenAttempt) -> None:
        """Replace what is known of it."""

    def close(self, slot: int, record: AttemptRecord) -> None:
        """The attempt ended. When this returns, no kill of any process loses the record."""


class Reply(Protocol):
    """The answer to one client request. The edge implements it: HTTP version, keep-alive and framing are its business.

    Order: ``complete`` once; or ``begin``, what a pump does with ``sink`` and ``chunked``, ``end``.
    """

    begun: bool
    """The commit point is behind us: bytes of an answer have been handed to the kernel or a pump."""

    chunked: bool
    """What goes to ``sink`` between begin and end is chunk-framed (False: HTTP/1.0, the end is the close)."""

    @property
    def last_chunk(self) -> bytes:
        """What ends the framing: the last chunk, or nothing if not chunked."""
        ...

    @property
    def sink(self) -> Wire:
        """The client's wire."""
        ...

    async def complete(self, status: int, headers: Headers | HeaderBlock, body: Sequence[Buffer]) -> None:
        """Send a whole answer with Content-Length. Raises ``wire.WireError`` if the client is gone or stalls."""
        ...

    def begin(self, status: int, headers: Headers | HeaderBlock) -> bytes:
        """The head of a streamed answer, to be given to the pump as the start of ``first``. Sets ``begun``."""
        ...

    def frame(self, data: bytes) -> bytes:
        """``data`` as one chunk (or as it is, if not chunked); nothing for nothing."""
        ...

    async def end(self, tail: bytes) -> None:
        """Send the tail of a finished stream: framed, last chunk included, as a pump gives it. Raises WireError."""
        ...

    async def abort(self, event: bytes) -> None:
        """End a begun stream after a failure: ``event`` (may be empty) framed, last chunk, then close."""
        ...


class Incoming(msgspec.Struct, frozen=True):
    """One client request, whole."""

    request_id: str
    method: str
    path: str
    """Decoded, without the query; forgiving forms folded (``/v1/v1/x``, ``/chat/completions`` → ``/v1/...``)."""
    query: bytes
    headers: Mapping[bytes, bytes]
    """Names in lower case; values are made when asked for. Of a repeated one the last, except those that are lists
    (accept, cache-control, ...): joined with ", "."""
    body: bytes
    received_at: float
    """Trio's clock when the head was complete."""
    peer: str
    """Address of the client, for logs."""
    watch: Wire
    """The client's wire: upstream operations watch it."""


class WireRequest(msgspec.Struct, frozen=True):
    """A request in the upstream's dialect, ready to be written."""

    connection: Connection
    method: bytes
    path: str
    """Appended to the path of ``connection.base_url``, e.g. ``/chat/completions``."""
    headers: Headers
    """Without Host, Content-Length, Connection: the upstream package adds those."""
    body: tuple[Buffer, ...]
    body_bytes: int


class Exchange(Protocol):
    """An upstream call whose response head has arrived. A context manager: leaving it frees the wire.

    On exit the connection goes back to the pool if the body was read to its end and keep-alive holds; if only the end
    of the body is missing (an end mark was seen) the pool reads it to the end on its own, bounded; else it is closed.
    """

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Of the response, in the order received; the pairs are made when looked at."""
        ...

    @property
    def connect_ms(self) -> int:
        """Time spent getting a connection, 0 for a reused one."""
        ...

    @property
    def reused(self) -> bool:
        """The connection had been used before."""
        ...

    @property
    def source(self) -> Wire:
        """The upstream's wire, its body framing declared."""
        ...

    def __enter__(self) -> Exchange: ...

    def __exit__(self, exc_type: object, /, *exc: object) -> None: ...


class Upstream(Protocol):
    """The pool."""

    async def call(self, request: WireRequest, *, watch: object, total_at: float) -> Exchange:
        """Connect or reuse, send, read the response head (interim 1xx skipped).

        Deadlines from ``request.connection.timeouts``, capped by ``total_at`` (Trio's clock, 0: none). Retries once on
        a fresh connection if a reused one broke before any response byte, so soon after the request was written that
        the upstream had given it up already. Raises ``errors.UpstreamError``
        (``error_class``: dns, connect, proxy, tls, egress_denied, timeout_connect, timeout_write, timeout_first_byte,
        reset, truncated, malformed, head_too_large, pool_full) or ``ClientGone`` if ``watch`` left first.
        """
        ...


class ControlLine(Protocol):
    """Questions for control: what only the database, or one process for all, can answer. Not for the hot path."""

    async def ask(self, method: str, target: str, key: bytes, body: bytes, watch: Wire) -> tuple[int, bytes]:
        """Status and body of control's answer, asked in the name of the API key ``key``.

        ``target`` is a path with its query, percent-encoded. Raises Overloaded (control is away), OmniRouteError (late,
        unreadable, too large), ClientGone (``watch`` left first).
        """
        ...


class ResponseShelf(Protocol):
    """Where answers are put that clients may refer to later: never waits."""

    def put(self, response: StoredResponse) -> bool:
        """Whether it will be kept: when this returns True, control finds it whatever dies."""
        ...


class ClientGone(Exception):
    """The client left while an upstream was at work; nobody is there to be answered."""


__all__ = [
    "CONNECTION_HEADERS",
    "HOP_BY_HOP",
    "Buffer",
    "ClientGone",
    "Configuration",
    "ControlLine",
    "Exchange",
    "HeaderBlock",
    "Headers",
    "Incoming",
    "Journal",
    "Reply",
    "ResponseShelf",
    "Upstream",
    "WireRequest",
]
