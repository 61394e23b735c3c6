"""Awaiting a link's operations: results, errors, deadlines, cancellation at every await."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, assert_no_checkpoints, wait_all_tasks_blocked

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF, Status
from omniroute.wire import PumpLimits, Wire, WireError
from omniroute.wire.driver import TICK_S
from omniroute.wire.wire import wake
from tests.wire.conftest import Stage

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
LIMITS = PumpLimits()


async def test_a_request_and_its_answer(stage: Stage) -> None:
    client, server = stage.wires()

    async def serve() -> None:
        assert await server.read_head(1000, 0.0) == b"POST / HTTP/1.1\r\n\r\n"
        server.set_body(BODY_CHUNKED)
        body = await server.read_body(1 << 20, 0.0)
        await server.send((HEAD, b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"), 0.0)

    body = b"x" * 500_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await client.send((b"POST / HTTP/1.1\r\n\r\n", b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"), 0.0)
        assert await client.read_head(1000, 0.0) == HEAD
        client.set_body(BODY_CHUNKED)
        pieces = []
        while piece := await client.read_piece(0.0):
            pieces.append(piece)
    assert b"".join(pieces) == body
    assert client.idle_and_clean
    assert server.idle_and_clean


async def test_what_is_complete_at_once_is_no_checkpoint_and_what_waits_is_one(stage: Stage) -> None:
    wire, peer = stage.wire()
    with assert_no_checkpoints():
        await wire.send((b"ping",), 0.0)
    peer.send(HEAD)
    with assert_no_checkpoints():
        assert await wire.read_head(1000, 0.0) == HEAD
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_send_later, peer, HEAD)
        with assert_checkpoints():
            assert await wire.read_head(1000, 0.0) == HEAD


async def _send_later(peer: socket.socket, data: bytes) -> None:
    await wait_all_tasks_blocked()
    peer.send(data)


async def test_an_error_names_its_status_and_quotes_nothing(stage: Stage) -> None:
    wire, peer = stage.wire()
    wire.set_body(BODY_CHUNKED)
    peer.send(b"secret\r\n")
    with pytest.raises(WireError, match=r"malformed: .*hexadecimal") as caught:
        await wire.read_body(1000, 0.0)
    assert caught.value.status is Status.MALFORMED
    assert "secret" not in str(caught.value)
    wire, peer = stage.wire()
    peer.close()
    with pytest.raises(WireError, match="closed") as caught:
        await wire.read_head(1000, 0.0)
    assert caught.value.status is Status.CLOSED


async def test_deadlines_are_instants_on_trios_clock(stage: Stage, autojump_clock: MockClock) -> None:
    wire, _ = stage.wire(buffer_bytes=8192)
    wire.set_body(BODY_LENGTH, 10)
    for operation in (
        lambda at: wire.read_head(1000, at),
        lambda at: wire.read_head(1000, at, 1.0),
        lambda at: wire.send((b"x" * 300_000,), at),
    ):
        began_at = trio.current_time()
        with pytest.raises(WireError) as caught:
            await operation(began_at + 5.0)
        assert caught.value.status is Status.DEADLINE
        assert 5.0 <= trio.current_time() - began_at <= 5.0 + 2 * TICK_S


async def test_a_deadline_counts_from_now_although_the_relay_slept(stage: Stage, autojump_clock: MockClock) -> None:
    source, _ = stage.wire()
    sink, _ = stage.wire()
    await trio.sleep(20.0)  # nothing is parked meanwhile
    source.set_body(BODY_CHUNKED)
    began_at = trio.current_time()
    assert await source.pump(sink, None, PumpLimits(idle_s=5.0)) is Status.DEADLINE
    assert 5.0 - TICK_S <= trio.current_time() - began_at <= 5.0 + 2 * TICK_S


async def test_a_pump_with_heartbeats_and_a_tail(stage: Stage, autojump_clock: MockClock) -> None:
    source, upstream = stage.wire()
    sink, client = stage.wire()
    source.set_body(BODY_CHUNKED)

    async def speak() -> None:
        await trio.sleep(25.0)
        upstream.send(b"5\r\nhello\r\n0\r\n\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        limits = PumpLimits(idle_s=60.0, heartbeat_s=10.0, heartbeat=b": still\n\n")
        assert await source.pump(sink, None, limits, first=b"head ") is Status.OK
    await sink.send((source.result,), 0.0)
    assert client.recv(1000) == b"head " + b"9\r\n: still\n\n\r\n" * 2 + b"5\r\nhello\r\n0\r\n\r\n"


async def test_the_client_leaving_ends_the_wait_for_the_upstream(stage: Stage) -> None:
    upstream, _ = stage.wire()
    client, client_peer = stage.wire()
    upstream.watch = client
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_close_later, client_peer)
        with pytest.raises(WireError) as caught:
            await upstream.read_head(1000, 0.0)
    assert caught.value.status is Status.WATCHED_GONE


async def _close_later(closing: Wire | socket.socket) -> None:
    await wait_all_tasks_blocked()
    closing.close()


async def test_closing_the_clients_wire_ends_the_wait_within_a_tick(stage: Stage, autojump_clock: MockClock) -> None:
    upstream, _ = stage.wire()
    client, _ = stage.wire()
    upstream.watch = client
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_close_later, client)
        with pytest.raises(WireError) as caught:
            await upstream.read_head(1000, 0.0)
    assert caught.value.status is Status.WATCHED_GONE
    assert trio.current_time() - began_at <= 2 * TICK_S


Operation = Callable[[Wire, Wire], Awaitable[object]]
READS: list[tuple[str, Operation]] = [
    ("head", lambda wire, _: wire.read_head(1000, 0.0)),
    ("body", lambda wire, _: wire.read_body(1000, 0.0)),
    ("piece", lambda wire, _: wire.read_piece(0.0)),
    ("pump", lambda wire, sink: wire.pump(sink, None, LIMITS)),
]
ALL: list[tuple[str, Operation]] = [*READS, ("send", lambda wire, _: wire.send((b"x" * 300_000,), 0.0))]
each_read = pytest.mark.parametrize("operation", [call for _, call in READS], ids=[name for name, _ in READS])
each = pytest.mark.parametrize("operation", [call for _, call in ALL], ids=[name for name, _ in ALL])


@each
async def test_cancellation_takes_the_operation_out_of_the_relay(stage: Stage, operation: Operation) -> None:
    wire, peer = stage.wire(buffer_bytes=8192)
    sink, _ = stage.wire()
    wire.set_body(BODY_UNTIL_EOF)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operation, wire, sink)
            await wait_all_tasks_blocked()
            assert stage.relay.parked() == 1
            scope.cancel()
            assert stage.relay.parked() == 0
    assert wire.waiter is wire.send_waiter is None
    peer.send(b"late")
    await wait_all_tasks_blocked()  # the driver turns; there is nobody to wake


@each
async def test_closing_the_wire_wakes_who_waits_on_it(stage: Stage, operation: Operation) -> None:
    wire, _ = stage.wire(buffer_bytes=8192)
    sink, _ = stage.wire()
    wire.set_body(BODY_UNTIL_EOF)
    ends: list[object] = []

    async def wait() -> None:
        try:
            ends.append(await operation(wire, sink))
        except WireError as exc:
            ends.append(exc.status)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        wire.close()
        wire.close()
    assert ends == [Status.CANCELLED]


async def test_a_reader_and_a_sender_wait_side_by_side_and_both_are_woken(stage: Stage) -> None:
    wire, peer = stage.wire(buffer_bytes=8192)
    ends: list[object] = []

    async def read() -> None:
        ends.append(await wire.read_head(1000, 0.0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(wire.send, (b"x" * 20_000,), 0.0)
        await wait_all_tasks_blocked()
        assert stage.relay.parked() == 2
        got = 0
        while got < 20_000:
            try:
                got += len(peer.recv(65536))
            except BlockingIOError:
                await wait_all_tasks_blocked()
        peer.send(HEAD)
    assert ends == [HEAD]


@each_read
async def test_woken_then_cancelled_in_the_same_tick_the_result_is_not_lost(stage: Stage, operation: Operation) -> None:
    wire, peer = stage.wire()
    sink, _ = stage.wire()
    wire.set_body(BODY_LENGTH, len(HEAD))
    reached: list[str] = []

    async def wait() -> None:
        await operation(wire, sink)
        reached.append("result")
        await trio.lowlevel.checkpoint()
        reached.append("not reached")

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            peer.send(HEAD)
            wake(stage.relay.turn(trio.current_time()))
            scope.cancel()
    assert reached == ["result"]
    assert wire.status is Status.OK
    assert HEAD in wire.result


async def test_cancelled_then_readable_in_the_same_tick_the_bytes_are_not_lost(stage: Stage) -> None:
    wire, peer = stage.wire()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.read_head, 1000, 0.0)
            await wait_all_tasks_blocked()
            peer.send(HEAD)
            scope.cancel()
            wake(stage.relay.turn(trio.current_time()))
    assert scope.cancelled_caught
    assert await wire.read_head(1000, 0.0) == HEAD


async def test_a_wire_that_was_woken_may_be_closed_before_its_task_runs(stage: Stage) -> None:
    wire, peer = stage.wire()
    results: list[bytes] = []

    async def wait() -> None:
        results.append(await wire.read_head(1000, 0.0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        peer.send(HEAD)
        wake(stage.relay.turn(trio.current_time()))
        wire.close()
    assert results == [HEAD]


async def test_a_wire_closes_with_its_block(stage: Stage) -> None:
    wire, peer = stage.wire()
    with wire as same:
        assert same is wire
    assert wire.fileno() == -1
    assert peer.recv(1) == b""
    with pytest.raises(WireError) as caught:
        await wire.read_head(1000, 0.0)
    assert caught.value.status is Status.RESET


async def test_a_tunnel_of_two_pumps_under_one_nursery(stage: Stage) -> None:
    left, client = stage.wires()
    right, server = stage.wires()
    for wire in (left, right, client, server):
        wire.set_body(BODY_UNTIL_EOF)
    up, down = b"u" * 300_000, b"d" * 300_000
    got: dict[str, bytearray] = {"client": bytearray(), "server": bytearray()}

    async def receive(wire: Wire, name: str, size: int) -> None:
        while len(got[name]) < size:
            got[name] += await wire.read_piece(0.0)

    async with trio.open_nursery() as nursery:
        for source, sink in ((left, right), (right, left)):
            nursery.start_soon(partial(source.pump, sink, None, LIMITS, chunked=False))
        async with trio.open_nursery() as ends:
            ends.start_soon(client.send, (up,), 0.0)
            ends.start_soon(server.send, (down,), 0.0)
            ends.start_soon(receive, client, "client", len(down))
            ends.start_soon(receive, server, "server", len(up))
        nursery.cancel_scope.cancel()
    assert got == {"client": down, "server": up}
