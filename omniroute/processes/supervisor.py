"""Who starts, watches and stops whom.

The supervisor holds what outlives any one process: the listening sockets, the shared memory, the data directory's lock.
Each child is one task of its nursery. A worker that dies is replaced at once; one that dies before it was ready is
replaced with growing pauses. SIGTERM drains and ends with 0, a second one ends at once; SIGHUP replaces the workers one
by one.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import trio

from omniroute._speedups import COMPILED, Shared, SnapshotArea
from omniroute.config import MAX_WORKERS, Settings
from omniroute.processes.boot import Boot, Ready, Refused, anonymous_memory
from omniroute.processes.listen import bind, loopback_listener, url_of
from omniroute.processes.spawn import Child
from omniroute.telemetry.log import Log
from omniroute.telemetry.metrics import clear_gauges

STOP_GRACE_S: Final = 5.0
"""Past the drain time, how long a child may take to unwind before it is killed."""
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Pauses before the next try when a child died before it was ready."""
MAX_OPEN_FILES: Final = 1 << 20
"""What is asked for at most: some systems allow a billion, and tables are sized by it."""
SLOTS: Final = 64
"""Rows of shared statistics: the most processes alive at once, draining ones included. Above ``MAX_WORKERS`` + 2."""


class StartError(Exception):
    """The gateway cannot start; the message says why and what to do."""


class Supervisor:
    """Runs one gateway. ``run`` returns the exit status."""

    def __init__(self, settings: Settings, log: Log, announce: Callable[[str, Ready], None]) -> None:
        """``announce`` is called once, with the gateway's URL and what control said, when the gateway serves."""
        self._settings = settings
        self._log = log
        self._announce = announce
        self._worker_count = _worker_count(settings.process.workers, log)
        self._workers: dict[int, Child] = {}
        self._changing: dict[int, trio.Lock] = {}
        """Held while a worker is being replaced: a reload and its death must not both do it."""
        self._children: set[Child] = set()
        self._free_slots = list(range(SLOTS - 1, -1, -1))
        self._spare = trio.Semaphore(SLOTS - self._worker_count - 2)
        """Slots beyond one for each worker, control and the demo: for workers that drain after a reload."""
        self._reload_wanted = False
        self._reloading = False
        self._stopping = False
        self._status = 0
        self._refusal: str | None = None

    async def run(self) -> int:
        """Serve until told to stop. Raises StartError, BindError."""
        process = self._settings.process
        _allow_open_files()
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
            if self._demo_listener:
                self._demo_listener.close()
            os.close(self._shared_fd)
            os.close(self._snapshot_fd)
        if self._refusal:
            raise StartError(self._refusal)
        return self._status

    async def _start_all(self) -> None:
        """Control and the workers at once: a worker waits for the first snapshot by itself."""
        control = self._launch("control", "control")
        for index in range(self._worker_count):
            self._workers[index] = self._launch("worker", f"worker-{index}")
            self._changing[index] = trio.Lock()
        await control.settled.wait()
        if self._stopping:
            return
        if not isinstance(control.said, Ready):
            said = control.said.reason if isinstance(control.said, Refused) else _DIED
            await self._fail(said)
            return
        self._nursery.start_soon(self._keep, control)
        if control.said.demo_wanted and self._demo_listener:
            # Nobody waits for it: whoever calls it meanwhile waits in the backlog of its listening socket.
            self._nursery.start_soon(self._keep, self._launch("demo", "demo"))
        for child in self._workers.values():
            await child.settled.wait()
        if not self._stopping and not any(child.ready.is_set() for child in self._workers.values()):
            await self._fail(_NO_WORKER)
            return
        for index in self._workers:
            self._nursery.start_soon(self._keep_worker, index)
        if not self._stopping:
            self._announce(url_of(self._listeners[0]), control.said)

    async def _fail(self, reason: str) -> None:
        self._refusal = reason
        await self._stop(at_once=True)

    # -- children ---------------------------------------------------------------------------------------------------
    def _launch(self, role: Literal["worker", "control", "demo"], name: str, *, again: bool = False) -> Child:
        """Start a process. ``again``: in place of another, which is logged."""
        slot = self._free_slots.pop()
        listeners: tuple[int, ...] = ()
        if role == "worker":
            listeners = tuple(listener.fileno() for listener in self._listeners)
        elif role == "demo" and self._demo_listener:
            listeners = (self._demo_listener.fileno(),)
        boot = Boot(
            role=role,
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
        self._nursery.start_soon(self._live, child, again)
        return child

    async def _live(self, child: Child, again: bool) -> None:
        def say_ready() -> None:
            if again:
                seconds = round(trio.current_time() - child.born_at, 3)
                self._log.info("process_ready", process=child.boot.name, pid=child.pid, seconds=seconds)

        try:
            await child.live(self._log, say_ready)
        finally:
            # in one step with its exit: whoever waits for that finds the slot free
            slot = child.boot.slot
            self._children.discard(child)
            self._shared.slot_clear(slot)
            clear_gauges(self._shared, slot)
            self._free_slots.append(slot)
            if again and isinstance(child.said, Refused):
                self._log.error("process_refused", process=child.boot.name, reason=child.said.reason)
            if child.pid and not self._stopping:
                say = self._log.warning if child.status else self._log.info  # 0: it was told to, by a reload
                say("process_ended", process=child.boot.name, pid=child.pid, status=child.status)

    async def _keep(self, child: Child) -> None:
        """Start the same process again whenever it ends."""
        failures = 0
        while True:
            await child.exited.wait()
            failures = await self._pause(child, failures)
            if self._stopping:
                return
            child = self._launch(child.boot.role, child.boot.name, again=True)

    async def _keep_worker(self, index: int) -> None:
        """The same for a worker, whose successor may have been started by a reload."""
        failures = 0
        while True:
            child = self._workers[index]
            await child.exited.wait()
            async with self._changing[index]:
                if self._workers[index] is not child:
                    continue
                failures = await self._pause(child, failures)
                if self._stopping:
                    return
                self._workers[index] = self._launch("worker", child.boot.name, again=True)

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
        """Replace all workers. Asked again meanwhile: once more when this is done, however often it was asked."""
        self._reload_wanted = True
        if self._reloading:
            return
        self._reloading = True
        while self._reload_wanted:
            self._reload_wanted = False
            for index in sorted(self._workers):
                if self._stopping or not await self._replace(index):
                    break
        self._reloading = False

    async def _replace(self, index: int) -> bool:
        """Replace one worker: the new one serves before the old one stops accepting. Whether that worked."""
        await self._spare.acquire()
        async with self._changing[index]:
            if self._stopping:  # meanwhile: the listening sockets are closed
                return False
            old = self._workers[index]
            new = self._launch("worker", old.boot.name, again=True)
            await new.settled.wait()
            replaced = new.ready.is_set()
            if replaced:
                self._workers[index] = new
                old.signal(signal.SIGTERM)
                self._log.info("worker_replaced", process=old.boot.name)
            elif not self._stopping:
                self._log.error("reload_failed", process=old.boot.name)
        self._nursery.start_soon(self._give_back_spare, old if replaced else new)
        return replaced

    async def _give_back_spare(self, leaving: Child) -> None:
        await leaving.exited.wait()
        self._spare.release()

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
        workers = {child for child in self._children if child.boot.role == "worker"}
        # a gateway that is still starting has no requests to wait for
        drain_s = self._settings.process.drain_seconds if any(child.ready.is_set() for child in workers) else 0.0
        self._log.info("stopping", drain_seconds=drain_s)
        await self._end(workers, drain_s + STOP_GRACE_S)
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


_DIED: Final = "control died while starting; see its log lines above"
_NO_WORKER: Final = "no worker could start; see their log lines above"


def _worker_count(wanted: int, log: Log) -> int:
    """How many workers to run; 0 is one for each core this process may use."""
    count = wanted or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    if COMPILED or count == 1:
        return count
    # the plain twin of the shared tables has no atomics: two processes would lose each other's counts
    log.warning("plain_twins", workers=1, reason="the compiled parts are not loaded: 'omniroute doctor' says why")
    return 1


def _allow_open_files() -> None:
    """Raise the limit of open files to what the system lets this user have; children inherit it.

    The soft limit is 1,024 on most systems, for the sake of programs that use select(2): a few hundred streams.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _boot_id() -> bytes:
    return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
