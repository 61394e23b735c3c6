"""The metrics page: all workers' cells added up, in Prometheus's text format.

Control only: workers never load the client library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, Protocol

import msgspec
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from omniroute._speedups import Shared
from omniroute.telemetry.metrics import FAMILIES, Family

PREFIX: Final = "omniroute_"


class Reading(msgspec.Struct, frozen=True):
    """A number control knows and no worker counts (the drain's backlog, live workers, ...)."""

    name: str
    """Without the prefix; of a counter without ``_total``."""
    documentation: str
    value: float
    kind: Literal["counter", "gauge"] = "gauge"
    labels: tuple[tuple[str, str], ...] = ()


class Backlog(Protocol):
    """How the way to the ledger is (``storage.drain.DrainState``)."""

    @property
    def status(self) -> str: ...
    @property
    def backlog_bytes(self) -> int: ...
    @property
    def lag_s(self) -> float: ...
    @property
    def writers(self) -> int: ...
    @property
    def drained_records(self) -> int: ...
    @property
    def lost_attempts(self) -> int: ...
    @property
    def rejected_records(self) -> int: ...
    @property
    def refused_rings(self) -> int: ...


def render(shared: Shared, backlog: Backlog, extra: Iterable[Reading] = ()) -> bytes:
    """The page. Readings of one name must have the same label names."""
    registry = CollectorRegistry()
    registry.register(_Cells(shared, (*_journal(backlog), *extra)))
    return generate_latest(registry)


def _journal(backlog: Backlog) -> Iterator[Reading]:
    yield Reading("workers", "Workers alive: journals held by a living process.", backlog.writers)
    yield Reading("ledger_stalled", "1 while the ledger takes no records.", backlog.status != "ok")
    yield Reading("journal_backlog_bytes", "Records in journals, not yet in the ledger.", backlog.backlog_bytes)
    yield Reading("journal_lag_seconds", "No record is missing from the ledger for longer.", backlog.lag_s)
    yield Reading(
        "journal_refused_rings", "Journals left alone, foreign or broken: see the log.", backlog.refused_rings
    )
    yield Reading("ledger_records", "Attempts written to the ledger.", backlog.drained_records, "counter")
    yield Reading("attempts_lost", "Attempts that were open when their worker died.", backlog.lost_attempts, "counter")
    yield Reading(
        "journal_rejected_records", "Records nobody can decode, kept in the log.", backlog.rejected_records, "counter"
    )


class _Cells(Collector):
    """All families as Prometheus knows them."""

    def __init__(self, shared: Shared, extra: tuple[Reading, ...]) -> None:
        self._shared = shared
        self._extra = extra

    @override
    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield self._histogram(family) if family.kind == "histogram" else self._numbers(family)
        extra: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for reading in self._extra:
            if reading.name not in extra:
                label_names = [name for name, _ in reading.labels]
                extra[reading.name] = _metric(reading.kind, reading.name, reading.documentation, label_names)
            extra[reading.name].add_metric([value for _, value in reading.labels], reading.value)
        yield from extra.values()

    def _numbers(self, family: Family) -> Metric:
        metric = _metric(family.kind, family.name, family.documentation, [family.label] if family.label else [])
        for index, value in enumerate(family.values):
            metric.add_metric([value] if family.label else [], self._shared.stat_total(family.cell + index))
        return metric

    def _histogram(self, family: Family) -> Metric:
        """In seconds. Buckets are cumulative, so their count agrees with them even while workers go on counting."""
        bounds = [repr(bound_ms / 1000) for bound_ms in family.bounds_ms] + ["+Inf"]
        buckets: list[tuple[str, float]] = []
        seen = 0
        for index, bound in enumerate(bounds):
            seen += self._shared.stat_total(family.cell + index)
            buckets.append((bound, seen))
        sum_s = self._shared.stat_total(family.cell + len(bounds)) / 1e6
        metric = HistogramMetricFamily(f"{PREFIX}{family.name}_seconds", family.documentation)
        metric.add_metric([], buckets, sum_s)
        return metric


def _metric(kind: str, name: str, documentation: str, labels: list[str]) -> CounterMetricFamily | GaugeMetricFamily:
    make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    return make(f"{PREFIX}{name}", documentation, labels=labels)
