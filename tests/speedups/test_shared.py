from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from subprocess import PIPE
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import shared_py

MAKE = "from omniroute._speedups.{twin} import Shared; import sys; shared = Shared({fd}, slot={slot})\n"
SECOND_NS = 1_000_000_000
TWINS = ("shared_py", "shared_c")


def load(name: str) -> ModuleType:
    return pytest.importorskip(f"omniroute._speedups.{name}", reason="the extension is not built")


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


@pytest.fixture
def fd() -> Iterator[int]:
    number = os.memfd_create("test-shared")
    yield number
    os.close(number)


@pytest.fixture
def shared(twin: ModuleType, fd: int) -> Iterator[shared_py.Shared]:
    table = twin.Shared(fd, create=True, boot_id=b"boot-1")
    yield table
    table.close()


def ids_with_one_home(count: int) -> list[int]:
    """Ids whose windows are the same rows."""
    found: list[int] = []
    candidate = 1
    inverse = pow(shared_py.HASH_MULTIPLIER, -1, 1 << 64)
    while len(found) < count:
        # home is the product's upper 16 bits: choose products with the upper bits 0x1234
        found.append(((0x1234 << 48) + candidate) * inverse % (1 << 64))
        candidate += 1
    return found


def processes(fd: int, script: str, count: int = 4) -> list[str]:
    """Run ``script`` with a table named ``shared`` in real processes that start together; what each printed."""
    gate_read, gate_write = os.pipe()
    children = []
    for number in range(count):
        source = MAKE.format(twin="shared_c", fd=fd, slot=number) + f"import os; os.read({gate_read}, 1)\n" + script
        children.append(
            subprocess.Popen([sys.executable, "-c", source], pass_fds=(fd, gate_read), stdout=PIPE, text=True)
        )
    os.write(gate_write, bytes(count))
    outputs = []
    for child in children:
        with child:
            assert child.stdout is not None
            outputs.append(child.stdout.read())
        assert child.returncode == 0
    os.close(gate_read)
    os.close(gate_write)
    return outputs


def test_epoch(shared: shared_py.Shared) -> None:
    assert shared.epoch() == 0
    shared.publish_epoch(7)
    assert shared.epoch() == 7


def test_rate_admits_the_burst_then_one_per_interval(shared: shared_py.Shared) -> None:
    take = [shared.rate_take(9, SECOND_NS, 1000, 3) for _ in range(4)]
    assert take == [0, 0, 0, 1000]
    assert shared.rate_take(9, SECOND_NS + 999, 1000, 3) == 1
    assert shared.rate_take(9, SECOND_NS + 1000, 1000, 3) == 0
    assert shared.rate_take(9, SECOND_NS + 1000, 1000, 3) == 1000


def test_rate_costs_more_than_one_and_gives_back(shared: shared_py.Shared) -> None:
    assert shared.rate_take(9, SECOND_NS, 1000, 10, 8) == 0
    assert shared.rate_take(9, SECOND_NS, 1000, 10, 8) == 6000
    shared.rate_give(9, 1000, 6)
    assert shared.rate_take(9, SECOND_NS, 1000, 10, 8) == 0
    shared.rate_give(9, 1000, 1_000_000)  # more than was taken: a full bucket, not a fuller one
    assert [shared.rate_take(9, SECOND_NS, 1000, 10, cost) for cost in (10, 1)] == [0, 1000]
    shared.rate_give(77, 1000)  # an id nobody took from
    assert shared.rate_take(77, SECOND_NS, 1000, 1) == 0


def test_rate_refuses_what_can_never_be_admitted_and_what_would_overflow(shared: shared_py.Shared) -> None:
    assert shared.rate_take(9, SECOND_NS, 1000, 3, 4) == -1
    for now_ns, interval_ns, burst, cost in ((1, 0, 1, 1), (1, 1, 1, -1), (-1, 1, 1, 1), (1, 1 << 61, 2, 1)):
        with pytest.raises(ValueError, match="out of range"):
            shared.rate_take(9, now_ns, interval_ns, burst, cost)
    with pytest.raises(ValueError, match="out of range"):
        shared.rate_give(9, 1 << 61, 2)
    with pytest.raises(ValueError, match="out of range"):
        shared.rate_give(9, 0)


@settings(max_examples=60, deadline=None)
@given(
    interval_ns=st.integers(1, 10**9),
    burst=st.integers(1, 20),
    calls=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 25)), max_size=40),
)
def test_twins_agree_on_rates_and_never_admit_more_than_burst_and_refill(
    interval_ns: int, burst: int, calls: list[tuple[int, int]]
) -> None:
    compiled = load("shared_c")
    fds = [os.memfd_create("a"), os.memfd_create("b")]
    tables = [shared_py.Shared(fds[0], create=True), compiled.Shared(fds[1], create=True)]
    now_ns = start_ns = SECOND_NS
    admitted = 0
    for pause_ns, cost in calls:
        now_ns += pause_ns
        answers = [table.rate_take(5, now_ns, interval_ns, burst, cost) for table in tables]
        assert answers[0] == answers[1]
        if answers[0] == 0:
            admitted += cost
        elif answers[0] > 0:  # the promise: that much later it is admitted
            assert tables[0].rate_take(5, now_ns + answers[0] - 1, interval_ns, burst, cost) == 1
        assert (admitted - burst) * interval_ns <= now_ns - start_ns
    for table, number in zip(tables, fds, strict=True):
        table.close()
        os.close(number)


def test_gauge_stops_at_its_limit_and_at_zero(shared: shared_py.Shared) -> None:
    assert [shared.gauge_enter(3, 2) for _ in range(3)] == [True, True, False]
    assert shared.gauge(3) == 2
    assert shared.gauge_enter(3)  # no limit
    for _ in range(5):
        shared.gauge_leave(3)
    assert shared.gauge(3) == 0
    shared.gauge_leave(999)
    assert shared.gauge(999) == 0


def test_cursor_counts_from_zero(shared: shared_py.Shared) -> None:
    assert [shared.cursor_next(3) for _ in range(3)] == [0, 1, 2]
    assert shared.cursor_next(4) == 0


def test_ids_must_be_64_bits_and_not_zero(shared: shared_py.Shared) -> None:
    calls: list[Callable[[int], object]] = [
        shared.gauge_enter, shared.gauge_leave, shared.gauge, shared.cursor_next,
        lambda ident: shared.rate_take(ident, 1, 1, 1), lambda ident: shared.rate_give(ident, 1),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="id 0"):
            call(0)
        for ident in (-1, 1 << 64):
            with pytest.raises(OverflowError):
                call(ident)
    assert shared.gauge_enter((1 << 64) - 1)


def test_a_full_window_gives_way_where_idle_and_overflows_where_not(shared: shared_py.Shared) -> None:
    *busy, late, later = ids_with_one_home(shared_py.PROBE_ROWS + 2)
    for ident in busy:
        assert shared.gauge_enter(ident)
    with pytest.raises(OverflowError, match="no idle row"):
        shared.gauge_enter(late)
    shared.gauge_leave(busy[5])
    assert shared.gauge_enter(late)
    assert shared.gauge(late) == 1
    assert shared.gauge(busy[5]) == 0
    shared.gauge_leave(busy[5])  # its row is another's now
    assert shared.gauge(late) == 1
    assert [shared.gauge(ident) for ident in busy if ident != busy[5]] == [1] * (len(busy) - 1)
    with pytest.raises(OverflowError):
        shared.gauge_enter(later)


def test_a_rate_taken_over_is_one_whose_bucket_is_full(shared: shared_py.Shared) -> None:
    *used, late, later = ids_with_one_home(shared_py.PROBE_ROWS + 2)
    for number, ident in enumerate(used):
        assert shared.rate_take(ident, SECOND_NS, 1000 + number, 1) == 0
    with pytest.raises(OverflowError):
        shared.rate_take(late, SECOND_NS + 1000, 1000, 1)
    assert shared.rate_take(late, SECOND_NS + 1001, 1000, 1) == 0  # the first one's is full again
    assert shared.rate_take(late, SECOND_NS + 1001, 1000, 1) == 1000
    assert shared.rate_take(later, SECOND_NS + 1002, 1000, 1) == 0  # the second one's, too
    assert shared.rate_take(used[2], SECOND_NS + 1001, 1002, 1) == 1  # the third one's is not


def test_cursors_of_a_full_window_take_over_the_least_asked(shared: shared_py.Shared) -> None:
    *used, late = ids_with_one_home(shared_py.PROBE_ROWS + 1)
    for number, ident in enumerate(used):
        for _ in range(number + 2):
            shared.cursor_next(ident)
    assert shared.cursor_next(late) == 0
    assert shared.cursor_next(used[1]) == 3
    assert shared.cursor_next(used[0]) == 0


def test_statistics(shared: shared_py.Shared) -> None:
    shared.stat_add(0, 5)
    shared.stat_add(63, 5, 41)
    shared.stat_add(1, 5, -2)
    assert shared.stat_total(5) == 40
    assert (shared.stat_get(1, 5), shared.stat_get(2, 5), shared.stat_get(0, 6)) == (-2, 0, 0)
    shared.stat_add(63, shared_py.STATS - 1)
    for slot, cell in ((-1, 0), (64, 0), (0, -1), (0, shared_py.STATS)):
        with pytest.raises(IndexError):
            shared.stat_add(slot, cell)
    assert shared.gauge_enter(1)  # the last cell is not the first row of what follows
    assert shared.stat_get(63, shared_py.STATS - 1) == 1


def test_a_dead_slot_gives_back_what_it_held_and_no_more(twin: ModuleType, fd: int) -> None:
    supervisor = twin.Shared(fd, create=True)
    worker, other = twin.Shared(fd, slot=3), twin.Shared(fd, slot=4)
    for _ in range(3):
        assert worker.gauge_enter(11, 5)
    assert worker.gauge_enter(12)
    worker.gauge_leave(11)
    assert other.gauge_enter(11, 5)
    while worker.gauge_enter(11, 4):
        pass
    assert supervisor.gauge(11) == 4
    assert supervisor.slot_clear(3) == 4
    assert (supervisor.gauge(11), supervisor.gauge(12)) == (1, 0)
    assert supervisor.slot_clear(3) == 0
    assert supervisor.slot_clear(4) == 1
    for slot in (-1, 64):
        with pytest.raises(IndexError):
            supervisor.slot_clear(slot)
    for slot in (-2, 64):
        with pytest.raises(IndexError):
            twin.Shared(fd, slot=slot)


@pytest.mark.parametrize(("writer", "reader"), [("shared_py", "shared_c"), ("shared_c", "shared_py")])
def test_one_twin_reads_what_the_other_wrote(writer: str, reader: str, fd: int) -> None:
    wrote = load(writer).Shared(fd, create=True, boot_id=b"b", slot=2)
    crowd = ids_with_one_home(shared_py.PROBE_ROWS + 1)
    wrote.publish_epoch(1 << 40)
    for ident in crowd:
        assert wrote.gauge_enter(ident)
        wrote.gauge_leave(ident)
    assert wrote.gauge_enter(crowd[-1])
    assert wrote.rate_take(6, SECOND_NS, 1000, 1) == 0
    wrote.cursor_next(7)
    wrote.stat_add(3, 4, -5)
    read = load(reader).Shared(fd, boot_id=b"b")
    assert read.epoch() == 1 << 40
    assert read.gauge(crowd[-1]) == 1
    assert read.rate_take(6, SECOND_NS, 1000, 1) == 1000
    assert read.cursor_next(7) == 1
    assert (read.stat_get(3, 4), read.stat_total(4)) == (-5, -5)
    assert read.slot_clear(2) == 1
    assert wrote.gauge(crowd[-1]) == 0


def test_layout_versions_must_be_equal(twin: ModuleType, fd: int) -> None:
    twin.Shared(fd, create=True).close()
    os.pwrite(fd, (99).to_bytes(4, sys.byteorder), 8)
    for create in (False, True):
        with pytest.raises(ValueError, match=rf"version 99.*version {shared_py.LAYOUT_VERSION}"):
            twin.Shared(fd, create=create)


def test_what_is_not_a_table_is_refused(twin: ModuleType, fd: int) -> None:
    with pytest.raises(ValueError, match="not a shared table"):
        twin.Shared(fd)
    os.ftruncate(fd, 8192)
    with pytest.raises(ValueError, match="not a shared table"):
        twin.Shared(fd)
    twin.Shared(fd, create=True).close()
    os.ftruncate(fd, 8192)
    with pytest.raises(ValueError, match="should have"):
        twin.Shared(fd)
    with pytest.raises(ValueError, match="boot id"):
        twin.Shared(fd, create=True, boot_id=b"x" * 49)


def test_a_table_of_another_boot_starts_empty(twin: ModuleType, fd: int) -> None:
    table = twin.Shared(fd, create=True, boot_id=b"boot-1")
    table.gauge_enter(4)
    table.close()
    assert twin.Shared(fd, create=True, boot_id=b"boot-1").gauge(4) == 1
    with pytest.raises(ValueError, match=r"boot-1.*boot-2"):
        twin.Shared(fd, boot_id=b"boot-2")
    assert twin.Shared(fd).gauge(4) == 1  # who does not say its boot is not asked
    assert twin.Shared(fd, create=True, boot_id=b"boot-2").gauge(4) == 0


def test_a_closed_table_says_so(shared: shared_py.Shared) -> None:
    shared.close()
    shared.close()
    for call in (shared.epoch, lambda: shared.gauge(1), lambda: shared.stat_get(0, 0), lambda: shared.gauge_enter(1)):
        with pytest.raises(ValueError, match=r"closed|released"):
            call()


# -- real processes ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_processes_together_are_admitted_exactly_burst_and_refill(fd: int) -> None:
    table = load("shared_c").Shared(fd, create=True)
    # Each process walks through the same instants: 1,000 after the burst, each refilling one unit.
    script = "print(sum(shared.rate_take(8, 10**9 + i // 4 * 10, 10, 50) == 0 for i in range(4000)))"
    admitted = [int(out) for out in processes(fd, script)]
    assert sum(admitted) == 50 + 999
    table.close()


@pytest.mark.slow
def test_gauge_limit_is_never_exceeded_by_processes_and_ends_at_zero(fd: int) -> None:
    table = load("shared_c").Shared(fd, create=True)
    # Three places for four processes that take two each: at times one is refused.
    script = """
worst = entered = 0
for i in range(60000):
    got = [shared.gauge_enter(21, 3), shared.gauge_enter(21, 3)]
    worst = max(worst, shared.gauge(21))
    entered += sum(got)
    for one in got:
        if one: shared.gauge_leave(21)
print(worst, entered)
"""
    seen = [out.split() for out in processes(fd, script)]
    assert max(int(worst) for worst, _ in seen) == 3
    assert sum(int(entered) for _, entered in seen) < 4 * 120000  # they did meet
    assert table.gauge(21) == 0
    table.close()


@pytest.mark.slow
def test_processes_are_given_each_number_once(fd: int) -> None:
    table = load("shared_c").Shared(fd, create=True)
    told = processes(fd, "print(*[shared.cursor_next(5) for _ in range(20000)])")
    assert sorted(int(word) for out in told for word in out.split()) == list(range(80000))
    table.close()


@pytest.mark.slow
def test_rows_taken_over_by_processes_at_once_keep_gauges_exact(fd: int) -> None:
    """More ids than rows of one window: rows are taken over all the time. A second gauge is the witness."""
    table = load("shared_c").Shared(fd, create=True)
    crowd = ids_with_one_home(shared_py.PROBE_ROWS + 2)
    script = f"""
import random
crowd = {crowd}
rng = random.Random(os.getpid())
wrong = entered = 0
for i in range(100000):
    ident = rng.randrange(len(crowd))
    if shared.gauge_enter(crowd[ident], 1):
        entered += 1
        if not shared.gauge_enter(ident + 1, 1):
            wrong += 1
        else:
            wrong += shared.gauge(crowd[ident]) != 1
            shared.gauge_leave(ident + 1)
        shared.gauge_leave(crowd[ident])
print(wrong, entered)
"""
    seen = [out.split() for out in processes(fd, script)]
    assert [wrong for wrong, _ in seen] == ["0"] * 4
    assert [table.gauge(ident) for ident in crowd] == [0] * len(crowd)
    assert table.slot_clear(0) == 0
    table.close()


@pytest.mark.slow
def test_places_held_by_killed_processes_come_back(fd: int) -> None:
    """Killed at any instant: after ``slot_clear`` the gauge is free again (it may read low, never high)."""
    table = load("shared_c").Shared(fd, create=True)
    source = (
        MAKE.format(twin="shared_c", fd=fd, slot=0)
        + "print(flush=True)\nwhile True:\n"
        + ("  [shared.gauge_enter(31, 3) for _ in range(4)]; [shared.gauge_leave(31) for _ in range(3)]\n")
    )
    holder = load("shared_c").Shared(fd, slot=1)
    for _ in range(12):
        assert holder.gauge_enter(31, 3)
        with subprocess.Popen([sys.executable, "-c", source], pass_fds=(fd,), stdout=PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            child.kill()
        table.slot_clear(0)
        assert table.gauge(31) <= 1
        holder.gauge_leave(31)
        assert table.gauge(31) == 0
    table.close()
    holder.close()
