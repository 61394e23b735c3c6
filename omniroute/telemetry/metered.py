"""A journal that counts what it is told."""

from __future__ import annotations

from omniroute.domain import AttemptRecord
from omniroute.ports import Journal
from omniroute.telemetry.metrics import RequestMeter


class MeteredJournal:
    """A ``ports.Journal`` over another: every record it closes is counted."""

    __slots__ = ("_journal", "_meter", "amend", "open")

    def __init__(self, journal: Journal, meter: RequestMeter) -> None:
        self._journal = journal
        self._meter = meter
        self.open = journal.open
        self.amend = journal.amend

    def close(self, slot: int, record: AttemptRecord) -> None:
        """The attempt ended: written first, counted then."""
        self._journal.close(slot, record)
        self._meter.attempt(record)
