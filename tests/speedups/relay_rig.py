"""A relay driven by hand: socketpairs, peers that never block, and a clock that moves when a test says so."""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
from types import ModuleType

from omniroute._speedups.relay_py import Link, Relay
from omniroute._speedups.status import Status

WAIT_S = 2.0
"""Real seconds a test waits for the kernel to deliver what is on its way; never reached when things are right."""

NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def open_fds() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # a count, not paths


def reset(peer: socket.socket) -> None:
    """Close a TCP peer so that the other side sees RST instead of FIN."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


class Rig:
    """One relay, the links under it and their peers."""

    def __init__(self, twin: ModuleType, *, write_bound_bytes: int = 0, max_links: int = 0) -> None:
        self.twin = twin
        options = {"write_bound_bytes": write_bound_bytes} if write_bound_bytes else {}
        if max_links:
            options["max_links"] = max_links
        self.relay: Relay = twin.Relay(**options)
        self.now = 1000.0
        self.relay.turn(self.now)
        self._sockets: list[socket.socket] = []
        self._others: list[Rig] = []

    # -- making --------------------------------------------------------------------------------------------------
    def another(self, *, write_bound_bytes: int = 0, max_links: int = 0) -> Rig:
        """A second relay of the same twin, closed with this one."""
        rig = Rig(self.twin, write_bound_bytes=write_bound_bytes, max_links=max_links)
        self._others.append(rig)
        return rig

    def link(self, sock: socket.socket) -> Link:
        """``sock`` as a link of this relay."""
        sock.setblocking(False)
        link: Link = self.twin.Link(sock)
        self.relay.add(link)
        return link

    def keep(self, sock: socket.socket) -> socket.socket:
        """``sock``, closed when the test ends."""
        sock.setblocking(False)
        self._sockets.append(sock)
        return sock

    def pair(self, *, buffer_bytes: int = 0) -> tuple[Link, socket.socket]:
        """A link and its peer over a Unix socketpair; ``buffer_bytes`` makes the kernel's buffers small."""
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            if buffer_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        return self.link(ours), self.keep(theirs)

    def tcp_pair(self) -> tuple[Link, socket.socket]:
        """A link and its peer over loopback TCP, where RST exists."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        return self.link(ours), self.keep(theirs)

    def body_link(self, kind: int, length: int = 0) -> tuple[Link, socket.socket]:
        """A link whose head has been read and whose body is declared, and its peer."""
        link, peer = self.pair()
        link.set_body(kind, length)
        return link, peer

    # -- moving --------------------------------------------------------------------------------------------------
    def ready(self, wait_s: float = 0.0) -> bool:
        """``turn`` has something to do."""
        poller = select.poll()
        poller.register(self.relay.fileno(), select.POLLIN)
        return bool(poller.poll(wait_s * 1000))

    def turn(self) -> list[Link]:
        """One turn."""
        return self.relay.turn(self.now)

    def settle(self) -> list[Link]:
        """Turn until there is nothing to do; every link returned on the way."""
        returned: list[Link] = []
        turns = 0
        while self.ready():
            returned += self.turn()
            turns += 1
            assert turns < 20_000, "the relay spins: readable without end"
        return returned

    def later(self, seconds: float) -> list[Link]:
        """Time passes; every link that ended by it."""
        self.now += seconds
        return self.relay.expire(self.now)

    def read_end(self, link: Link, complete: bool) -> Status:
        """The status of a read operation that is ``complete``, as ``start_*`` said, or ends without time passing."""
        self._end(link, complete, read=True)
        return link.status

    def send_end(self, link: Link, complete: bool) -> Status:
        """The same of a send."""
        self._end(link, complete, read=False)
        return link.send_status

    def _end(self, link: Link, complete: bool, *, read: bool) -> None:
        while not complete:
            assert self.ready(WAIT_S), "the operation is parked and nothing is to come"
            for returned in self.turn():
                if returned is link:
                    complete = returned.read_done if read else returned.send_done

    def close(self) -> None:
        """Close the relay and every peer; nothing may be left."""
        for other in self._others:
            other.close()
        self.relay.close()
        assert (self.relay.parked(), self.relay.links(), self.relay.buffered_bytes()) == (0, 0, 0)
        for sock in self._sockets:
            sock.close()


def drain(peer: socket.socket) -> bytes:
    """Everything the peer can read now."""
    got = bytearray()
    while True:
        try:
            data = peer.recv(1 << 20)
        except NOT_NOW:
            return bytes(got)
        if not data:
            return bytes(got)
        got += data


def push(peer: socket.socket, data: bytes | memoryview) -> int:
    """How many bytes of ``data`` the kernel takes from the peer now."""
    sent = 0
    view = memoryview(data)
    while sent < len(view):
        try:
            sent += peer.send(view[sent : sent + 65536])
        except NOT_NOW:
            break
    return sent


def chunked(*parts: bytes) -> bytes:
    """``parts`` as one chunk each, and the last chunk."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def dechunked(data: bytes) -> bytes:
    """The payload of a whole chunked body; written apart from the code it checks."""
    payload = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            assert data == b"\r\n", f"after the last chunk: {data!r}"
            return payload
        assert data[size : size + 2] == b"\r\n"
        payload, data = payload + data[:size], data[size + 2 :]
