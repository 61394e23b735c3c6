"""A worker: the data plane. Stops accepting on SIGTERM, lets requests finish, then ends."""

from __future__ import annotations

import gc
import signal
import socket
from pathlib import Path
from typing import Final

import trio

from omniroute.app.worker import Worker
from omniroute.paths import DataPaths
from omniroute.processes.boot import Boot, Ready, send_ready
from omniroute.processes.orphan import end_with_supervisor
from omniroute.telemetry.log import Log

GC_THRESHOLD: Final = 20_000
"""New containers between two looks at the youngest: about 500 requests."""


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
    process = boot.settings.process
    paths = DataPaths(Path(process.data_dir))
    listeners = [socket.socket(fileno=fd) for fd in boot.listener_fds]
    async with trio.open_nursery() as nursery:  # the process's services
        nursery.start_soon(log.run)
        nursery.start_soon(end_with_supervisor, channel, nursery.cancel_scope)
        worker = Worker(
            boot.settings,
            slot=boot.slot,
            shared_fd=boot.shared_fd,
            snapshot_fd=boot.snapshot_fd,
            rings=paths.rings,
            control_socket=paths.control_socket,
            log=log,
        )
        with trio.open_signal_receiver(signal.SIGTERM) as stops:
            async with trio.open_nursery() as serving:  # ends when the worker has drained
                await serving.start(worker.run, listeners)
                _settle_memory()
                send_ready(channel, Ready())
                async for _ in stops:
                    break
                worker.drain(process.drain_seconds)
        nursery.cancel_scope.cancel()


def _settle_memory() -> None:
    """Tell the cycle collector what stays: modules and services are never looked at again, requests leave no cycles.

    What is left for it are tracebacks of failed requests, so it may look a tenth as often as by default.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 100)
