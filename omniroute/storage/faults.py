"""What can go wrong with the files of a gateway, in words an operator can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import apsw

from omniroute.errors import GatewayFault


class StorageError(GatewayFault):
    """The database cannot be opened, read or written. ``code`` says which; nothing was changed."""

    code = "storage_error"


class DatabaseTooNewError(StorageError):
    """A newer OmniRoute has written this database; going back is not possible."""

    code = "database_too_new"


class MasterKeyError(StorageError):
    """The key of credentials at rest is missing, malformed, or not the one they were sealed with."""

    code = "master_key"


class UnreadableSecretError(StorageError):
    """One sealed field does not open under the master key."""

    code = "secret_unreadable"


class _Answer(NamedTuple):
    code: str
    message: str
    status: int


_ANSWERS: Final[dict[type[apsw.Error], _Answer]] = {
    apsw.FullError: _Answer("disk_full", "the disk is full: free some space; nothing was changed", 507),
    apsw.BusyError: _Answer("database_busy", "another program keeps the database locked: stop it and try again", 503),
    apsw.LockedError: _Answer("database_busy", "another program keeps the database locked: stop it and try again", 503),
    apsw.CorruptError: _Answer("database_corrupt", "the database is damaged: stop the gateway and restore a copy", 500),
    apsw.NotADBError: _Answer("database_corrupt", "the file is not an SQLite database; it was left as it is", 500),
    apsw.ReadOnlyError: _Answer("database_read_only", "the database cannot be written: check owner and mode", 500),
    apsw.CantOpenError: _Answer("database_unopenable", "the database cannot be opened: check owner and mode", 500),
    apsw.IOError: _Answer("database_io", "the disk failed while reading or writing the database", 500),
}
"""What SQLite says to what an operator can do. Anything else is a defect of ours and stays what it is."""


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn SQLite's complaints about file, disk and locks into ``StorageError``."""
    try:
        yield
    except tuple(_ANSWERS) as exc:
        code, message, status = next(answer for kind, answer in _ANSWERS.items() if isinstance(exc, kind))
        raise StorageError(f"{message} (SQLite: {exc})", code=code, status=status) from exc
