"""Table ``api_keys``. All functions run within a transaction; a key itself is never stored, only its keyed digest."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from omniroute.domain import Caller, counter_id


class KeyRow(msgspec.Struct, frozen=True):
    """One API key as stored. Limits of 0 mean none, times of 0 mean never."""

    key_id: str
    name: str
    digest: bytes
    prefix: str
    """The key's first characters, for people to recognise it by."""
    last4: str
    created_epoch_s: float
    scopes: tuple[str, ...] = ("inference",)
    allowed_models: tuple[str, ...] = ()
    allowed_connections: tuple[str, ...] = ()
    requests_per_minute: int = 0
    max_in_flight: int = 0
    expires_epoch_s: float = 0.0
    revoked_epoch_s: float = 0.0

    def good_at(self, epoch_s: float) -> bool:
        """Neither revoked nor expired."""
        return not self.revoked_epoch_s and not 0 < self.expires_epoch_s <= epoch_s

    def caller(self) -> Caller:
        """What the hot path needs of it."""
        return Caller(
            key_id=self.key_id,
            name=self.name,
            digest=self.digest,
            scopes=self.scopes,
            allowed_models=self.allowed_models,
            allowed_connections=self.allowed_connections,
            requests_per_minute=self.requests_per_minute,
            max_in_flight=self.max_in_flight,
            expires_epoch_s=self.expires_epoch_s,
            rate_counter=counter_id("key-rate", self.key_id),
            in_flight_counter=counter_id("key-in-flight", self.key_id),
        )


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The columns, in the order of ``_SELECT``."""

    key_id: str
    name: str
    digest: bytes
    prefix: str
    last4: str
    scopes: str
    allowed_models: str
    allowed_connections: str
    requests_per_minute: int
    max_in_flight: int
    expires_epoch_s: float
    created_epoch_s: float
    revoked_epoch_s: float


_SELECT: Final = """
SELECT key_id, name, digest, prefix, last4, scopes, allowed_models, allowed_connections, requests_per_minute,
       max_in_flight, expires_epoch_s, created_epoch_s, revoked_epoch_s
FROM api_keys
"""
_TEXTS: Final = msgspec.json.Decoder(tuple[str, ...])
_ENCODER: Final = msgspec.json.Encoder()


def insert(connection: apsw.Connection, row: KeyRow) -> None:
    """Add a key."""
    connection.execute(
        """
        INSERT INTO api_keys (key_id, name, digest, prefix, last4, scopes, allowed_models, allowed_connections,
          requests_per_minute, max_in_flight, expires_epoch_s, created_epoch_s, revoked_epoch_s)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            row.key_id,
            row.name,
            row.digest,
            row.prefix,
            row.last4,
            _ENCODER.encode(row.scopes).decode(),
            _ENCODER.encode(row.allowed_models).decode(),
            _ENCODER.encode(row.allowed_connections).decode(),
            row.requests_per_minute,
            row.max_in_flight,
            row.expires_epoch_s,
            row.created_epoch_s,
            row.revoked_epoch_s,
        ),
    )


def every(connection: apsw.Connection) -> list[KeyRow]:
    """All keys, revoked ones too, oldest first."""
    return [_row(values) for values in connection.execute(f"{_SELECT} ORDER BY created_epoch_s, key_id")]


def find(connection: apsw.Connection, key_id: str) -> KeyRow | None:
    """One key by its id."""
    for values in connection.execute(f"{_SELECT} WHERE key_id = ?", (key_id,)):
        return _row(values)
    return None


def find_by_digest(connection: apsw.Connection, digest: bytes) -> KeyRow | None:
    """The key with this digest."""
    for values in connection.execute(f"{_SELECT} WHERE digest = ?", (digest,)):
        return _row(values)
    return None


def revoke(connection: apsw.Connection, key_id: str, now_epoch_s: float) -> None:
    """Mark a key as revoked; the time of a first revocation stays."""
    connection.execute(
        "UPDATE api_keys SET revoked_epoch_s = ? WHERE key_id = ? AND revoked_epoch_s = 0", (now_epoch_s, key_id)
    )


def _row(values: apsw.SQLiteValues) -> KeyRow:
    stored = msgspec.convert(values, _Stored)
    return KeyRow(
        key_id=stored.key_id,
        name=stored.name,
        digest=stored.digest,
        prefix=stored.prefix,
        last4=stored.last4,
        created_epoch_s=stored.created_epoch_s,
        scopes=_TEXTS.decode(stored.scopes),
        allowed_models=_TEXTS.decode(stored.allowed_models),
        allowed_connections=_TEXTS.decode(stored.allowed_connections),
        requests_per_minute=stored.requests_per_minute,
        max_in_flight=stored.max_in_flight,
        expires_epoch_s=stored.expires_epoch_s,
        revoked_epoch_s=stored.revoked_epoch_s,
    )
