"""A provider on loopback that says one thing, whatever it is asked, and remembers the question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

END = b"\r\n\r\n"


class Provider:
    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, stream: trio.SocketStream) -> None:
        data = b""
        while END not in data:
            more = await stream.receive_some(65536)
            if not more:
                return
            data += more
            if data.startswith(b"\x16\x03"):  # a TLS hello: not our language
                await stream.aclose()
                return
        head, _, body = data.partition(END)
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += await stream.receive_some(65536)
        self.heads.append(head)
        self.bodies.append(body)
        await stream.send_all(self.answer)
        await stream.aclose()


def http(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), b"connection: close", *headers]
    return b"\r\n".join(lines) + END + body


@asynccontextmanager
async def provider(answer: bytes) -> AsyncIterator[Provider]:
    serving = Provider(answer)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, serving.serve, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        serving.port = listener.socket.getsockname()[1]
        yield serving
        nursery.cancel_scope.cancel()
