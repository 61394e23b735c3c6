"""All configuration the hot path reads, immutable, with the indexes derived from it."""

from __future__ import annotations

import msgspec

from omniroute.domain.caller import Caller
from omniroute.domain.connection import Connection


class RuntimeSettings(msgspec.Struct, frozen=True):
    """Settings changed at run time (the rest is ``config.Settings``, fixed at start)."""

    heartbeat_s: float = 0.0
    """Send ``: keep-alive`` on a stream silent this long; 0: off."""
    max_attempts: int = 4


class SnapshotDocument(msgspec.Struct, frozen=True):
    """What control writes to shared memory (msgpack). Holds credentials: never stored on disk, never logged."""

    epoch: int
    key_pepper: bytes
    """32 bytes; keys the digest of API keys."""
    callers: tuple[Caller, ...] = ()
    connections: tuple[Connection, ...] = ()
    settings: RuntimeSettings = RuntimeSettings()
    created_epoch_s: float = 0.0

    def __repr__(self) -> str:
        return f"SnapshotDocument({self.epoch})"


class Target(msgspec.Struct, frozen=True):
    """Connection + model: one thing an attempt can call."""

    connection: Connection
    model: str
    """As the provider spells it."""


class Snapshot:
    """A document and what is derived from it once per epoch."""

    __slots__ = ("callers", "connections", "document", "epoch", "models", "providers", "settings")

    def __init__(self, document: SnapshotDocument) -> None:
        self.document = document
        self.epoch = document.epoch
        self.settings = document.settings
        self.callers: dict[bytes, Caller] = {caller.digest: caller for caller in document.callers}
        self.connections: dict[str, Connection] = {c.connection_id: c for c in document.connections}
        providers: dict[str, list[Connection]] = {}
        for connection in sorted(document.connections, key=lambda c: (c.priority, c.label)):
            providers.setdefault(connection.provider, []).append(connection)
        self.providers: dict[str, tuple[Connection, ...]] = {name: tuple(found) for name, found in providers.items()}
        self.models: tuple[str, ...] = tuple(
            sorted({f"{c.provider}/{model}" for c in document.connections for model in c.models})
        )
