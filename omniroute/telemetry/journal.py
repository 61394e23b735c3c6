"""The worker's journal: attempts written to its ring, without waiting and without losing one.

The ring is a file in the data directory, one per worker process: ``run/rings/ring-<slot>-<pid>.ring``. It exists under
that name only when it is initialised and locked by its writer, so that control never takes a newborn for a dead one.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from omniroute._speedups import RingFullError, RingWriter
from omniroute._speedups.ring_py import OPEN_BYTES, RECORD_BYTES
from omniroute.domain import AttemptRecord, OpenAttempt, Usage
from omniroute.errors import Overloaded
from omniroute.telemetry.metrics import RequestMeter

ID_BYTES: Final = 40
"""What is kept of an id or a word of ours in an entry that is too long; ours are shorter."""

OPEN_MODEL_BYTES: Final = 60
RECORD_MODEL_BYTES: Final = 200
"""With these limits no entry and no record can be longer than its place in the ring."""

LARGEST_COUNT: Final = (1 << 63) - 1
"""SQLite's largest integer. Counts come from upstreams and may claim more."""

_COUNTS: Final = tuple(field.name for field in msgspec.structs.fields(Usage) if field.type is int)
_encoder: Final = msgspec.msgpack.Encoder()
_Struct = TypeVar("_Struct", OpenAttempt, AttemptRecord)


class RingJournal:
    """The ``ports.Journal`` of one worker. Never waits; ``close`` cannot fail."""

    __slots__ = ("_fd", "_meter", "_path", "_ring")

    def __init__(self, ring: RingWriter, fd: int, path: Path, meter: RequestMeter | None) -> None:
        """``fd`` holds the lock on the ring's file and is closed with the journal. Use :func:`create_journal`."""
        self._ring = ring
        self._fd = fd
        self._path = path
        self._meter = meter

    @property
    def path(self) -> Path:
        """The ring's file."""
        return self._path

    def open(self, attempt: OpenAttempt) -> int:
        """A slot for an attempt about to start. ``errors.Overloaded`` if finished calls could no longer be kept."""
        try:
            return self._ring.open(_encode_open(attempt))
        except RingFullError as exc:
            raise Overloaded(
                f"The journal is full: the ledger's reader is behind ({exc}). Try again shortly.",
                code="journal_full",
                retry_after_s=1,
            ) from exc

    def amend(self, slot: int, attempt: OpenAttempt) -> None:
        """Replace what is known of it."""
        self._ring.amend(slot, _encode_open(attempt))

    def close(self, slot: int, record: AttemptRecord) -> None:
        """The attempt ended. When this returns, no kill of any process loses the record."""
        self._ring.close(slot, _encode_record(record))
        if self._meter is not None:
            self._meter.attempt(record)

    def open_count(self) -> int:
        """Attempts open now; 0 after a clean stop."""
        return self._ring.open_count()

    def used_bytes(self) -> int:
        """Bytes of records control has not taken yet."""
        return self._ring.used_bytes()

    def shut(self) -> None:
        """Let go of the ring and of its lock: control takes what is left and removes the file."""
        self._ring.unmap()
        os.close(self._fd)


def create_journal(directory: Path, slot: int, meter: RequestMeter | None = None) -> RingJournal:
    """A new ring of this process in ``directory`` (made if absent), under the lock that says its writer lives.

    ``meter`` is told of every attempt that ends.

    Raises ``OSError`` where the disk has no room for a whole ring: a worker that could not keep its records must not
    start.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    # What a start of this slot left half-made. Only the one process that has the slot comes here.
    for leftover in directory.glob(f"ring-{slot}-*.new"):
        leftover.unlink()
    newborn = directory / f"ring-{slot}-{os.getpid()}.new"
    fd = os.open(newborn, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ring = RingWriter(fd)
        path = newborn.with_suffix(".ring")
        newborn.rename(path)
    except BaseException:
        os.close(fd)
        newborn.unlink(missing_ok=True)
        raise
    return RingJournal(ring, fd, path, meter)


def _encode_open(attempt: OpenAttempt) -> bytes:
    try:
        entry = _encoder.encode(attempt)
    except UnicodeEncodeError:
        entry = b""
    if 0 < len(entry) <= OPEN_BYTES:
        return entry
    return _encoder.encode(_cut(attempt, OPEN_MODEL_BYTES))


def _encode_record(record: AttemptRecord) -> bytes:
    try:
        entry = _encoder.encode(record)
    except (UnicodeEncodeError, OverflowError):
        entry = b""
    # Counts are looked at only where they can be out of bounds: an upstream told them.
    if 0 < len(entry) <= RECORD_BYTES and not (record.usage.known and _too_large(record.usage)):
        return entry
    record = msgspec.structs.replace(record, usage=_bounded(record.usage))
    return _encoder.encode(_cut(record, RECORD_MODEL_BYTES))


def _too_large(usage: Usage) -> bool:
    return max(_counts(usage).values()) > LARGEST_COUNT


def _bounded(usage: Usage) -> Usage:
    return msgspec.structs.replace(usage, **{name: min(count, LARGEST_COUNT) for name, count in _counts(usage).items()})


def _counts(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in _COUNTS}


def _cut(value: _Struct, model_bytes: int) -> _Struct:
    """The value with every string cut, at a character, to what it may have in the ring."""
    short = {
        name: _cut_text(text, model_bytes if name.endswith("model") else ID_BYTES)
        for name in value.__struct_fields__
        if isinstance(text := getattr(value, name), str)
    }
    return msgspec.structs.replace(value, **short)


def _cut_text(text: str, limit_bytes: int) -> str:
    # "replace" is for lone surrogates, which JSON can say and UTF-8 cannot.
    return text.encode(errors="replace")[:limit_bytes].decode(errors="ignore")
