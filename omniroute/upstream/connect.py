"""A connected TCP socket from a list of addresses: happy eyeballs (RFC 8305)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

import trio

from omniroute.upstream.dns import Address

# A peer that vanished without FIN (a NAT that forgot us) is noticed within a minute even while an answer is waited for.
KEEPALIVE_IDLE_S: Final = 30
KEEPALIVE_INTERVAL_S: Final = 10
KEEPALIVE_PROBES: Final = 3


async def connect_any(addresses: Sequence[Address], port: int, delay_s: float) -> socket.socket:
    """A socket connected to the first of ``addresses`` that answers; the next is tried beside it after ``delay_s``.

    Non-blocking, TCP_NODELAY, keep-alive probes on. The losers are closed. Raises OSError, the first address's failure.
    """
    if len(addresses) == 1:
        return await connect_one(addresses[0], port)
    race = _Race(port)
    try:
        async with trio.open_nursery() as nursery:  # the attempts overlap: that is the point
            for address in addresses:
                failed = trio.Event()
                nursery.start_soon(race.attempt, address, failed, nursery.cancel_scope)
                with trio.move_on_after(delay_s):
                    await failed.wait()
    except BaseException:
        if race.winner is not None:  # cancelled from outside in the instant of success
            race.winner.close()
        raise
    if race.winner is None:
        raise race.failures[addresses[0]]
    return race.winner


class _Race:
    """What the attempts of one connect share."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.winner: socket.socket | None = None
        self.failures: dict[Address, OSError] = {}

    async def attempt(self, address: Address, failed: trio.Event, scope: trio.CancelScope) -> None:
        try:
            sock = await connect_one(address, self.port)
        except OSError as exc:
            self.failures[address] = exc
            failed.set()
            return
        if self.winner is not None:  # both became ready before the cancellation reached the second
            sock.close()
            return
        self.winner = sock
        scope.cancel()


async def connect_one(address: Address, port: int) -> socket.socket:
    """A socket connected to ``address``. Raises OSError."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _tune(sock)
        code = sock.connect_ex(address.sockaddr(port))
        if code == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            await trio.lowlevel.checkpoint()
    except BaseException:
        sock.close()
        raise
    if code:
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(
        socket, "TCP_KEEPIDLE"
    ):  # Linux; macOS calls it TCP_KEEPALIVE and has a two-hour default we accept there
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
