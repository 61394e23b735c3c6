"""A worker's outbox for values too large for its journal: a file-backed ring of records of any size up to a bound.

One writer (a worker), one reader (control), no lock, no system call per record; what was appended survives the death
of either process. Order of stores as in ``ring_py``: the bytes, then the head; only the reader moves the tail. It is
written once per stored answer, not once per call, so it has no compiled twin; on machines whose stores may be seen out
of order the length of a record that is not there yet reads as 0, which ``read`` takes for nothing.
"""

from __future__ import annotations

import mmap
from typing import Final

from omniroute._speedups.mapping import HEADER_BYTES, create_mapping, open_mapping, seal_mapping

SPOOL_BYTES: Final = 32 * 1024 * 1024
"""Room between two passes of the reader, which come ten times a second: some thousand usual answers."""
RECORD_BYTES: Final = 8 * 1024 * 1024
"""Largest record."""

LAYOUT_VERSION: Final = 1
MAGIC: Final = b"OmniSpol"
_HEAD: Final = 128 // 8
_TAIL: Final = 192 // 8
_LENGTH: Final = 8
"""Bytes of the length before each record; records are padded to as much."""


class _Mapped:
    """The mapping, as both ends see it."""

    __slots__ = ("_bytes", "_mapping", "_words")

    def __init__(self, mapping: mmap.mmap) -> None:
        self._mapping = mapping
        self._bytes = memoryview(mapping)
        self._words = self._bytes.cast("Q")

    def used_bytes(self) -> int:
        """Bytes of records the reader has not released."""
        return self._words[_HEAD] - self._words[_TAIL]

    def unmap(self) -> None:
        """Let go of the mapping. Again: nothing."""
        self._words.release()
        self._bytes.release()
        self._mapping.close()

    def _at(self, position: int) -> int:
        return HEADER_BYTES + position % SPOOL_BYTES


class SpoolWriter(_Mapped):
    """The worker's end."""

    def __init__(self, fd: int) -> None:
        """Map and initialise ``fd`` (an empty file). ``OSError`` if the disk has no room for all of it."""
        mapping = create_mapping(fd, HEADER_BYTES + SPOOL_BYTES, LAYOUT_VERSION, reserve=True)
        super().__init__(mapping)
        seal_mapping(mapping, MAGIC)

    def append(self, record: bytes) -> bool:
        """Whether there was room for ``record``; it is with the reader when this returns."""
        if len(record) > RECORD_BYTES:
            return False
        head = self._words[_HEAD]
        size = _padded(len(record))
        if head - self._words[_TAIL] + size > SPOOL_BYTES:
            return False
        self._words[self._at(head) // 8] = len(record)
        start = self._at(head + _LENGTH)
        first = min(len(record), HEADER_BYTES + SPOOL_BYTES - start)
        self._bytes[start : start + first] = record[:first]
        self._bytes[HEADER_BYTES : HEADER_BYTES + len(record) - first] = record[first:]
        self._words[_HEAD] = head + size
        return True


class SpoolReader(_Mapped):
    """Control's end."""

    def __init__(self, fd: int) -> None:
        """Raises ``ValueError`` if ``fd`` is not a spool of this layout."""
        super().__init__(open_mapping(fd, MAGIC, LAYOUT_VERSION, "spool"))

    def read(self, skip: int = 0) -> tuple[bytes, int] | None:
        """The oldest record but those of ``skip`` bytes, and its size; None if there is none. ValueError: broken."""
        tail, head = self._words[_TAIL] + skip, self._words[_HEAD]
        if tail == head:
            return None
        length = self._words[self._at(tail) // 8]
        size = _padded(length)
        if length > RECORD_BYTES or not 0 <= head - tail <= SPOOL_BYTES or size > head - tail:
            raise ValueError(f"spool is corrupt: record of {length} bytes at {tail}, the head is {head}")
        start = self._at(tail + _LENGTH)
        first = min(length, HEADER_BYTES + SPOOL_BYTES - start)
        record = bytes(self._bytes[start : start + first]) + bytes(
            self._bytes[HEADER_BYTES : HEADER_BYTES + length - first]
        )
        return record, size

    def release(self, size: int) -> None:
        """Records of ``size`` bytes, the oldest, are safe elsewhere."""
        self._words[_TAIL] += size


def _padded(length: int) -> int:
    return _LENGTH + (length + _LENGTH - 1) // _LENGTH * _LENGTH
