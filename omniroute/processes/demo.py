"""The built-in demo provider: the mock on a loopback socket the supervisor bound."""

from __future__ import annotations

import signal
import socket

import trio

from omniroute.mock import Mock, MockOptions
from omniroute.processes.boot import Boot, Ready, send_ready
from omniroute.processes.orphan import end_with_supervisor


def run_demo(boot: Boot, channel: socket.socket) -> int:
    """Serve until told to stop; the exit status."""
    trio.run(_serve, boot, channel)
    return 0


async def _serve(boot: Boot, channel: socket.socket) -> None:
    listeners = [
        trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=fd))) for fd in boot.listener_fds
    ]
    async with trio.open_nursery() as nursery:  # the mock, until a signal or the supervisor's end
        nursery.start_soon(end_with_supervisor, channel, nursery.cancel_scope)
        await nursery.start(Mock(MockOptions()).run, listeners)
        with trio.open_signal_receiver(signal.SIGTERM) as stops:
            send_ready(channel, Ready())
            async for _ in stops:
                break
        nursery.cancel_scope.cancel()
