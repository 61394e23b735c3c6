"""A worker's journal: a file-backed ring of records and a table of open attempts. The specification; ``ring_c`` is the speed.

One writer (a worker), one reader (control), no lock, no system call. Every store is ordered so that a SIGKILL between any two
of them leaves a file from which control recovers every appended record exactly once and knows every attempt still open.
An attempt's record and its open entry carry the same id: when both survive, the record wins.
The writer holds an exclusive flock on the file for its life (taken by the caller): a reader that gets the lock knows it is dead.
"""

from __future__ import annotations

from typing import Final

RING_BYTES: Final = 8 * 1024 * 1024
OPEN_SLOTS: Final = 16384
OPEN_BYTES: Final = 256
"""Largest open entry (what must be known of an attempt whose worker died)."""
RECORD_BYTES: Final = 2048
"""Largest record; longer ones are a programming error (``ValueError``)."""


class RingFullError(Exception):
    """No room for another attempt: the reader is behind. Back-pressure for new attempts, never for finished ones."""


class RingWriter:
    """The worker's end."""

    def __init__(self, fd: int) -> None:
        """Map and initialise ``fd`` (an empty file)."""

    def open(self, entry: bytes) -> int:
        """Note an attempt as open; its slot. Reserves room for its record, so that :meth:`close` cannot fail.

        Raises ``RingFullError`` if free ring space, less what open attempts have reserved, is under RECORD_BYTES, or no slot is free.
        """
        ...

    def amend(self, slot: int, entry: bytes) -> None:
        """Replace an open entry with more that is known (atomic for a reader: old or new, never a mix)."""

    def close(self, slot: int, record: bytes) -> None:
        """Append the record, then clear the slot. When this returns the record survives SIGKILL."""

    def open_count(self) -> int: ...

    def used_bytes(self) -> int: ...

    def unmap(self) -> None: ...


class RingReader:
    """Control's end."""

    def __init__(self, fd: int) -> None:
        """Map an existing ring. Raises ``ValueError`` on a foreign layout version."""

    def read(self, max_records: int = 1024) -> list[bytes]:
        """The oldest records not yet released, in order. Does not move the tail."""
        ...

    def release(self, records: int) -> None:
        """Move the tail past that many records: after they are committed to the database."""

    def open_entries(self) -> list[bytes]:
        """Entries of attempts still open. Exact only when the writer is dead; a consistent sample otherwise."""
        ...

    def unmap(self) -> None: ...
