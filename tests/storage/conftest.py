from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from omniroute.domain import Secret
from omniroute.storage.store import Store, open_store

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture
def opener(tmp_path: Path) -> OpenStore:
    """Opens the same installation each time."""
    return lambda: open_store(
        tmp_path / "omniroute.sqlite",
        backups=tmp_path / "backups",
        key_path=tmp_path / "master.key",
        given_key=Secret(""),
        random_bytes=os.urandom,
    )


@pytest.fixture
async def store(opener: OpenStore) -> AsyncIterator[Store]:
    async with opener() as opened:
        yield opened
