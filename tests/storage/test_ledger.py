from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import AttemptRecord, Usage
from omniroute.storage.faults import StorageError
from omniroute.storage.ledger import MAX_PAGE_ROWS, AttemptFilter, Ledger, OutcomeTotal
from omniroute.storage.store import Store

ALL = AttemptFilter()
USAGE = Usage(1, 2, 3, 4, 5, 6, 7, 8, known=True)


def record(number: int, **fields: object) -> AttemptRecord:
    plain = AttemptRecord(
        attempt_id=f"at_{number}",
        request_id=f"req_{number}",
        key_id="key_1",
        provider="openai",
        connection_id="con_1",
        model="gpt-x",
        started_epoch_s=1000.0 + number,
        attempt=1,
        outcome="ok",
        status=200,
    )
    return msgspec.structs.replace(plain, **fields)


FULL = record(
    7,
    attempt=3,
    outcome="upstream_error",
    status=502,
    error_class="reset",
    usage=USAGE,
    connect_ms=1,
    head_ms=2,
    losses="dropped:seed;approximated:tool_choice",
    first_token_ms=3,
    total_ms=4,
    bytes_in=5,
    bytes_out=6,
    streamed=True,
    requested_model="openai/gpt-x",
    epoch=9,
)


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store.database)


async def test_records_come_back_as_they_were_newest_first(ledger: Ledger) -> None:
    assert await ledger.append([record(1), FULL, record(2)]) == 3
    assert await ledger.newest(ALL) == [FULL, record(2), record(1)]


async def test_a_record_is_stored_once_whatever_is_said_later(ledger: Ledger) -> None:
    assert await ledger.append([record(1), record(1)]) == 1
    assert await ledger.append([record(1, outcome="lost"), record(2)]) == 1
    assert await ledger.newest(ALL) == [record(2), record(1)]


async def test_nothing_to_append_is_no_transaction(ledger: Ledger) -> None:
    assert await ledger.append([]) == 0


async def test_all_of_a_batch_or_nothing(ledger: Ledger) -> None:
    """A row that cannot be stored is not dropped in silence, as INSERT OR IGNORE would."""
    bad = record(2, started_epoch_s=float("nan"))  # SQLite's NULL
    with pytest.raises(Exception, match="NOT NULL"):
        await ledger.append([record(1), bad])
    assert await ledger.count(ALL) == 0


async def test_counts_too_large_for_the_database_do_not_stop_the_drain(ledger: Ledger) -> None:
    claimed = Usage(2**64 - 1, 2**63, 0, 0, 2**63 - 1, known=True)
    await ledger.append([record(1, usage=claimed), record(2, usage=claimed)])
    stored = (await ledger.newest(ALL))[0].usage
    assert (stored.input_total, stored.cache_read, stored.output_total) == (2**63 - 1,) * 3
    assert (await ledger.totals(ALL))[0].input_total >= 2**64 - 2  # the sum is approximate, not an error


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (AttemptFilter(request_id="req_2"), [2]),
        (AttemptFilter(key_id="key_2"), [3]),
        (AttemptFilter(provider="demo"), [4]),
        (AttemptFilter(connection_id="con_2"), [4, 3]),
        (AttemptFilter(model="echo"), [4]),
        (AttemptFilter(outcome="lost"), [2, 1]),
        (AttemptFilter(error_class="reset"), [1]),
        (AttemptFilter(since_epoch_s=1003.0), [4, 3]),
        (AttemptFilter(until_epoch_s=1003.0), [2, 1]),
        (AttemptFilter(since_epoch_s=1002.0, until_epoch_s=1004.0, connection_id="con_2"), [3]),
        (AttemptFilter(provider="'; DROP TABLE attempts; --"), []),
    ],
)
async def test_filters(ledger: Ledger, wanted: AttemptFilter, numbers: list[int]) -> None:
    await ledger.append(
        [
            record(1, outcome="lost", error_class="reset"),
            record(2, outcome="lost"),
            record(3, key_id="key_2", connection_id="con_2"),
            record(4, provider="demo", connection_id="con_2", model="echo"),
        ]
    )
    assert [found.attempt_id for found in await ledger.newest(wanted)] == [f"at_{number}" for number in numbers]
    assert await ledger.count(wanted) == len(numbers)
    assert sum(total.attempts for total in await ledger.totals(wanted)) == len(numbers)


def test_every_field_of_a_filter_is_tested_above() -> None:
    assert len(AttemptFilter.__struct_fields__) == 9


async def test_pages_hold_each_record_once_even_at_equal_times(ledger: Ledger) -> None:
    records = [record(number, started_epoch_s=1000.0 + number // 4) for number in range(10)]
    await ledger.append(records)
    seen: list[str] = []
    before = ""
    while page := await ledger.newest(ALL, limit=3, before=before):
        assert len(page) <= 3
        seen += [found.attempt_id for found in page]
        before = seen[-1]
    assert sorted(seen) == sorted(found.attempt_id for found in records)
    assert await ledger.newest(ALL, before="no such attempt") == []


async def test_a_page_has_a_bound(ledger: Ledger) -> None:
    await ledger.append([record(number) for number in range(MAX_PAGE_ROWS + 1)])
    assert len(await ledger.newest(ALL, limit=10**9)) == MAX_PAGE_ROWS
    assert await ledger.newest(ALL, limit=-1) == []


async def test_totals_by_outcome(ledger: Ledger) -> None:
    await ledger.append(
        [
            record(1, usage=USAGE, bytes_in=10, bytes_out=100),
            record(2, usage=USAGE, bytes_in=20, bytes_out=200),
            record(3, outcome="lost", request_id="req_2"),
            record(4, outcome="lost", request_id="req_2"),
        ]
    )
    assert await ledger.totals(ALL) == [
        OutcomeTotal("lost", 2, 1, 2, 0, 0, 0, 0, 0, 0),
        OutcomeTotal("ok", 2, 2, 0, 2, 4, 10, 12, 30, 300),
    ]


async def test_listings_use_the_indexes(store: Store) -> None:
    """The ledger grows for years: no listing may read all of it, nor sort it."""
    queries = {
        "attempts_by_time": "1",
        "attempts_by_key": "key_id = 'x'",
        "attempts_by_connection": "connection_id = 'x'",
        "attempts_by_request": "request_id = 'x'",
    }
    for index, clause in queries.items():
        query = f"EXPLAIN QUERY PLAN SELECT * FROM attempts WHERE {clause} ORDER BY started_epoch_s DESC LIMIT 10"
        plan = await store.database.read(lambda c, query=query: [str(row[3]) for row in c.execute(query)])
        assert index in plan[0]


async def test_the_database_being_away_is_an_error_not_a_loss(store: Store, ledger: Ledger) -> None:
    await store.database.read(lambda c: c.pragma("max_page_count", 1))
    with pytest.raises(StorageError, match="disk is full"):
        await ledger.append([record(number, requested_model="m" * 1000) for number in range(100)])
    await store.database.read(lambda c: c.pragma("max_page_count", 10**6))
    assert await ledger.append([record(1)]) == 1
