"""Tables of numbers shared by all processes of one gateway. The specification; ``shared_c`` is the speed and the atomicity.

One mapping (a memfd or a file, handed to children by descriptor), fixed layout, version in the header, C11 atomics. The plain
twin keeps the same bytes and is exact for one process only; a gateway that runs on it starts one worker.
Every id is 64 bits (``domain.ids.counter_id``), never 0. Instants are nanoseconds of CLOCK_MONOTONIC (equal in all processes of
a boot; the header holds the boot id, and a table from another boot starts empty).
"""

from __future__ import annotations

from typing import Final

SIZE_BYTES: Final = 16 * 1024 * 1024  # adjust; sparse
MAX_IDS: Final = 65536
"""Rows of each keyed table. At the bound the least recently used idle row is taken over; if none is idle: ``OverflowError``."""

WORKER_SLOTS: Final = 64
"""Processes that can hold statistics at once (supervisor slot numbers)."""

STATS: Final = 1024
"""64-bit statistics cells a worker slot has; what each means is in ``telemetry.metrics``."""


class Shared:
    """The mapping, opened. All methods are wait-free except first use of an id (bounded probing)."""

    def __init__(self, fd: int, *, create: bool = False, boot_id: bytes = b"") -> None:
        """Map ``fd`` (grown to SIZE_BYTES if ``create``). Raises ``ValueError`` naming both versions on a layout mismatch."""

    # -- epoch ------------------------------------------------------------------------------------------------------
    def epoch(self) -> int:
        """Number of the snapshot in force; one 8-byte load (acquire)."""
        ...

    def publish_epoch(self, epoch: int) -> None:
        """Store it (release). Control only."""

    # -- rates (GCRA) -----------------------------------------------------------------------------------------------
    def rate_take(self, limiter: int, now_ns: int, interval_ns: int, burst: int, cost: int = 1) -> int:
        """Take ``cost`` units from a limiter that refills one per ``interval_ns`` and holds ``burst``.

        0 if admitted; else the nanoseconds until the same call would be admitted, nothing taken. Compare-and-swap on one
        theoretical arrival time: exact for any number of processes. ``cost > burst`` is never admitted: returns -1.
        """
        ...

    def rate_give(self, limiter: int, interval_ns: int, cost: int = 1) -> None:
        """Give back what a call took and did not use."""

    # -- gauges (in flight) -----------------------------------------------------------------------------------------
    def gauge_enter(self, gauge: int, limit: int = 0) -> bool:
        """Add one; False and nothing added if ``limit`` (> 0) is reached."""
        ...

    def gauge_leave(self, gauge: int) -> None:
        """Take one away; never below 0."""

    def gauge(self, gauge: int) -> int: ...

    # -- cursors ----------------------------------------------------------------------------------------------------
    def cursor_next(self, cursor: int) -> int:
        """A number one higher each time it is asked, in any process (round robin)."""
        ...

    # -- statistics: one row per worker slot, added up by the metrics page ---------------------------------------------
    def stat_add(self, slot: int, cell: int, amount: int = 1) -> None: ...

    def stat_total(self, cell: int) -> int:
        """Sum over all slots."""
        ...

    def stat_get(self, slot: int, cell: int) -> int: ...

    def close(self) -> None: ...


class SnapshotArea:
    """The current snapshot's bytes in a second mapping: two halves, the epoch's lowest bit says which is in force."""

    def __init__(self, fd: int, *, create: bool = False, capacity_bytes: int = 64 * 1024 * 1024) -> None: ...

    def write(self, epoch: int, document: bytes) -> None:
        """Store the document of ``epoch`` in its half (with length and checksum). ``OverflowError`` above half the capacity."""

    def read(self, epoch: int) -> bytes | None:
        """The document of ``epoch``; None if that half was overwritten meanwhile (the caller reads the epoch again)."""
        ...

    def close(self) -> None: ...
