from __future__ import annotations

import fcntl
import logging
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

import apsw
import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from omniroute._speedups import RingWriter
from omniroute._speedups.ring_py import LAYOUT_VERSION, RING_AT
from omniroute.domain import AttemptRecord, OpenAttempt
from omniroute.errors import GatewayFault
from omniroute.storage.drain import BATCH_RECORDS, MAX_PAUSE_S, Drain
from omniroute.storage.ledger import AttemptFilter, Ledger
from omniroute.storage.open import open_database

_encode = msgspec.msgpack.encode


class MemoryLedger:
    """As ``storage.ledger``: first row of an id wins; raises what it is told to, before or after storing."""

    def __init__(self) -> None:
        self.rows: dict[str, AttemptRecord] = {}
        self.batches: list[int] = []
        self.failure: Exception | None = None
        self.dies_after_commit = False

    async def append(self, records: list[AttemptRecord]) -> int:
        await trio.lowlevel.checkpoint()
        if self.failure:
            raise self.failure
        self.batches.append(len(records))
        before = len(self.rows)
        for record in records:
            self.rows.setdefault(record.attempt_id, record)
        if self.dies_after_commit:
            raise KeyboardInterrupt
        return len(self.rows) - before


class Worker:
    """What a worker does to its ring; ``die`` is what SIGKILL leaves."""

    def __init__(self, directory: Path, number: int) -> None:
        self.path = directory / f"ring-{number}-{number}.ring"
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.ring = RingWriter(self.fd)
        self.alive = True

    def open(self, attempt_id: str, head_ms: int = -1) -> int:
        return self.ring.open(_encode(open_attempt(attempt_id, head_ms)))

    def done(self, attempt_id: str) -> None:
        self.ring.close(self.open(attempt_id), _encode(record(attempt_id)))

    def die(self) -> None:
        if self.alive:
            self.ring.unmap()
            os.close(self.fd)
            self.alive = False


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def open_attempt(attempt_id: str, head_ms: int = -1) -> OpenAttempt:
    return OpenAttempt(attempt_id, "r", "k", "openai", "c", "gpt", 12.5, 2, True, head_ms)


def record(attempt_id: str) -> AttemptRecord:
    return AttemptRecord(attempt_id, "r", "k", "openai", "c", "gpt", 12.5, 2, "ok", 200)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def drain(tmp_path: Path, ledger: MemoryLedger) -> Iterator[Drain]:
    made = Drain(tmp_path, ledger)
    yield made
    made.close()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    made = Worker(tmp_path, 1)
    yield made
    made.die()


async def test_records_move_once_and_make_room(drain: Drain, ledger: MemoryLedger, worker: Worker) -> None:
    for attempt_id in "abc":
        worker.done(attempt_id)
    worker.open("d")
    assert await drain.pass_once() is False
    assert list(ledger.rows) == ["a", "b", "c"]
    assert worker.ring.used_bytes() == 0
    await drain.pass_once()
    assert ledger.batches == [3]  # no empty transaction
    assert (drain.state.status, drain.state.rings, drain.state.drained_records, drain.state.lost_attempts) == (
        "ok",
        1,
        3,
        0,
    )


async def test_no_directory_yet_is_no_error(tmp_path: Path, ledger: MemoryLedger) -> None:
    drain = Drain(tmp_path / "run" / "rings", ledger)
    assert await drain.pass_once() is False
    assert drain.state.status == "ok"


async def test_rings_share_a_transaction_and_a_long_one_does_not_hold_up_others(
    tmp_path: Path, ledger: MemoryLedger
) -> None:
    workers = [Worker(tmp_path, number) for number in range(2)]
    for number in range(BATCH_RECORDS + 100):
        workers[0].done(f"long-{number}")
    workers[1].done("short")
    drain = Drain(tmp_path, ledger)
    assert await drain.pass_once() is True
    assert "short" in ledger.rows
    assert ledger.batches == [BATCH_RECORDS // 2 + 1]
    assert drain.state.backlog_bytes == workers[0].ring.used_bytes() > 0
    for worker in workers:
        worker.die()
    await drain.finish()
    assert len(ledger.rows) == BATCH_RECORDS + 101
    assert names(tmp_path) == []


async def test_a_dead_workers_open_attempts_are_lost_with_what_is_known(
    drain: Drain, ledger: MemoryLedger, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.done("a")
    worker.open("b", head_ms=31)
    await drain.pass_once()
    assert list(ledger.rows) == ["a"]
    assert drain.state.writers == 1
    worker.die()
    while await drain.pass_once():
        pass
    assert ledger.rows["b"] == AttemptRecord(
        "b", "r", "k", "openai", "c", "gpt", 12.5, 2, "lost", 0, "worker_died", head_ms=31, streamed=True
    )
    assert not worker.path.exists()
    assert drain.state.writers == 0
    assert (drain.state.rings, drain.state.lost_attempts, drain.state.drained_records) == (0, 1, 2)
    assert "1 attempts were open in workers that died" in caplog.text


async def test_the_record_wins_over_the_open_entry(drain: Drain, ledger: MemoryLedger, worker: Worker) -> None:
    """The worker was killed after the record was stored, before the slot was cleared."""
    worker.done("a")
    worker.open("a")
    worker.die()
    while await drain.pass_once():
        pass
    assert ledger.rows == {"a": record("a")}
    assert drain.state.lost_attempts == 0


async def test_control_killed_between_commit_and_release_repeats_without_harm(
    tmp_path: Path, ledger: MemoryLedger, worker: Worker
) -> None:
    worker.done("a")
    worker.open("b")
    worker.die()
    ledger.dies_after_commit = True
    for _ in range(2):  # once with the record committed, once with the lost row as well
        killed = Drain(tmp_path, ledger)
        with pytest.raises(KeyboardInterrupt):
            await killed.pass_once()
        killed.close()
        assert worker.path.exists()
    ledger.dies_after_commit = False
    await Drain(tmp_path, ledger).finish()
    assert {row.attempt_id: row.outcome for row in ledger.rows.values()} == {"a": "ok", "b": "lost"}
    assert not worker.path.exists()


@pytest.mark.parametrize("failure", [apsw.FullError("full"), OSError(5, "I/O error"), GatewayFault("disk_full")])
async def test_a_failing_ledger_loses_nothing_and_is_told_once(
    drain: Drain, ledger: MemoryLedger, worker: Worker, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ledger.failure = failure
    worker.done("a")
    for _ in range(3):
        assert await drain.pass_once() is False
    worker.open("b")
    worker.die()
    await drain.pass_once()
    assert drain.state.status == f"stalled: {type(failure).__name__}: {failure}"
    assert drain.state.backlog_bytes > 0
    assert len(caplog.records) == 1
    assert worker.path.exists()
    ledger.failure = None
    while await drain.pass_once():
        pass
    assert {row.attempt_id: row.outcome for row in ledger.rows.values()} == {"a": "ok", "b": "lost"}
    assert (drain.state.status, drain.state.backlog_bytes) == ("ok", 0)
    assert [r.levelname for r in caplog.records][:1] == ["ERROR"]
    assert sum("takes records again" in r.getMessage() for r in caplog.records) == 1


async def test_pauses_double_to_a_bound_and_lag_tells_how_long(
    autojump_clock: MockClock, drain: Drain, ledger: MemoryLedger, worker: Worker
) -> None:
    asked_at: list[float] = []

    class Recording(MemoryLedger):
        async def append(self, records: list[AttemptRecord]) -> int:
            asked_at.append(trio.current_time())
            return await ledger.append(records)

    drain = Drain(worker.path.parent, Recording())
    worker.done("a")
    ledger.failure = apsw.FullError("full")
    async with trio.open_nursery() as nursery:
        await nursery.start(drain.run)
        began_at = trio.current_time()
        await trio.sleep(20)
        assert drain.state.lag_s == pytest.approx(asked_at[-1] - asked_at[0])
        ledger.failure = None
        await trio.sleep(MAX_PAUSE_S)
        assert (drain.state.status, drain.state.lag_s) == ("ok", 0.0)
        worker.done("b")
        await trio.sleep(0.1)
        assert list(ledger.rows) == ["a", "b"]
        nursery.cancel_scope.cancel()
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert asked_at[0] == pytest.approx(began_at)
    drain.close()


async def test_a_poke_starts_a_pass_at_once(
    autojump_clock: MockClock, drain: Drain, ledger: MemoryLedger, worker: Worker
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(drain.run)
        await wait_all_tasks_blocked()
        worker.done("a")
        asked_at = trio.current_time()
        drain.poke()
        await wait_all_tasks_blocked()
        assert list(ledger.rows) == ["a"]
        assert trio.current_time() == asked_at
        nursery.cancel_scope.cancel()


async def test_a_record_nobody_can_read_is_logged_whole_and_passed(
    drain: Drain, ledger: MemoryLedger, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.ring.close(worker.ring.open(b""), b"\xc1junk")
    worker.done("a")
    worker.ring.open(b"\xc1open")
    worker.die()
    while await drain.pass_once():
        pass
    assert list(ledger.rows) == ["a"]
    assert drain.state.rejected_records == 2
    assert b"\xc1junk".hex() in caplog.text
    assert b"\xc1open".hex() in caplog.text
    assert not worker.path.exists()


async def test_a_foreign_or_corrupt_ring_is_left_alone_and_others_go_on(
    tmp_path: Path, drain: Drain, ledger: MemoryLedger, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    foreign, corrupt = Worker(tmp_path, 2), Worker(tmp_path, 3)
    os.pwrite(foreign.fd, (LAYOUT_VERSION + 1).to_bytes(4, sys.byteorder), 8)
    corrupt.done("x")
    os.pwrite(corrupt.fd, (1 << 40).to_bytes(8, sys.byteorder), RING_AT)
    worker.done("a")
    for dead in (foreign, corrupt):
        dead.die()
    for _ in range(3):
        await drain.pass_once()
    assert list(ledger.rows) == ["a"]
    assert foreign.path.exists()
    assert corrupt.path.exists()
    assert drain.state.refused_rings == 2
    assert len(caplog.records) == 2
    assert f"version {LAYOUT_VERSION + 1}" in caplog.text
    for file in (foreign.path, corrupt.path):
        file.unlink()
    await drain.pass_once()
    assert drain.state.refused_rings == 0


async def test_what_is_not_a_ring_is_not_touched(tmp_path: Path, drain: Drain, ledger: MemoryLedger) -> None:
    (tmp_path / "ring-1-1.new").write_bytes(b"half made")
    await drain.pass_once()
    assert names(tmp_path) == ["ring-1-1.new"]
    assert (drain.state.rings, drain.state.refused_rings) == (0, 0)


async def test_no_descriptor_is_left(tmp_path: Path, ledger: MemoryLedger) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a path object would open one more
    for number in range(3):
        worker = Worker(tmp_path, number)
        worker.open("x")
        worker.die()
    await Drain(tmp_path, ledger).finish()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# -- SIGKILL of workers and of control ---------------------------------------------------------------------------------

WORKER = """
import os, sys, msgspec
from pathlib import Path
from collections import deque
from omniroute.domain import AttemptRecord, OpenAttempt
from omniroute.telemetry.journal import create_journal
name = sys.argv[2]
journal, number, held = create_journal(Path(sys.argv[1]), 0), 0, deque()
while True:
    ident = f"{name}-{number}"
    held.append((ident, journal.open(OpenAttempt(ident, "r", "k", "p", "c", "m", 1.0, 1))))
    number += 1
    if len(held) > 5:
        ident, slot = held.popleft()
        journal.close(slot, AttemptRecord(ident, "r", "k", "p", "c", "m", 1.0, 1, "ok", 200))
        os.write(1, ident.encode() + b"\\n")
"""
CONTROL = """
import sys, apsw, trio
from pathlib import Path
from omniroute.storage.drain import Drain
class Ledger:
    def __init__(self):
        self.db = apsw.Connection(sys.argv[2])
        self.db.execute("pragma journal_mode=wal").fetchall()
        self.db.execute("create table if not exists attempts (id text primary key, outcome text)").fetchall()
    async def append(self, records):
        await trio.lowlevel.checkpoint()
        before = self.db.total_changes()
        with self.db:
            self.db.executemany("insert into attempts values (?, ?) on conflict do nothing",
                                [(r.attempt_id, r.outcome) for r in records])
        return self.db.total_changes() - before
async def main():
    drain = Drain(Path(sys.argv[1]), Ledger())
    print(flush=True)
    if sys.argv[3] == "finish":
        await drain.finish()
    else:
        drain.poke()
        await drain.run()
trio.run(main)
"""


@pytest.mark.slow
def test_whoever_is_killed_every_attempt_is_in_the_ledger_once(tmp_path: Path) -> None:
    rings, database = tmp_path / "rings", tmp_path / "ledger.db"
    rng = random.Random(7)
    told: list[str] = []
    control = [sys.executable, "-c", CONTROL, str(rings), str(database)]
    for round_number in range(10):
        worker = [sys.executable, "-c", WORKER, str(rings), str(round_number)]
        with (
            subprocess.Popen(worker, stdout=PIPE, text=True) as writing,
            subprocess.Popen([*control, "run"], stdout=PIPE, text=True) as draining,
        ):
            assert writing.stdout is not None
            assert draining.stdout is not None
            first = writing.stdout.readline()
            draining.stdout.readline()
            time.sleep(rng.random() * 0.02)
            for child in rng.sample([writing, draining], 2):
                child.kill()
                time.sleep(rng.random() * 0.01)
            told += [first.strip(), *writing.stdout.read().split()]
    subprocess.run([*control, "finish"], check=True, stdout=subprocess.DEVNULL)
    assert list(rings.iterdir()) == []
    rows = dict(apsw.Connection(str(database)).execute("select id, outcome from attempts"))
    assert {rows.get(ident) for ident in told} == {"ok"}
    for round_number in range(10):
        numbers = sorted(int(i.split("-")[1]) for i in rows if i.startswith(f"{round_number}-"))
        assert numbers == list(range(len(numbers)))
    assert sum(outcome == "lost" for outcome in rows.values()) <= 10 * 6
    assert set(rows.values()) == {"ok", "lost"}


async def test_a_full_disk_loses_nothing_and_the_ledger_reconciles_when_there_is_room(
    tmp_path: Path, worker: Worker
) -> None:
    """The real ledger, its database not allowed to grow: SQLite then says what it says on a full disk."""
    async with open_database(tmp_path / "db", backups=tmp_path) as database:

        def allow_pages(connection: apsw.Connection, pages: int) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()

        drain = Drain(worker.path.parent, Ledger(database))
        await database.write(lambda connection: allow_pages(connection, 1))  # no page more than there are
        for number in range(500):
            worker.done(f"attempt-{number}")
        worker.open("open")
        for _ in range(3):
            await drain.pass_once()
        assert drain.state.status.startswith("stalled: StorageError: the disk is full")
        backlog = worker.ring.used_bytes()
        for number in range(500, 600):
            worker.done(f"attempt-{number}")
        assert worker.ring.used_bytes() > backlog
        worker.die()
        await drain.pass_once()
        await database.write(lambda connection: allow_pages(connection, 1 << 20))
        while await drain.pass_once():
            pass
        assert drain.state.status == "ok"
        assert {total.outcome: total.attempts for total in await Ledger(database).totals(AttemptFilter())} == {
            "lost": 1,
            "ok": 600,
        }
        assert not worker.path.exists()


async def test_a_want_of_descriptors_stalls_the_drain_and_no_ring_is_given_up(
    drain: Drain, ledger: MemoryLedger, worker: Worker
) -> None:
    worker.done("a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        await drain.pass_once()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert drain.state.status.startswith("stalled: OSError")
    await drain.pass_once()
    assert (drain.state.status, list(ledger.rows)) == ("ok", ["a"])
