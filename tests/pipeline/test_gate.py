"""A connection's own share of requests in flight."""

from __future__ import annotations

import os

import pytest

from omniroute._speedups import Shared
from omniroute.errors import Overloaded, UpstreamError
from omniroute.pipeline.gate import Permit
from omniroute.translate import retryable
from tests.pipeline.house import connection
from tests.pipeline.test_admit import FullTable


def test_a_busy_connection_is_the_next_ones_chance() -> None:
    fd = os.memfd_create("tests-shared")
    shared = Shared(fd, create=True, slot=0)
    one = connection(max_in_flight=1)
    with Permit(one, shared):
        with pytest.raises(UpstreamError, match="'one' already has its 1") as caught:
            Permit(one, shared).__enter__()
        assert (caught.value.error_class, caught.value.scope) == ("connection_busy", "connection")
        assert retryable(caught.value)
        with Permit(connection("two", max_in_flight=1), shared):
            pass
    with Permit(one, shared):
        assert shared.gauge(one.in_flight_counter) == 1
    assert shared.gauge(one.in_flight_counter) == 0
    os.close(fd)


def test_a_full_table_is_our_overload() -> None:
    with pytest.raises(Overloaded):
        Permit(connection(max_in_flight=1), FullTable()).__enter__()  # type: ignore[arg-type]  # played
