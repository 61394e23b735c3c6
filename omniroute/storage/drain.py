"""From the workers' rings into the ledger: every record once, whatever dies when.

Theory. Each worker owns a ring file (``telemetry.journal``) and its lock. A pass takes the oldest records of all rings,
hands them to the ledger as one transaction, and only then moves the rings' tails. Records not released are read again
by the next pass or the next control process; the ledger keeps the first row of an ``attempt_id``, so a record that was
committed but not released does no harm.

A ring whose lock can be had belongs to a dead worker: nobody writes it any more. When it has no record left, its open
entries become rows with outcome ``lost``, and when those are committed the file is removed. An attempt killed between
its record and the clearing of its entry is both; its record is committed first and the lost row ignored. Every step can
be repeated, so control may be killed between any two of them. Gauges a dead worker held are not given back here but by
whoever reaps the process (``Shared.slot_clear``): a ring may be drained long after its slot has a new owner.

The ledger failing (disk full, I/O error) stops nothing but the drain: records stay in the rings, workers go on until
theirs is full, and the drain tries again with pauses that double up to ``MAX_PAUSE_S``. What can still go wrong: power
loss may take what was in a ring and not yet in the ledger, since rings are not synced; that is the price of no system
call per record.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path
from typing import Final, Protocol

import apsw
import msgspec
import trio

from omniroute._speedups import RingReader
from omniroute.domain import AttemptRecord, OpenAttempt
from omniroute.errors import OmniRouteError

PERIOD_S: Final = 0.1
BATCH_RECORDS: Final = 2048
"""Records of one transaction: some ten milliseconds of SQLite's time."""
MIN_PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 5.0
MAX_RINGS: Final = 256
"""Rings mapped at once: 64 living workers and many dead ones; more wait for a later pass."""

_STORAGE_ERRORS: Final = (apsw.Error, OSError, OmniRouteError)
_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

_log: Final = logging.getLogger(__name__)
_record: Final = msgspec.msgpack.Decoder(AttemptRecord)
_open: Final = msgspec.msgpack.Decoder(OpenAttempt)


class Ledger(Protocol):
    """Where records end."""

    async def append(self, records: list[AttemptRecord]) -> int:
        """Store them in one transaction; how many were new.

        One whose ``attempt_id`` is there already stays as it was. Raises (``apsw.Error``, ``OSError`` or one of our
        errors), and then none of them is stored.
        """
        ...


class DrainState(msgspec.Struct, frozen=True):
    """How the drain is, for health, metrics and people."""

    status: str = "ok"
    """``ok``, or ``stalled: <reason>``."""
    backlog_bytes: int = 0
    """Records in the rings that are not in the ledger."""
    lag_s: float = 0.0
    """How long the rings have not been empty: no record is missing from the ledger for longer."""
    rings: int = 0
    writers: int = 0
    """Rings whose writer lives: one per worker."""
    refused_rings: int = 0
    """Files left alone because their layout is foreign or broken; the log says why."""
    drained_records: int = 0
    """New in the ledger since this process began, lost ones included."""
    lost_attempts: int = 0
    rejected_records: int = 0
    """Records that could not be decoded: a defect, each in the log as it was."""


class _Ring:
    """One mapped ring file."""

    __slots__ = ("fd", "orphaned", "path", "reader")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.orphaned = False
        try:
            self.reader = RingReader(self.fd)
        except (ValueError, OSError):
            os.close(self.fd)
            raise

    def is_orphaned(self) -> bool:
        """Whether the writer is dead. Once it is, we hold the lock in its place, until the file is gone."""
        if not self.orphaned:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.orphaned = True
        return True

    def close(self) -> None:
        self.reader.unmap()
        os.close(self.fd)


class Drain:
    """Moves records from the rings in a directory to a ledger. One task runs it: :meth:`run`, or passes one by one."""

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self._directory = directory
        self._ledger = ledger
        self._rings: dict[str, _Ring] = {}
        self._refused: dict[str, str] = {}
        self._state = DrainState()
        self._poked = trio.Event()
        self._behind_since: float | None = None

    @property
    def state(self) -> DrainState:
        """As of the last pass."""
        return self._state

    def living_writers(self) -> int:
        """Workers whose ring is held now: not as of the last pass, which a worker just started is not in."""
        self._scan()
        return sum(not ring.is_orphaned() for ring in self._rings.values())

    def poke(self) -> None:
        """Make the next pass begin now (a worker died, somebody wants to read the ledger)."""
        self._poked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drain until cancelled. Never raises for a storage error."""
        task_status.started()
        pause_s = MIN_PAUSE_S
        while True:
            more = await self.pass_once()
            if self._state.status != "ok":
                # A poke does not shorten this: a full disk is not helped by asking more often.
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
                continue
            pause_s = MIN_PAUSE_S
            if not more:
                with trio.move_on_after(PERIOD_S):
                    await self._poked.wait()
                self._poked = trio.Event()

    async def finish(self) -> None:
        """Empty the rings, as far as the ledger lets us, and unmap them: for a clean stop, after ``run`` has ended."""
        try:
            while await self.pass_once():
                pass
        finally:
            self.close()

    async def pass_once(self) -> bool:
        """One transaction with the oldest records of every ring. True if more may be waiting. A checkpoint."""
        await trio.lowlevel.checkpoint()
        error = ""
        more = False
        orphaned: list[_Ring] = []
        try:
            self._scan()
            orphaned = [ring for ring in self._rings.values() if ring.is_orphaned()]
            more = await self._move_records()
            # Only what was dead before its records were read has all of them behind it.
            finished = [ring for ring in orphaned if ring.path.name in self._rings and not ring.reader.backlog_bytes()]
            if finished:
                await self._bury(finished)
        except _STORAGE_ERRORS as exc:
            error = f"{type(exc).__name__}: {exc}"
        self._tell(error)
        return not error and (more or bool(orphaned))

    def close(self) -> None:
        """Unmap all rings; what is in them waits for the next process."""
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()

    # -- the steps of a pass ----------------------------------------------------------------------------------------
    def _scan(self) -> None:
        """Map rings that are new. Raises OSError for want of descriptors or memory: a later pass will have some."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._directory) if entry.name.endswith(".ring"))
        except FileNotFoundError:  # no worker has started yet
            return
        for name in set(self._refused) - set(names):
            del self._refused[name]
        for name in names:
            if name in self._rings or name in self._refused or len(self._rings) >= MAX_RINGS:
                continue
            try:
                self._rings[name] = _Ring(self._directory / name)
            except (ValueError, OSError) as exc:
                if isinstance(exc, OSError) and exc.errno in _SHORTAGES:
                    raise
                self._refuse(name, str(exc))

    async def _move_records(self) -> bool:
        """Append what the rings hold, about BATCH_RECORDS at most, then release it. Whether more is left."""
        batch: list[AttemptRecord] = []
        taken: list[tuple[_Ring, int]] = []
        # Each ring gets its share, so that one that is far behind does not hold up the others.
        share = max(1, BATCH_RECORDS // max(1, len(self._rings)))
        for name, ring in list(self._rings.items()):
            try:
                raw = ring.reader.read(share)
            except ValueError as exc:
                self._refuse(name, str(exc))
                continue
            batch += (record for text in raw if (record := self._decode(name, text)) is not None)
            taken.append((ring, len(raw)))
        if batch:
            self._count(drained=await self._ledger.append(batch))
        for ring, count in taken:
            ring.reader.release(count)
        return any(count == share for _, count in taken)

    async def _bury(self, finished: list[_Ring]) -> None:
        """Commit the open attempts of dead workers as lost, then remove their files."""
        lost = [
            _lost(attempt)
            for ring in finished
            for text in ring.reader.open_entries()
            if (attempt := self._decode_open(ring.path.name, text)) is not None
        ]
        new = 0
        for start in range(0, len(lost), BATCH_RECORDS):
            new += await self._ledger.append(lost[start : start + BATCH_RECORDS])
        self._count(drained=new, lost=new)
        if new:
            _log.warning("%d attempts were open in workers that died; they are in the ledger as lost", new)
        for ring in finished:
            ring.path.unlink(missing_ok=True)
            ring.close()
            del self._rings[ring.path.name]

    # -- what is told -----------------------------------------------------------------------------------------------
    def _decode(self, name: str, text: bytes) -> AttemptRecord | None:
        try:
            return _record.decode(text)
        except msgspec.DecodeError as exc:
            self._reject(name, text, exc)
            return None

    def _decode_open(self, name: str, text: bytes) -> OpenAttempt | None:
        try:
            return _open.decode(text)
        except msgspec.DecodeError as exc:
            self._reject(name, text, exc)
            return None

    def _reject(self, name: str, text: bytes, exc: Exception) -> None:
        """One record nobody can read must not hold up the others; the log keeps it, so that it is not lost either."""
        self._count(rejected=1)
        _log.error("%s: a record cannot be decoded (%s) and is kept here only: %s", name, exc, text.hex())

    def _refuse(self, name: str, reason: str) -> None:
        """Leave a ring alone, as it is: another version may be able to read it."""
        if name in self._rings:
            self._rings.pop(name).close()
        self._refused[name] = reason
        _log.error("%s is left where it is, its records are not in the ledger: %s", name, reason)

    def _count(self, *, drained: int = 0, lost: int = 0, rejected: int = 0) -> None:
        state = self._state
        self._state = msgspec.structs.replace(
            state,
            drained_records=state.drained_records + drained,
            lost_attempts=state.lost_attempts + lost,
            rejected_records=state.rejected_records + rejected,
        )

    def _tell(self, error: str) -> None:
        """Bring ``state`` up to date, and log its changes once each."""
        backlog = sum(ring.reader.backlog_bytes() for ring in self._rings.values())
        now = trio.current_time()
        if not (backlog or error):
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        status = f"stalled: {error}" if error else "ok"
        before = self._state.status
        self._state = msgspec.structs.replace(
            self._state,
            status=status,
            backlog_bytes=backlog,
            lag_s=0.0 if self._behind_since is None else now - self._behind_since,
            rings=len(self._rings),
            writers=sum(not ring.orphaned for ring in self._rings.values()),
            refused_rings=len(self._refused),
        )
        if status != before:
            if error:
                _log.error("the ledger takes no records (%s); they wait in the journal, traffic goes on", error)
            else:
                _log.warning("the ledger takes records again")


def _lost(attempt: OpenAttempt) -> AttemptRecord:
    """What the ledger is told of an attempt whose worker died."""
    return AttemptRecord(
        attempt.attempt_id,
        attempt.request_id,
        attempt.key_id,
        attempt.provider,
        attempt.connection_id,
        attempt.model,
        attempt.started_epoch_s,
        attempt.attempt,
        "lost",
        0,
        "worker_died",
        head_ms=attempt.head_ms,
        streamed=attempt.streamed,
    )
