from __future__ import annotations

import os
from pathlib import Path

import pytest

from omniroute.domain import Connection, Secret
from omniroute.storage import connections
from omniroute.storage.faults import MasterKeyError
from omniroute.storage.store import open_store
from tests.storage.conftest import OpenStore

KEPT = Connection("con_1", "one", "openai", "https://api.example.com", Secret("sk-1"))


async def test_an_installation_is_born_once(opener: OpenStore) -> None:
    async with opener() as store:
        first = store.installation
    async with opener() as store:
        assert store.installation == first
    assert len(first.pepper) == 32
    assert first.pepper.hex() not in repr(first)
    assert repr(first.pepper) not in repr(first)


async def test_secrets_open_after_a_restart(opener: OpenStore) -> None:
    async with opener() as store:
        await store.database.write(lambda c: connections.insert(c, KEPT, store.vault, now_epoch_s=1.0))
    async with opener() as store:
        found = await store.database.read(lambda c: connections.find(c, store.vault, "con_1"))
    assert found is not None
    assert found.connection.credential.reveal() == "sk-1"


async def test_a_lost_master_key_stops_the_start_and_harms_nothing(opener: OpenStore, tmp_path: Path) -> None:
    async with opener() as store:
        await store.database.write(lambda c: connections.insert(c, KEPT, store.vault, now_epoch_s=1.0))
    aside = (tmp_path / "master.key").rename(tmp_path / "aside")
    with pytest.raises(MasterKeyError, match="put the file back"):
        async with opener():
            pytest.fail("opened")
    aside.rename(tmp_path / "master.key")
    async with opener() as store:
        found = await store.database.read(lambda c: connections.find(c, store.vault, "con_1"))
    assert found is not None
    assert not found.problem


async def test_a_wrong_key_starts_with_a_problem_on_each_connection(opener: OpenStore, tmp_path: Path) -> None:
    async with opener() as store:
        await store.database.write(lambda c: connections.insert(c, KEPT, store.vault, now_epoch_s=1.0))
    async with open_store(
        tmp_path / "omniroute.sqlite",
        backups=tmp_path,
        key_path=tmp_path / "master.key",
        given_key=Secret("ab" * 32),
        random_bytes=os.urandom,
    ) as store:
        (found,) = await store.database.read(lambda c: connections.every(c, store.vault))
    assert found.problem
    assert found.connection.credential.reveal() == ""
