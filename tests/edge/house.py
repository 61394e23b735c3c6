"""An edge on a loopback port, handlers that show what reached them, and a client that speaks in raw bytes."""

from __future__ import annotations

import gc
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from omniroute._speedups import Relay
from omniroute.edge import PLAIN, Edge, EdgeOptions, Endpoint, ErrorShape, Routes
from omniroute.errors import RateLimited
from omniroute.ports import ClientGone, Incoming, Reply
from omniroute.wire import Driver, Wire

JSON = ((b"content-type", b"application/json"),)


ODD = ErrorShape(
    lambda error, request_id: b'{"oh":"%b %b"}' % (error.code.encode(), request_id.encode()),
    lambda error: 529 if error.kind == "rate_limit" else error.status,
    b"request-id",
)
"""Errors of another shape, with a status and a header of their own."""


class Handlers:
    """What the routes of the tests do, and what they have seen."""

    def __init__(self) -> None:
        self.seen: list[Incoming] = []
        self.entered = trio.Event()
        self.go_on = trio.Event()
        self.cancelled = 0

    async def echo(self, incoming: Incoming, reply: Reply) -> None:
        self.seen.append(incoming)
        await reply.complete(200, JSON, (b'{"method":"%b","body":"' % incoming.method.encode(), incoming.body, b'"}'))

    async def gated(self, incoming: Incoming, reply: Reply) -> None:
        """Answers when told to."""
        self.seen.append(incoming)
        self.entered.set()
        try:
            await self.go_on.wait()
        except trio.Cancelled:
            self.cancelled += 1
            raise
        await reply.complete(200, JSON, (b'{"gated":true}',))

    async def late(self, incoming: Incoming, reply: Reply) -> None:
        """A stream whose head was sent before it may end."""
        sink = reply.sink
        assert isinstance(sink, Wire)
        await sink.send((reply.begin(200, ()),), 0.0)
        self.entered.set()
        await self.go_on.wait()
        await reply.end(b"0\r\n\r\n")

    async def stream(self, incoming: Incoming, reply: Reply) -> None:
        self.seen.append(incoming)
        sink = reply.sink
        assert isinstance(sink, Wire)
        first = reply.begin(200, ((b"content-type", b"text/event-stream"),)) + reply.frame(b"data: 1\n\n")
        await sink.send((first,), 0.0)
        if incoming.query == b"fail":
            raise RuntimeError("in the middle")
        if incoming.query == b"abort":
            await reply.abort(b"data: sorry\n\n")
            return
        last = b"0\r\n\r\n" if reply.chunked else b""
        await reply.end(reply.frame(b"data: 2\n\n") + last)

    async def fail(self, incoming: Incoming, reply: Reply) -> None:
        match incoming.query:
            case b"refused":
                raise RateLimited("Slow down.", retry_after_s=3)
            case b"gone":
                raise ClientGone
            case b"silent":
                return
            case b"after":
                await reply.complete(200, JSON, (b"{}",))
                raise RuntimeError("too late")
            case _:
                raise RuntimeError("a secret: sk-1")

    def routes(self) -> Routes:
        def endpoint(
            method: str, pattern: str, handler: object, body_bytes: int = 0, errors: ErrorShape = PLAIN
        ) -> Endpoint:
            return Endpoint(method, pattern, pattern, handler, errors, body_bytes)  # type: ignore[arg-type]

        return Routes(
            [
                endpoint("POST", "/v1/echo", self.echo),
                endpoint("GET", "/v1/echo", self.echo),
                endpoint("POST", "/v1/small", self.echo, 10),
                endpoint("GET", "/v1/models/{id}", self.echo),
                endpoint("GET", "/v1/gated", self.gated),
                endpoint("POST", "/v1/gated", self.gated),
                endpoint("GET", "/v1/stream", self.stream),
                endpoint("GET", "/v1/late", self.late),
                endpoint("GET", "/v1/fail", self.fail),
                endpoint("POST", "/v1/fail", self.fail),
                endpoint("POST", "/v1/odd", self.fail, errors=ODD),
            ]
        )


class Answer(msgspec.Struct):
    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Client:
    """One raw connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.pending = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def _more(self) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            raise AssertionError("the connection was reset") from None
        self.pending += data
        return bool(data)

    async def until(self, mark: bytes) -> bytes:
        while mark not in self.pending:
            assert await self._more(), f"closed before {mark!r}: {self.pending!r}"
        data, _, self.pending = self.pending.partition(mark)
        return data

    async def exactly(self, size: int) -> bytes:
        while len(self.pending) < size:
            assert await self._more(), "closed inside a body"
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    async def answer(self, *, head: bool = False) -> Answer:
        first, *lines = (await self.until(b"\r\n\r\n")).split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b": ")
            assert name not in headers
            headers[name] = value
        status = int(first.split(b" ")[1])
        body = b""
        if head or status in {100, 101, 204, 304}:
            pass
        elif b"content-length" in headers:
            body = await self.exactly(int(headers[b"content-length"]))
        elif b"transfer-encoding" in headers:
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.exactly(size)
                assert await self.exactly(2) == b"\r\n"
            assert await self.exactly(2) == b"\r\n"
        else:
            body = await self.rest()
        return Answer(status, headers, body)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer(head=data.startswith(b"HEAD"))

    async def rest(self) -> bytes:
        """Everything until the server closes; fails if it resets instead."""
        while await self._more():
            pass
        data, self.pending = self.pending, b""
        return data


class House:
    def __init__(
        self, edge: Edge, relay: Relay, handlers: Handlers, port: int, served: trio.Event, cancel_edge: trio.CancelScope
    ) -> None:
        self.cancel_edge = cancel_edge
        self.edge = edge
        self.relay = relay
        self.handlers = handlers
        self.port = port
        self.served = served

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream:
            yield Client(stream)

    async def settled(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds; it depends on what other tasks and the kernel are about to do."""
        with trio.fail_after(2):
            while not condition():
                await trio.sleep(0.001)


def open_fds() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@asynccontextmanager
async def house(
    options: EdgeOptions | None = None,
    *,
    control_socket: str | None = None,
    listener: Callable[[socket.socket], object] = lambda real: real,
) -> AsyncIterator[House]:
    """A running edge; checks on leaving that no connection, link, body or file descriptor is left."""
    before = open_fds()
    relay = Relay()
    driver = Driver(relay)
    handlers = Handlers()
    edge = Edge(driver, handlers.routes(), options, control_socket=control_socket)
    served = trio.Event()
    cancel_edge = trio.CancelScope()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as real, trio.fail_after(10):
        async with trio.open_nursery() as nursery:

            async def serve(*, task_status: trio.TaskStatus[None]) -> None:
                with cancel_edge:
                    await edge.serve([listener(real)], task_status=task_status)  # type: ignore[list-item]
                served.set()

            await nursery.start(driver.run)
            await nursery.start(serve)
            place = House(edge, relay, handlers, real.getsockname()[1], served, cancel_edge)
            yield place
            await place.settled(lambda: edge.connections == 0)
            assert relay.links() == 0
            assert edge.bodies_held == 0
            nursery.cancel_scope.cancel()
    assert open_fds() <= before
