"""One child process from birth to death, as its supervisor sees it."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from omniroute.processes.boot import Boot, Ready, Refused, parse_message, send_boot
from omniroute.telemetry.log import Log

READY_S: Final = 30.0
"""A child that is not ready by then is killed, and started again by whoever keeps it."""


class Child:
    """One process and what is known of it. ``live`` once."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.ready = trio.Event()
        self.exited = trio.Event()
        self.settled = trio.Event()
        """Ready, refused or dead: the start is over."""
        self.said: Ready | Refused | None = None
        self.born_at = trio.current_time()
        self._process: trio.Process | None = None
        self._owed: signal.Signals | None = None
        """Sent before there was a process to send it to."""

    @property
    def pid(self) -> int:
        """0 before it was started."""
        return self._process.pid if self._process else 0

    @property
    def status(self) -> int | None:
        """The exit status, None while it lives (or if it never did)."""
        return self._process.returncode if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process lives, or as soon as it does."""
        if self._process is None:
            self._owed = number
        elif self._process.returncode is None:
            self._process.send_signal(number)

    async def live(self, log: Log, on_ready: Callable[[], None]) -> None:
        """Start the process, listen to it, reap it. Cancelled, it kills the process first."""
        ours, theirs = socket.socketpair()
        boot = self.boot
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
                try:
                    self._process = await nursery.start(run)
                except OSError as exc:  # no room for another process: whoever keeps it tries again
                    reason = exc.strerror or str(exc)
                    log.error("process_not_started", process=boot.name, reason=reason)  # noqa: TRY400 - our own log
                else:
                    theirs.close()
                    if self._owed is not None:
                        self.signal(self._owed)
                    nursery.start_soon(self._hear, trio.socket.from_stdlib_socket(ours), on_ready)
                    nursery.start_soon(self._impatient, nursery.cancel_scope, log)
                    await self._process.wait()
                    nursery.cancel_scope.cancel()
        finally:
            theirs.close()
            ours.close()
            self.exited.set()
            self.settled.set()

    async def _hear(self, channel: trio.socket.SocketType, on_ready: Callable[[], None]) -> None:
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
                self.said = parse_message(line)
                if isinstance(self.said, Ready):
                    self.ready.set()
                    on_ready()
                self.settled.set()

    async def _impatient(self, scope: trio.CancelScope, log: Log) -> None:
        with trio.move_on_after(READY_S):
            await self.settled.wait()
            return
        log.error("process_not_ready", process=self.boot.name, seconds=READY_S)
        scope.cancel()


async def _kill(process: trio.Process) -> None:
    process.kill()
