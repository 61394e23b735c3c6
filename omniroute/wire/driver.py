"""The one task that turns a worker's relay, and the one that looks after its deadlines."""

from __future__ import annotations

from typing import Final

import trio

from omniroute._speedups import Link, Relay
from omniroute.wire.wire import Wire

TICK_S: Final = 0.1
"""Resolution of every deadline in the relay. LLM timeouts are seconds; a finer tick only costs."""


class Driver:
    """Owns a relay. ``run`` is started once in the process's nursery and ends by cancellation, closing every wire."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    def adopt(self, wire: Wire) -> None:
        """Register a wire. Raises OSError, or OverflowError at the relay's bound."""
        self.relay.add(wire)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Turn the relay until cancelled."""
        try:
            async with trio.open_nursery() as nursery:  # two tasks: bytes and time
                nursery.start_soon(self._tick)
                task_status.started()
                await self._turn()
        finally:
            self.relay.close()

    async def _turn(self) -> None:
        relay, clock = self.relay, trio.current_time
        fd = relay.fileno()
        while True:
            await trio.lowlevel.wait_readable(fd)
            _wake(relay.turn(clock()))

    async def _tick(self) -> None:
        while True:
            await trio.sleep(TICK_S)
            if self.relay.parked():
                _wake(self.relay.expire(trio.current_time()))


def _wake(links: list[Link]) -> None:
    for link in links:
        if link.read_done:
            trio.lowlevel.reschedule(link.waiter)  # type: ignore[arg-type]  # set by Wire alone
        if link.send_done:
            trio.lowlevel.reschedule(link.send_waiter)  # type: ignore[arg-type]  # set by Wire alone
