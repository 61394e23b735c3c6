from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from omniroute.domain import AttemptRecord, Usage
from omniroute.storage.faults import StorageError
from omniroute.storage.migrate import Migration, in_order, migrate, migrations, schema_version

LATEST = len(migrations())


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = apsw.Connection(str(tmp_path / "db"))
    yield opened
    opened.close()


def run(connection: apsw.Connection, tmp_path: Path, steps: tuple[Migration, ...] | None = None) -> int:
    return migrate(connection, tmp_path / "db", backups=tmp_path / "backups", steps=steps)


def schema(connection: apsw.Connection) -> list[tuple[object, ...]]:
    return list(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"))


def test_from_an_empty_database(connection: apsw.Connection, tmp_path: Path) -> None:
    assert run(connection, tmp_path) == LATEST
    assert schema_version(connection) == LATEST
    assert not (tmp_path / "backups").exists()  # nothing to lose
    tables = {str(row[1]): str(row[3]) for row in schema(connection) if row[0] == "table"}
    assert set(tables) == {"meta", "settings", "api_keys", "connections", "attempts", "responses"}
    assert all("STRICT" in sql.rpartition(")")[2] for sql in tables.values())
    assert connection.execute("PRAGMA integrity_check").get == "ok"


def test_a_second_run_does_nothing(connection: apsw.Connection, tmp_path: Path) -> None:
    run(connection, tmp_path)
    before = schema(connection)
    assert run(connection, tmp_path) == 0
    assert schema(connection) == before
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("version", range(1, LATEST + 1))
def test_from_each_previous_version(connection: apsw.Connection, tmp_path: Path, version: int) -> None:
    run(connection, tmp_path, migrations()[:version])
    connection.execute("INSERT INTO meta VALUES ('installation_id', x'01')")
    assert run(connection, tmp_path) == LATEST - version
    assert connection.execute("SELECT value FROM meta").get == b"\x01"
    straight = apsw.Connection(":memory:")
    migrate(straight, tmp_path / "none", backups=tmp_path)
    assert schema(connection) == schema(straight)
    straight.close()


def more(sql: str) -> tuple[Migration, ...]:
    return (*migrations(), Migration(LATEST + 1, "more", sql))


def test_a_copy_is_kept_before_a_database_with_content_is_migrated(connection: apsw.Connection, tmp_path: Path) -> None:
    connection.pragma("journal_mode", "wal")
    run(connection, tmp_path)
    connection.execute("INSERT INTO meta VALUES ('here', 1)")  # only in the write-ahead log
    assert run(connection, tmp_path, more("CREATE TABLE t (x) STRICT".replace("x", "x TEXT"))) == 1
    path = tmp_path / "backups" / f"before-schema-{LATEST + 1}.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    copy = apsw.Connection(str(path))
    assert schema_version(copy) == LATEST
    assert copy.execute("SELECT value FROM meta WHERE name = 'here'").get == 1
    copy.close()


def test_a_step_that_fails_leaves_the_schema_before_it(connection: apsw.Connection, tmp_path: Path) -> None:
    run(connection, tmp_path)
    before = schema(connection)
    for _ in range(2):  # and at the next start again, without filling the disk
        with pytest.raises(StorageError, match=rf"{LATEST + 1:04}_more") as caught:
            run(connection, tmp_path, more("CREATE TABLE half (x TEXT) STRICT; SELECT no_such_column FROM meta"))
        assert caught.value.code == "migration_failed"
    assert schema(connection) == before
    assert schema_version(connection) == LATEST
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_our_migrations_are_named_and_numbered_without_gaps() -> None:
    assert [step.number for step in migrations()] == list(range(1, LATEST + 1))
    assert migrations()[0].what == "initial"


@pytest.mark.parametrize(
    "names",
    [("0002_b.sql",), ("0001_a.sql", "0003_c.sql"), ("0001_a.sql", "0001_b.sql"), ("1_a.sql",), ("0001_A.sql",)],
)
def test_gaps_repetitions_and_odd_names_are_defects(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="migration"):
        in_order((name, "") for name in names)


def test_the_ledger_has_every_field_of_a_record(connection: apsw.Connection, tmp_path: Path) -> None:
    run(connection, tmp_path)
    columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(attempts)")}
    usage = {"usage_known" if name == "known" else name for name in Usage.__struct_fields__}
    assert columns == ({*AttemptRecord.__struct_fields__} - {"usage"}) | usage
