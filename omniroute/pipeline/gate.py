"""May this target be called now. Breaker, cooldown and lockout join here with the routing issue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from omniroute._speedups import Shared
from omniroute.domain import Connection
from omniroute.errors import UpstreamError


@contextmanager
def gate(connection: Connection, shared: Shared) -> Iterator[None]:
    """Hold one of the connection's places. Raises UpstreamError (busy) so that the next is tried."""
    if not connection.max_in_flight:
        yield
        return
    gauge = connection.in_flight_counter
    if not shared.gauge_enter(gauge, connection.max_in_flight):
        raise UpstreamError(
            f"Connection '{connection.label}' already has its {connection.max_in_flight} requests in flight.",
            error_class="connection_busy",
            scope="connection",
            status=429,
            kind="rate_limit",
            code="rate_limit_exceeded",
            retry_after_s=1,
        )
    try:
        yield
    finally:
        shared.gauge_leave(gauge)
