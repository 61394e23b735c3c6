"""Numbered migrations, forward only: ``migrations/NNNN_<what>.sql``, each one transaction with its ``user_version``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import apsw
import msgspec

from omniroute.storage.faults import DatabaseTooNewError, StorageError
from omniroute.storage.transaction import transaction

APPLICATION_ID: Final = 0x4F6D6E69
"""``Omni``: marks the file as ours (``PRAGMA application_id``, set by the first migration)."""

BACKUP_MODE: Final = 0o600

_NAME: Final = re.compile(r"(?P<number>\d{4})_(?P<what>[a-z0-9_]+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step: brings the schema from ``number - 1`` to ``number``."""

    number: int
    what: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """All steps this version knows, in order."""
    folder = resources.files("omniroute.storage") / "migrations"
    return in_order((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql"))


def in_order(files: Iterable[tuple[str, str]]) -> tuple[Migration, ...]:
    """Migrations from (file name, text), sorted and checked to be numbered 1, 2, 3, ... without gap or repetition."""
    found = []
    for name, sql in sorted(files):
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"migration {name!r} is not named NNNN_<what>.sql")
        found.append(Migration(int(match["number"]), match["what"], sql))
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered without gaps: {[step.number for step in found]}")
    return tuple(found)


def migrate(
    connection: apsw.Connection,
    path: Path,
    *,
    backups: Path,
    steps: Sequence[Migration] | None = None,
) -> int:
    """Bring the schema up to date; the number of steps taken. Unless it is empty it is copied to ``backups`` first.

    Raises:
        DatabaseTooNewError: the file knows a step that ``steps`` does not.
        StorageError: the file belongs to another program, or a step failed (the schema is then what it was before it).
    """
    wanted = migrations() if steps is None else steps
    version = refuse_others(connection, path, backups=backups, known=len(wanted))
    pending = wanted[version:]
    if pending and version > 0:
        _copy(connection, backups / f"before-schema-{version + 1}.sqlite")
    for step in pending:
        _take(connection, step)
    return len(pending)


def schema_version(connection: apsw.Connection) -> int:
    """Number of the last step taken, 0 for an empty database."""
    return int(str(connection.pragma("user_version")))


def refuse_others(connection: apsw.Connection, path: Path, *, backups: Path, known: int) -> int:
    """The schema's version, if the database is ours and has at most ``known`` steps behind it. Writes nothing."""
    version = schema_version(connection)
    empty = version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
    if not empty and connection.pragma("application_id") != APPLICATION_ID:
        raise StorageError(
            f"{path} is another program's database; it was left as it is: move it away, or choose another --data-dir",
            code="database_foreign",
        )
    if version > known:
        raise DatabaseTooNewError(
            f"{path} was written by a newer OmniRoute (schema {version}, this one knows {known}): "
            f"run that version again, or restore a copy from {backups}"
        )
    return version


def _take(connection: apsw.Connection, step: Migration) -> None:
    def work(writer: apsw.Connection) -> None:
        writer.execute(step.sql)
        writer.pragma("user_version", step.number)

    try:
        transaction(connection, work)
    except (apsw.SQLError, apsw.ConstraintError) as exc:
        raise StorageError(
            f"migration {step.number:04}_{step.what} failed, the database is as it was before it: {exc}",
            code="migration_failed",
        ) from exc


def _copy(connection: apsw.Connection, target: Path) -> None:
    """Copy the whole database with SQLite's backup interface, which reads through the write-ahead log.

    One copy per schema version, so that a migration that fails at every restart does not fill the disk. It replaces an
    earlier one only when it is complete.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, BACKUP_MODE))
    copy = apsw.Connection(str(partial), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with copy.backup("main", connection, "main") as backup:
            backup.step()
    finally:
        copy.close()
    partial.replace(target)
