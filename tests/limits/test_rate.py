from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.limits import per_minute, seconds_until


def test_a_minutes_worth_at_once_then_evenly() -> None:
    assert per_minute(60) == (1_000_000_000, 60)
    assert per_minute(1) == (60_000_000_000, 1)
    assert per_minute(7) == (8_571_428_572, 7)


@given(st.integers(1, 60_000_000))
def test_never_more_than_set_and_hardly_less(count: int) -> None:
    interval_ns, burst = per_minute(count)
    refilled = 60e9 / interval_ns
    assert burst == count
    assert 0.999 * count <= refilled <= count


@pytest.mark.parametrize("count", [0, -5])
def test_no_rate_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        per_minute(count)


@pytest.mark.parametrize(
    ("wait_ns", "seconds"), [(1, 1), (999_999_999, 1), (10**9, 1), (10**9 + 1, 2), (59 * 10**9, 59)]
)
def test_seconds_round_up(wait_ns: int, seconds: int) -> None:
    assert seconds_until(wait_ns) == seconds
