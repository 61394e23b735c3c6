"""A client that counts bytes: one raw connection to the gateway, its answers read by h11, a parser not our own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import msgspec
import trio

from tests.e2e.standing import Standing

READ_S = 10.0


class Answer(msgspec.Struct):
    """One whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    http_version: str
    reusable: bool
    """The connection may carry another request."""

    @property
    def error(self) -> dict[str, object]:
        """``error`` of a JSON body."""
        return dict(msgspec.json.decode(self.body)["error"])

    @property
    def events(self) -> list[bytes]:
        """The data of the SSE events; comments are left out."""
        blocks = self.body.replace(b"\r\n", b"\n").split(b"\n\n")
        return [block[6:] for block in blocks if block.startswith(b"data: ")]

    @property
    def in_band_error(self) -> dict[str, object]:
        """The error the stream ends with; that it is the last event, and an event of its own, is checked."""
        last = self.events[-1]
        assert self.body.endswith(b"data: " + last + b"\n\n")
        assert b"[DONE]" not in self.body
        return dict(msgspec.json.decode(last)["error"])


class Caller:
    """One connection."""

    def __init__(self, stream: trio.SocketStream, gateway: Standing) -> None:
        self.stream = stream
        self._gateway = gateway
        self._http = h11.Connection(h11.CLIENT)

    async def send(self, body: bytes, *, path: str = "/v1/chat/completions", version: str = "1.1") -> None:
        """A chat request. Raw, since its bytes are compared with what the upstream gets."""
        head = (
            f"POST {path} HTTP/{version}\r\nhost: gateway\r\nauthorization: Bearer {self._gateway.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._http.send(
            h11.Request(method="POST", target=path, headers=[("host", "gateway"), ("content-length", str(len(body)))])
        )
        self._http.send(h11.Data(data=body))
        self._http.send(h11.EndOfMessage())
        await self.stream.send_all(head.encode() + body)

    async def head(self) -> h11.Response:
        """The head of the answer."""
        event = await self._next()
        assert isinstance(event, h11.Response), event
        return event

    async def data(self) -> bytes:
        """The next bytes of the body, b"" at its end."""
        event = await self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event
        return b""

    async def answer(self) -> Answer:
        """The whole answer. h11 raises if its framing is wrong or it ends early."""
        head = await self.head()
        body = b""
        while data := await self.data():
            body += data
        reusable = self._http.their_state is h11.DONE
        headers = {name.decode(): value.decode() for name, value in head.headers}
        if reusable:
            self._http.start_next_cycle()
        return Answer(head.status_code, headers, body, head.http_version.decode(), reusable)

    async def _next(self) -> h11.Event:
        with trio.fail_after(READ_S):
            while True:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    assert not isinstance(event, type), event
                    return event
                self._http.receive_data(await self.stream.receive_some(1 << 20))


@asynccontextmanager
async def calling(gateway: Standing) -> AsyncIterator[Caller]:
    """A connection to the gateway, closed at the end of the block."""
    stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
    async with stream:
        yield Caller(stream, gateway)


async def call(gateway: Standing, body: bytes, *, path: str = "/v1/chat/completions", version: str = "1.1") -> Answer:
    """One request on a connection of its own."""
    async with calling(gateway) as caller:
        await caller.send(body, path=path, version=version)
        return await caller.answer()


def chat(model: str, *, stream: bool = True, **more: object) -> bytes:
    """A small chat request."""
    said = [{"role": "user", "content": "hi"}]
    return msgspec.json.encode({"model": model, "stream": stream, "messages": said, **more})
