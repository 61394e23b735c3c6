"""Client sides of HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929), sans-IO, and the loop that runs them.

``greeting`` is what to send first; ``feed`` takes any piece of the answer and returns what to send next (may be empty);
``done`` says the tunnel stands. The proxy resolves the target's name: what it may reach is its business. CONNECT is
used for ``http://`` upstreams too, so that a tunnel looks the same whatever runs in it. Messages name the step that
failed and never a credential; text chosen by the proxy is not quoted.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
from typing import Final, Protocol

import trio

from omniroute.upstream.origin import Proxy
from omniroute.upstream.response import MalformedHeadError, parse_response_head

_RECV_BYTES: Final = 4096


class ProxyError(OSError):
    """The proxy did not open the tunnel."""


class Handshake(Protocol):
    """The client side of one tunnel."""

    done: bool

    def greeting(self) -> bytes:
        """What to send first."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the proxy (b"" is its end). Raises ProxyError."""
        ...


class HttpConnect:
    """CONNECT with optional basic authentication."""

    def __init__(self, proxy: Proxy, host: str, port: int, head_bytes: int) -> None:
        self.done = False
        self._proxy = proxy
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._limit = head_bytes
        self._received = b""

    def greeting(self) -> bytes:
        """The CONNECT request."""
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}"]
        if self._proxy.user:
            pair = f"{self._proxy.user.reveal()}:{self._proxy.password.reveal()}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    def feed(self, data: bytes) -> bytes:
        """Wait for a 2xx."""
        if not data:
            raise ProxyError("it closed the connection instead of answering CONNECT")
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, end, self._received = self._received.partition(b"\r\n\r\n")
            self._answered(head + end)
            if self.done and self._received:  # in both protocols the client speaks first
                raise ProxyError("it spoke before it was asked")
        if len(self._received) > self._limit:
            raise ProxyError("its answer to CONNECT is longer than the limit")
        return b""

    def _answered(self, head: bytes) -> None:
        try:
            status = parse_response_head(head, b"CONNECT").status
        except MalformedHeadError as exc:
            raise ProxyError("its answer to CONNECT is not HTTP") from exc
        if status == 407:
            raise ProxyError("it wants other credentials (407); check user and password in the proxy's URL")
        if status >= 300:
            raise ProxyError(f"it refused CONNECT with status {status}")
        self.done = status >= 200  # below: interim, another head follows


_SOCKS_REPLIES: Final = {
    1: "general failure",
    2: "its rules do not allow the target",
    3: "network unreachable",
    4: "host unreachable",
    5: "the target refused the connection",
    6: "TTL expired",
    7: "it does not know CONNECT",
    8: "it does not know this kind of address",
}
_SOCKS_ADDRESS_BYTES: Final = {1: 4, 4: 16}


class Socks5:
    """SOCKS5 without or with user and password; the target goes as a name unless it is an address."""

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self.done = False
        self._user = proxy.user.reveal().encode()
        self._password = proxy.password.reveal().encode()
        self._host = host
        self._port = port
        self._received = b""
        self._step = self._method_chosen

    def greeting(self) -> bytes:
        """The methods we can do."""
        if len(self._user) > 255 or len(self._password) > 255:
            raise ProxyError("SOCKS5 takes at most 255 bytes of user name and of password")
        return b"\x05\x02\x00\x02" if self._user else b"\x05\x01\x00"

    def feed(self, data: bytes) -> bytes:
        """Go on with the step that is due."""
        if not data:
            raise ProxyError("it closed the connection during the SOCKS5 handshake")
        self._received += data
        return self._step()

    def _method_chosen(self) -> bytes:
        if len(self._received) < 2:
            return b""
        version, method = self._take(2)
        if version != 5:
            raise ProxyError("it does not speak SOCKS5")
        if method == 0:
            self._step = self._connected
            return self._request()
        if method == 2 and self._user:
            self._step = self._authenticated
            user, password = self._user, self._password
            return bytes((1, len(user))) + user + bytes((len(password),)) + password
        raise ProxyError("it accepts none of our authentication methods; check user and password in the proxy's URL")

    def _authenticated(self) -> bytes:
        if len(self._received) < 2:
            return b""
        if self._take(2)[1] != 0:
            raise ProxyError("it wants other credentials; check user and password in the proxy's URL")
        self._step = self._connected
        return self._request()

    def _request(self) -> bytes:
        try:
            packed = ipaddress.ip_address(self._host).packed
            address = (b"\x01" if len(packed) == 4 else b"\x04") + packed
        except ValueError:
            name = self._host.encode("ascii")
            if len(name) > 255:
                raise ProxyError("the target's name is longer than SOCKS5 can carry") from None
            address = b"\x03" + bytes((len(name),)) + name
        return b"\x05\x01\x00" + address + self._port.to_bytes(2, "big")

    def _connected(self) -> bytes:
        if len(self._received) < 5:
            return b""
        version, reply, _, kind, first = self._received[:5]
        if version != 5:
            raise ProxyError("it does not speak SOCKS5")
        if reply != 0:
            raise ProxyError(f"it did not reach the target: {_SOCKS_REPLIES.get(reply, f'reply {reply}')}")
        size = 1 + first if kind == 3 else _SOCKS_ADDRESS_BYTES.get(kind)
        if size is None:
            raise ProxyError("its reply holds an unknown kind of address")
        if len(self._received) < 4 + size + 2:
            return b""
        self._take(4 + size + 2)
        self.done = True
        return b""

    def _take(self, count: int) -> bytes:
        taken, surplus, self._received = self._received[:count], self._received[count:], b""
        if surplus:  # every step, and the tunnel too, waits for the client to speak
            raise ProxyError("it spoke before it was asked")
        return taken


def handshake_of(proxy: Proxy, host: str, port: int, head_bytes: int) -> Handshake:
    """The handshake for a tunnel through ``proxy`` to ``host``."""
    return HttpConnect(proxy, host, port, head_bytes) if proxy.scheme == "http" else Socks5(proxy, host, port)


async def open_tunnel(sock: socket.socket, tunnel: Handshake) -> None:
    """Run ``tunnel`` over ``sock`` (connected, non-blocking), which stays the caller's. Raises OSError (ProxyError)."""
    await _send(sock, tunnel.greeting())
    while not tunnel.done:
        answer = tunnel.feed(await _recv(sock))
        if answer:
            await _send(sock, answer)


async def _send(sock: socket.socket, data: bytes) -> None:
    view = memoryview(data)
    while view:
        await trio.lowlevel.wait_writable(sock)
        view = view[sock.send(view) :]


async def _recv(sock: socket.socket) -> bytes:
    await trio.lowlevel.wait_readable(sock)
    return sock.recv(_RECV_BYTES)
