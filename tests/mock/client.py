"""A client on a raw socket: what the mock really puts on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from omniroute.mock import Mock

PATIENCE_S = 5.0


def request(
    model: str = "echo", *, text: str = "one two three", script: str = "", headers: str = "", **fields: object
) -> bytes:
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": text}], **fields})
    mock = f"X-Mock: {script}\r\n" if script else ""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\n{mock}{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Answer(msgspec.Struct):
    status: int
    head: str
    body: bytes
    """As on the wire, chunk framing included."""
    end: str
    """"open": nothing more came; "fin"; "rst"."""

    @property
    def chunks(self) -> list[bytes]:
        """The data of well-formed chunks, the last (empty) one included if it came."""
        found, rest = [], self.body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            found.append(rest[:length])
            rest = rest[length + 2 :]
        return found

    @property
    def events(self) -> list[bytes]:
        return [event for event in b"".join(self.chunks).split(b"\n\n") if event]

    @property
    def json(self) -> dict[str, dict[str, object]]:
        return msgspec.json.decode(self.body)


class Client:
    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.seen = bytearray()

    async def ask(self, data: bytes, *, until: bytes = b"", quiet_s: float = 0.05) -> Answer:
        """Send, then read until ``until`` was seen, the connection ended, or it was quiet for ``quiet_s``."""
        await self.stream.send_all(data)
        return await self.read(until=until, quiet_s=quiet_s)

    async def read(self, *, until: bytes = b"", quiet_s: float = 0.05) -> Answer:
        seen, end = bytearray(), "open"
        with trio.fail_after(PATIENCE_S):
            while not (until and until in seen):
                with trio.move_on_after(quiet_s if seen and not until else PATIENCE_S) as quiet:
                    try:
                        data = await self.stream.receive_some()
                    except trio.BrokenResourceError:
                        end = "rst"
                        break
                    if not data:
                        end = "fin"
                        break
                    seen += data
                if quiet.cancelled_caught:
                    break
        head, _, body = bytes(seen).partition(b"\r\n\r\n")
        status = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0
        return Answer(status, head.decode("latin-1").lower(), body, end)


@asynccontextmanager
async def connected(mock: Mock) -> AsyncIterator[Client]:
    stream = await trio.open_tcp_stream("127.0.0.1", mock.port)
    async with stream:
        yield Client(stream)


async def once(mock: Mock, data: bytes, *, until: bytes = b"", quiet_s: float = 0.05) -> Answer:
    async with connected(mock) as client:
        return await client.ask(data, until=until, quiet_s=quiet_s)
