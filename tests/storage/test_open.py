from __future__ import annotations

import os
import sys
from pathlib import Path

import apsw
import pytest
import trio

from omniroute.storage.faults import DatabaseTooNewError, StorageError
from omniroute.storage.open import Database, open_database

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def values(connection: apsw.Connection) -> list[str]:
    return [str(value) for (value,) in connection.execute("SELECT value FROM meta ORDER BY name")]


def put(connection: apsw.Connection, name: str) -> None:
    connection.execute("INSERT INTO meta VALUES (?, ?)", (name, name))


async def test_files_are_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        async with open_database(tmp_path / "data" / "db", backups=tmp_path) as database:
            await database.write(lambda c: put(c, "a"))
            modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    finally:
        os.umask(umask)
    assert modes == {"db": 0o600, "db-wal": 0o600, "db-shm": 0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


async def test_recommendations_hold_for_the_connection_and_for_no_other(tmp_path: Path) -> None:
    def pragmas(connection: apsw.Connection) -> dict[str, object]:
        names = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout", "trusted_schema", "recursive_triggers")
        return {name: connection.pragma(name) for name in names}

    hooks = list(apsw.connection_hooks)
    async with open_database(tmp_path / "db", backups=tmp_path) as database:
        found = await database.read(pragmas)
        with pytest.raises(apsw.SQLError):  # a string in double quotes is a spelling mistake in a column's name
            await database.read(lambda c: c.execute('SELECT "no such column"').get)
    assert found == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": 5000,
        "trusted_schema": 0,
        "recursive_triggers": 1,
    }
    assert list(apsw.connection_hooks) == hooks
    other = apsw.Connection(":memory:")
    assert other.pragma("foreign_keys") == 0
    other.close()


async def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path / "db", backups=tmp_path) as database:

        def half(connection: apsw.Connection) -> None:
            put(connection, "lost")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await database.write(half)
        await database.write(lambda c: put(c, "kept"))
        assert await database.read(values) == ["kept"]


async def test_cancelling_stops_a_query_and_rolls_back(tmp_path: Path) -> None:
    async with open_database(tmp_path / "db", backups=tmp_path) as database:

        def endless(connection: apsw.Connection) -> None:
            put(connection, "lost")
            connection.execute(ENDLESS).fetchall()

        with trio.move_on_after(0.02) as scope:
            await database.write(endless)
        assert scope.cancelled_caught
        with trio.fail_after(5):  # the connection's thread is free again
            assert await database.read(values) == []


async def test_the_loop_runs_while_a_query_does(tmp_path: Path) -> None:
    async with open_database(tmp_path / "db", backups=tmp_path) as database, trio.open_nursery() as nursery:
        nursery.start_soon(database.read, lambda c: c.execute(ENDLESS).get)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_what_was_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    async with open_database(tmp_path / "db", backups=tmp_path) as database:
        await database.write(lambda c: put(c, "kept"))
    async with open_database(tmp_path / "db", backups=tmp_path) as database:
        assert await database.read(values) == ["kept"]


async def refused(path: Path, kind: type[StorageError]) -> StorageError:
    before = path.read_bytes()
    with pytest.raises(kind) as caught:
        async with open_database(path, backups=path.parent / "backups"):
            pytest.fail("opened")
    assert path.read_bytes() == before
    return caught.value


async def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with open_database(path, backups=tmp_path) as database:
        await database.read(lambda c: c.pragma("user_version", 99))
    error = await refused(path, DatabaseTooNewError)
    assert "newer OmniRoute" in error.message
    assert "99" in error.message
    assert str(path) in error.message


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"not a database, but somebody's letters " * 100)
    assert (await refused(path, StorageError)).code == "database_corrupt"


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    assert (await refused(path, StorageError)).code == "database_foreign"


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=str(tmp_path)) as caught:
        async with open_database(tmp_path / "file" / "db", backups=tmp_path):
            pytest.fail("opened")
    assert caught.value.code == "database_unopenable"


async def test_a_full_disk_is_said_and_nothing_is_changed(tmp_path: Path) -> None:
    async with open_database(tmp_path / "db", backups=tmp_path) as database:
        await database.write(lambda c: put(c, "kept"))
        await database.read(lambda c: c.pragma("max_page_count", 1))

        def much(connection: apsw.Connection) -> None:
            for index in range(1000):
                put(connection, f"{index:01000}")

        with pytest.raises(StorageError, match="disk is full") as caught:
            await database.write(much)
        assert caught.value.code == "disk_full"
        assert caught.value.status == 507
        await database.read(lambda c: c.pragma("max_page_count", 1000))
        await database.write(lambda c: put(c, "later"))
        assert await database.read(values) == ["kept", "later"]


async def test_a_lock_held_by_another_program_is_said(tmp_path: Path) -> None:
    async with open_database(tmp_path / "db", backups=tmp_path) as database:
        await database.read(lambda c: c.set_busy_timeout(1))
        other = apsw.Connection(str(tmp_path / "db"))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another program") as caught:
            await database.write(lambda c: put(c, "lost"))
        other.execute("ROLLBACK")
        other.close()
        assert caught.value.status == 503
        await database.write(lambda c: put(c, "kept"))


async def test_calls_are_served_in_order(tmp_path: Path) -> None:
    async def add(database: Database, name: str) -> None:
        await database.write(lambda c: put(c, name))

    async with open_database(tmp_path / "db", backups=tmp_path) as database:
        async with trio.open_nursery() as nursery:
            for name in "abcdef":
                nursery.start_soon(add, database, name)
        assert await database.read(values) == list("abcdef")


@pytest.mark.slow
def test_importing_storage_leaves_apsw_as_it_was() -> None:
    import subprocess  # noqa: PLC0415 - only this test starts a process

    script = (
        "import omniroute.storage.administration, apsw, sys; assert not apsw.connection_hooks;"
        "assert apsw.Connection(':memory:').pragma('foreign_keys') == 0;"
        "assert not {'starlette', 'hypercorn', 'httpx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
