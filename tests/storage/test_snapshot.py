from __future__ import annotations

import os

import apsw
import msgspec
import pytest

from omniroute._speedups import Shared, SnapshotArea
from omniroute.auth import digest_of
from omniroute.domain import Connection, RuntimeSettings, Secret, counter_id
from omniroute.pipeline.configuration import SharedConfiguration
from omniroute.storage import connections, keys, meta, settings
from omniroute.storage.administration import Administration
from omniroute.storage.faults import StorageError
from omniroute.storage.forms import NewKey
from omniroute.storage.keys import KeyRow
from omniroute.storage.snapshot import Built, SharedPublisher, build
from omniroute.storage.store import Store
from omniroute.storage.vault import Vault
from tests.fakes.shared_memory import FakeArea, FakeShared

NOW = 500.0
GOOD = KeyRow("key_good", "good", b"1" * 16, "p", "l", 1.0, requests_per_minute=9)
REVOKED = KeyRow("key_revoked", "revoked", b"2" * 16, "p", "l", 2.0, revoked_epoch_s=3.0)
EXPIRED = KeyRow("key_expired", "expired", b"3" * 16, "p", "l", 3.0, expires_epoch_s=NOW)
OPEN = Connection("con_1", "one", "openai", "https://api.example.com", Secret("sk-1"))
ASLEEP = Connection("con_2", "two", "openai", "https://api.example.com", Secret("sk-2"))


async def fill(store: Store) -> None:
    def work(connection: apsw.Connection) -> None:
        for row in (GOOD, REVOKED, EXPIRED):
            keys.insert(connection, row)
        for one in (OPEN, ASLEEP):
            connections.insert(connection, one, store.vault, now_epoch_s=1.0)
        connections.set_active(connection, "con_2", False, 2.0)
        settings.write(connection, RuntimeSettings(heartbeat_s=5.0), 1.0)

    await store.database.write(work)


async def built(store: Store, vault: Vault | None = None) -> Built:
    return await store.database.read(
        lambda c: build(c, vault or store.vault, epoch=7, pepper=store.installation.pepper, now_epoch_s=NOW)
    )


async def test_only_what_may_be_used_now_is_in_it(store: Store) -> None:
    await fill(store)
    document = (await built(store)).document
    assert document.callers == (GOOD.caller(),)
    (only,) = document.connections
    assert only == msgspec.structs.replace(OPEN, in_flight_counter=counter_id("connection-in-flight", "con_1"))
    assert document.settings == RuntimeSettings(heartbeat_s=5.0)
    assert (document.epoch, document.created_epoch_s) == (7, NOW)
    assert document.key_pepper == store.installation.pepper


async def test_a_connection_whose_secret_does_not_open_is_left_out_and_named(store: Store) -> None:
    await fill(store)
    result = await built(store, Vault(bytes(32), salt=store.installation.salt, random_bytes=os.urandom))
    assert result.document.connections == ()
    assert result.document.callers == (GOOD.caller(),)
    (problem,) = result.problems
    assert (problem.connection_id, problem.provider, problem.label) == ("con_1", "openai", "one")
    assert "master key" in problem.message


async def test_a_worker_reads_what_control_published(store: Store) -> None:
    await fill(store)
    shared, area = FakeShared(), FakeArea()
    publisher = SharedPublisher(shared, area)  # type: ignore[arg-type]  # the fakes have the methods used
    document = (await built(store)).document
    publisher.stage(document)
    publisher.put_in_force(document.epoch)
    snapshot = SharedConfiguration(shared, area).current()  # type: ignore[arg-type]
    assert snapshot.document == (await built(store)).document
    assert snapshot.connections["con_1"].credential.reveal() == "sk-1"


async def test_a_document_that_is_too_large_leaves_the_last_in_force(store: Store) -> None:
    await fill(store)
    shared, area = FakeShared(), FakeArea(capacity_bytes=100)
    publisher = SharedPublisher(shared, area)  # type: ignore[arg-type]  # the fakes have the methods used
    with pytest.raises(StorageError, match="too large") as caught:
        publisher.stage((await built(store)).document)
    assert caught.value.code == "snapshot_too_large"
    assert publisher.epoch() == 0


async def test_the_epoch_counts_on_over_restarts_and_above_what_workers_have_seen(store: Store) -> None:
    assert await store.database.read(meta.epoch) == 0
    for above, expected in ((0, 1), (0, 2), (40, 41), (0, 42)):
        assert await store.database.write(lambda c, above=above: meta.next_epoch(c, above=above)) == expected
    assert await store.database.read(meta.epoch) == 42


async def test_the_same_over_the_memory_that_processes_share(store: Store) -> None:
    """The fakes of the other tests against the real thing: two halves, one in force."""
    await fill(store)
    fds = os.memfd_create("shared"), os.memfd_create("snapshot")
    try:
        shared, area = Shared(fds[0], create=True), SnapshotArea(fds[1], create=True)
        worker = SharedConfiguration(Shared(fds[0]), SnapshotArea(fds[1]))
        publisher = SharedPublisher(shared, area)
        administration = Administration(store, publisher, clock=lambda: NOW, random_bytes=os.urandom)
        for epoch in (1, 2, 3):
            created = await administration.create_key(NewKey(name=f"key {epoch}"))
            snapshot = worker.current()
            assert snapshot.epoch == epoch
            assert digest_of(created.key.reveal(), snapshot.document.key_pepper) in snapshot.callers
        await administration.revoke_key(created.view.key_id)
        snapshot = worker.current()
        assert digest_of(created.key.reveal(), snapshot.document.key_pepper) not in snapshot.callers
        assert worker.failures == 0
    finally:
        for fd in fds:
            os.close(fd)
