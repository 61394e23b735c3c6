from __future__ import annotations

import apsw
import msgspec
import pytest

from omniroute.domain import counter_id
from omniroute.storage import keys
from omniroute.storage.keys import KeyRow
from omniroute.storage.store import Store

PLAIN = KeyRow("key_1", "ci", b"d" * 16, "omr-abcd", "wxyz", 100.0)
FULL = KeyRow(
    key_id="key_2",
    name="Größe",
    digest=b"\x00\xff" * 8,
    prefix="omr-efgh",
    last4="1234",
    created_epoch_s=200.5,
    scopes=("inference", "manage"),
    allowed_models=("openai/gpt-*", "demo/*"),
    allowed_connections=("con_1",),
    requests_per_minute=60,
    max_in_flight=4,
    expires_epoch_s=1000.0,
)


async def test_rows_come_back_as_they_were_oldest_first(store: Store) -> None:
    def work(connection: apsw.Connection) -> list[KeyRow]:
        keys.insert(connection, FULL)
        keys.insert(connection, PLAIN)
        return keys.every(connection)

    assert await store.database.write(work) == [PLAIN, FULL]
    assert await store.database.read(lambda c: keys.find(c, "key_2")) == FULL
    assert await store.database.read(lambda c: keys.find(c, "key_3")) is None


async def test_a_digest_belongs_to_one_key(store: Store) -> None:
    def work(connection: apsw.Connection) -> None:
        keys.insert(connection, PLAIN)
        keys.insert(connection, msgspec.structs.replace(FULL, digest=PLAIN.digest))

    with pytest.raises(apsw.ConstraintError):
        await store.database.write(work)


async def test_a_revocation_keeps_its_first_time(store: Store) -> None:
    def work(connection: apsw.Connection) -> KeyRow | None:
        keys.insert(connection, PLAIN)
        keys.insert(connection, FULL)
        keys.revoke(connection, "key_1", 300.0)
        keys.revoke(connection, "key_1", 400.0)
        return keys.find(connection, "key_1")

    revoked = await store.database.write(work)
    assert revoked == msgspec.structs.replace(PLAIN, revoked_epoch_s=300.0)
    assert await store.database.read(lambda c: keys.find(c, "key_2")) == FULL


def test_when_a_key_is_good() -> None:
    assert PLAIN.good_at(1e12)
    assert FULL.good_at(999.9)
    assert not FULL.good_at(1000.0)
    assert not msgspec.structs.replace(PLAIN, revoked_epoch_s=1.0).good_at(0.0)


def test_a_caller_has_the_limits_and_the_ids_of_its_counters() -> None:
    caller = FULL.caller()
    shared = set(caller.__struct_fields__) & set(FULL.__struct_fields__)
    assert {name: getattr(caller, name) for name in shared} == {name: getattr(FULL, name) for name in shared}
    assert set(caller.__struct_fields__) - shared == {"rate_counter", "in_flight_counter"}
    assert caller.rate_counter == counter_id("key-rate", "key_2")
    assert caller.in_flight_counter == counter_id("key-in-flight", "key_2")
