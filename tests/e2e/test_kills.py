"""Processes killed under load: the books hold every call, exactly once, and the others do not notice."""

from __future__ import annotations

import random
from collections import Counter
from statistics import median

import pytest
import trio

from tests.e2e.fleet import Fleet, Tally, alive, kill, load, running_fleet, short_directory, until
from tests.e2e.gateway import leftovers, running_gateway

pytestmark = pytest.mark.slow

KILLS = 50
MODELS = ("mock/echo", "mock/echo;pace=4ms;tokens=12", "mock/echo;delay=15ms")
SEED = 20128

Row = dict[str, object]


def reached(rows: list[Row]) -> set[object]:
    """Attempts whose upstream certainly had the request: it answered."""
    return {row["attempt_id"] for row in rows if row["status"] != 0}


async def reconcile(fleet: Fleet, tally: Tally) -> list[Row]:
    """The ledger against what clients got and against what the mock counted, attempt by attempt."""
    served = await fleet.mock_counts()
    begun = served["by_request"]
    assert isinstance(begun, dict)

    def all_there(rows: list[Row]) -> bool:
        return set(begun) <= {row["attempt_id"] for row in rows} and not any(
            answer.request_id not in {row["request_id"] for row in rows} for answer in tally.complete[-100:]
        )

    rows = await fleet.settled_rows(all_there)
    ids = Counter(row["attempt_id"] for row in rows)
    assert max(ids.values()) == 1
    # every request the mock began is one row, and it began each once; every row that says it was answered was begun
    assert set(begun) <= set(ids)
    assert set(begun.values()) == {1}
    assert served["total"]["begun"] == len(begun)  # type: ignore[index]  # JSON
    assert reached(rows) <= set(begun)
    # what the mock never saw died on the way to it
    unseen = [row for row in rows if row["attempt_id"] not in begun]
    assert {row["outcome"] for row in unseen} <= {"lost", "client_gone", "cancelled"}, unseen
    assert len(rows) == len(begun) + len(unseen)
    # every answer whose last byte a client got is one row that says so
    good = Counter(row["request_id"] for row in rows if row["outcome"] == "ok")
    assert [answer.request_id for answer in tally.complete if good[answer.request_id] != 1] == []
    assert len({answer.request_id for answer in tally.complete}) == len(tally.complete)
    return rows


async def test_workers_killed_at_random_under_load_lose_no_record() -> None:
    dice = random.Random(SEED)
    back_s: list[float] = []
    served_meanwhile: list[int] = []
    async with running_fleet(workers=2) as fleet:
        async with load(fleet, 8, *MODELS) as tally:
            for turn in range(KILLS):
                await trio.sleep(dice.uniform(0.0, 0.15))
                victim = dice.choice(fleet.workers())
                before = len(tally.complete)
                killed_at = trio.current_time()
                kill(victim)
                await fleet.logged("process_ready", turn + 1)
                back_s.append(trio.current_time() - killed_at)
                served_meanwhile.append(len(tally.complete) - before)
        rows = await reconcile(fleet, tally)
        lost = [row for row in rows if row["outcome"] == "lost"]
        assert len(fleet.log_lines("process_ended")) == KILLS
        assert lost, "no kill met an open attempt: the test says nothing"
        assert await fleet.metric("attempts_lost_total") == len(lost)
        assert {row["error_class"] for row in lost} == {"worker_died"}
        # nothing of the dead is held any more: rings, gauges
        await until(lambda: len(list((fleet.gateway.data_dir / "run" / "rings").iterdir())) == 2)
        assert await fleet.metric("workers") == 2
    assert min(served_meanwhile) > 0, "the other worker did not go on"
    assert median(back_s) < 1.0, back_s
    print(f"\n{len(rows)} attempts, {len(lost)} lost, back after p50 {median(back_s):.3f} s, max {max(back_s):.3f} s")


async def test_control_killed_under_load_is_not_noticed_and_its_records_wait() -> None:
    async with running_fleet(workers=2) as fleet:
        async with load(fleet, 4, *MODELS) as tally:
            for turn in range(5):
                await trio.sleep(0.1)
                before = len(tally.complete)
                kill(fleet.control())
                await fleet.logged("process_ready", turn + 1)
                assert len(tally.complete) > before
        assert tally.failures == []
        rows = await reconcile(fleet, tally)
        assert {row["outcome"] for row in rows} == {"ok"}


async def test_a_killed_control_is_said_to_be_away_and_comes_back() -> None:
    async with running_fleet(workers=1) as fleet, fleet.caller() as caller:
        assert (await caller.ask("GET", "/health/ready")).status == 200
        control = fleet.control()
        kill(control)
        await until(lambda: not alive(control))
        away = await caller.ask("GET", "/health/ready")
        assert away.status == 503
        assert away.error_code == "control_unavailable"
        assert away.headers["retry-after"] == "1"
        assert (await caller.chat("mock/echo")).status == 200
        await fleet.logged("process_ready")
        assert (await caller.ask("GET", "/health/ready")).status == 200


async def test_a_killed_supervisor_leaves_nothing_running_and_nothing_lost() -> None:
    async with running_fleet(workers=2) as fleet:
        gateway = fleet.gateway
        pids = [gateway.process.pid, *gateway.pids("")]
        assert len(pids) == 5  # supervisor, control, demo, two workers
        async with load(fleet, 4, *MODELS) as tally:
            await until(lambda: len(tally.complete) > 50)
            kill(gateway.process.pid)
            gone_s = await until(lambda: not any(map(alive, pids)), 2.0)
        assert leftovers(gateway.data_dir) == []
        before = [answer.request_id for answer in tally.complete]
        # whoever starts next on that directory finds the records of those that died
        again = await gateway.cli("ledger", "--limit", "100000", "--json")
        assert isinstance(again, list)
        good = Counter(row["request_id"] for row in again if row["outcome"] == "ok")
        assert [request_id for request_id in before if good[request_id] != 1] == []
        served = await fleet.mock_counts()
        assert set(served["by_request"]) <= {row["attempt_id"] for row in again}  # type: ignore[call-overload]  # JSON
    print(f"\nall gone {gone_s:.2f} s after the supervisor")


async def test_a_gateway_starts_again_at_once_after_its_supervisor_was_killed() -> None:
    with short_directory() as directory:
        data_dir = directory / "d"
        async with running_gateway(data_dir, workers=1) as gateway:
            kill(gateway.process.pid)
            async with running_gateway(data_dir, workers=1) as again:
                assert again.pids("worker")


async def test_the_demo_provider_killed_is_replaced() -> None:
    async with running_fleet(workers=1) as fleet:
        (demo,) = fleet.gateway.pids("demo")
        kill(demo)
        await fleet.logged("process_ready")
        async with fleet.caller() as caller:
            answer = await caller.chat("demo/echo", stream=True, content="still here")
        assert answer.text == "still here"
