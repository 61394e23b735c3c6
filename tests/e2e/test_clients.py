"""What clients do to a gateway: leave, dawdle, come all at once, come with a key that was just revoked."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
import trio

from tests.e2e.fleet import Answer, Caller, Fleet, NoAnswerError, kill, open_descriptors, running_fleet, until

pytestmark = pytest.mark.slow

QUICK_TO_FORGET = {"OMNIROUTE_UPSTREAM_IDLE_S": "0.5", "OMNIROUTE_UPSTREAM_REAP_EVERY_S": "0.2"}
"""Wires kept for the next request are closed soon, so that what is left open is a leak."""

SLOW_CLIENTS = 2000
HEAD_TIMEOUT_S = 6.0
MEASURE_S = 3.0
SETTLE_S = 10.0
P99_FLOOR_S = 0.005
"""Below this a p99 says more of the machine's scheduler than of the gateway."""


@asynccontextmanager
async def leaving_nothing_behind(fleet: Fleet) -> AsyncIterator[None]:
    """The block must leave the workers with the descriptors and gauges they had, and the mock without an open request."""
    async with fleet.caller() as caller:  # first uses: a thread, a module's file
        assert (await caller.chat("mock/echo", stream=True)).complete
        assert (await caller.chat("mock/echo")).complete
    before = await _settled(fleet)
    yield
    after = await _settled(fleet, before)
    assert _no_more(after, before), f"descriptors were left open: {before} before, {after} after"


async def _settled(fleet: Fleet, wanted: dict[int, int] | None = None) -> dict[int, int]:
    """Open descriptors of the workers and of control once nothing is under way (and they are as ``wanted``)."""
    now: dict[int, int] = {}
    with trio.move_on_after(SETTLE_S):
        while True:
            total = (await fleet.mock_counts())["total"]
            idle = not total["open"] and not await fleet.metric("client_connections")  # type: ignore[index]  # JSON
            before, now = now, {pid: open_descriptors(pid) for pid in [*fleet.workers(), fleet.control()]}
            if idle and (now == before if wanted is None else _no_more(now, wanted)):
                return now
            await trio.sleep(1.2 if wanted is None else 0.1)  # the first time: past what the pool keeps for a while
    assert idle, "a request or a client connection was left open"
    return now


def _no_more(now: dict[int, int], before: dict[int, int]) -> bool:
    """Fewer is fine: an admin connection that was idle before may have been closed."""
    return now.keys() == before.keys() and all(now[pid] <= before[pid] for pid in now)


async def new_key(fleet: Fleet, name: str, **limits: int) -> tuple[str, str]:
    """A key of its own: (id, key)."""
    made = await fleet.admin("/api/keys", method="POST", body={"name": name, **limits})
    assert isinstance(made, dict)
    return made["key_id"], made["key"]


# -- revoking -----------------------------------------------------------------------------------------------------------


async def test_no_request_that_begins_after_a_key_was_revoked_is_accepted() -> None:
    async with running_fleet(workers=4) as fleet:
        for turn in range(4):
            key_id, key = await new_key(fleet, f"key-{turn}")
            asked: list[tuple[float, int]] = []
            stop = trio.Event()

            async def client(key: str, asked: list[tuple[float, int]], stop: trio.Event) -> None:
                async with fleet.caller(key) as caller:
                    while not stop.is_set():
                        began_at = trio.current_time()
                        asked.append((began_at, (await caller.chat("mock/echo")).status))

            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(client, key, asked, stop)
                await until(lambda asked=asked: len(asked) > 100)  # type: ignore[misc]  # bound early on purpose
                if turn == 0:
                    await fleet.gateway.cli("keys", "revoke", key_id)
                else:
                    await fleet.admin(f"/api/keys/{key_id}", method="DELETE")
                revoked_at = trio.current_time()
                count = len(asked)
                await until(lambda asked=asked, count=count: len(asked) > count + 100)  # type: ignore[misc]  # as above
                stop.set()
            after = Counter(status for began_at, status in asked if began_at >= revoked_at)
            assert set(after) == {401}, after
            assert Counter(status for _, status in asked)[200] > 50


async def test_a_new_key_and_a_new_connection_are_there_when_the_command_returns() -> None:
    async with running_fleet(workers=4) as fleet:
        _, key = await new_key(fleet, "fresh")
        await fleet.gateway.add_provider("second", f"{fleet.mock_url}/v1", "only")
        for _ in range(12):  # connections of its own each, so that all workers are asked
            async with fleet.caller(key) as caller:
                assert (await caller.chat("second/only")).status == 200


# -- leaving ------------------------------------------------------------------------------------------------------------


def reset(sock: trio.socket.SocketType) -> None:
    """Close with RST, as a client does that crashed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


LEAVINGS = {
    "close": lambda sock: sock.close(),
    "reset": reset,
    "half-close": lambda sock: sock.shutdown(socket.SHUT_WR),
}


async def open_request(fleet: Fleet, model: str, *, stream: bool, until_bytes: bytes = b"") -> trio.socket.SocketType:
    """A connection with a request under way; with ``until_bytes``, as far as these came."""
    sock = trio.socket.socket()
    await sock.connect(fleet.gateway.address)
    body = msgspec.json.encode({"model": model, "stream": stream, "messages": [{"role": "user", "content": "a b"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {fleet.gateway.key}\r\n"
    await sock.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    seen = b""
    with trio.fail_after(5):
        while until_bytes not in seen:
            seen += await sock.recv(65536)
    return sock


@pytest.mark.parametrize("phase", ["waiting for the head", "waiting for the first event", "in the middle"])
async def test_a_client_that_leaves_closes_the_upstream_within_a_second(phase: str) -> None:
    model, mark = {
        "waiting for the head": ("mock/echo;head-delay=30s", b""),
        "waiting for the first event": ("mock/echo;delay=30s", b""),
        "in the middle": ("mock/echo;pace=100ms;tokens=300", b'"content"'),
    }[phase]
    took_s: dict[str, float] = {}
    async with running_fleet(workers=1, env=QUICK_TO_FORGET) as fleet, leaving_nothing_behind(fleet):
        for turn, (how, leave) in enumerate(LEAVINGS.items(), 1):
            sock = await open_request(fleet, model, stream=True, until_bytes=mark)
            await counted(fleet, "open", 1)
            leave(sock)
            left_at = trio.current_time()
            await counted(fleet, "gone", turn, within_s=1.0)
            took_s[how] = trio.current_time() - left_at
            sock.close()
        rows = await fleet.settled_rows(lambda rows: len(rows) == 2 + len(LEAVINGS))
        for row in rows[: len(LEAVINGS)]:
            assert row["outcome"] == "client_gone"
            assert row["status"] == (0 if phase == "waiting for the head" else 200)
            assert (row["bytes_out"] != 0) == (phase == "in the middle")
    print("\nupstream closed after", {how: f"{one_s:.3f} s" for how, one_s in took_s.items()})


async def counted(fleet: Fleet, name: str, wanted: int, within_s: float = 5.0) -> None:
    """Wait until the mock's count ``name`` is ``wanted``."""
    with trio.fail_after(within_s):
        while (await fleet.mock_counts())["total"][name] != wanted:  # type: ignore[index]  # JSON
            await trio.sleep(0.01)


async def test_usage_that_was_reported_before_the_client_left_is_kept() -> None:
    async with running_fleet(workers=1) as fleet:
        # the usage event comes before the end mark, which never does
        sock = await open_request(
            fleet, "mock/echo;tokens=5;keep-open;no-done", stream=True, until_bytes=b'"finish_reason":"stop"'
        )
        await trio.sleep(0.2)
        sock.close()
        (row,) = await fleet.settled_rows(lambda rows: len(rows) == 1)
        assert row["outcome"] == "client_gone"
        usage = row["usage"]
        assert isinstance(usage, dict)
        assert usage["known"]
        assert usage["output_total"] == 5


async def test_many_clients_that_leave_at_any_moment_leave_nothing_behind() -> None:
    async with running_fleet(workers=2, env=QUICK_TO_FORGET) as fleet, leaving_nothing_behind(fleet):

        async def fickle(number: int) -> None:
            model = ("mock/echo;pace=5ms;tokens=40", "mock/echo;delay=100ms", "mock/echo;head-delay=60ms")[number % 3]
            sock = await open_request(fleet, model, stream=number % 2 == 0)
            await trio.sleep(number % 20 / 100)
            list(LEAVINGS.values())[number % 3](sock)
            await trio.sleep(0.3)
            sock.close()

        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(fickle, number)
        await counted(fleet, "open", 0)
        begun = (await fleet.mock_counts())["by_request"]
        assert isinstance(begun, dict)
        rows = await fleet.settled_rows(lambda rows: set(begun) <= {row["attempt_id"] for row in rows})
        assert {row["outcome"] for row in rows} <= {"ok", "client_gone"}
        assert max(Counter(row["attempt_id"] for row in rows).values()) == 1


# -- dawdling -----------------------------------------------------------------------------------------------------------


async def p99_s(callers: list[Caller], seconds: float) -> list[float]:
    """The 99th percentile of each caller's requests, sent one after the other and in turn.

    In turn, so that what a busy machine does to one of them it does to all.
    """
    took: list[list[float]] = [[] for _ in callers]
    end_at = trio.current_time() + seconds
    while trio.current_time() < end_at:
        for caller, mine in zip(callers, took, strict=True):
            began_at = trio.current_time()
            assert (await caller.chat("mock/echo")).status == 200
            mine.append(trio.current_time() - began_at)
    return [sorted(mine)[int(len(mine) * 0.99)] for mine in took]


async def test_slow_clients_do_not_slow_a_good_one_and_are_gone_at_the_deadline() -> None:
    env = {**QUICK_TO_FORGET, "OMNIROUTE_EDGE_HEAD_TIMEOUT_S": str(HEAD_TIMEOUT_S)}
    async with (
        running_fleet(workers=1, env=env) as fleet,
        running_fleet(workers=1) as calm,  # the same without slow clients, to compare with at the same time
        leaving_nothing_behind(fleet),
        fleet.caller() as good,
        calm.caller() as reference,
    ):
        await p99_s([good, reference], 0.5)  # warm
        host, port = fleet.gateway.address
        command = [sys.executable, "-m", "tests.e2e.dawdlers", host, str(port), str(SLOW_CLIENTS)]
        async with trio.open_nursery() as nursery:  # the slow clients' process
            start = partial(trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process = await nursery.start(start)
            assert process.stdin is not None
            assert process.stdout is not None
            assert await process.stdout.receive_some() == b"ready\n"
            await trio.sleep(0.5)  # the gateway has accepted them
            among_slow, alone = await p99_s([good, reference], MEASURE_S)
            assert await fleet.metric("client_connections") == SLOW_CLIENTS + 1, "they left before the measurement"
            await trio.sleep(HEAD_TIMEOUT_S - MEASURE_S + 1.5)
            await process.stdin.aclose()
            said = b"".join([part async for part in process.stdout])
        print(f"\np99 {alone * 1000:.2f} ms alone, {among_slow * 1000:.2f} ms among {SLOW_CLIENTS:,} slow clients")
        assert msgspec.json.decode(said) == {"HTTP/1.1 408 Request Timeout": SLOW_CLIENTS}
        assert among_slow < max(2 * alone, P99_FLOOR_S)


# -- limits -------------------------------------------------------------------------------------------------------------


async def all_at_once(fleet: Fleet, key: str, count: int, model: str) -> list[Answer]:
    """That many clients, each with a connection of its own, each one request."""
    answers: list[Answer] = []

    async def client() -> None:
        async with fleet.caller(key) as caller:
            answers.append(await caller.chat(model))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(client)
    return answers


async def test_requests_per_minute_are_exact_over_4_workers() -> None:
    async with running_fleet(workers=4) as fleet:
        # The next one is admitted after two seconds and more: no request can meet it. The kernel chooses who accepts, and may
        # leave a worker out of a burst: there are as many bursts, two at least, as it takes for all four to have had a part.
        for burst, rpm in enumerate((7, *[30] * 9), 1):
            _, key = await new_key(fleet, f"burst-{burst}", requests_per_minute=rpm)
            began_at = trio.current_time()
            answers = await all_at_once(fleet, key, 200, "mock/echo")
            assert trio.current_time() - began_at < 60 / rpm, "the machine is too slow for this test to say anything"
            assert Counter(answer.status for answer in answers) == {200: rpm, 429: 200 - rpm}
            for answer in answers:
                if answer.status == 429:
                    assert 1 <= int(answer.headers["retry-after"]) <= 60 / rpm + 1
                    assert answer.error_code == "rate_limit_exceeded"
            spread = Counter(line["source"] for line in await fleet.logged("request", 200 * burst))
            if burst > 1 and len(spread) == 4:
                break
        assert len(spread) == 4, spread


async def test_requests_in_flight_are_exact_over_4_workers_and_come_back() -> None:
    async with running_fleet(workers=4) as fleet:
        _, key = await new_key(fleet, "few", max_in_flight=5)

        async def five_of_forty() -> None:
            answers = await all_at_once(fleet, key, 40, "mock/echo;head-delay=700ms")
            assert Counter(answer.status for answer in answers) == {200: 5, 429: 35}
            assert {answer.error_code for answer in answers if answer.status == 429} == {"too_many_in_flight"}

        await five_of_forty()
        await five_of_forty()
        # places held by clients that leave, and by workers that are killed, come back too
        for _ in range(5):
            sock = await open_request(fleet, "mock/echo;delay=30s", stream=True)
            sock.close()
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(partial(_ask_and_lose, fleet, key))
            await counted(fleet, "open", 5)
            for pid in fleet.workers():
                kill(pid)
        await fleet.logged("process_ready", 4)
        await five_of_forty()


async def _ask_and_lose(fleet: Fleet, key: str) -> None:
    async with fleet.caller(key) as caller:
        with pytest.raises(NoAnswerError):
            await caller.chat("mock/echo;head-delay=30s")
