"""Table ``responses``, and the workers' spools that fill it (``telemetry.shelf``).

A response is in a spool before the last byte of it reaches the client, and whoever asks for one empties the spools
first: so a client that has an id can use it at once, at any worker. Records are released from a spool only when they
are committed. What is kept is bounded in age and in bytes; the oldest goes first. Only the API key that made a response
can see it; to any other it does not exist.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import msgspec
import trio

from omniroute._speedups.spool import SpoolReader
from omniroute.domain import StoredResponse
from omniroute.errors import OmniRouteError
from omniroute.storage.faults import UnreadableSecretError
from omniroute.storage.open import Database
from omniroute.storage.vault import Vault

PERIOD_S: Final = 0.5
"""Between passes when nobody asks."""
EXPIRY_S: Final = 300.0
"""Between looks for what is too old."""
BATCH_RECORDS: Final = 64
"""Of one transaction."""
EXPIRE_ROWS: Final = 500
"""Of one transaction: a bounded step, whatever has piled up."""
KEEP_S: Final = 30 * 86400.0
"""As long as OpenAI keeps them by default."""
KEEP_BYTES: Final = 1024 * 1024 * 1024
"""Sealed texts of all keys together."""

_log: Final = logging.getLogger(__name__)
_decoder: Final = msgspec.msgpack.Decoder(StoredResponse)


class _Texts(msgspec.Struct, frozen=True):
    """What is sealed."""

    input_items: msgspec.Raw
    context_items: msgspec.Raw
    body: msgspec.Raw


_texts: Final = msgspec.json.Decoder(_Texts)


class _Spool:
    """One mapped spool file."""

    __slots__ = ("fd", "path", "reader")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.reader = SpoolReader(self.fd)
        except (ValueError, OSError):
            os.close(self.fd)
            raise

    def is_orphaned(self) -> bool:
        """Whether the writer is dead."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self.reader.unmap()
        os.close(self.fd)


class Responses:
    """Stored responses of one installation. One task runs it: :meth:`run`."""

    def __init__(self, directory: Path, database: Database, vault: Vault, clock: Callable[[], float]) -> None:
        """``directory``: where workers make their spools. ``clock``: seconds since 1970."""
        self._directory = directory
        self._database = database
        self._vault = vault
        self._clock = clock
        self._spools: dict[str, _Spool] = {}
        self._refused: set[str] = set()
        self._passing = trio.Lock()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Collect and expire until cancelled. Never raises for a storage error: what is not released waits."""
        task_status.started()
        expire_at = trio.current_time()
        while True:
            try:
                await self.collect()
                if trio.current_time() >= expire_at:
                    await self.expire()
                    expire_at = trio.current_time() + EXPIRY_S
            except (apsw.Error, OSError, OmniRouteError) as exc:
                _log.warning("stored responses wait in their spools: %s", exc)
            await trio.sleep(PERIOD_S)

    async def collect(self) -> None:
        """Everything the spools hold now is in the table when this returns. Raises what storage raises."""
        async with self._passing:
            self._scan()
            for name, spool in list(self._spools.items()):
                orphaned = spool.is_orphaned()
                await self._empty(name, spool)
                if orphaned and name in self._spools:
                    spool.path.unlink(missing_ok=True)
                    spool.close()
                    del self._spools[name]

    async def find(self, response_id: str, key_id: str) -> StoredResponse | None:
        """The response with this id if ``key_id`` made it and it is still kept."""
        await self.collect()
        row = await self._database.read(
            lambda connection: connection.execute(
                "SELECT created_epoch_s, previous_response_id, sealed FROM responses "
                "WHERE response_id = ? AND key_id = ?",
                (response_id, key_id),
            ).fetchone()
        )
        if row is None:
            return None
        created_epoch_s, previous, sealed = row
        try:
            text = self._vault.open(sealed, table="responses", row=response_id, field="texts")
        except UnreadableSecretError:
            return None  # sealed under another master key: as good as gone
        texts = _texts.decode(text)
        return StoredResponse(
            response_id, key_id, created_epoch_s, previous,
            bytes(texts.input_items), bytes(texts.context_items), bytes(texts.body),
        )  # fmt: skip

    async def remove(self, response_id: str, key_id: str) -> bool:
        """Forget a response; whether there was one."""
        await self.collect()

        def work(connection: apsw.Connection) -> bool:
            connection.execute("DELETE FROM responses WHERE response_id = ? AND key_id = ?", (response_id, key_id))
            return connection.changes() > 0

        return await self._database.write(work)

    async def expire(self, *, keep_s: float = KEEP_S, keep_bytes: int = KEEP_BYTES) -> int:
        """Remove what is too old, then the oldest while all together are too large; how many went."""
        gone = 0
        while True:
            removed = await self._database.write(lambda c: _expire(c, self._clock() - keep_s, keep_bytes))
            gone += removed
            if removed < EXPIRE_ROWS:
                return gone

    def close(self) -> None:
        """Unmap all spools; what is in them waits for the next process."""
        for spool in self._spools.values():
            spool.close()
        self._spools.clear()

    def _scan(self) -> None:
        try:
            names = sorted(entry.name for entry in os.scandir(self._directory) if entry.name.endswith(".spool"))
        except FileNotFoundError:  # no worker has started yet
            return
        for name in names:
            if name not in self._spools and name not in self._refused:
                try:
                    self._spools[name] = _Spool(self._directory / name)
                except ValueError as exc:
                    self._refuse(name, exc)

    async def _empty(self, name: str, spool: _Spool) -> None:
        while True:
            batch: list[StoredResponse] = []
            sizes: list[int] = []
            try:
                found = spool.reader.read()
                while found is not None:
                    batch += self._decoded(name, found[0])
                    sizes.append(found[1])
                    if len(sizes) >= BATCH_RECORDS:
                        break
                    found = spool.reader.read(sum(sizes))
            except ValueError as exc:
                self._refuse(name, exc)
                return
            if not sizes:
                return
            rows = [self._row(response) for response in batch]
            await self._database.write(
                lambda connection, rows=rows: connection.executemany(  # type: ignore[misc]  # bound at once
                    "INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?, ?)", rows
                )
            )
            spool.reader.release(sum(sizes))

    def _row(self, response: StoredResponse) -> tuple[str, str, float, str, int, str]:
        text = msgspec.json.encode(
            _Texts(msgspec.Raw(response.input_items), msgspec.Raw(response.context_items), msgspec.Raw(response.body))
        ).decode()
        sealed = self._vault.seal(text, table="responses", row=response.response_id, field="texts")
        return (
            response.response_id, response.key_id, response.created_epoch_s, response.previous_response_id,
            len(sealed), sealed,
        )  # fmt: skip

    def _decoded(self, name: str, record: bytes) -> list[StoredResponse]:
        try:
            return [_decoder.decode(record)]
        except msgspec.DecodeError as exc:
            _log.error("%s: a stored response cannot be decoded (%s) and is dropped", name, exc)
            return []

    def _refuse(self, name: str, exc: ValueError) -> None:
        """Leave a spool alone, as it is."""
        if name in self._spools:
            self._spools.pop(name).close()
        self._refused.add(name)
        _log.error("%s is left where it is, its responses cannot be used: %s", name, exc)


def _expire(connection: apsw.Connection, before_epoch_s: float, keep_bytes: int) -> int:
    """One bounded step; how many rows went."""
    connection.execute(
        "DELETE FROM responses WHERE response_id IN "
        "(SELECT response_id FROM responses WHERE created_epoch_s < ? ORDER BY created_epoch_s LIMIT ?)",
        (before_epoch_s, EXPIRE_ROWS),
    )
    gone = connection.changes()
    if gone:
        return gone
    excess = connection.execute("SELECT coalesce(sum(size_bytes), 0) FROM responses").get - keep_bytes
    oldest = connection.execute(
        "SELECT response_id, size_bytes FROM responses ORDER BY created_epoch_s LIMIT ?", (EXPIRE_ROWS,)
    ).fetchall()
    for response_id, size_bytes in oldest:
        if excess <= 0:
            break
        connection.execute("DELETE FROM responses WHERE response_id = ?", (response_id,))
        excess -= size_bytes
        gone += 1
    return gone
