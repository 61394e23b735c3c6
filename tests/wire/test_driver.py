"""The driver: it turns, it ticks, and it leaves nobody waiting when it ends."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from omniroute._speedups import Relay, Status
from omniroute.wire import Driver, Wire, WireError
from tests.wire.conftest import Stage


def pair() -> tuple[Wire, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return Wire(ours), theirs


async def test_one_task_per_driver_serves_many_wires(stage: Stage) -> None:
    got: list[bytes] = []

    async def read(wire: Wire) -> None:
        got.append(await wire.read_head(1000, 0.0))

    peers = []
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            wire, peer = stage.wire()
            peers.append(peer)
            nursery.start_soon(read, wire)
        await wait_all_tasks_blocked()
        assert stage.relay.parked() == 100
        for number, peer in enumerate(peers):
            peer.send(b"%d\r\n\r\n" % number)
    assert sorted(got) == sorted(b"%d\r\n\r\n" % number for number in range(100))


async def test_the_tick_is_the_resolution_of_deadlines(autojump_clock: MockClock) -> None:
    driver = Driver(Relay(), tick_s=7.0)
    wire, peer = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(driver.run)
        driver.adopt(wire)
        with pytest.raises(WireError):
            await wire.read_head(1000, trio.current_time() + 1.0)
        assert trio.current_time() == pytest.approx(7.0)
        nursery.cancel_scope.cancel()
    peer.close()


async def test_ending_closes_every_wire(autojump_clock: MockClock) -> None:
    driver = Driver(Relay())
    wire, peer = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(driver.run)
        driver.adopt(wire)
        nursery.cancel_scope.cancel()
    assert wire.fileno() == -1
    assert driver.relay.links() == 0
    assert peer.recv(1) == b""
    peer.close()


async def test_who_waits_behind_a_shield_is_told_and_does_not_hang() -> None:
    driver = Driver(Relay())
    wire, peer = pair()
    statuses: list[Status] = []

    async def last_words() -> None:
        with trio.CancelScope(shield=True):
            try:
                await wire.read_head(1000, 0.0)
            except WireError as exc:
                statuses.append(exc.status)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(driver.run)
            driver.adopt(wire)
            nursery.start_soon(last_words)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert statuses == [Status.CANCELLED]
    peer.close()


async def test_a_wire_that_was_refused_is_still_the_callers() -> None:
    driver = Driver(Relay(max_links=1))
    (one, one_peer), (two, two_peer) = pair(), pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(driver.run)
        driver.adopt(one)
        with pytest.raises(OverflowError):
            driver.adopt(two)
        assert two.fileno() >= 0
        nursery.cancel_scope.cancel()
    assert two.fileno() >= 0
    for end in (two, one_peer, two_peer):
        end.close()


async def test_the_driver_keeps_no_closed_wire_alive(stage: Stage) -> None:
    import gc  # noqa: PLC0415  # for this one test
    import weakref  # noqa: PLC0415

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    wire = Wire(ours)
    stage.driver.adopt(wire)
    await wait_all_tasks_blocked()
    gone = weakref.ref(wire)
    wire.close()
    del wire
    gc.collect()
    assert gone() is None
    theirs.close()
