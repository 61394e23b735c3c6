from __future__ import annotations

import os

import apsw
import msgspec
import pytest

from omniroute.domain import Connection, Quirks, Secret, Timeouts, TlsProfile, counter_id
from omniroute.storage import connections
from omniroute.storage.connections import StoredConnection
from omniroute.storage.store import Store
from omniroute.storage.vault import Vault

PLAIN = Connection("con_1", "main", "openai", "https://api.example.com/v1")
SECRETS = ("sk-credential", "header-value", "socks5://u:proxy-password@127.0.0.1:1080", "PRIVATE-KEY-TEXT")
FULL = Connection(
    connection_id="con_2",
    label="second account",
    provider="openai",
    base_url="http://127.0.0.1:1234",
    credential=Secret(SECRETS[0]),
    models=("gpt-x", "org/gpt-y"),
    priority=5,
    headers=(("x-org", SECRETS[1]), ("x-2", "v")),
    proxy=Secret(SECRETS[2]),
    tls=TlsProfile("CA", "CERT", Secret(SECRETS[3]), "name.example"),
    timeouts=Timeouts(connect_s=1.5, total_s=0.0),
    max_in_flight=7,
    allow_private=True,
    quirks=Quirks(developer_role=True, effort_budgets=(1, 2, 3)),
)


def counted(connection: Connection) -> Connection:
    counter = counter_id("connection-in-flight", connection.connection_id)
    return msgspec.structs.replace(connection, in_flight_counter=counter)


async def fill(store: Store, *new: Connection) -> None:
    def work(connection: apsw.Connection) -> None:
        for one in new:
            connections.insert(connection, one, store.vault, now_epoch_s=10.0)

    await store.database.write(work)


def wrong(store: Store) -> Vault:
    return Vault(bytes(32), salt=store.installation.salt, random_bytes=os.urandom)


async def test_rows_come_back_as_they_were_in_the_order_they_are_tried(store: Store) -> None:
    await fill(store, PLAIN, FULL)
    assert await store.database.read(lambda c: connections.every(c, store.vault)) == [
        StoredConnection(counted(FULL), active=True, created_epoch_s=10, updated_epoch_s=10, has_credential=True),
        StoredConnection(counted(PLAIN), active=True, created_epoch_s=10, updated_epoch_s=10),
    ]


async def test_no_secret_is_in_the_files_of_the_database(store: Store) -> None:
    await fill(store, FULL)
    dump = await store.database.read(lambda c: bytes(c.serialize("main")))
    assert b"second account" in dump
    for secret in (*SECRETS, "proxy-password"):
        assert secret.encode() not in dump


async def test_a_wrong_key_is_a_problem_of_each_row_that_has_secrets(store: Store) -> None:
    await fill(store, PLAIN, FULL)
    full, plain = await store.database.read(lambda c: connections.every(c, wrong(store)))
    assert plain.problem == ""
    assert "master key" in full.problem
    assert full.has_credential
    assert not full.connection.credential
    assert not full.connection.proxy
    assert not full.connection.tls.client_key_pem
    assert full.connection.headers == ()


async def test_a_vault_may_seal_if_it_opens_something_or_nothing_is_sealed(store: Store) -> None:
    async def opens(vault: Vault) -> bool:
        return await store.database.read(lambda c: connections.opens_any(c, vault))

    await fill(store, PLAIN)
    assert await opens(wrong(store))
    assert not await store.database.read(connections.sealed_rows)
    await fill(store, FULL, msgspec.structs.replace(FULL, connection_id="con_3", label="third"))
    assert await store.database.read(connections.sealed_rows)
    assert not await opens(wrong(store))
    await store.database.write(
        lambda c: c.execute("UPDATE connections SET proxy_sealed = 'damaged' WHERE connection_id = 'con_3'").fetchall()
    )
    assert await opens(store.vault)


async def test_changes(store: Store) -> None:
    await fill(store, PLAIN, FULL)

    def work(connection: apsw.Connection) -> StoredConnection | None:
        connections.set_active(connection, "con_1", False, 20.0)
        connections.set_base_url(connection, "con_1", "https://moved.example", 30.0)
        connections.remove(connection, "con_2")
        return connections.find(connection, store.vault, "con_1")

    changed = await store.database.write(work)
    moved = counted(msgspec.structs.replace(PLAIN, base_url="https://moved.example"))
    assert changed == StoredConnection(moved, active=False, created_epoch_s=10, updated_epoch_s=30)
    assert await store.database.read(lambda c: connections.find(c, store.vault, "con_2")) is None


async def test_a_label_is_unique_within_a_provider(store: Store) -> None:
    await fill(store, PLAIN, msgspec.structs.replace(PLAIN, connection_id="con_2", provider="other"))
    assert await store.database.read(lambda c: connections.id_of(c, "other", "main")) == "con_2"
    assert await store.database.read(lambda c: connections.id_of(c, "third", "main")) is None
    with pytest.raises(apsw.ConstraintError):
        await fill(store, msgspec.structs.replace(PLAIN, connection_id="con_3"))
