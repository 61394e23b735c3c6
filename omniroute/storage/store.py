"""One installation's storage, opened: the database, who it is, and the vault of its secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from omniroute.domain import Secret
from omniroute.storage import connections, master_key, meta
from omniroute.storage.open import Database, open_database
from omniroute.storage.vault import Vault


class Store(msgspec.Struct, frozen=True):
    """What ``open_store`` gives."""

    database: Database
    installation: meta.Installation
    vault: Vault


@asynccontextmanager
async def open_store(
    database_path: Path,
    *,
    backups: Path,
    key_path: Path,
    given_key: Secret,
    random_bytes: Callable[[int], bytes],
) -> AsyncIterator[Store]:
    """Open (or make) the storage of one installation. The caller holds the data directory's lock.

    Args:
        database_path: the SQLite file.
        backups: where a copy goes before a migration.
        key_path: the master key's file, used if ``given_key`` is empty.
        given_key: ``OMNIROUTE_MASTER_KEY``.
        random_bytes: the source of keys and salts (``os.urandom``).

    Raises:
        StorageError: the database or the key cannot be used; the message says what to do. A key that is well-formed but
            wrong does not raise: each connection it does not open has a problem instead.
    """
    async with open_database(database_path, backups=backups) as database:
        installation = await database.write(lambda connection: meta.installation(connection, random_bytes))
        sealed_rows = await database.read(connections.sealed_rows)
        key = master_key.load(given_key, key_path, sealed_rows=sealed_rows, random_bytes=random_bytes)
        yield Store(database, installation, Vault(key, salt=installation.salt, random_bytes=random_bytes))
