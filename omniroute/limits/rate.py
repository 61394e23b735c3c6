"""What "N per minute" means to a GCRA limiter, and what its answer means to a client."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MINUTE_NS: Final = 60_000_000_000
SECOND_NS: Final = 1_000_000_000


@lru_cache(1024)
def per_minute(count: int) -> tuple[int, int]:
    """``(interval_ns, burst)`` of a limiter that admits ``count`` at once and then one per interval.

    The burst is a whole minute's worth, as the vendors' own limits have it: a client that pauses may catch up. In any
    60 s at most ``2 * count`` are admitted, over longer times ``count`` per minute. The interval is rounded up: never
    more than was set, and less by under 0.1 % up to 60 million a minute.
    """
    if count < 1:
        raise ValueError(f"{count} per minute is not a rate")
    return -(-MINUTE_NS // count), count


def seconds_until(wait_ns: int) -> int:
    """Whole seconds for a Retry-After header: after them the call is admitted, so rounded up and at least 1."""
    return max(1, -(-wait_ns // SECOND_NS))
