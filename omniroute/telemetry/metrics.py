"""What each statistics cell of a worker means, and how a worker counts.

``exposition`` adds the cells of all workers up. Every process writes the row of its slot only, so counting is an
addition without contention. A worker that takes a dead one's slot goes on from its numbers: counters never go back.
Gauges of a dead process are taken out by :func:`clear_gauges`.

Cell numbers are written down, not worked out: after an upgrade and SIGHUP, workers of two versions share the table.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, Literal

import msgspec

from omniroute._speedups import Shared
from omniroute.domain import AttemptRecord, Summary, Usage


class Family(msgspec.Struct, frozen=True):
    """One metric: a cell per label value, or a histogram."""

    name: str
    """Without ``omniroute_`` and without ``_total``."""
    documentation: str
    cell: int
    """The first."""
    kind: Literal["counter", "gauge", "histogram"] = "counter"
    label: str = ""
    values: tuple[str, ...] = ("",)
    """One cell each. New ones go to the end."""
    bounds_ms: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets. Cells: one per bucket, one for what is larger, the sum in microseconds."""

    @property
    def cells(self) -> int:
        """How many cells it has."""
        return len(self.bounds_ms) + 2 if self.kind == "histogram" else len(self.values)


OUTCOMES: Final = (
    "ok", "client_error", "upstream_error", "client_gone", "cancelled", "lost", "rate_limited", "unauthenticated",
    "overloaded", "fault", "other",
)  # fmt: skip
_OTHER: Final = OUTCOMES.index("other")
STATUS_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "429", "5xx")
TOKENS: Final = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out",
)  # fmt: skip
LARGEST_TOKENS: Final = 1 << 40
"""More than any attempt has: what is added at most for one."""
DIRECTIONS: Final = ("to_upstream", "to_client")

_LONG_MS: Final = (
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
)  # fmt: skip
_SHORT_MS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 25, 100, 1000)

REQUESTS: Final = Family("requests", "Client requests ended, by outcome.", 0, label="outcome", values=OUTCOMES)
ATTEMPTS: Final = Family("attempts", "Attempts at an upstream ended, by outcome.", 16, label="outcome", values=OUTCOMES)
UPSTREAM: Final = Family(
    "upstream_responses",
    "Attempts by the class of the upstream's status; none: no response head.",
    32,
    label="class",
    values=STATUS_CLASSES,
)
TOKEN_COUNT: Final = Family(
    "tokens", "Tokens upstreams reported; input includes cached, output reasoning.", 40, label="kind", values=TOKENS
)
USAGE_UNKNOWN: Final = Family("attempts_without_usage", "Successful attempts whose upstream reported no tokens.", 56)
BYTES: Final = Family("payload_bytes", "Bytes of bodies moved.", 57, label="direction", values=DIRECTIONS)
EVENTS: Final = Family("stream_events", "SSE events relayed to clients.", 59)
CONNECTIONS: Final = Family("client_connections", "Client connections open now.", 60, kind="gauge")
TOTAL: Final = Family(
    "request_duration",
    "From the request's head to the last byte of its answer.",
    64,
    kind="histogram",
    bounds_ms=_LONG_MS,
)
FIRST_TOKEN: Final = Family(
    "first_token",
    "From the request's head to the first byte of its streamed answer.",
    96,
    kind="histogram",
    bounds_ms=_LONG_MS,
)
OVERHEAD: Final = Family(
    "overhead", "Of a request's time, what the gateway itself took.", 128, kind="histogram", bounds_ms=_SHORT_MS
)
CHECKED: Final = ("ok", "broken")
CHECKS: Final = Family(
    "stream_checks",
    "Translated streams checked against the grammar of the client's dialect, by result.",
    160,
    label="result",
    values=CHECKED,
)

FAMILIES: Final = (
    REQUESTS, ATTEMPTS, UPSTREAM, TOKEN_COUNT, USAGE_UNKNOWN, BYTES, EVENTS, CONNECTIONS, TOTAL, FIRST_TOKEN, OVERHEAD,
    CHECKS,
)  # fmt: skip

_OUTCOME_INDEX: Final = {outcome: index for index, outcome in enumerate(OUTCOMES)}
_STATUS_INDEX: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6}
_OUTPUT_INDEX: Final = 4
_DETAIL_INDEXES: Final = (1, 2, 3, 5, 6, 7)
"""Places of the counts in ``TOKEN_COUNT``: those of ``Usage``, in its order."""
_STATUS_429: Final = STATUS_CLASSES.index("429")


class RequestMeter:
    """Counts what one process does, in the row of its slot. No call waits; each is a few additions."""

    __slots__ = ("_add", "_connections", "_slot")

    def __init__(self, shared: Shared, slot: int) -> None:
        self._add = shared.stat_add
        self._slot = slot
        self._connections = 0

    def request(self, ended: Summary) -> None:
        """A client request ended. An outcome not in ``OUTCOMES`` counts as ``other``."""
        self._add(self._slot, REQUESTS.cell + _OUTCOME_INDEX.get(ended.outcome, _OTHER))
        self._observe(TOTAL, ended.total_ms)
        self._observe(OVERHEAD, ended.overhead_ms)
        if ended.events:
            self._add(self._slot, EVENTS.cell, ended.events)
        if ended.grammar:
            self._add(self._slot, CHECKS.cell + (ended.grammar != CHECKED[0]))
        if ended.streamed:
            self._observe(FIRST_TOKEN, ended.first_token_ms)

    def attempt(self, record: AttemptRecord) -> None:
        """An attempt ended: its outcome, status, tokens and bytes."""
        add, slot = self._add, self._slot
        add(slot, ATTEMPTS.cell + _OUTCOME_INDEX.get(record.outcome, _OTHER))
        status = record.status
        add(slot, UPSTREAM.cell + (_STATUS_429 if status == 429 else _STATUS_INDEX.get(status // 100, 0)))
        if record.usage.known:
            self._tokens(record.usage)
        elif record.outcome == "ok":
            add(slot, USAGE_UNKNOWN.cell)
        add(slot, BYTES.cell, record.bytes_in)
        add(slot, BYTES.cell + 1, record.bytes_out)

    def _tokens(self, usage: Usage) -> None:
        # Most answers have but these two counts. An upstream may claim any number: one lie must not turn the sum over.
        self._add(self._slot, TOKEN_COUNT.cell, min(usage.input_total, LARGEST_TOKENS))
        self._add(self._slot, TOKEN_COUNT.cell + _OUTPUT_INDEX, min(usage.output_total, LARGEST_TOKENS))
        details = (
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.reasoning,
            usage.audio_in,
            usage.audio_out,
        )
        if any(details):
            for index, count in zip(_DETAIL_INDEXES, details, strict=True):
                self._add(self._slot, TOKEN_COUNT.cell + index, min(count, LARGEST_TOKENS))

    def open_connections(self, count: int) -> None:
        """How many client connections this process has open now."""
        self._add(self._slot, CONNECTIONS.cell, count - self._connections)
        self._connections = count

    def _observe(self, histogram: Family, value_ms: float) -> None:
        if value_ms < 0:
            return
        bounds = histogram.bounds_ms
        self._add(self._slot, histogram.cell + bisect_left(bounds, value_ms))
        self._add(self._slot, histogram.cell + len(bounds) + 1, int(value_ms * 1000))


def clear_gauges(shared: Shared, slot: int) -> None:
    """Take out what a dead process had open. By whoever reaped it, before the slot is used again; counters stay."""
    for family in FAMILIES:
        if family.kind == "gauge":
            for cell in range(family.cell, family.cell + family.cells):
                shared.stat_add(slot, cell, -shared.stat_get(slot, cell))
