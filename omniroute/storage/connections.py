"""Table ``connections``. All functions run within a transaction; credential, headers, proxy and client key are sealed.

Headers are sealed whole: some providers take their key in a header of their own.
"""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from omniroute.domain import Connection, Secret, Timeouts, TlsProfile, counter_id, own_quirks, quirks_of
from omniroute.storage.faults import UnreadableSecretError
from omniroute.storage.vault import Vault

_TABLE: Final = "connections"

SEALED_FIELDS: Final = ("credential", "headers", "proxy", "client_key")


class StoredConnection(msgspec.Struct, frozen=True):
    """A connection as stored and opened."""

    connection: Connection
    active: bool
    created_epoch_s: float
    updated_epoch_s: float
    has_credential: bool = False
    """One is stored, whether it opens or not."""
    problem: str = ""
    """Why its secrets could not be opened; then all of them are empty here, and it must not be called."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The columns, in the order of ``_SELECT``."""

    connection_id: str
    label: str
    provider: str
    base_url: str
    dialect: str
    models: str
    priority: int
    max_in_flight: int
    allow_private: bool
    active: bool
    timeouts: str
    ca_pem: str
    client_cert_pem: str
    server_name: str
    credential_sealed: str
    headers_sealed: str
    proxy_sealed: str
    client_key_sealed: str
    created_epoch_s: float
    updated_epoch_s: float
    quirks: str


_SELECT: Final = """
SELECT connection_id, label, provider, base_url, dialect, models, priority, max_in_flight, allow_private, active,
       timeouts, ca_pem, client_cert_pem, server_name, credential_sealed, headers_sealed, proxy_sealed,
       client_key_sealed, created_epoch_s, updated_epoch_s, quirks
FROM connections
"""
_HeaderPairs = tuple[tuple[str, str], ...]
_HEADERS: Final = msgspec.json.Decoder(_HeaderPairs)
_MODELS: Final = msgspec.json.Decoder(tuple[str, ...])
_QUIRKS: Final = msgspec.json.Decoder(dict[str, object])
_TIMEOUTS: Final = msgspec.json.Decoder(Timeouts)
_ENCODER: Final = msgspec.json.Encoder()


def insert(
    connection: apsw.Connection, new: Connection, vault: Vault, *, now_epoch_s: float, active: bool = True
) -> None:
    """Add an active connection. Provider and label together must be free."""
    row = new.connection_id
    headers = _ENCODER.encode(new.headers).decode() if new.headers else ""
    connection.execute(
        """
        INSERT INTO connections (connection_id, label, provider, base_url, dialect, models, priority, max_in_flight,
          allow_private, active, timeouts, ca_pem, client_cert_pem, server_name, credential_sealed, headers_sealed,
          proxy_sealed, client_key_sealed, created_epoch_s, updated_epoch_s, quirks)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            row,
            new.label,
            new.provider,
            new.base_url,
            new.dialect,
            _ENCODER.encode(new.models).decode(),
            new.priority,
            new.max_in_flight,
            int(new.allow_private),
            1,
            _ENCODER.encode(new.timeouts).decode(),
            new.tls.ca_pem,
            new.tls.client_cert_pem,
            new.tls.server_name,
            vault.seal(new.credential.reveal(), table=_TABLE, row=row, field="credential"),
            vault.seal(headers, table=_TABLE, row=row, field="headers"),
            vault.seal(new.proxy.reveal(), table=_TABLE, row=row, field="proxy"),
            vault.seal(new.tls.client_key_pem.reveal(), table=_TABLE, row=row, field="client_key"),
            now_epoch_s,
            now_epoch_s,
            _ENCODER.encode(own_quirks(new.provider, new.quirks)).decode(),
        ),
    )


def every(connection: apsw.Connection, vault: Vault) -> list[StoredConnection]:
    """All connections, inactive ones too, by provider, then in the order they are tried."""
    rows = connection.execute(f"{_SELECT} ORDER BY provider, priority, label")
    return [_opened(values, vault) for values in rows]


def find(connection: apsw.Connection, vault: Vault, connection_id: str) -> StoredConnection | None:
    """One connection by its id."""
    for values in connection.execute(f"{_SELECT} WHERE connection_id = ?", (connection_id,)):
        return _opened(values, vault)
    return None


def id_of(connection: apsw.Connection, provider: str, label: str) -> str | None:
    """The id of the connection so called."""
    rows = connection.execute(
        "SELECT connection_id FROM connections WHERE provider = ? AND label = ?", (provider, label)
    )
    return msgspec.convert(rows.get, str | None)


def remove(connection: apsw.Connection, connection_id: str) -> None:
    """Forget a connection and its secrets; ledger rows that name it stay."""
    connection.execute("DELETE FROM connections WHERE connection_id = ?", (connection_id,))


def set_active(connection: apsw.Connection, connection_id: str, active: bool, now_epoch_s: float) -> None:
    """Let a connection take part, or not."""
    connection.execute(
        "UPDATE connections SET active = ?, updated_epoch_s = ? WHERE connection_id = ?",
        (int(active), now_epoch_s, connection_id),
    )


def set_base_url(connection: apsw.Connection, connection_id: str, base_url: str, now_epoch_s: float) -> None:
    """Tell a connection that its upstream has moved."""
    connection.execute(
        "UPDATE connections SET base_url = ?, updated_epoch_s = ? WHERE connection_id = ?",
        (base_url, now_epoch_s, connection_id),
    )


def sealed_rows(connection: apsw.Connection) -> bool:
    """Whether any secret is stored: then a new master key would be a wrong one."""
    return bool(
        connection.execute(
            """
            SELECT EXISTS (SELECT 1 FROM connections
                           WHERE credential_sealed || headers_sealed || proxy_sealed || client_key_sealed <> '')
            """
        ).get
    )


def opens_any(connection: apsw.Connection, vault: Vault) -> bool:
    """Whether ``vault`` opens at least one of the secrets stored, or there is none: a vault that may seal new ones.

    One is enough: a single damaged row must not stop the operator from adding others.
    """
    found = [row for row in every(connection, vault) if row.problem or _has_secret(row.connection)]
    return not found or not all(row.problem for row in found)


def _has_secret(connection: Connection) -> bool:
    return bool(connection.credential or connection.headers or connection.proxy or connection.tls.client_key_pem)


def _opened(values: apsw.SQLiteValues, vault: Vault) -> StoredConnection:
    stored = msgspec.convert(values, _Stored, strict=False)  # SQLite has no booleans
    row = stored.connection_id
    envelopes = (stored.credential_sealed, stored.headers_sealed, stored.proxy_sealed, stored.client_key_sealed)
    problem = ""
    try:
        credential, headers, proxy, client_key = (
            vault.open(envelope, table=_TABLE, row=row, field=field)
            for field, envelope in zip(SEALED_FIELDS, envelopes, strict=True)
        )
    except UnreadableSecretError as exc:
        credential = headers = proxy = client_key = ""
        problem = exc.message
    opened = Connection(
        connection_id=row,
        label=stored.label,
        provider=stored.provider,
        base_url=stored.base_url,
        credential=Secret(credential),
        dialect=stored.dialect,
        models=_MODELS.decode(stored.models),
        priority=stored.priority,
        headers=_HEADERS.decode(headers) if headers else (),
        proxy=Secret(proxy),
        tls=TlsProfile(stored.ca_pem, stored.client_cert_pem, Secret(client_key), stored.server_name),
        timeouts=_TIMEOUTS.decode(stored.timeouts),
        max_in_flight=stored.max_in_flight,
        allow_private=stored.allow_private,
        quirks=quirks_of(stored.provider, _QUIRKS.decode(stored.quirks)),
        in_flight_counter=counter_id("connection-in-flight", row),
    )
    return StoredConnection(
        connection=opened,
        active=stored.active,
        created_epoch_s=stored.created_epoch_s,
        updated_epoch_s=stored.updated_epoch_s,
        has_credential=bool(stored.credential_sealed),
        problem=problem,
    )
