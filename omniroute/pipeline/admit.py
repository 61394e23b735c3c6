"""May the caller ask now: its rate and its share of requests in flight."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from omniroute._speedups import Shared
from omniroute.domain import Caller
from omniroute.errors import TABLE_FULL, Overloaded, RateLimited
from omniroute.limits import per_minute, seconds_until


class Admission(msgspec.Struct, frozen=True, eq=False):
    """The caller's place while its request runs: a context manager.

    Entering raises RateLimited, or Overloaded if shared memory has no row for a counter. The rate is taken before the
    gauge, and given back if the gauge is full: a request that was refused costs nothing.
    """

    _caller: Caller
    _shared: Shared
    _clock_ns: Callable[[], int]
    """Nanoseconds of CLOCK_MONOTONIC, the clock of shared counters."""

    def __enter__(self) -> None:
        caller = self._caller
        if caller.requests_per_minute:
            self._take_rate(caller)
        if caller.max_in_flight and not self._entered(caller):
            self._give_rate(caller)
            raise RateLimited(
                f"This key may have {caller.max_in_flight} requests in flight. Wait for one to finish.",
                code="too_many_in_flight",
                retry_after_s=1,
            )

    def __exit__(self, *_: object) -> None:
        if self._caller.max_in_flight:
            self._shared.gauge_leave(self._caller.in_flight_counter)

    def _entered(self, caller: Caller) -> bool:
        try:
            return self._shared.gauge_enter(caller.in_flight_counter, caller.max_in_flight)
        except OverflowError as exc:
            self._give_rate(caller)
            raise Overloaded(TABLE_FULL, retry_after_s=1) from exc

    def _give_rate(self, caller: Caller) -> None:
        if caller.requests_per_minute:
            self._shared.rate_give(caller.rate_counter, per_minute(caller.requests_per_minute)[0])

    def _take_rate(self, caller: Caller) -> None:
        interval_ns, burst = per_minute(caller.requests_per_minute)
        try:
            wait_ns = self._shared.rate_take(caller.rate_counter, self._clock_ns(), interval_ns, burst)
        except OverflowError as exc:
            raise Overloaded(TABLE_FULL, retry_after_s=1) from exc
        if wait_ns:
            retry_after_s = seconds_until(wait_ns)
            raise RateLimited(
                f"This key may send {caller.requests_per_minute} requests per minute. Try again in {retry_after_s} s.",
                retry_after_s=retry_after_s,
            )
