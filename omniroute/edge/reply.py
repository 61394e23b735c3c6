"""The answer to one client request: heads, framing, keep-alive. Implements ``ports.Reply``."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from omniroute._speedups import heads
from omniroute.edge.routes import ErrorShape
from omniroute.edge.state import EdgeState
from omniroute.errors import GatewayFault, OmniRouteError
from omniroute.ports import CONNECTION_HEADERS, Buffer, HeaderBlock, Headers
from omniroute.wire import Wire, WireError

_OURS: Final = heads.NameSet(CONNECTION_HEADERS)
"""Never taken from a handler, however they came to it."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS: Final = frozenset({204, 304})
"""Statuses whose answers have no body, whatever else they say."""
_LAST_CHUNK: Final = b"0\r\n\r\n"


class ClientReply(msgspec.Struct, eq=False):
    """One answer. ``keep_alive`` tells afterwards whether the connection may serve another request."""

    _state: EdgeState
    sink: Wire
    _request_id: str
    keep_alive: bool = False
    http10: bool = False
    head_only: bool = False
    """The request was HEAD."""
    extra: Headers = ()
    """Headers of the edge's own on any answer (CORS)."""
    begun: bool = False
    chunked: bool = True
    ended: bool = False

    def __post_init__(self) -> None:
        if self.http10:
            self.chunked = False

    async def complete(self, status: int, headers: Headers | HeaderBlock, body: Sequence[Buffer]) -> None:
        """Send a whole answer, head and body in one go. ``body``: bytes or views of bytes."""
        length = None if status in BODILESS else len(body[0]) if len(body) == 1 else sum(map(len, body))
        head = self._begin(status, headers, b"" if length is None else b"content-length: %d\r\n" % length)
        parts = (head, *body) if length and not self.head_only else (head,)
        await self.sink.send(parts, trio.current_time() + self._state.options.write_timeout_s)
        self.ended = True

    def begin(self, status: int, headers: Headers | HeaderBlock) -> bytes:
        """The head of a streamed answer. A stream cannot answer HEAD."""
        if self.head_only:
            raise GatewayFault("a stream was begun in answer to HEAD")
        if self.chunked:
            return self._begin(status, headers, b"transfer-encoding: chunked\r\n")
        self.keep_alive = False  # the end is the close
        return self._begin(status, headers, b"")

    def begin_sized(self, status: int, headers: Headers | HeaderBlock, length: int | None) -> bytes:
        """The head of an answer whose body has ``length`` bytes and is not chunked (None: the header is left out)."""
        self.chunked = False
        return self._begin(status, headers, b"" if length is None else b"content-length: %d\r\n" % length)

    def begin_upgrade(self, headers: Headers, protocol: bytes) -> bytes:
        """The head that turns the connection over to ``protocol``."""
        self.chunked = False
        self.keep_alive = False
        return self._begin(101, headers, b"upgrade: %b\r\nconnection: upgrade\r\n" % protocol)

    def frame(self, data: bytes) -> bytes:
        """``data`` as one chunk; nothing for nothing, since an empty chunk would be the end."""
        if not self.chunked or not data:
            return data
        return b"%x\r\n%b\r\n" % (len(data), data)

    @property
    def last_chunk(self) -> bytes:
        """What ends the framing: the last chunk, or nothing if not chunked."""
        return _LAST_CHUNK if self.chunked else b""

    async def end(self, tail: bytes) -> None:
        """Send the tail of a finished stream, as a pump gives it."""
        if tail:
            await self.sink.send((tail,), trio.current_time() + self._state.options.write_timeout_s)
        self.ended = True

    async def abort(self, event: bytes) -> None:
        """End a begun stream after a failure; the connection closes afterwards. The client may be gone already."""
        self.keep_alive = False
        self.ended = True
        tail = self.frame(event) + self.last_chunk
        if tail:
            with contextlib.suppress(WireError):  # it was to be told of a failure and has left, or stalls
                await self.sink.send((tail,), trio.current_time() + self._state.options.write_timeout_s)

    async def fail(self, error: OmniRouteError, shape: ErrorShape, *more: tuple[bytes, bytes]) -> None:
        """Send ``error`` as a whole answer, in ``shape``; ``more``: headers of this error alone."""
        headers: Headers = ((b"content-type", b"application/json"), *more)
        if shape.request_id_header:
            headers = (*headers, (shape.request_id_header, self._request_id.encode()))
        if error.retry_after_s is not None:
            headers = (*headers, (b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s))))
        await self.complete(shape.status(error), headers, (shape.body(error, self._request_id),))

    def _begin(self, status: int, headers: Headers | HeaderBlock, framing: bytes) -> bytes:
        if self.begun:
            raise GatewayFault("a second answer was begun")
        self.begun = True
        lines = b""
        if isinstance(headers, HeaderBlock):
            lines, headers = headers.lines, headers.pairs
        if self.extra:
            headers = (*headers, *self.extra)
        if status == 101:
            connection = b"\r\n"
        elif not self.keep_alive or self._state.draining:
            self.keep_alive = False
            connection = b"connection: close\r\n\r\n"
        else:
            connection = b"connection: keep-alive\r\n\r\n" if self.http10 else b"\r\n"
        start = self._state.head_start(status)
        return heads.write_reply_head(start, self._request_id.encode(), lines, headers, _OURS, framing + connection)


class _PlainError(msgspec.Struct):
    message: str
    type: str
    code: str
    request_id: str


class _PlainBody(msgspec.Struct):
    error: _PlainError


def plain_error(error: OmniRouteError, request_id: str) -> bytes:
    """The JSON body of an error where no dialect is known: an unreadable head, control away."""
    return msgspec.json.encode(_PlainBody(_PlainError(error.message, error.kind, error.code, request_id)))


PLAIN: Final = ErrorShape(plain_error)
"""How errors look where no dialect is known."""
