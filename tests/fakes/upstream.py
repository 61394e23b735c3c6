"""A scripted upstream on a real loopback socket: a test says byte by byte what it does and when."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Talk:
    """The upstream's side of one connection."""

    def __init__(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream], number: int) -> None:
        self.stream = stream
        self.number = number
        """0 for the first connection accepted."""
        self.requests: list[bytes] = []
        self.ended = trio.Event()
        self._unread = bytearray()

    async def request(self) -> bytes:
        """The next request, head and body. Raises EOFError if there is none."""
        while b"\r\n\r\n" not in self._unread:
            await self._more()
        head, _, rest = bytes(self._unread).partition(b"\r\n\r\n")
        self._unread = bytearray(rest)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(self._unread) < length:
            await self._more()
        body = bytes(self._unread[:length])
        del self._unread[:length]
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    async def _more(self) -> None:
        data = await self.stream.receive_some(1 << 20)
        if not data:
            raise EOFError
        self._unread += data

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def serve(self, answer: bytes = OK) -> None:
        """Answer every request with ``answer`` until the peer closes."""
        while True:
            try:
                await self.request()
            except EOFError:
                return
            await self.send(answer)

    async def gone(self) -> None:
        """Wait until the peer has closed; what it still sends is dropped."""
        try:
            while await self.stream.receive_some():
                pass
        except trio.BrokenResourceError:
            return  # by RST: closed as well

    async def fin(self) -> None:
        """Close our sending side."""
        assert isinstance(self.stream, trio.SocketStream)
        await self.stream.send_eof()

    def rst(self) -> None:
        """Close at once with a reset."""
        stream = self.stream if isinstance(self.stream, trio.SocketStream) else self.stream.transport_stream
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()


Script = Callable[[Talk], Awaitable[None]]


class Peer:
    """A listening upstream; every connection runs the script."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.talks: list[Talk] = []

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}"

    def open_talks(self) -> int:
        """Connections whose script has not ended."""
        return sum(not talk.ended.is_set() for talk in self.talks)


@asynccontextmanager
async def scripted(
    script: Script, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """A running peer; its connections are closed when the block is left."""
    listener = trio.socket.socket(trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET)
    listener.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
    await listener.bind((host, port))
    listener.listen(64)
    peer = Peer(listener.getsockname()[1])

    async def converse(accepted: trio.SocketStream) -> None:
        stream = accepted if tls is None else trio.SSLStream(accepted, tls, server_side=True, https_compatible=True)
        talk = Talk(stream, len(peer.talks))
        peer.talks.append(talk)
        try:
            await script(talk)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
            pass  # the gateway closed: what it should have done by then is asserted on its side
        finally:
            talk.ended.set()
            accepted.socket.close()

    async def accept(nursery: trio.Nursery) -> None:
        while True:
            sock, _ = await listener.accept()
            nursery.start_soon(converse, trio.SocketStream(sock))

    with listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept, nursery)
            yield peer
            nursery.cancel_scope.cancel()
