"""Listening sockets, bound once by the supervisor and inherited by those who accept on them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import Final

BACKLOG: Final = 4096
"""Connections the kernel queues while all workers are busy (capped by net.core.somaxconn)."""


class BindError(Exception):
    """An address cannot be listened on; the message says why and what to do."""


def bind(host: str, port: int) -> list[socket.socket]:
    """One listening socket for each address ``host`` names, all on one port. Raises BindError."""
    try:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as exc:
        raise BindError(
            f"--host {host!r} cannot be resolved: {exc.strerror}. Give an address of this machine."
        ) from exc
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(infos):
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        wanted = (address[0], sockets[0].getsockname()[1] if sockets and not port else port, *address[2:])
        try:
            listener.bind(wanted)
            listener.listen(BACKLOG)
        except OSError as exc:
            listener.close()
            for other in sockets:
                other.close()
            raise BindError(
                f"Cannot listen on {address[0]} port {port}: {exc.strerror}. Is another program there? Try --port."
            ) from exc
        listener.setblocking(False)
        sockets.append(listener)
    return sockets


def loopback_listener() -> socket.socket:
    """A listening socket on a free loopback port, for the demo provider."""
    return bind("127.0.0.1", 0)[0]


def url_of(listener: socket.socket) -> str:
    """``http://host:port`` of a listening socket; the wildcard address is shown as loopback."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """True if every address ``host`` names is a loopback address."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):  # a name: it can point anywhere
        return ipaddress.ip_address(host).is_loopback
    return False
