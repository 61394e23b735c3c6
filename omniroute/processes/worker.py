"""A worker: the data plane. Stops accepting on SIGTERM, lets requests finish, then ends."""

from __future__ import annotations

import signal
import socket

import trio

from omniroute.app import build_worker
from omniroute.processes.boot import Boot, Ready, send_ready
from omniroute.processes.orphan import end_with_supervisor
from omniroute.telemetry.log import Log


def run_worker(boot: Boot, channel: socket.socket) -> int:
    """Serve until told to stop; the exit status."""
    process = boot.settings.process
    log = Log(level=process.log_level, form=process.log_format, source=boot.name)
    try:
        trio.run(_serve, boot, channel, log)
    finally:
        log.flush()
    return 0


async def _serve(boot: Boot, channel: socket.socket, log: Log) -> None:
    listeners = [socket.socket(fileno=fd) for fd in boot.listener_fds]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.run)
        nursery.start_soon(end_with_supervisor, channel, nursery.cancel_scope)
        with trio.open_signal_receiver(signal.SIGTERM) as stops:
            worker = build_worker(boot, log)
            await nursery.start(worker.run, listeners)
            send_ready(channel, Ready())
            async for _ in stops:
                break
            await worker.drain(boot.settings.process.drain_seconds)
        nursery.cancel_scope.cancel()
