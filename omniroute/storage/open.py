"""The database, opened: one connection on a thread of its own, and transactions as the unit of work.

Control's loop never blocks: ``apsw.Connection.as_async`` gives the connection a thread, and a whole transaction is
one call to it, written as a plain function of the connection. That is one hop per transaction instead of one per
statement, and no cancellation can fall between two statements. Cancelling a call stops its query (SQLite's progress
handler looks for it) and rolls its transaction back; a commit that was already under way stands, so who must know
shields the call.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import apsw
import apsw.aio
import apsw.bestpractice
import trio

from omniroute.storage.faults import StorageError, in_our_words
from omniroute.storage.migrate import migrate, migrations, refuse_others
from omniroute.storage.transaction import transaction

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700

BUSY_TIMEOUT_MS: Final = 5000
"""Control is the only writer; what may hold the lock for a moment is a backup program or the command line."""

CLOSE_S: Final = 10.0
"""For the last checkpoint of the write-ahead log when the database is closed."""

T = TypeVar("T")


class Database:
    """One connection and its thread. Calls are served in the order they are made."""

    def __init__(self, connection: apsw.AsyncConnection) -> None:
        self._connection = connection

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """What ``work`` returns, run in the connection's thread. Raises ``StorageError``."""
        # Trio's own cancellation is the only deadline: apsw's would raise TooSlowError out of a ``move_on_after``.
        token = apsw.aio.deadline.set(math.inf)
        try:
            with in_our_words():
                result: T = await self._connection.async_run(work, self._connection)
        finally:
            apsw.aio.deadline.reset(token)
        return result

    async def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """The same in one transaction: committed if ``work`` returns, rolled back if it raises or is cancelled."""
        return await self.read(lambda connection: transaction(connection, work))


@asynccontextmanager
async def open_database(path: Path, *, backups: Path) -> AsyncIterator[Database]:
    """The database at ``path``, created or migrated as needed; ``backups`` gets a copy before a migration.

    A file that is damaged, foreign, or written by a newer version is refused and left as it is.

    Raises:
        StorageError: with a message for the operator.
    """
    with in_our_words():
        _create_file(path)
        connection = await apsw.Connection.as_async(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            database = Database(connection)
            await database.read(lambda writer: _prepare(writer, path, backups))
            yield database
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await connection.aclose()


def _prepare(connection: apsw.Connection, path: Path, backups: Path) -> None:
    # In this order: configuring writes (the journal mode is in the file's header), which another's file is spared.
    refuse_others(connection, path, backups=backups, known=len(migrations()))
    _configure(connection)
    migrate(connection, path, backups=backups)


def _configure(connection: apsw.Connection) -> None:
    """Apply apsw's recommendations to this connection alone, and what this database needs besides.

    Left out is ``library_logging``: it is process-wide and must come before SQLite's first use.
    """
    for apply in apsw.bestpractice.recommended:
        if apply.__name__.startswith("connection_"):
            apply(connection)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # NORMAL, usual with WAL, may forget the last commits in a power cut: a revoked key would be good again, and a
    # record that its ring was told to forget would be gone.
    connection.pragma("synchronous", "FULL")
    connection.pragma("trusted_schema", "OFF")


def _create_file(path: Path) -> None:
    """Make an empty file closed to others: SQLite gives its -wal and -shm files the mode of the database's."""
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    except OSError as exc:
        raise StorageError(
            f"cannot open {path}: {exc.strerror or exc}; check that this user owns it and its directory",
            code="database_unopenable",
        ) from exc
