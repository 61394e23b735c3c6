from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from omniroute._speedups import Shared
from omniroute._speedups.shared_py import STATS
from omniroute.domain import AttemptRecord, OpenAttempt, Summary, Usage
from omniroute.telemetry.afterwards import Afterwards, WatchedJournal
from omniroute.telemetry.exposition import Reading, render
from omniroute.telemetry.journal import create_journal
from omniroute.telemetry.log import Log
from omniroute.telemetry.metrics import FAMILIES, LARGEST_TOKENS, OVERHEAD, TOTAL, RequestMeter, clear_gauges


def ended(
    outcome: str = "ok",
    streamed: bool = False,
    total_ms: float = 12.0,
    first_token_ms: float = -1.0,
    overhead_ms: float = 0.4,
    events: int = 0,
) -> Summary:
    return Summary(
        1.0, "r", "k", "/", "peer", "p/m", "p", "m", "c", outcome, "", 200, 1, streamed, total_ms, first_token_ms, overhead_ms,
        1, 2, 3, 1, events,
    )  # fmt: skip


class Backlog(msgspec.Struct, frozen=True):
    status: str = "ok"
    backlog_bytes: int = 0
    lag_s: float = 0.0
    writers: int = 2
    drained_records: int = 0
    lost_attempts: int = 0
    rejected_records: int = 0
    refused_rings: int = 0


@pytest.fixture
def shared() -> Iterator[Shared]:
    fd = os.memfd_create("metrics")
    table = Shared(fd, create=True)
    yield table
    table.close()
    os.close(fd)


HEALTHY = Backlog()
NO_USAGE = Usage()


def page(shared: Shared, backlog: Backlog = HEALTHY, extra: tuple[Reading, ...] = ()) -> dict[str, float]:
    """Samples by name and labels, as a Prometheus server reads them."""
    text = render(shared, backlog, extra).decode()
    return {
        sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def record(
    outcome: str = "ok", status: int = 200, usage: Usage = NO_USAGE, bytes_in: int = 0, bytes_out: int = 0
) -> AttemptRecord:
    return AttemptRecord(
        "a", "r", "k", "p", "c", "m", 1.0, 1, outcome, status, usage=usage, bytes_in=bytes_in, bytes_out=bytes_out
    )


def test_all_processes_are_added_up(shared: Shared) -> None:
    meters = [RequestMeter(shared, slot) for slot in (0, 1, 63)]
    for meter in meters:
        meter.request(ended(events=7))
        meter.request(ended("rate_limited"))
        meter.attempt(record(usage=Usage(10, 4, output_total=3, known=True), bytes_in=100, bytes_out=2000))
    read = page(shared)
    assert read["omniroute_requests_total/ok"] == read["omniroute_requests_total/rate_limited"] == 3
    assert read["omniroute_requests_total/other"] == 0
    assert read["omniroute_attempts_total/ok"] == 3
    assert read["omniroute_tokens_total/input"] == 30
    assert read["omniroute_tokens_total/cache_read"] == 12
    assert read["omniroute_tokens_total/output"] == 9
    assert read["omniroute_payload_bytes_total/to_upstream"] == 300
    assert read["omniroute_payload_bytes_total/to_client"] == 6000
    assert read["omniroute_stream_events_total"] == 21


STATUSES = [
    (0, "none"),
    (100, "1xx"),
    (204, "2xx"),
    (302, "3xx"),
    (404, "4xx"),
    (429, "429"),
    (529, "5xx"),
    (999, "none"),
]


@pytest.mark.parametrize(("status", "told"), STATUSES)
def test_upstream_status_classes(shared: Shared, status: int, told: str) -> None:
    RequestMeter(shared, 0).attempt(record("upstream_error", status))
    read = {name.rpartition("/"): value for name, value in page(shared).items()}
    found = {
        name[2]: value for name, value in read.items() if name[0] == "omniroute_upstream_responses_total" and value
    }
    assert found == {told: 1.0}


def test_every_kind_of_token_has_its_name(shared: Shared) -> None:
    RequestMeter(shared, 0).attempt(record(usage=Usage(1, 2, 3, 4, 5, 6, 7, 8, known=True)))
    read = page(shared)
    kinds = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out")
    assert [read[f"omniroute_tokens_total/{kind}"] for kind in kinds] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_unknown_usage_is_counted_and_absurd_usage_bounded(shared: Shared) -> None:
    meter = RequestMeter(shared, 0)
    meter.attempt(record())
    meter.attempt(record("upstream_error", 500))
    meter.attempt(record(usage=Usage(1 << 70, known=True)))
    read = page(shared)
    assert read["omniroute_attempts_without_usage_total"] == 1
    assert read["omniroute_tokens_total/input"] == LARGEST_TOKENS


def test_outcomes_nobody_named_are_other(shared: Shared) -> None:
    meter = RequestMeter(shared, 0)
    meter.request(ended("new_word"))
    meter.attempt(record("new_word"))
    read = page(shared)
    assert read["omniroute_requests_total/other"] == read["omniroute_attempts_total/other"] == 1


def test_histograms_are_cumulative_in_seconds(shared: Shared) -> None:
    meter = RequestMeter(shared, 0)
    for total_ms in (1, 5, 5.1, 10_000_000):
        meter.request(ended(total_ms=total_ms, overhead_ms=-1.0))
    meter.request(ended(streamed=True, total_ms=80, first_token_ms=60.0))
    meter.request(ended(streamed=False, total_ms=80, first_token_ms=60.0))  # no stream: no first token
    read = page(shared)
    prefix = "omniroute_request_duration_seconds"
    assert [read[f"{prefix}_bucket/{bound}"] for bound in ("0.005", "0.01", "0.1", "1800.0", "+Inf")] == [2, 3, 5, 5, 6]
    assert read[f"{prefix}_count"] == 6
    assert read[f"{prefix}_sum"] == pytest.approx(10_000.1711)
    assert read["omniroute_overhead_seconds_count"] == 2
    assert read["omniroute_overhead_seconds_sum"] == pytest.approx(0.0008)
    assert read["omniroute_overhead_seconds_bucket/0.0003"] == 0
    assert read["omniroute_overhead_seconds_bucket/0.0005"] == 2
    assert read["omniroute_first_token_seconds_count"] == 1


def test_a_dead_workers_connections_leave_and_its_counters_stay(shared: Shared) -> None:
    dead, other = RequestMeter(shared, 3), RequestMeter(shared, 4)
    dead.open_connections(5)
    dead.open_connections(4)
    other.open_connections(2)
    dead.request(ended())
    assert page(shared)["omniroute_client_connections"] == 6
    clear_gauges(shared, 3)
    assert page(shared)["omniroute_client_connections"] == 2
    heir = RequestMeter(shared, 3)
    heir.open_connections(1)
    heir.request(ended())
    read = page(shared)
    assert (read["omniroute_client_connections"], read["omniroute_requests_total/ok"]) == (3, 2)


def test_what_control_knows_is_on_the_page(shared: Shared) -> None:
    extra = (
        Reading("snapshot_epoch", "Number of the snapshot in force.", 4),
        Reading("quota", "Left.", 1, labels=(("provider", "a"),)),
        Reading("quota", "Left.", 2, labels=(("provider", 'b"\n'),)),
        Reading("restarts", "Workers replaced.", 9, "counter"),
    )
    read = page(shared, Backlog("stalled: disk full", 1024, 2.5, 3, 10, 2, 1, 4), extra)
    assert read["omniroute_ledger_stalled"] == 1
    assert page(shared)["omniroute_ledger_stalled"] == 0
    assert [read[f"omniroute_{name}"] for name in ("journal_backlog_bytes", "journal_lag_seconds", "workers")] == [
        1024,
        2.5,
        3,
    ]
    assert [
        read[f"omniroute_{name}_total"] for name in ("ledger_records", "attempts_lost", "journal_rejected_records")
    ] == [10, 2, 1]
    assert read["omniroute_journal_refused_rings"] == 4
    assert (read["omniroute_snapshot_epoch"], read["omniroute_quota/a"], read['omniroute_quota/b"\n']) == (4, 1, 2)
    assert read["omniroute_restarts_total"] == 9


def test_no_two_families_share_a_cell_or_a_name() -> None:
    cells = [cell for family in FAMILIES for cell in range(family.cell, family.cell + family.cells)]
    assert len(cells) == len(set(cells))
    assert max(cells) < STATS
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for histogram in (TOTAL, OVERHEAD):
        assert list(histogram.bounds_ms) == sorted(set(histogram.bounds_ms))


def test_the_journal_tells_the_meter_of_every_attempt(shared: Shared, tmp_path: Path) -> None:
    ring = create_journal(tmp_path, 0)
    afterwards = Afterwards(RequestMeter(shared, 0), Log(fd=-1))
    journal = WatchedJournal(ring, afterwards)
    slot = journal.open(OpenAttempt("a", "r", "k", "p", "c", "m", 1.0, 1))
    journal.close(slot, record("upstream_error", 503))
    ring.shut()
    afterwards.settle()
    read = page(shared)
    assert read["omniroute_attempts_total/upstream_error"] == read["omniroute_upstream_responses_total/5xx"] == 1


def test_streams_that_were_checked_are_counted_and_broken_rules_logged(shared: Shared) -> None:
    fd = os.memfd_create("log")
    log = Log(fd=fd, form="json")
    afterwards = Afterwards(RequestMeter(shared, 0), log)
    for grammar in ("", "ok", "ok", "anthropic/grammar.py:93 GrammarError in event 4"):
        afterwards.request(msgspec.structs.replace(ended(), grammar=grammar))
    afterwards.settle()
    log.flush()
    read = page(shared)
    assert (read["omniroute_stream_checks_total/ok"], read["omniroute_stream_checks_total/broken"]) == (2, 1)
    lines = [msgspec.json.decode(line) for line in os.pread(fd, 10_000, 0).splitlines()]
    os.close(fd)
    (told,) = [line for line in lines if line["event"] == "stream_breaks_its_grammar"]
    assert told["level"] == "error"
    assert told["rule"] == "anthropic/grammar.py:93 GrammarError in event 4"
    assert told["request_id"] == "r"
