"""A caller's rate and share in flight, over real shared counters."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from omniroute._speedups import Shared
from omniroute.domain import Caller
from omniroute.errors import Overloaded, RateLimited
from omniroute.pipeline.admit import Admission
from tests.pipeline.house import caller

SECOND_NS = 1_000_000_000


@pytest.fixture
def shared() -> Iterator[Shared]:
    fd = os.memfd_create("tests-shared")
    yield Shared(fd, create=True, slot=0)
    os.close(fd)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


def in_flight(shared: Shared, who: Caller) -> int:
    return shared.gauge(who.in_flight_counter)


def test_a_rate_admits_its_burst_and_then_one_per_interval(shared: Shared) -> None:
    who, clock = caller(requests_per_minute=3), Clock()
    for _ in range(3):
        with Admission(who, shared, clock):
            pass
    with pytest.raises(RateLimited, match="3 requests per minute") as caught:
        Admission(who, shared, clock).__enter__()
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (429, "rate_limit_exceeded", 20)
    clock.now_ns += 20 * SECOND_NS
    with Admission(who, shared, clock):
        pass


def test_a_place_is_held_while_the_block_runs_and_given_back_however_it_ends(shared: Shared) -> None:
    who = caller(max_in_flight=1)
    with pytest.raises(ZeroDivisionError), Admission(who, shared, Clock()):  # noqa: PT012 - the block is what is tested
        assert in_flight(shared, who) == 1
        with pytest.raises(RateLimited) as caught:
            Admission(who, shared, Clock()).__enter__()
        assert caught.value.code == "too_many_in_flight"
        raise ZeroDivisionError
    assert in_flight(shared, who) == 0


def test_who_is_refused_for_his_place_has_not_used_up_his_rate(shared: Shared) -> None:
    who, clock = caller(requests_per_minute=2, max_in_flight=1), Clock()
    with Admission(who, shared, clock):
        for _ in range(5):
            with pytest.raises(RateLimited, match="in flight"):
                Admission(who, shared, clock).__enter__()
    with Admission(who, shared, clock):
        pass


def test_a_caller_without_limits_touches_no_counter(shared: Shared) -> None:
    who = caller(in_flight_counter=5, rate_counter=6)
    with Admission(who, shared, Clock()):
        assert in_flight(shared, who) == 0


class FullTable:
    """Shared memory with no row for one more id."""

    def __init__(self, *, gauges_only: bool = False) -> None:
        self.gauges_only = gauges_only
        self.given = 0

    def rate_take(self, limiter: int, now_ns: int, interval_ns: int, burst: int) -> int:
        if self.gauges_only:
            return 0
        raise OverflowError("no idle row")

    def rate_give(self, limiter: int, interval_ns: int) -> None:
        self.given += 1

    def gauge_enter(self, gauge: int, limit: int = 0) -> bool:
        raise OverflowError("no idle row")


@pytest.mark.parametrize("gauges_only", [False, True])
def test_a_full_table_is_our_overload_and_costs_the_caller_nothing(gauges_only: bool) -> None:
    table = FullTable(gauges_only=gauges_only)
    who = caller(requests_per_minute=2, max_in_flight=1)
    with pytest.raises(Overloaded) as caught:
        Admission(who, table, Clock()).__enter__()  # type: ignore[arg-type]  # played
    assert (caught.value.status, caught.value.retry_after_s, table.given) == (503, 1, int(gauges_only))
