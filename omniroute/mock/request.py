"""Requests off a client's connection: h11 parses, one request at a time, what came early is kept for the next one."""

from __future__ import annotations

from typing import Final

import h11
import msgspec
import trio

READ_BYTES: Final = 65536
MAX_HEAD_BYTES: Final = 65536
MAX_EARLY_BYTES: Final = 1024 * 1024
"""Bytes kept of requests sent before the answer to the last one; above it the client is not read until answered."""
DRAIN_S: Final = 1.0
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Refused(Exception):
    """The request cannot be answered by a dialect: ``status`` and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Request(msgspec.Struct, frozen=True):
    """One request, whole."""

    method: str
    path: str
    """Without the query."""
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case, in the order received."""
    body: bytes
    keep_alive: bool
    chunkable: bool
    """The client speaks HTTP/1.1 and so understands chunks."""
    nth: int
    """Place on its connection, from 0."""

    def header(self, name: str) -> str:
        """The first header of that name (in lower case), or ""."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), "")


class Requests:
    """The requests of one connection."""

    def __init__(self, stream: trio.SocketStream, *, body_limit_bytes: int, idle_s: float) -> None:
        self._stream = stream
        self._early = bytearray()
        self._limit = body_limit_bytes
        self.idle_s = idle_s
        """Time for the next request to arrive whole."""
        self._count = 0

    async def next(self) -> Request | None:
        """The next request; None when the client left or stayed silent too long. Raises Refused, then close."""
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        if self._early:
            parser.receive_data(bytes(self._early))
            self._early.clear()
        with trio.move_on_after(self.idle_s):
            try:
                head = await self._event(parser)
                if not isinstance(head, h11.Request):
                    return None
                body = await self._body(parser)
            except h11.RemoteProtocolError as error:
                raise Refused(error.error_status_hint, str(error)) from error
            except trio.BrokenResourceError:
                return None
            if body is None:
                return None
            return self._whole(parser, head, body)
        return None

    def _whole(self, parser: h11.Connection, head: h11.Request, body: bytes) -> Request:
        self._early += parser.trailing_data[0]
        path, _, query = head.target.decode("latin-1").partition("?")
        self._count += 1
        return Request(
            method=head.method.decode(),
            path=path,
            query=query,
            headers=tuple(head.headers),
            body=body,
            keep_alive=parser.their_state is h11.DONE,
            chunkable=head.http_version != b"1.0",
            nth=self._count - 1,
        )

    async def _body(self, parser: h11.Connection) -> bytes | None:
        body = bytearray()
        while True:
            event = await self._event(parser)
            if isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._limit:
                    raise Refused(413, f"the body is larger than {self._limit} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body)
            else:
                return None

    async def _event(self, parser: h11.Connection) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = parser.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # h11's sentinels are classes the checker cannot tell apart
            if parser.they_are_waiting_for_100_continue:
                await self._stream.send_all(CONTINUE)
                parser.send(h11.InformationalResponse(status_code=100, headers=[]))
            parser.receive_data(await self._stream.receive_some(READ_BYTES))

    async def left(self) -> None:
        """Returns when the client has left. Run it while answering; what arrives early is kept, up to the bound."""
        try:
            while data := await self._stream.receive_some(READ_BYTES):
                self._early += data
                if len(self._early) > MAX_EARLY_BYTES:
                    await trio.sleep_forever()
        except trio.BrokenResourceError:
            return  # a reset is leaving, too

    async def drain(self) -> None:
        """Read on for a moment after a refusal, so that the close is not a reset that takes the answer with it."""
        await self._stream.send_eof()
        with trio.move_on_after(DRAIN_S):
            while await self._stream.receive_some(READ_BYTES):
                pass
