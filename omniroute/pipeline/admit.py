"""May the caller ask now: its rate and its share of requests in flight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from omniroute._speedups import Shared
from omniroute.domain import Caller
from omniroute.errors import RateLimited
from omniroute.limits import per_minute, seconds_until


@contextmanager
def admit(caller: Caller, shared: Shared, now_ns: int) -> Iterator[None]:
    """Hold the caller's place while its request runs. Raises RateLimited.

    The rate is taken before the gauge, and given back if the gauge is full: a request that was refused costs nothing.
    """
    if caller.requests_per_minute:
        interval_ns, burst = per_minute(caller.requests_per_minute)
        wait_ns = shared.rate_take(caller.rate_counter, now_ns, interval_ns, burst)
        if wait_ns:
            retry_after_s = seconds_until(wait_ns)
            raise RateLimited(
                f"This key may send {caller.requests_per_minute} requests per minute. Try again in {retry_after_s} s.",
                retry_after_s=retry_after_s,
            )
    if not caller.max_in_flight:
        yield
        return
    gauge = caller.in_flight_counter
    if not shared.gauge_enter(gauge, caller.max_in_flight):
        if caller.requests_per_minute:
            shared.rate_give(caller.rate_counter, per_minute(caller.requests_per_minute)[0])
        raise RateLimited(
            f"This key may have {caller.max_in_flight} requests in flight. Wait for one to finish.",
            code="too_many_in_flight",
            retry_after_s=1,
        )
    try:
        yield
    finally:
        shared.gauge_leave(gauge)
