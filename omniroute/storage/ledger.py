"""Table ``attempts``: the ledger. One row per attempt, ended; written by the drain, read by people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import apsw
import msgspec

from omniroute.domain import AttemptRecord
from omniroute.storage.open import Database

MAX_PAGE_ROWS: Final = 1000
"""Most rows of one listing."""

_INT64_MAX: Final = 2**63 - 1
"""SQLite's largest integer. Upstreams may claim to have counted more; one row too large would stop the drain."""


class AttemptFilter(msgspec.Struct, frozen=True):
    """Which attempts are meant: those that match every field given. Empty and 0 match all."""

    request_id: str = ""
    key_id: str = ""
    provider: str = ""
    connection_id: str = ""
    model: str = ""
    outcome: str = ""
    error_class: str = ""
    since_epoch_s: float = 0.0
    """Started at this instant or later."""
    until_epoch_s: float = 0.0
    """Started before this instant."""


class OutcomeTotal(msgspec.Struct, frozen=True, array_like=True):
    """The attempts that ended in one way, added up."""

    outcome: str
    attempts: int
    requests: int
    """Different requests among them."""
    usage_unknown: int
    """Attempts whose upstream told no token counts."""
    input_total: int
    cache_read: int
    output_total: int
    reasoning: int
    bytes_in: int
    bytes_out: int


_COLUMNS: Final = """
attempt_id, request_id, key_id, provider, connection_id, model, started_epoch_s, attempt, outcome, status, error_class,
input_total, cache_read, cache_write_5m, cache_write_1h, output_total, reasoning, audio_in, audio_out, usage_known,
connect_ms, head_ms, first_token_ms, total_ms, bytes_in, bytes_out, streamed, requested_model, epoch, losses,
client_dialect, dialect
"""
"""In the order of ``AttemptRecord``'s fields, those of ``Usage`` in its place."""

_USAGE: Final = slice(11, 20)

_INSERT: Final = f"""
INSERT INTO attempts ({_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (attempt_id) DO NOTHING
"""
# Not INSERT OR IGNORE: that would also drop, unseen, a row that breaks any other constraint.

_CLAUSES: Final = {
    "request_id": "request_id = :request_id",
    "key_id": "key_id = :key_id",
    "provider": "provider = :provider",
    "connection_id": "connection_id = :connection_id",
    "model": "model = :model",
    "outcome": "outcome = :outcome",
    "error_class": "error_class = :error_class",
    "since_epoch_s": "started_epoch_s >= :since_epoch_s",
    "until_epoch_s": "started_epoch_s < :until_epoch_s",
}
_BEFORE: Final = """
(started_epoch_s, attempt_id) < (SELECT started_epoch_s, attempt_id FROM attempts WHERE attempt_id = :before)
"""


class Ledger:
    """The attempts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, records: Sequence[AttemptRecord]) -> int:
        """Store the records in one transaction; how many were new. Of one ``attempt_id`` the first record stays.

        When this returns they survive a power cut. Raises ``StorageError``, and then none of them is stored.
        """
        rows = [_values(record) for record in records]

        def work(connection: apsw.Connection) -> int:
            before = connection.total_changes()
            connection.executemany(_INSERT, rows)
            return connection.total_changes() - before

        return await self._database.write(work) if rows else 0

    async def newest(self, wanted: AttemptFilter, *, limit: int = 100, before: str = "") -> list[AttemptRecord]:
        """The last attempts to have started, newest first.

        Args:
            wanted: which ones.
            limit: at most this many, and at most MAX_PAGE_ROWS.
            before: the ``attempt_id`` of the last row of the page before this one.
        """
        where, values = _where(wanted, [_BEFORE] if before else [])
        query = f"SELECT {_COLUMNS} FROM attempts {where} ORDER BY started_epoch_s DESC, attempt_id DESC LIMIT :limit"
        bindings = {**values, "before": before, "limit": max(0, min(limit, MAX_PAGE_ROWS))}
        return await self._database.report(lambda c: [_record(row) for row in c.execute(query, bindings)])

    async def totals(self, wanted: AttemptFilter) -> list[OutcomeTotal]:
        """Attempts and tokens by outcome, in the order of its name."""
        where, bindings = _where(wanted, [])
        # total() adds floats and so cannot overflow where a lying upstream has filled a column.
        query = f"""
        SELECT outcome, count(*), count(DISTINCT request_id), sum(usage_known = 0), total(input_total),
        total(cache_read),
               total(output_total), total(reasoning), total(bytes_in), total(bytes_out)
        FROM attempts {where} GROUP BY outcome ORDER BY outcome
        """
        return await self._database.report(
            lambda c: [msgspec.convert(_whole(row), OutcomeTotal) for row in c.execute(query, bindings)]
        )

    async def count(self, wanted: AttemptFilter) -> int:
        """How many attempts match."""
        where, bindings = _where(wanted, [])
        return await self._database.report(
            lambda c: msgspec.convert(c.execute(f"SELECT count(*) FROM attempts {where}", bindings).get, int)
        )


def _where(wanted: AttemptFilter, more: Iterable[str]) -> tuple[str, dict[str, str | float]]:
    """The clauses of the fields that are given, as text of this file; the values are bound."""
    given: dict[str, str | float] = {name: getattr(wanted, name) for name in _CLAUSES if getattr(wanted, name)}
    clauses = [*(_CLAUSES[name] for name in given), *more]
    return ("WHERE " + " AND ".join(clauses) if clauses else "", given)


def _values(record: AttemptRecord) -> tuple[str | float, ...]:
    usage = record.usage
    return (
        record.attempt_id,
        record.request_id,
        record.key_id,
        record.provider,
        record.connection_id,
        record.model,
        record.started_epoch_s,
        record.attempt,
        record.outcome,
        record.status,
        record.error_class,
        min(usage.input_total, _INT64_MAX),
        min(usage.cache_read, _INT64_MAX),
        min(usage.cache_write_5m, _INT64_MAX),
        min(usage.cache_write_1h, _INT64_MAX),
        min(usage.output_total, _INT64_MAX),
        min(usage.reasoning, _INT64_MAX),
        min(usage.audio_in, _INT64_MAX),
        min(usage.audio_out, _INT64_MAX),
        usage.known,
        record.connect_ms,
        record.head_ms,
        record.first_token_ms,
        record.total_ms,
        record.bytes_in,
        record.bytes_out,
        record.streamed,
        record.requested_model,
        record.epoch,
        record.losses,
        record.client_dialect,
        record.dialect,
    )


def _record(row: apsw.SQLiteValues) -> AttemptRecord:
    values = (*row[: _USAGE.start], row[_USAGE], *row[_USAGE.stop :])
    return msgspec.convert(values, AttemptRecord, strict=False)  # SQLite has no booleans


def _whole(row: apsw.SQLiteValues) -> tuple[object, ...]:
    return tuple(int(value) if isinstance(value, float) else value for value in row)
