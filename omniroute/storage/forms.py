"""What an operator fills in: bodies of admin requests and arguments of commands. Checked by ``rules``.

Fields that hold secrets are plain text here, since people write them so; ``repr`` shows none of it.
"""

from __future__ import annotations

import msgspec

from omniroute.domain import Timeouts


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key to be made. Limits of 0 mean none."""

    name: str
    scopes: tuple[str, ...] = ("inference",)
    allowed_models: tuple[str, ...] = ()
    """Globs over ``provider/model``; empty allows all."""
    allowed_connections: tuple[str, ...] = ()
    """Ids; empty allows all."""
    requests_per_minute: int = 0
    max_in_flight: int = 0
    expires_epoch_s: float = 0.0


class NewConnection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A connection to be added."""

    provider: str
    label: str
    base_url: str
    credential: str = ""
    dialect: str = "openai_chat"
    models: tuple[str, ...] = ()
    priority: int = 100
    headers: dict[str, str] = {}
    proxy: str = ""
    ca_pem: str = ""
    client_cert_pem: str = ""
    client_key_pem: str = ""
    server_name: str = ""
    timeouts: Timeouts = Timeouts()
    max_in_flight: int = 0
    allow_private: bool = False
    quirks: dict[str, object] = {}
    """What differs from the provider's preset, in the words of ``domain.Quirks``."""

    def __repr__(self) -> str:
        return f"NewConnection({self.provider}/{self.label})"


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings to be changed; those left out stay."""

    heartbeat_s: float | msgspec.UnsetType = msgspec.UNSET
    max_attempts: int | msgspec.UnsetType = msgspec.UNSET
