"""A child whose supervisor is gone ends: nothing is left running that nobody watches."""

from __future__ import annotations

import socket

import trio


async def end_with_supervisor(channel: socket.socket, scope: trio.CancelScope) -> None:
    """Cancel ``scope`` when the other end of the channel closes."""
    channel.setblocking(False)
    alive = True
    while alive:
        await trio.lowlevel.wait_readable(channel)
        try:
            alive = bool(channel.recv(4096))
        except BlockingIOError:
            continue
        except OSError:  # reset: the supervisor was killed
            alive = False
    scope.cancel()
