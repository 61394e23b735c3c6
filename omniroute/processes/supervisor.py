"""Who starts, watches and stops whom.

The supervisor holds what outlives any one process: the listening sockets, the shared memory, the data directory's lock.
Each child is one task of its nursery. A worker that dies is replaced at once; one that dies before it was ready is
replaced with growing pauses. SIGTERM drains and ends with 0, a second one ends at once; SIGHUP replaces the workers one
by one.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from omniroute._speedups import Shared, SnapshotArea
from omniroute.config import Settings
from omniroute.processes.boot import Boot, Ready, Refused, anonymous_memory, parse_message, send_boot
from omniroute.processes.listen import bind, loopback_listener, url_of
from omniroute.telemetry.log import Log
from omniroute.telemetry.metrics import clear_gauges

STOP_GRACE_S: Final = 5.0
"""Past the drain time, how long a child may take to unwind before it is killed."""
READY_S: Final = 30.0
"""A child that is not ready by then is started again."""
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Pauses before the next try when a child died before it was ready."""
SLOTS: Final = 64
"""Rows of shared statistics: the most processes alive at once, draining ones included."""


class StartError(Exception):
    """The gateway cannot start; the message says why and what to do."""


class Child:
    """One process and what is known of it."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.process: trio.Process | None = None
        self.ready = trio.Event()
        self.exited = trio.Event()
        self.said: Ready | Refused | None = None
        self.settled = trio.Event()
        """Ready, refused or dead: the start is over."""
        self.born_at = trio.current_time()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)


class Supervisor:
    """Runs one gateway. ``run`` returns the exit status."""

    def __init__(self, settings: Settings, log: Log, announce: Callable[[str, Ready], None]) -> None:
        """``announce`` is called once, with the gateway's URL and what control said, when all processes are ready."""
        self._settings = settings
        self._log = log
        self._announce = announce
        self._workers: dict[int, Child] = {}
        self._children: set[Child] = set()
        self._free_slots = list(range(SLOTS - 1, -1, -1))
        self._stopping = False
        self._announced = False
        self._refusal: str | None = None

    async def run(self) -> int:
        """Serve until told to stop. Raises StartError."""
        process = self._settings.process
        self._listeners = bind(process.host, process.port)
        self._demo_listener = loopback_listener() if process.demo else None
        self._shared_fd = anonymous_memory("omniroute-shared")
        self._snapshot_fd = anonymous_memory("omniroute-snapshot")
        self._shared = Shared(self._shared_fd, create=True, boot_id=_boot_id())
        SnapshotArea(self._snapshot_fd, create=True).close()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self._signals)
                nursery.start_soon(self._log.run)
                await self._start_all()
                # the nursery now lives until _stop cancels it
        finally:
            for listener in self._listeners:
                listener.close()
            os.close(self._shared_fd)
            os.close(self._snapshot_fd)
        if self._refusal:
            raise StartError(self._refusal)
        return self._status

    _status = 0

    async def _start_all(self) -> None:
        """Control and the workers at once: a worker waits for the first snapshot by itself."""
        control = self._launch("control", "control")
        count = self._settings.process.workers or os.cpu_count() or 1
        for index in range(count):
            self._workers[index] = self._launch("worker", f"worker-{index}")
        await control.settled.wait()
        if isinstance(control.said, Refused) or not isinstance(control.said, Ready):
            said = (
                control.said.reason
                if isinstance(control.said, Refused)
                else "control died while starting; see its log lines above"
            )
            await self._fail(said)
            return
        ready = control.said
        demo = self._launch("demo", "demo") if ready.demo_wanted and self._demo_listener else None
        for child in (*self._workers.values(), *([demo] if demo else [])):
            await child.settled.wait()
        for index, child in self._workers.items():
            self._nursery.start_soon(self._keep_worker, index, child)
        self._nursery.start_soon(self._keep, control)
        if demo:
            self._nursery.start_soon(self._keep, demo)
        self._announced = True
        self._announce(url_of(self._listeners[0]), ready)

    async def _fail(self, reason: str) -> None:
        self._refusal = reason
        await self._stop(at_once=True)

    # -- children ---------------------------------------------------------------------------------------------------
    def _launch(self, role: str, name: str) -> Child:
        slot = self._free_slots.pop()
        listeners: tuple[int, ...] = ()
        if role == "worker":
            listeners = tuple(listener.fileno() for listener in self._listeners)
        elif role == "demo" and self._demo_listener:
            listeners = (self._demo_listener.fileno(),)
        boot = Boot(
            role=role,  # type: ignore[arg-type]  # one of three literals
            name=name,
            settings=self._settings,
            slot=slot,
            shared_fd=self._shared_fd,
            snapshot_fd=self._snapshot_fd,
            listener_fds=listeners,
            demo_url=f"{url_of(self._demo_listener)}/v1" if self._demo_listener else "",
        )
        child = Child(boot)
        self._children.add(child)
        self._nursery.start_soon(self._live, child)
        return child

    async def _live(self, child: Child) -> None:
        """One child from birth to death."""
        ours, theirs = socket.socketpair()
        boot = child.boot
        try:
            send_boot(ours, boot)
            run = partial(
                trio.run_process,
                [sys.executable, "-m", "omniroute.processes.child", boot.name, str(theirs.fileno())],
                check=False,
                pass_fds=(theirs.fileno(), boot.shared_fd, boot.snapshot_fd, *boot.listener_fds),
                deliver_cancel=_kill,
            )
            async with trio.open_nursery() as nursery:  # the process, and what it says
                child.process = await nursery.start(run)
                theirs.close()
                nursery.start_soon(self._hear, child, trio.socket.from_stdlib_socket(ours))
                nursery.start_soon(self._impatient, child, nursery.cancel_scope)
                await child.process.wait()
                nursery.cancel_scope.cancel()
        finally:
            theirs.close()
            ours.close()
            child.exited.set()
            child.settled.set()
            self._children.discard(child)
            self._shared.slot_clear(boot.slot)
            clear_gauges(self._shared, boot.slot)
            self._free_slots.append(boot.slot)
            if child.process is not None and not self._stopping:
                self._log.warning(
                    "process_ended", process=boot.name, pid=child.process.pid, status=child.process.returncode
                )

    async def _hear(self, child: Child, channel: trio.socket.SocketType) -> None:
        data = b""
        while True:
            try:
                more = await channel.recv(65536)
            except OSError:
                return
            if not more:
                return
            data += more
            while b"\n" in data:
                line, data = data.split(b"\n", 1)
                child.said = parse_message(line)
                if isinstance(child.said, Ready):
                    child.ready.set()
                    if self._announced:
                        self._say_ready(child)
                child.settled.set()

    def _say_ready(self, child: Child) -> None:
        """One line for each process started after the first ones."""
        seconds = round(trio.current_time() - child.born_at, 3)
        pid = child.process.pid if child.process else 0
        self._log.info("process_ready", process=child.boot.name, pid=pid, seconds=seconds)

    async def _impatient(self, child: Child, scope: trio.CancelScope) -> None:
        with trio.move_on_after(READY_S):
            await child.settled.wait()
            return
        self._log.error("process_not_ready", process=child.boot.name, seconds=READY_S)
        scope.cancel()

    async def _keep(self, child: Child) -> None:
        """Start the same process again whenever it ends."""
        failures = 0
        while True:
            await child.exited.wait()
            if self._stopping:
                return
            failures = await self._pause(child, failures)
            child = self._launch(child.boot.role, child.boot.name)

    async def _keep_worker(self, index: int, child: Child) -> None:
        """The same for a worker, whose successor may have been started by a reload."""
        failures = 0
        while True:
            await child.exited.wait()
            if self._stopping:
                return
            if self._workers[index] is child:
                failures = await self._pause(child, failures)
                if self._workers[index] is child:
                    self._workers[index] = self._launch("worker", child.boot.name)
            child = self._workers[index]

    async def _pause(self, child: Child, failures: int) -> int:
        if child.ready.is_set():
            return 0
        await trio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
        return failures + 1

    # -- signals ------------------------------------------------------------------------------------------------------
    async def _signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        stops = 0
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP:
                    self._nursery.start_soon(self._reload)
                    continue
                stops += 1
                self._nursery.start_soon(self._stop, stops > 1)

    async def _reload(self) -> None:
        """Replace the workers one by one: the new one serves before the old one stops accepting."""
        for index in sorted(self._workers):
            if self._stopping:
                return
            old = self._workers[index]
            new = self._launch("worker", old.boot.name)
            await new.settled.wait()
            if not new.ready.is_set():
                self._log.error("reload_failed", process=old.boot.name)
                return
            self._workers[index] = new
            old.signal(signal.SIGTERM)
            self._log.info("worker_replaced", process=old.boot.name)

    async def _stop(self, at_once: bool = False) -> None:
        """Workers drain, then control writes what they left, then all is over. ``at_once``: kill."""
        if self._stopping and not at_once:
            return
        self._stopping = True
        if at_once:
            self._status = 1
            self._nursery.cancel_scope.cancel()
            return
        for listener in self._listeners:
            listener.close()
        self._log.info("stopping", drain_seconds=self._settings.process.drain_seconds)
        grace_s = self._settings.process.drain_seconds + STOP_GRACE_S
        await self._end({c for c in self._children if c.boot.role == "worker"}, grace_s)
        await self._end(set(self._children), STOP_GRACE_S)
        self._nursery.cancel_scope.cancel()

    async def _end(self, children: set[Child], grace_s: float) -> None:
        for child in children:
            child.signal(signal.SIGTERM)
        with trio.move_on_after(grace_s):
            for child in children:
                await child.exited.wait()
            return
        for child in children:
            child.signal(signal.SIGKILL)


def _boot_id() -> bytes:
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()


async def _kill(process: trio.Process) -> None:
    process.kill()
