"""Tables of numbers shared by all processes of one gateway.

The specification; ``shared_c`` is the speed and the atomicity.

One mapping (a memfd or a file, handed to children by descriptor), fixed layout, version in the header, C11 atomics. The
plain twin keeps the same bytes and is exact for one process only; a gateway that runs on it starts one worker. Every id
is 64 bits (``domain.ids.counter_id``), never 0. Instants are nanoseconds of CLOCK_MONOTONIC (equal in all processes of
a boot; the header holds the boot id, and a table from another boot starts empty).

Rows. A row is two 64-bit words, key and value. An id lives within ``PROBE_ROWS`` rows after its home (bounded probing,
so that a look-up that fails costs eight cache lines, not the table). A free row has key 0 and is claimed by
compare-and-swap on the key; keys never go back to 0, so two processes that bring the same id race for the same row.
Only when all rows of a window are taken is an idle one taken over, by one process at a time (a POSIX record lock, which
the kernel opens when its holder dies), and every value word changes in a way that makes a compare-and-swap begun before
the take-over fail:

- gauges and cursors carry a 16-bit generation above a 48-bit number; a take-over adds one to it;
- a rate's word is its theoretical arrival time, idle when in the past; a take-over moves it forward to now.

What is idle: a gauge at 0; a rate whose arrival time has passed (its bucket is full), the longest idle first; any
cursor, the one asked least often first. An idle gauge or rate equals one never used, so a take-over loses nothing; a
cursor begins again at 0. Whoever dies. What a process has entered in a gauge is also counted in a table of its own
slot: before it is added to the gauge, and until after it is taken away. So ``slot_clear`` knows what a dead process
held; killed between the two stores, it gives back one too many, never one too few: the gauge reads low until it is idle
next, where it stops at 0, but no place is lost for good. A process killed between two stores of a take-over leaves a
row locked, which the next take-over in that window makes good.
"""

from __future__ import annotations

import mmap
from hashlib import blake2b
from typing import Final

from omniroute._speedups.mapping import HEADER_BYTES, create_mapping, is_sealed, open_mapping, seal_mapping

MAX_IDS: Final = 65536
"""Rows of each keyed table. If all rows of an id's window are busy: ``OverflowError``."""

PROBE_ROWS: Final = 32
"""Rows in which an id may live. Ids are hashes: at half-full tables the chance of a full window is under 1e-6."""

WORKER_SLOTS: Final = 64
"""Processes that can hold statistics at once (supervisor slot numbers)."""

STATS: Final = 1024
"""64-bit statistics cells a worker slot has; what each means is in ``telemetry.metrics``."""

LAYOUT_VERSION: Final = 1
MAGIC: Final = b"OmniShrd"
BOOT_ID_BYTES: Final = 48

# Byte offsets. The compiled twin has the same numbers; tests/speedups/test_shared.py reads one twin's bytes with the
# other.
BOOT_ID_AT: Final = 32
EPOCH_AT: Final = 128
RATES_AT: Final = HEADER_BYTES
GAUGES_AT: Final = RATES_AT + MAX_IDS * 16
CURSORS_AT: Final = GAUGES_AT + MAX_IDS * 16
STATS_AT: Final = CURSORS_AT + MAX_IDS * 16
HELD_AT: Final = STATS_AT + WORKER_SLOTS * STATS * 8
SIZE_BYTES: Final = HELD_AT + WORKER_SLOTS * MAX_IDS * 4
"""About 20 MiB, most of it what each slot holds of each gauge. Sparse: only touched pages cost memory."""

VALUE_BITS: Final = 48
VALUE_MASK: Final = (1 << VALUE_BITS) - 1
WORD_MASK: Final = (1 << 64) - 1
HASH_MULTIPLIER: Final = 0x9E3779B97F4A7C15
"""2^64 / golden ratio: spreads ids that are not hashes, too."""
RATE_SPAN_NS: Final = 1 << 62
"""``interval_ns * burst`` stays below: 146 years, and no sum of the arithmetic leaves 64 bits."""


def prepare_shared(fd: int, *, create: bool, boot_id: bytes) -> mmap.mmap:
    """The mapping of ``fd``, created or checked. Used by both twins.

    With ``create`` an empty file or one from another boot is made new; one from this boot is kept as it is. Without, an
    empty ``boot_id`` is not compared.
    """
    if len(boot_id) > BOOT_ID_BYTES:
        raise ValueError(f"boot id has {len(boot_id)} bytes, at most {BOOT_ID_BYTES}")
    if not create or is_sealed(fd, MAGIC):
        mapping = open_mapping(fd, MAGIC, LAYOUT_VERSION, "shared table")
        found = mapping[BOOT_ID_AT : BOOT_ID_AT + BOOT_ID_BYTES].rstrip(b"\0")
        if found == boot_id or not (create or boot_id):
            return mapping
        mapping.close()
        if not create:
            raise ValueError(f"shared table is of boot {found!r}, this is boot {boot_id!r}")
    mapping = create_mapping(fd, SIZE_BYTES, LAYOUT_VERSION)
    mapping[BOOT_ID_AT : BOOT_ID_AT + len(boot_id)] = boot_id
    seal_mapping(mapping, MAGIC)
    return mapping


def _check_rate(interval_ns: int, cost: int) -> None:
    if interval_ns <= 0 or cost < 0:
        raise ValueError(f"rate of one per {interval_ns} ns at a cost of {cost}: out of range")


class Shared:
    """The mapping, opened. All methods are wait-free except first use of an id (bounded probing)."""

    __slots__ = ("_all_held", "_mapping", "_slot", "_stats", "_words")

    def __init__(self, fd: int, *, create: bool = False, boot_id: bytes = b"", slot: int = -1) -> None:
        """Map ``fd``, grown to SIZE_BYTES if ``create``. Raises ``ValueError`` naming both versions if layouts differ.

        ``slot`` is this process's worker slot: what it enters in gauges is given back by ``slot_clear(slot)`` if it
        dies. -1: nobody keeps account of it.
        """
        if not -1 <= slot < WORKER_SLOTS:
            raise IndexError(f"slot {slot}")
        self._slot = slot
        self._mapping = prepare_shared(fd, create=create, boot_id=boot_id)
        self._words = memoryview(self._mapping).cast("Q")
        self._stats = self._words[STATS_AT // 8 : STATS_AT // 8 + WORKER_SLOTS * STATS].cast("B").cast("q")
        self._all_held = self._words[HELD_AT // 8 :].cast("B").cast("I")

    # -- epoch ------------------------------------------------------------------------------------------------------
    def epoch(self) -> int:
        """Number of the snapshot in force; one 8-byte load (acquire)."""
        return self._words[EPOCH_AT // 8]

    def publish_epoch(self, epoch: int) -> None:
        """Store it (release). Control only."""
        self._words[EPOCH_AT // 8] = epoch

    # -- rows -------------------------------------------------------------------------------------------------------
    def _window(self, table_at: int, key: int) -> list[int]:
        """Indexes of the key words of every row ``key`` may have, in probing order."""
        if key == 0:
            raise ValueError("id 0 has no row")
        if not 0 < key <= WORD_MASK:
            raise OverflowError(f"id {key} is not a 64-bit number")
        home = ((key * HASH_MULTIPLIER) & WORD_MASK) >> 48
        return [table_at // 8 + ((home + step) % MAX_IDS) * 2 for step in range(PROBE_ROWS)]

    def _find(self, table_at: int, key: int) -> int:
        """Index of the row's value word, -1 if the id has no row."""
        for at in self._window(table_at, key):
            if self._words[at] == key:
                return at + 1
            if self._words[at] == 0:
                return -1
        return -1

    def _claim(self, table_at: int, key: int, now_ns: int = 0) -> int:
        """Index of the row's value word, a row taken for it if it had none."""
        words = self._words
        window = self._window(table_at, key)
        for at in window:
            if words[at] == key:
                return at + 1
            if words[at] == 0:
                words[at] = key
                return at + 1
        if table_at == RATES_AT:
            best = min(window, key=lambda at: words[at + 1])
            idle = words[best + 1] < now_ns
            fresh = now_ns
        else:
            best = min(window, key=lambda at: words[at + 1] & VALUE_MASK)
            idle = table_at == CURSORS_AT or not words[best + 1] & VALUE_MASK
            fresh = ((words[best + 1] >> VALUE_BITS) + 1 << VALUE_BITS) & WORD_MASK
        if not idle:
            raise OverflowError(f"no idle row among the {PROBE_ROWS} that id {key:#x} may have")
        words[best] = key
        words[best + 1] = fresh
        return best + 1

    # -- rates (GCRA) -----------------------------------------------------------------------------------------------
    def rate_take(self, limiter: int, now_ns: int, interval_ns: int, burst: int, cost: int = 1) -> int:
        """Take ``cost`` units from a limiter that refills one per ``interval_ns`` and holds ``burst``.

        0 if admitted; else the nanoseconds until the same call would be admitted, nothing taken. Compare-and-swap on
        one theoretical arrival time: exact for any number of processes. ``cost > burst`` is never admitted: returns -1.
        Raises ``ValueError`` if a number is negative or ``interval_ns * burst`` is 2^62 or more, ``OverflowError`` if
        the limiter is new and every row it may have is busy.
        """
        _check_rate(interval_ns, cost)
        if cost > burst:
            return -1
        if not 0 <= now_ns < RATE_SPAN_NS or burst * interval_ns >= RATE_SPAN_NS:
            raise ValueError(f"{burst} units of {interval_ns} ns at {now_ns} ns: out of range")
        at = self._claim(RATES_AT, limiter, now_ns)
        arrival_ns = max(self._words[at], now_ns) + cost * interval_ns
        early_ns = arrival_ns - (now_ns + burst * interval_ns)
        if early_ns > 0:
            return early_ns
        self._words[at] = arrival_ns
        return 0

    def rate_give(self, limiter: int, interval_ns: int, cost: int = 1) -> None:
        """Give back what a call took and did not use."""
        _check_rate(interval_ns, cost)
        if cost * interval_ns >= RATE_SPAN_NS:
            raise ValueError(f"{cost} units of {interval_ns} ns: out of range")
        at = self._find(RATES_AT, limiter)
        if at >= 0:
            self._words[at] = max(0, self._words[at] - cost * interval_ns)

    # -- gauges (in flight) -----------------------------------------------------------------------------------------
    def gauge_enter(self, gauge: int, limit: int = 0) -> bool:
        """Add one; False and nothing added if ``limit`` (> 0) is reached. ``OverflowError``: as :meth:`rate_take`."""
        at = self._claim(GAUGES_AT, gauge)
        if limit > 0 and self._words[at] & VALUE_MASK >= limit:
            return False
        if self._slot >= 0:
            self._all_held[self._held_index(self._slot, at)] += 1
        self._words[at] += 1
        return True

    def gauge_leave(self, gauge: int) -> None:
        """Take one away; never below 0."""
        at = self._find(GAUGES_AT, gauge)
        if at < 0 or not self._words[at] & VALUE_MASK:
            return
        self._words[at] -= 1
        if self._slot >= 0 and self._all_held[self._held_index(self._slot, at)]:
            self._all_held[self._held_index(self._slot, at)] -= 1

    def gauge(self, gauge: int) -> int:
        """How many are in; 0 for an id never used."""
        at = self._find(GAUGES_AT, gauge)
        return self._words[at] & VALUE_MASK if at >= 0 else 0

    def slot_clear(self, slot: int) -> int:
        """Give back what the dead process of a slot held in gauges; how many places that was.

        To be called by whoever reaped the process, before the slot is used again. ``IndexError`` for a slot that does
        not exist.
        """
        if not 0 <= slot < WORKER_SLOTS:
            raise IndexError(f"slot {slot}")
        given = 0
        for at in range(GAUGES_AT // 8 + 1, CURSORS_AT // 8, 2):
            held_at = self._held_index(slot, at)
            held = self._all_held[held_at]
            if held:
                back = min(held, self._words[at] & VALUE_MASK)
                self._words[at] -= back
                self._all_held[held_at] = 0
                given += back
        return given

    def _held_index(self, slot: int, at: int) -> int:
        """Where the slot counts what it holds of the gauge whose value word is ``at``."""
        return slot * MAX_IDS + (at - GAUGES_AT // 8) // 2

    # -- cursors ----------------------------------------------------------------------------------------------------
    def cursor_next(self, cursor: int) -> int:
        """A number one higher each time it is asked, in any process (round robin). The first is 0."""
        at = self._claim(CURSORS_AT, cursor)
        value = self._words[at] & VALUE_MASK
        self._words[at] += 1
        return value

    # -- statistics: one row per worker slot, added up by the metrics page ---------------------------------------------
    def stat_add(self, slot: int, cell: int, amount: int = 1) -> None:
        """Add to one cell; ``amount`` may be negative. ``IndexError`` for a slot or cell that does not exist."""
        self._stats[_stat_index(slot, cell)] += amount

    def stat_total(self, cell: int) -> int:
        """Sum over all slots."""
        return sum(self._stats[_stat_index(slot, cell)] for slot in range(WORKER_SLOTS))

    def stat_get(self, slot: int, cell: int) -> int:
        """One cell of one slot."""
        return self._stats[_stat_index(slot, cell)]

    def close(self) -> None:
        """Unmap. Any other method raises ``ValueError`` from now on; closing again does nothing."""
        self._all_held.release()
        self._stats.release()
        self._words.release()
        self._mapping.close()


def _stat_index(slot: int, cell: int) -> int:
    if not (0 <= slot < WORKER_SLOTS and 0 <= cell < STATS):
        raise IndexError(f"statistics cell {cell} of slot {slot}")
    return slot * STATS + cell


SNAPSHOT_MAGIC: Final = b"OmniSnap"
SNAPSHOT_VERSION: Final = 1
_CAPACITY_AT: Final = 32
_EPOCH: Final = slice(0, 8)
_LENGTH: Final = slice(8, 16)
_DIGEST: Final = slice(16, 32)
_HALF_HEADER_BYTES: Final = 64


class SnapshotArea:
    """The current snapshot's bytes in a second mapping: two halves, the epoch's lowest bit says which is in force.

    Has no compiled twin: it is used once per epoch, and a digest over epoch and document makes a torn read visible on
    any machine. The epoch is published (release) after the write, so a reader that saw the number (acquire) sees the
    bytes.
    """

    __slots__ = ("_halves", "_mapping", "_view")

    def __init__(self, fd: int, *, create: bool = False, capacity_bytes: int = 64 * 1024 * 1024) -> None:
        """Map ``fd``. ``create`` empties it; otherwise its capacity is as created, whatever ``capacity_bytes`` says."""
        if create:
            half_bytes = capacity_bytes // 2
            size_bytes = HEADER_BYTES + 2 * (_HALF_HEADER_BYTES + half_bytes)
            self._mapping = create_mapping(fd, size_bytes, SNAPSHOT_VERSION)
            self._mapping[_CAPACITY_AT : _CAPACITY_AT + 8] = half_bytes.to_bytes(8, "little")
            seal_mapping(self._mapping, SNAPSHOT_MAGIC)
        else:
            self._mapping = open_mapping(fd, SNAPSHOT_MAGIC, SNAPSHOT_VERSION, "snapshot area")
            half_bytes = int.from_bytes(self._mapping[_CAPACITY_AT : _CAPACITY_AT + 8], "little")
        self._view = memoryview(self._mapping)
        first_at, second_at = HEADER_BYTES, HEADER_BYTES + _HALF_HEADER_BYTES + half_bytes
        self._halves = (self._view[first_at:second_at], self._view[second_at : second_at + (second_at - first_at)])

    def write(self, epoch: int, document: bytes) -> None:
        """Store the document of ``epoch`` in its half, with length and digest. ``OverflowError`` if it is too large."""
        half = self._halves[epoch & 1]
        if len(document) > len(half) - _HALF_HEADER_BYTES:
            raise OverflowError(
                f"the snapshot has {len(document)} bytes, its area holds {len(half) - _HALF_HEADER_BYTES}: "
                "there are too many keys or connections"
            )
        number = epoch.to_bytes(8, "little")
        half[_EPOCH] = bytes(8)
        half[_LENGTH] = len(document).to_bytes(8, "little")
        half[_DIGEST] = blake2b(document, digest_size=16, salt=number).digest()
        half[_HALF_HEADER_BYTES : _HALF_HEADER_BYTES + len(document)] = document
        half[_EPOCH] = number

    def read(self, epoch: int) -> bytes | None:
        """The document of ``epoch``; None if that half was overwritten meanwhile (the caller reads the epoch again)."""
        half = self._halves[epoch & 1]
        number = epoch.to_bytes(8, "little")
        if half[_EPOCH] != number:
            return None
        length = int.from_bytes(half[_LENGTH], "little")
        digest = bytes(half[_DIGEST])
        document = bytes(half[_HALF_HEADER_BYTES : _HALF_HEADER_BYTES + length])
        if blake2b(document, digest_size=16, salt=number).digest() != digest:
            return None
        return document

    def close(self) -> None:
        """Unmap; closing again does nothing."""
        for half in self._halves:
            half.release()
        self._view.release()
        self._mapping.close()
