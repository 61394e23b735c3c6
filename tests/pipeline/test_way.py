"""What is put together once per connection, and when it is put together anew."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks, Secret
from omniroute.errors import UpstreamError
from omniroute.pipeline.way import MAX_WAYS
from tests.pipeline.house import DOOR, DOORS, connection, snapshot

NO_HEADERS: dict[bytes, bytes] = {}


def test_a_way_is_put_together_once_per_snapshot() -> None:
    one = connection()
    first, second = snapshot(one), snapshot(one, epoch=2)
    way = DOOR.ways.to(one, first)

    assert DOOR.ways.to(one, first) is way
    assert DOOR.ways.to(one, second) is not way


def test_a_changed_credential_is_sent_from_the_next_snapshot_on() -> None:
    old, new = connection(), connection(credential=Secret("changed"))

    for used in (old, new):
        headers = DOOR.ways.to(used, snapshot(used)).headers(NO_HEADERS, "att_1", passed=True, stream=False)
        assert (b"authorization", b"Bearer " + used.credential.reveal().encode()) in headers


def test_many_connections_are_bounded_and_each_keeps_its_own() -> None:
    many = [connection(f"c{number}") for number in range(MAX_WAYS + 2)]
    now = snapshot(*many)

    assert [DOOR.ways.to(one, now).connection for one in many] == many
    assert DOOR.ways.to(many[0], now).connection is many[0]


def test_the_connections_own_header_goes_before_the_clients_and_the_dialects() -> None:
    given = {b"anthropic-version": b"of the client", b"anthropic-beta": b"b"}
    ways = DOORS["anthropic"].ways
    plain = connection(dialect="anthropic")
    own = connection(dialect="anthropic", headers=(("anthropic-version", "of the connection"),))

    def versions(one: object, given: dict[bytes, bytes], *, passed: bool) -> list[bytes]:
        assert isinstance(one, type(plain))
        headers = ways.to(one, snapshot(one)).headers(given, "att_1", passed=passed, stream=False)
        return [value for name, value in headers if name == b"anthropic-version"]

    assert versions(own, given, passed=True) == [b"of the connection"]
    assert versions(plain, given, passed=True) == [b"of the client"]
    assert versions(plain, NO_HEADERS, passed=True) == [b"2023-06-01"]
    assert versions(plain, given, passed=False) == [b"2023-06-01"]


@pytest.mark.parametrize(("quirks", "may"), [(Quirks(), True), (Quirks(mistral=True), False)])
def test_whether_bytes_may_pass_is_known_beforehand(quirks: Quirks, may: bool) -> None:
    one = connection(quirks=quirks)

    assert (DOOR.ways.to(one, snapshot(one)).passes_by is not None) is may
    assert DOORS["anthropic"].ways.to(one, snapshot(one)).passes_by is None


def test_there_is_no_way_to_a_dialect_nobody_knows() -> None:
    strange = msgspec.structs.replace(connection(), dialect="klingon")

    with pytest.raises(UpstreamError, match="klingon"):
        DOOR.ways.to(strange, snapshot(strange))
