"""The task that turns a worker's relay, and the one that looks after its deadlines."""

from __future__ import annotations

import weakref
from typing import Final

import trio

from omniroute._speedups import Relay
from omniroute.wire.wire import Wire, wake

TICK_S: Final = 0.1
"""Resolution of every deadline in the relay, both ways. LLM timeouts are seconds; a finer tick only costs."""


class Driver:
    """Owns a relay. ``run`` is started once in the process's nursery and ends by cancellation, closing every wire."""

    def __init__(self, relay: Relay, *, tick_s: float = TICK_S) -> None:
        self.relay = relay
        self._tick_s = tick_s
        # Weak: a wire belongs to whoever adopted it. Only needed when the driver ends before them.
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()

    def adopt(self, wire: Wire) -> None:
        """Register a wire. Raises OSError, or OverflowError at the relay's bound: the wire is still the caller's."""
        self.relay.add(wire)
        self._wires.add(wire)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Turn the relay until cancelled. Who waits behind a shield then gets ``WireError`` CANCELLED."""
        try:
            async with trio.open_nursery() as nursery:  # two tasks: bytes and time
                nursery.start_soon(self._tick)
                task_status.started()
                await self._turn()
        finally:
            for wire in list(self._wires):
                wire.close()
            self.relay.close()

    async def _turn(self) -> None:
        relay, clock = self.relay, trio.current_time
        fd = relay.fileno()
        while True:
            await trio.lowlevel.wait_readable(fd)
            wake(relay.turn(clock()))

    async def _tick(self) -> None:
        relay, clock = self.relay, trio.current_time
        while True:
            await trio.sleep(self._tick_s)
            # Even if nothing is parked: it tells the relay the time, from which a pump started next counts its silence.
            wake(relay.expire(clock()))
