"""Control: the only writer of the database; admin API, health, metrics; drains the journals."""

from __future__ import annotations

import logging
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Final

import trio

from omniroute._speedups import Shared, SnapshotArea
from omniroute.app.control import Control, open_control
from omniroute.config import ProcessOptions, master_key
from omniroute.errors import OmniRouteError
from omniroute.paths import DataPaths
from omniroute.processes.boot import Boot, Ready, send_ready, send_refused
from omniroute.processes.listen import is_loopback
from omniroute.processes.orphan import end_with_supervisor
from omniroute.storage.snapshot import SharedPublisher
from omniroute.telemetry.log import BufferedHandler, Log

LAST_DRAIN_S: Final = 3.0
"""For what the workers left in their journals when all of us were told to stop; the rest waits for the next start."""


def run_control(boot: Boot, channel: socket.socket) -> int:
    """Serve until told to stop; the exit status."""
    process = boot.settings.process
    log = Log(level=process.log_level, form=process.log_format, source=boot.name)
    logging.basicConfig(handlers=[BufferedHandler(log)], level=logging.INFO, force=True)
    status = 0
    try:
        trio.run(_serve, boot, channel, log)
    except* OmniRouteError as failures:
        send_refused(channel, "; ".join(_messages(failures)))
        status = 1
    finally:
        log.flush()
    return status


def _messages(failures: BaseExceptionGroup[OmniRouteError]) -> list[str]:
    return [
        message
        for failure in failures.exceptions
        for message in ([failure.message] if isinstance(failure, OmniRouteError) else _messages(failure))
    ]


async def _serve(boot: Boot, channel: socket.socket, log: Log) -> None:
    paths = DataPaths(Path(boot.settings.process.data_dir))
    shared = Shared(boot.shared_fd)
    publisher = SharedPublisher(shared, SnapshotArea(boot.snapshot_fd))
    async with open_control(paths, master_key(), shared, publisher) as control:
        async with trio.open_nursery() as nursery:  # the process's services
            nursery.start_soon(log.run)
            nursery.start_soon(end_with_supervisor, channel, nursery.cancel_scope)
            with trio.open_signal_receiver(signal.SIGTERM) as stops:
                ready = await _prepare(boot, control)
                nursery.start_soon(control.drain.run)
                nursery.start_soon(control.responses.run)
                await _open_doors(nursery, boot.settings.process, paths, control)
                send_ready(channel, ready)
                async for _ in stops:
                    break
            nursery.cancel_scope.cancel()
        with trio.move_on_after(LAST_DRAIN_S):
            await control.drain.finish()


async def _prepare(boot: Boot, control: Control) -> Ready:
    """The first snapshot, and what the supervisor must know. Raises OmniRouteError."""
    process = boot.settings.process
    first = await control.administration.ensure_first_start(boot.demo_url)
    if not is_loopback(process.host):
        keys = await control.administration.list_keys()
        if not any(key.state == "active" for key in keys):
            raise OmniRouteError(
                f"--host {process.host} can be reached from other machines, and there is no active API key. "
                "Make one with 'omniroute keys create NAME', or listen on 127.0.0.1."
            )
    connections = await control.administration.list_connections()
    demo_wanted = any(c.base_url == boot.demo_url and c.active for c in connections)
    return Ready(demo_wanted=demo_wanted, new_key=first.key.reveal() if first else "")


async def _open_doors(nursery: trio.Nursery, process: ProcessOptions, paths: DataPaths, control: Control) -> None:
    """The local admin socket, the socket workers relay to, and the management listener if one is wanted."""
    from omniroute.admin.server import serve  # noqa: PLC0415 - hypercorn is paid for after the first snapshot

    log = logging.getLogger("omniroute.admin")
    log.setLevel(logging.WARNING)  # hypercorn tells where it listens, and to press CTRL + C
    apart = process.admin_bind
    doors = [
        (f"unix:{paths.admin_socket}", control.admin_app(trusted=True)),
        # management on a listener of its own leaves health on the public port: load balancers look there
        (f"unix:{paths.control_socket}", control.admin_app(trusted=False, managed=not apart)),
    ]
    if apart:
        doors.append((apart, control.admin_app(trusted=False)))
    for bind, app in doors:
        try:
            await nursery.start(partial(serve, app, bind, stop=trio.sleep_forever, log=log))
        except* (OSError, ValueError) as failures:
            raise _cannot_listen(f"--admin-bind {apart}" if bind == apart else bind, failures) from failures


def _cannot_listen(name: str, failures: BaseExceptionGroup[OSError | ValueError]) -> OmniRouteError:
    reason = failures.exceptions[0]
    if isinstance(reason, BaseExceptionGroup):  # hypercorn's nursery inside ours
        return _cannot_listen(name, reason)
    told = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return OmniRouteError(f"Cannot listen on {name}: {told}. Give HOST:PORT of this machine.")
