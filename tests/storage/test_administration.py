from __future__ import annotations

import os
from pathlib import Path

import apsw
import msgspec
import pytest
import trio
import trio.testing

from omniroute.auth import keys as key_format
from omniroute.domain import RuntimeSettings, Secret, Snapshot
from omniroute.errors import ClientError
from omniroute.pipeline.configuration import SharedConfiguration
from omniroute.storage.administration import Administration
from omniroute.storage.faults import MasterKeyError, StorageError
from omniroute.storage.forms import NewConnection, NewKey, SettingsChange
from omniroute.storage.snapshot import NoWorkers, SharedPublisher
from omniroute.storage.store import Store, open_store
from tests.fakes.shared_memory import FakeArea, FakeShared
from tests.storage.conftest import OpenStore

DEMO_URL = "http://127.0.0.1:4000/v1"
MAIN = NewConnection("openai", "main", "https://api.example.com/v1/", credential="sk-main-secret", models=("gpt-x",))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Gateway:
    """An administration, and one worker's view of what it published."""

    def __init__(self, store: Store, capacity_bytes: int = 2**26) -> None:
        self.clock = Clock()
        self.shared = FakeShared()
        self.area = FakeArea(capacity_bytes)
        publisher = SharedPublisher(self.shared, self.area)  # type: ignore[arg-type]  # the fakes have the methods used
        self.administration = Administration(store, publisher, clock=self.clock, random_bytes=os.urandom)
        self._worker = SharedConfiguration(self.shared, self.area)  # type: ignore[arg-type]
        self._pepper = store.installation.pepper

    def worker(self) -> Snapshot:
        assert self._worker.failures == 0
        return self._worker.current()

    def accepts(self, key: Secret) -> bool:
        return key_format.digest_of(key.reveal(), self._pepper) in self.worker().callers


@pytest.fixture
async def gateway(store: Store) -> Gateway:
    return Gateway(store)


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_a_key_is_good_when_its_making_returns_and_refused_when_its_revocation_does(gateway: Gateway) -> None:
    created = await gateway.administration.create_key(NewKey(name=" ci ", requests_per_minute=5))
    assert gateway.accepts(created.key)
    assert created.view.name == "ci"
    assert created.view.state == "active"
    assert created.view.last4 == created.key.reveal()[-4:]
    assert created.key.reveal().startswith(created.view.prefix)
    revoked = await gateway.administration.revoke_key(created.view.key_id)
    assert not gateway.accepts(created.key)
    assert revoked.state == "revoked"
    assert await gateway.administration.list_keys() == [revoked]


async def test_a_key_is_shown_once_and_kept_nowhere(gateway: Gateway, store: Store) -> None:
    created = await gateway.administration.create_key(NewKey(name="ci"))
    key = created.key.reveal()
    assert key not in repr(created)
    assert key.encode() not in msgspec.json.encode(await gateway.administration.list_keys())
    assert key.encode() not in await store.database.read(lambda c: bytes(c.serialize("main")))


async def test_a_key_is_revoked_by_its_name_if_there_is_one_such_key(gateway: Gateway) -> None:
    first = await gateway.administration.create_key(NewKey(name="twin"))
    second = await gateway.administration.create_key(NewKey(name="twin"))
    with pytest.raises(ClientError, match=first.view.key_id):
        await gateway.administration.revoke_key("twin")
    assert gateway.accepts(first.key)
    await gateway.administration.revoke_key(first.view.key_id)
    assert (await gateway.administration.revoke_key("twin")).key_id == second.view.key_id
    again = await gateway.administration.revoke_key(second.view.key_id)
    assert again.state == "revoked"


async def test_a_key_that_is_not_there(gateway: Gateway) -> None:
    with pytest.raises(ClientError, match="no key 'nobody'") as caught:
        await gateway.administration.revoke_key("nobody")
    assert (caught.value.status, caught.value.code) == (404, "key_not_found")
    assert gateway.shared.epochs == [0]


async def test_an_expired_key_is_shown_as_such_and_published_no_more(gateway: Gateway) -> None:
    created = await gateway.administration.create_key(NewKey(name="ci", expires_epoch_s=gateway.clock.now + 10))
    assert gateway.accepts(created.key)
    gateway.clock.now += 10
    assert (await gateway.administration.list_keys())[0].state == "expired"
    await gateway.administration.publish()
    assert not gateway.accepts(created.key)


async def test_a_key_may_only_be_tied_to_connections_that_exist(gateway: Gateway) -> None:
    view = await gateway.administration.add_connection(MAIN)
    with pytest.raises(ClientError, match="allowed_connections: there is no connection with the id con_x"):
        await gateway.administration.create_key(NewKey(name="ci", allowed_connections=(view.connection_id, "con_x")))
    created = await gateway.administration.create_key(NewKey(name="ci", allowed_connections=(view.connection_id,)))
    await gateway.administration.remove_connection("openai/main")
    (caller,) = gateway.worker().callers.values()
    assert caller.key_id == created.view.key_id
    assert caller.allowed_connections == (view.connection_id,)  # not empty: that would allow all


# -- connections -----------------------------------------------------------------------------------------------------


async def test_a_connection_is_in_force_when_its_adding_returns(gateway: Gateway) -> None:
    view = await gateway.administration.add_connection(MAIN)
    (connection,) = gateway.worker().connections.values()
    assert connection.connection_id == view.connection_id
    assert connection.base_url == "https://api.example.com/v1"
    assert connection.credential.reveal() == "sk-main-secret"
    assert gateway.worker().models == ("openai/gpt-x",)
    assert await gateway.administration.list_connections() == [view]


async def test_no_view_holds_a_secret(gateway: Gateway) -> None:
    new = msgspec.structs.replace(
        MAIN, headers={"X-Tenant": "header-secret"}, proxy="socks5://user:proxy-secret@proxy.example:1080"
    )
    view = await gateway.administration.add_connection(new)
    shown = msgspec.json.encode(view).decode() + repr(view)
    for secret in ("sk-main-secret", "header-secret", "proxy-secret", "user"):
        assert secret not in shown
    assert view.header_names == ("x-tenant",)
    assert view.proxy == "socks5://proxy.example:1080"
    assert view.has_credential


async def test_a_label_is_taken_once_per_provider(gateway: Gateway) -> None:
    await gateway.administration.add_connection(MAIN)
    epoch = gateway.shared.epoch()
    with pytest.raises(ClientError, match="label: openai has a connection called main already"):
        await gateway.administration.add_connection(MAIN)
    assert gateway.shared.epoch() == epoch  # nothing changed, nothing published
    await gateway.administration.add_connection(msgspec.structs.replace(MAIN, provider="other"))


async def test_switching_off_and_on_and_removing(gateway: Gateway) -> None:
    view = await gateway.administration.add_connection(MAIN)
    off = await gateway.administration.set_active("openai/main", active=False)
    assert not off.active
    assert gateway.worker().connections == {}
    on = await gateway.administration.set_active(view.connection_id, active=True)
    assert on.active
    assert list(gateway.worker().connections) == [view.connection_id]
    assert await gateway.administration.remove_connection(view.connection_id) == on
    assert gateway.worker().connections == {}
    with pytest.raises(ClientError, match="no connection 'openai/main'") as caught:
        await gateway.administration.connection("openai/main")
    assert caught.value.status == 404


async def test_a_bad_connection_changes_nothing(gateway: Gateway) -> None:
    with pytest.raises(ClientError, match="allow_private"):
        await gateway.administration.add_connection(msgspec.structs.replace(MAIN, base_url="http://127.0.0.1"))
    assert await gateway.administration.list_connections() == []
    assert gateway.shared.epochs == [0]


async def test_with_a_wrong_master_key_nothing_new_is_sealed(opener: OpenStore, tmp_path: Path) -> None:
    async with opener() as store:
        await Gateway(store).administration.add_connection(MAIN)
    async with open_store(
        tmp_path / "omniroute.sqlite",
        backups=tmp_path,
        key_path=tmp_path / "master.key",
        given_key=Secret("ab" * 32),
        random_bytes=os.urandom,
    ) as store:
        gateway = Gateway(store)
        with pytest.raises(MasterKeyError, match="remove the connections that have a problem"):
            await gateway.administration.add_connection(msgspec.structs.replace(MAIN, label="second"))
        created = await gateway.administration.create_key(NewKey(name="ci"))  # needs no vault
        assert gateway.accepts(created.key)
        assert gateway.worker().connections == {}
        assert [problem.label for problem in gateway.administration.problems] == ["main"]
        assert (await gateway.administration.list_connections())[0].problem
        await gateway.administration.remove_connection("openai/main")
        assert gateway.administration.problems == ()
        await gateway.administration.add_connection(MAIN)


# -- settings --------------------------------------------------------------------------------------------------------


async def test_settings_are_changed_one_by_one(gateway: Gateway) -> None:
    assert await gateway.administration.settings() == RuntimeSettings()
    await gateway.administration.change_settings(SettingsChange(heartbeat_s=15.0))
    changed = await gateway.administration.change_settings(SettingsChange(max_attempts=2))
    assert changed == RuntimeSettings(heartbeat_s=15.0, max_attempts=2)
    assert gateway.worker().settings == changed
    with pytest.raises(ClientError, match="max_attempts"):
        await gateway.administration.change_settings(SettingsChange(max_attempts=0))
    assert await gateway.administration.settings() == changed


# -- changes ---------------------------------------------------------------------------------------------------------


async def test_a_change_that_cannot_be_published_is_not_made(store: Store) -> None:
    gateway = Gateway(store, capacity_bytes=1000)
    await gateway.administration.publish()
    epoch = gateway.shared.epoch()
    many = tuple(f"model-{index}" for index in range(200))
    with pytest.raises(StorageError, match="too large"):
        await gateway.administration.add_connection(msgspec.structs.replace(MAIN, models=many))
    assert await gateway.administration.list_connections() == []
    assert gateway.shared.epoch() == epoch
    await gateway.administration.create_key(NewKey(name="ci"))  # small ones still fit
    assert gateway.shared.epoch() == epoch + 1


async def test_changes_at_once_are_put_in_force_one_after_the_other(gateway: Gateway) -> None:
    async def add(number: int) -> None:
        await gateway.administration.create_key(NewKey(name=f"key {number}"))
        gateway.worker()  # no document was overwritten while in force

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(add, number)
    assert gateway.shared.epochs == list(range(9))
    assert len(gateway.worker().callers) == 8


async def test_cancelling_a_change_leaves_stored_and_published_the_same(gateway: Gateway) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateway.administration.create_key, NewKey(name="ci"))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert len(await gateway.administration.list_keys()) == 1  # under way: it was finished, not torn
    assert len(gateway.worker().callers) == 1


async def test_epochs_count_on_above_what_workers_have_seen(opener: OpenStore) -> None:
    async with opener() as store:
        gateway = Gateway(store)
        gateway.shared.publish_epoch(70)  # control was restarted with an older copy of the database
        await gateway.administration.publish()
        assert gateway.shared.epoch() == 71
    async with opener() as store:
        gateway = Gateway(store)
        await gateway.administration.publish()
        assert gateway.shared.epoch() == 72


async def test_a_stopped_gateway_is_administered_too(opener: OpenStore) -> None:
    async with opener() as store:
        offline = Administration(store, NoWorkers(), clock=Clock(), random_bytes=os.urandom)
        created = await offline.create_key(NewKey(name="ci"))
    async with opener() as store:
        gateway = Gateway(store)
        await gateway.administration.publish()
        assert gateway.accepts(created.key)


async def test_a_disk_that_is_full_refuses_the_change_and_workers_go_on(gateway: Gateway, store: Store) -> None:
    created = await gateway.administration.create_key(NewKey(name="ci"))
    await store.database.read(lambda c: c.pragma("max_page_count", 1))
    wide = NewKey(name="wide", allowed_models=tuple(f"{'m' * 190}/{index}" for index in range(200)))
    with pytest.raises(StorageError, match="disk is full"):
        await gateway.administration.create_key(wide)
    assert len(await gateway.administration.list_keys()) == 1
    assert gateway.accepts(created.key)


# -- first start -----------------------------------------------------------------------------------------------------


async def test_the_first_start_makes_one_key_and_the_demo_connection(gateway: Gateway) -> None:
    created = await gateway.administration.ensure_first_start(DEMO_URL)
    assert created is not None
    assert gateway.accepts(created.key)
    assert created.view.scopes == ("inference",)
    (demo,) = gateway.worker().connections.values()
    assert (demo.provider, demo.label, demo.base_url, demo.models) == ("demo", "demo", DEMO_URL, ("echo",))
    assert demo.allow_private
    assert gateway.worker().models == ("demo/echo",)


async def test_later_starts_make_nothing_but_publish_and_move_the_demo(gateway: Gateway) -> None:
    await gateway.administration.ensure_first_start(DEMO_URL)
    epoch = gateway.shared.epoch()
    assert await gateway.administration.ensure_first_start("http://127.0.0.1:5000/v1") is None
    assert gateway.shared.epoch() == epoch + 1
    (demo,) = gateway.worker().connections.values()
    assert demo.base_url == "http://127.0.0.1:5000/v1"
    assert len(await gateway.administration.list_keys()) == 1


async def test_a_demo_that_was_removed_stays_so(gateway: Gateway) -> None:
    await gateway.administration.ensure_first_start(DEMO_URL)
    await gateway.administration.remove_connection("demo/demo")
    await gateway.administration.ensure_first_start(DEMO_URL)
    assert gateway.worker().connections == {}


async def test_a_first_start_without_a_demo(gateway: Gateway) -> None:
    assert await gateway.administration.ensure_first_start() is not None
    assert gateway.worker().connections == {}


async def test_revoked_keys_are_not_an_empty_database(gateway: Gateway) -> None:
    created = await gateway.administration.create_key(NewKey(name="ci"))
    await gateway.administration.revoke_key(created.view.key_id)
    assert await gateway.administration.ensure_first_start() is None


async def test_a_broken_statement_is_a_defect_not_an_answer(store: Store) -> None:
    with pytest.raises(apsw.SQLError):
        await store.database.write(lambda c: c.execute("SELECT no_such_column").fetchall())
