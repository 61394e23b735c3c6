"""Stored responses: found as soon as they were put, by their key alone, for a bounded time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omniroute._speedups.spool import RECORD_BYTES
from omniroute.domain import Secret, StoredResponse
from omniroute.storage.responses import EXPIRE_ROWS, Responses
from omniroute.storage.store import Store, open_store
from omniroute.telemetry.shelf import Shelf


class Place:
    """A store, the spools' directory, and what time it is."""

    def __init__(self, store: Store, rings: Path) -> None:
        self.store = store
        self.rings = rings
        self.now = 1_000_000.0
        self.responses = Responses(rings, store.database, store.vault, lambda: self.now)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    rings = tmp_path / "rings"
    rings.mkdir()
    async with open_store(
        tmp_path / "omniroute.sqlite",
        backups=tmp_path / "backups",
        key_path=tmp_path / "master.key",
        given_key=Secret("ab" * 32),
        random_bytes=os.urandom,
    ) as store:
        made = Place(store, rings)
        yield made
        made.responses.close()


def response(name: str, key_id: str = "k1", *, at: float = 1_000_000.0, text: str = "hello") -> StoredResponse:
    return StoredResponse(
        name, key_id, at, "", b'[{"id":"msg_1"}]', b"[]", b'{"id":"%b","x":"%b"}' % (name.encode(), text.encode())
    )


async def test_what_was_put_is_found_at_once_and_only_by_its_key(place: Place) -> None:
    shelf = Shelf(place.rings, 0)

    assert shelf.put(response("resp_1"))

    assert await place.responses.find("resp_1", "k1") == response("resp_1")
    assert await place.responses.find("resp_1", "k2") is None
    assert await place.responses.find("resp_2", "k1") is None
    shelf.shut()


async def test_removing_is_for_ever_and_for_the_owner(place: Place) -> None:
    shelf = Shelf(place.rings, 0)
    shelf.put(response("resp_1"))

    assert not await place.responses.remove("resp_1", "k2")
    assert await place.responses.remove("resp_1", "k1")
    assert not await place.responses.remove("resp_1", "k1")
    assert await place.responses.find("resp_1", "k1") is None
    shelf.shut()


async def test_a_dead_workers_spool_is_emptied_and_removed(place: Place) -> None:
    shelf = Shelf(place.rings, 3)
    for number in range(200):
        assert shelf.put(response(f"resp_{number}"))
    shelf.shut()

    await place.responses.collect()

    assert not list(place.rings.iterdir())
    assert await place.responses.find("resp_199", "k1") is not None


async def test_no_spool_is_made_before_it_is_needed(place: Place) -> None:
    shelf = Shelf(place.rings, 0)
    await place.responses.collect()
    assert not list(place.rings.iterdir())
    shelf.shut()


async def test_texts_are_sealed(place: Place, tmp_path: Path) -> None:
    shelf = Shelf(place.rings, 0)
    shelf.put(response("resp_1", text="a very private answer"))
    await place.responses.collect()
    shelf.shut()

    files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())

    assert b"resp_1" in files
    assert b"private answer" not in files


async def test_what_is_too_large_is_not_kept_and_said(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf(place.rings, 0)

    assert not shelf.put(response("resp_1", text="x" * RECORD_BYTES))
    assert not shelf.put(response("resp_2", text="x" * RECORD_BYTES))
    assert shelf.put(response("resp_3"))

    assert sum("could not be stored" in line for line in caplog.messages) == 1
    shelf.shut()


async def test_age_and_size_are_bounded(place: Place) -> None:
    shelf = Shelf(place.rings, 0)
    for number in range(EXPIRE_ROWS + 5):
        shelf.put(response(f"old_{number}", at=10.0))
    for number in range(10):
        shelf.put(response(f"new_{number}", at=900_000.0 + number))
    await place.responses.collect()
    shelf.shut()

    assert await place.responses.expire(keep_s=500_000.0) == EXPIRE_ROWS + 5
    assert await place.responses.find("new_0", "k1") is not None
    assert await place.responses.expire(keep_s=500_000.0, keep_bytes=1) == 10
    assert await place.responses.find("new_9", "k1") is None


async def test_a_broken_spool_stops_nobody(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    (place.rings / "spool-9-1.spool").write_bytes(b"nonsense")
    shelf = Shelf(place.rings, 0)
    shelf.put(response("resp_1"))

    assert await place.responses.find("resp_1", "k1") is not None
    assert await place.responses.find("resp_1", "k1") is not None
    assert sum("is left where it is" in line for line in caplog.messages) == 1
    shelf.shut()
