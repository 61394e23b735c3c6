"""From the database to what workers read: build the document, put it into shared memory, put it in force."""

from __future__ import annotations

from typing import Final, Protocol

import apsw
import msgspec

from omniroute._speedups import Shared, SnapshotArea
from omniroute.domain import SnapshotDocument
from omniroute.storage import connections, keys, settings
from omniroute.storage.faults import StorageError
from omniroute.storage.vault import Vault

_ENCODER: Final = msgspec.msgpack.Encoder()


class Problem(msgspec.Struct, frozen=True):
    """An active connection that had to be left out."""

    connection_id: str
    provider: str
    label: str
    message: str


class Built(msgspec.Struct, frozen=True):
    """A document and what is missing from it."""

    document: SnapshotDocument
    problems: tuple[Problem, ...]


class Publisher(Protocol):
    """Where snapshots go."""

    def epoch(self) -> int:
        """Number of the snapshot in force."""
        ...

    def stage(self, document: SnapshotDocument) -> None:
        """Write a document beside the one in force. Raises ``StorageError`` if there is no room for it."""

    def put_in_force(self, epoch: int) -> None:
        """Make a staged document the one that every request from now on begins with. Cannot fail."""


class SharedPublisher:
    """Publishes to the workers of a running gateway."""

    def __init__(self, shared: Shared, area: SnapshotArea) -> None:
        self._shared = shared
        self._area = area

    def epoch(self) -> int:
        """Number of the snapshot in force."""
        return self._shared.epoch()

    def stage(self, document: SnapshotDocument) -> None:
        """Write a document into the half that is not in force."""
        try:
            self._area.write(document.epoch, _ENCODER.encode(document))
        except OverflowError as exc:
            raise StorageError(
                "the configuration has grown too large for the memory shared with the workers; nothing was changed: "
                "remove keys or connections that are not needed",
                code="snapshot_too_large",
                status=507,
            ) from exc

    def put_in_force(self, epoch: int) -> None:
        """Make a staged document the one in force."""
        self._shared.publish_epoch(epoch)


class NoWorkers:
    """Publishes to nobody: the gateway is stopped, and its next start builds the snapshot."""

    def epoch(self) -> int:
        """No snapshot is in force."""
        return 0

    def stage(self, document: SnapshotDocument) -> None:
        """Nobody would read it."""

    def put_in_force(self, epoch: int) -> None:
        """Nobody would see it."""


def build(connection: apsw.Connection, vault: Vault, *, epoch: int, pepper: bytes, now_epoch_s: float) -> Built:
    """The document of ``epoch`` from what this transaction sees.

    In it are the keys that are good now and the active connections whose secrets open; a connection with a problem is
    left out rather than called without its credential.
    """
    active = [stored for stored in connections.every(connection, vault) if stored.active]
    document = SnapshotDocument(
        epoch=epoch,
        key_pepper=pepper,
        callers=tuple(row.caller() for row in keys.every(connection) if row.good_at(now_epoch_s)),
        connections=tuple(stored.connection for stored in active if not stored.problem),
        settings=settings.read(connection),
        created_epoch_s=now_epoch_s,
    )
    problems = tuple(
        Problem(stored.connection.connection_id, stored.connection.provider, stored.connection.label, stored.problem)
        for stored in active
        if stored.problem
    )
    return Built(document, problems)
