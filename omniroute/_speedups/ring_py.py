"""A worker's journal: a file-backed ring of records and a table of open attempts.

The specification; ``ring_c`` is the speed.

One writer (a worker), one reader (control), no lock, no system call. Every store is ordered so that a SIGKILL between
any two of them leaves a file from which control recovers every appended record exactly once and knows every attempt
still open. An attempt's record and its open entry carry the same id: when both survive, the record wins. The writer
holds an exclusive flock on the file for its life (taken by the caller): a reader that gets the lock knows it is dead.

Safe against the death of processes, which leave the page cache as it is; not against power loss, which the ledger
bounds.

Layout: a page of header; ``OPEN_SLOTS`` slots; the ring.

- Header: what ``mapping`` says, the head (bytes ever appended) and the tail
  (bytes ever released), each counter on a cache line of its own. Only the writer stores the head, only the reader the
  tail.
- Slot: a state word and two buffers, each a length and ``OPEN_BYTES``. The state is 0 for a free slot, else a number
  that grows with every change, its lowest bit naming the buffer in force. A change fills the other buffer, then stores
  the state.
- Record: an 8-byte length, then the bytes, padded to 8; it may run over the ring's end to its start. The head is stored
  last.

The plain twin stores in the same order; CPython's memory view writes an aligned word in one piece, and x86-64 and
SIGKILL keep stores of one thread in order. On machines with weaker order a twin's reader may see the head before the
bytes: use the compiled one.
"""

from __future__ import annotations

import mmap
from typing import Final

from omniroute._speedups.mapping import HEADER_BYTES, create_mapping, open_mapping, seal_mapping

RING_BYTES: Final = 16 * 1024 * 1024
"""Room for a record of every slot and as much again, about 20,000 usual records, for a reader that is behind."""
OPEN_SLOTS: Final = 8192
"""Attempts one worker may have open: twice the streams one core is meant to hold."""
OPEN_BYTES: Final = 384
"""Largest open entry (what must be known of an attempt whose worker died)."""
RECORD_BYTES: Final = 1024
"""Largest record; longer ones are a programming error (``ValueError``)."""

LAYOUT_VERSION: Final = 1
MAGIC: Final = b"OmniRing"
HEAD_AT: Final = 128
TAIL_AT: Final = 192
SLOTS_AT: Final = HEADER_BYTES
BUFFER_BYTES: Final = 8 + OPEN_BYTES
SLOT_BYTES: Final = 8 + 2 * BUFFER_BYTES
RING_AT: Final = SLOTS_AT + OPEN_SLOTS * SLOT_BYTES
FILE_BYTES: Final = RING_AT + RING_BYTES
LARGEST_BYTES: Final = 8 + RECORD_BYTES
"""What an open attempt reserves."""


class RingFullError(Exception):
    """No room for another attempt: the reader is behind. Back-pressure for new attempts, never for finished ones."""


def prepare_ring(fd: int) -> mmap.mmap:
    """An empty ring in ``fd``, its disk space taken. Used by both twins."""
    mapping = create_mapping(fd, FILE_BYTES, LAYOUT_VERSION, reserve=True)
    seal_mapping(mapping, MAGIC)
    return mapping


def open_ring(fd: int) -> mmap.mmap:
    """An existing ring. Used by both twins. Raises ``ValueError``."""
    return open_mapping(fd, MAGIC, LAYOUT_VERSION, "journal ring")


def padded(length: int) -> int:
    """Bytes a record of ``length`` takes in the ring."""
    return 8 + (length + 7 & ~7)


class RingWriter:
    """The worker's end."""

    __slots__ = ("_bytes", "_free", "_mapping", "_opened", "_states", "_words")

    def __init__(self, fd: int) -> None:
        """Map and initialise ``fd`` (an empty file). ``OSError`` if the disk has no room for all of it."""
        self._mapping = prepare_ring(fd)
        self._bytes = memoryview(self._mapping)
        self._words = self._bytes.cast("Q")
        # Last in, first out: few slots are ever touched.
        self._free = list(range(OPEN_SLOTS - 1, -1, -1))
        self._opened = bytearray(OPEN_SLOTS)
        # The last state of each slot, kept while it is free: a reader between two attempts in a slot sees that it
        # changed.
        self._states = [1] * OPEN_SLOTS

    def open(self, entry: bytes) -> int:
        """Note an attempt as open; its slot. Reserves room for its record, so that :meth:`close` cannot fail.

        Raises ``RingFullError`` if free ring space, less what open attempts have reserved, cannot hold a largest
        record, or no slot is free.
        """
        if not self._free:
            raise RingFullError(f"{OPEN_SLOTS} attempts are open")
        if RING_BYTES - self.used_bytes() < (self.open_count() + 1) * LARGEST_BYTES:
            raise RingFullError(f"{self.used_bytes()} bytes of records wait for the reader")
        slot = self._free[-1]
        self._put(slot, entry)
        self._opened[self._free.pop()] = 1
        return slot

    def amend(self, slot: int, entry: bytes) -> None:
        """Replace an open entry with more that is known (atomic for a reader: old or new, never a mix)."""
        self._check_open(slot)
        self._put(slot, entry)

    def close(self, slot: int, record: bytes) -> None:
        """Append the record, then clear the slot. When this returns the record survives SIGKILL."""
        self._check_open(slot)
        length = len(record)
        if length > RECORD_BYTES:
            raise ValueError(f"record of {length} bytes, at most {RECORD_BYTES}")
        head = self._words[HEAD_AT // 8]
        at = head % RING_BYTES
        self._words[(RING_AT + at) // 8] = length
        at = (at + 8) % RING_BYTES
        first = min(length, RING_BYTES - at)
        self._bytes[RING_AT + at : RING_AT + at + first] = record[:first]
        self._bytes[RING_AT : RING_AT + length - first] = record[first:]
        self._words[HEAD_AT // 8] = head + padded(length)
        self._words[(SLOTS_AT + slot * SLOT_BYTES) // 8] = 0
        self._opened[slot] = 0
        self._free.append(slot)

    def open_count(self) -> int:
        """Attempts open now."""
        return OPEN_SLOTS - len(self._free)

    def used_bytes(self) -> int:
        """Bytes of records the reader has not released."""
        return self._words[HEAD_AT // 8] - self._words[TAIL_AT // 8]

    def unmap(self) -> None:
        """Let go of the mapping; the file stays for its reader. Again: nothing."""
        self._words.release()
        self._bytes.release()
        self._mapping.close()

    def _check_open(self, slot: int) -> None:
        if not 0 <= slot < OPEN_SLOTS or not self._opened[slot]:
            raise ValueError(f"slot {slot} is not open")

    def _put(self, slot: int, entry: bytes) -> None:
        length = len(entry)
        if length > OPEN_BYTES:
            raise ValueError(f"open entry of {length} bytes, at most {OPEN_BYTES}")
        state = self._states[slot] = self._states[slot] + 1
        slot_at = SLOTS_AT + slot * SLOT_BYTES
        buffer_at = slot_at + 8 + (state & 1) * BUFFER_BYTES
        self._words[buffer_at // 8] = length
        self._bytes[buffer_at + 8 : buffer_at + 8 + length] = entry
        self._words[slot_at // 8] = state


class RingReader:
    """Control's end."""

    __slots__ = ("_bytes", "_mapping", "_words")

    def __init__(self, fd: int) -> None:
        """Map an existing ring. Raises ``ValueError`` on a foreign layout version."""
        self._mapping = open_ring(fd)
        self._bytes = memoryview(self._mapping)
        self._words = self._bytes.cast("Q")

    def read(self, max_records: int = 1024) -> list[bytes]:
        """The oldest records not yet released, in order; the tail stays. ``ValueError`` if the ring is corrupt."""
        records: list[bytes] = []
        head, position = self._words[HEAD_AT // 8], self._words[TAIL_AT // 8]
        while position != head and len(records) < max_records:
            length = self._length(position, head)
            at = (position + 8) % RING_BYTES
            first = min(length, RING_BYTES - at)
            records.append(
                bytes(self._bytes[RING_AT + at : RING_AT + at + first])
                + bytes(self._bytes[RING_AT : RING_AT + length - first])
            )
            position += padded(length)
        return records

    def release(self, records: int) -> None:
        """Move the tail past that many records, once they are committed. ``ValueError`` beyond the head."""
        head, position = self._words[HEAD_AT // 8], self._words[TAIL_AT // 8]
        for _ in range(records):
            position += padded(self._length(position, head))
        self._words[TAIL_AT // 8] = position

    def backlog_bytes(self) -> int:
        """Bytes of records not released."""
        return self._words[HEAD_AT // 8] - self._words[TAIL_AT // 8]

    def open_entries(self) -> list[bytes]:
        """Entries of attempts still open. Exact only when the writer is dead; a consistent sample otherwise."""
        entries: list[bytes] = []
        for slot in range(OPEN_SLOTS):
            slot_at = SLOTS_AT + slot * SLOT_BYTES
            while state := self._words[slot_at // 8]:
                buffer_at = slot_at + 8 + (state & 1) * BUFFER_BYTES
                length = min(self._words[buffer_at // 8], OPEN_BYTES)
                entry = bytes(self._bytes[buffer_at + 8 : buffer_at + 8 + length])
                if self._words[slot_at // 8] == state:
                    entries.append(entry)
                    break
        return entries

    def unmap(self) -> None:
        """Let go of the mapping. Again: nothing."""
        self._words.release()
        self._bytes.release()
        self._mapping.close()

    def _length(self, position: int, head: int) -> int:
        """Length of the record at ``position``, checked: a corrupt one must not send the reader round the ring."""
        if not 8 <= head - position <= RING_BYTES:
            raise ValueError(f"journal ring: no record at {position}, the head is {head}")
        length = self._words[(RING_AT + position % RING_BYTES) // 8]
        if length > RECORD_BYTES or padded(length) > head - position:
            raise ValueError(f"journal ring is corrupt: record of {length} bytes at {position}, the head is {head}")
        return length
