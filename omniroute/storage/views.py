"""What an operator is shown. No field of these Structs is, or contains, a secret."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from omniroute.domain import Quirks, Secret, Timeouts
from omniroute.storage.connections import StoredConnection
from omniroute.storage.keys import KeyRow


class KeyView(msgspec.Struct, frozen=True):
    """An API key."""

    key_id: str
    name: str
    prefix: str
    last4: str
    scopes: tuple[str, ...]
    allowed_models: tuple[str, ...]
    allowed_connections: tuple[str, ...]
    requests_per_minute: int
    max_in_flight: int
    expires_epoch_s: float
    created_epoch_s: float
    revoked_epoch_s: float
    state: str
    """active, revoked or expired."""


class CreatedKey(msgspec.Struct, frozen=True):
    """A key just made: the only time the key itself is known."""

    view: KeyView
    key: Secret


class ConnectionView(msgspec.Struct, frozen=True):
    """A connection."""

    connection_id: str
    provider: str
    label: str
    base_url: str
    dialect: str
    models: tuple[str, ...]
    priority: int
    active: bool
    has_credential: bool
    header_names: tuple[str, ...]
    """Of the extra headers; their values may be secret."""
    proxy: str
    """Scheme, host and port."""
    ca_pem: str
    client_cert_pem: str
    server_name: str
    timeouts: Timeouts
    max_in_flight: int
    allow_private: bool
    quirks: Quirks
    """In force: the provider's preset, and what this connection says otherwise. Defaults are left out."""
    created_epoch_s: float
    updated_epoch_s: float
    problem: str
    """Why it is not used although active: its secrets do not open."""


def of_key(row: KeyRow, now_epoch_s: float) -> KeyView:
    """How a key is shown."""
    state = "revoked" if row.revoked_epoch_s else "active" if row.good_at(now_epoch_s) else "expired"
    return KeyView(
        key_id=row.key_id,
        name=row.name,
        prefix=row.prefix,
        last4=row.last4,
        scopes=row.scopes,
        allowed_models=row.allowed_models,
        allowed_connections=row.allowed_connections,
        requests_per_minute=row.requests_per_minute,
        max_in_flight=row.max_in_flight,
        expires_epoch_s=row.expires_epoch_s,
        created_epoch_s=row.created_epoch_s,
        revoked_epoch_s=row.revoked_epoch_s,
        state=state,
    )


def of_connection(stored: StoredConnection) -> ConnectionView:
    """How a connection is shown."""
    connection = stored.connection
    return ConnectionView(
        connection_id=connection.connection_id,
        provider=connection.provider,
        label=connection.label,
        base_url=connection.base_url,
        dialect=connection.dialect,
        models=connection.models,
        priority=connection.priority,
        active=stored.active,
        has_credential=stored.has_credential,
        header_names=tuple(name for name, _ in connection.headers),
        proxy=_without_user(connection.proxy.reveal()),
        ca_pem=connection.tls.ca_pem,
        client_cert_pem=connection.tls.client_cert_pem,
        server_name=connection.tls.server_name,
        timeouts=connection.timeouts,
        max_in_flight=connection.max_in_flight,
        allow_private=connection.allow_private,
        quirks=connection.quirks,
        created_epoch_s=stored.created_epoch_s,
        updated_epoch_s=stored.updated_epoch_s,
        problem=stored.problem,
    )


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if url else ""
