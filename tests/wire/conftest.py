"""A running driver over real socketpairs, and a check that it is left empty."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
import trio

from omniroute._speedups import Relay
from omniroute.wire import Driver, Wire


class Stage:
    """A driver and what a test puts under it."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.relay = driver.relay
        self._opened: list[Wire | socket.socket] = []

    def wire(self, *, buffer_bytes: int = 0) -> tuple[Wire, socket.socket]:
        """An adopted wire and its peer, a plain non-blocking socket."""
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
            if buffer_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        wire = Wire(ours)
        self.driver.adopt(wire)
        self._opened += [wire, theirs]
        return wire, theirs

    def wires(self) -> tuple[Wire, Wire]:
        """Two adopted wires, each the other's peer."""
        ours, theirs = socket.socketpair()
        wires = []
        for sock in (ours, theirs):
            sock.setblocking(False)
            wires.append(Wire(sock))
            self.driver.adopt(wires[-1])
        self._opened += wires
        return wires[0], wires[1]

    def close(self) -> None:
        """Close everything: nothing may be parked or held then."""
        assert self.relay.parked() == 0, "an operation outlived its task"
        for opened in self._opened:
            opened.close()
        assert (self.relay.links(), self.relay.buffered_bytes()) == (0, 0)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with trio.open_nursery() as nursery:
        driver = Driver(Relay())
        await nursery.start(driver.run)
        stage = Stage(driver)
        yield stage
        stage.close()
        nursery.cancel_scope.cancel()
