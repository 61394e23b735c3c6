"""May this target be called now. Breaker, cooldown and lockout join here with the routing issue."""

from __future__ import annotations

import msgspec

from omniroute._speedups import Shared
from omniroute.domain import Connection
from omniroute.errors import TABLE_FULL, Overloaded, UpstreamError


class Permit(msgspec.Struct, frozen=True, eq=False):
    """One of the connection's places while an attempt runs: a context manager.

    Entering raises UpstreamError (``connection_busy``), so that the next target is tried, or Overloaded if shared
    memory has no row for the counter.
    """

    _connection: Connection
    _shared: Shared

    def __enter__(self) -> None:
        connection = self._connection
        if connection.max_in_flight and not self._entered(connection):
            raise UpstreamError(
                f"Connection '{connection.label}' already has its {connection.max_in_flight} requests in flight.",
                error_class="connection_busy",
                scope="connection",
                status=429,
                kind="rate_limit",
                code="rate_limit_exceeded",
                retry_after_s=1,
            )

    def _entered(self, connection: Connection) -> bool:
        try:
            return self._shared.gauge_enter(connection.in_flight_counter, connection.max_in_flight)
        except OverflowError as exc:
            raise Overloaded(TABLE_FULL, retry_after_s=1) from exc

    def __exit__(self, *_: object) -> None:
        if self._connection.max_in_flight:
            self._shared.gauge_leave(self._connection.in_flight_counter)
