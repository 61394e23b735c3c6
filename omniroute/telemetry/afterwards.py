"""What is told of finished work, a little afterwards: counted and logged in batches, off the path of the next request.

Thirty lines and additions one after another find their code and data in the cache; one at the end of each request does
not, and costs three times as much there. Nothing here is money: records are in the journal before. A worker that is
killed takes at most ``PERIOD_S`` of counts and log lines with it.
"""

from __future__ import annotations

from typing import Final

import trio

from omniroute.domain import AttemptRecord, Summary
from omniroute.ports import Journal
from omniroute.telemetry.log import Log
from omniroute.telemetry.metrics import CHECKED, RequestMeter

PERIOD_S: Final = 0.05
MAX_WAITING: Final = 4096
"""Requests, and attempts, that may wait; at the bound they are settled on the spot."""
BATCH: Final = 64
"""Settled between two checkpoints: about a quarter of a millisecond."""


class Afterwards:
    """Collects what ended; ``run`` settles it."""

    def __init__(self, meter: RequestMeter, log: Log) -> None:
        self._meter = meter
        self._log = log
        self._requests: list[Summary] = []
        self._attempts: list[AttemptRecord] = []

    def request(self, ended: Summary) -> None:
        """A client request ended."""
        self._requests.append(ended)
        if len(self._requests) >= MAX_WAITING:
            self.settle()

    def attempt(self, record: AttemptRecord) -> None:
        """An attempt ended."""
        self._attempts.append(record)
        if len(self._attempts) >= MAX_WAITING:
            self.settle()

    async def run(self) -> None:
        """Settle every ``PERIOD_S`` until cancelled; what came last is settled by whoever ends the process."""
        while True:
            await trio.sleep(PERIOD_S)
            while self._settle_some():
                await trio.lowlevel.checkpoint()

    def settle(self) -> None:
        """Count and log everything that waits."""
        while self._settle_some():
            pass

    def _settle_some(self) -> bool:
        """One batch; whether more may wait."""
        requests, self._requests = self._requests[:BATCH], self._requests[BATCH:]
        attempts, self._attempts = self._attempts[:BATCH], self._attempts[BATCH:]
        meter, log = self._meter, self._log
        for record in attempts:
            meter.attempt(record)
        for ended in requests:
            meter.request(ended)
            log.request(ended)
            if ended.grammar and ended.grammar != CHECKED[0]:
                log.error(
                    "stream_breaks_its_grammar", request_id=ended.request_id, path=ended.path, provider=ended.provider,
                    model=ended.model, rule=ended.grammar,
                )  # fmt: skip
        return bool(self._requests or self._attempts)


class WatchedJournal:
    """A ``ports.Journal`` over another; each record it closes is told afterwards."""

    __slots__ = ("_afterwards", "_journal", "amend", "open")

    def __init__(self, journal: Journal, afterwards: Afterwards) -> None:
        self._journal = journal
        self._afterwards = afterwards
        self.open = journal.open
        self.amend = journal.amend

    def close(self, slot: int, record: AttemptRecord) -> None:
        """The attempt ended: written now, counted afterwards."""
        self._journal.close(slot, record)
        self._afterwards.attempt(record)
