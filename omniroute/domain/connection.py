"""One account or key at a provider, with what is needed to reach it."""

from __future__ import annotations

import msgspec

from omniroute.domain.quirks import Quirks
from omniroute.domain.secret import Secret


class TlsProfile(msgspec.Struct, frozen=True):
    """How a TLS upstream is verified. Empty fields: the system's trust store, no client certificate."""

    ca_pem: str = ""
    client_cert_pem: str = ""
    client_key_pem: Secret = Secret("")
    server_name: str = ""


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds; 0 turns one off. Defaults suit hosted LLMs: slow first tokens, steady streams."""

    connect_s: float = 10.0
    first_byte_s: float = 120.0
    idle_s: float = 120.0
    client_write_s: float = 60.0
    total_s: float = 1800.0


class Connection(msgspec.Struct, frozen=True):
    """An active connection as the hot path sees it. Only active ones are in a snapshot."""

    connection_id: str
    label: str
    """Shown to clients in ``X-OmniRoute-Connection``; unique within a provider."""
    provider: str
    """The prefix of its models: ``provider/model``."""
    base_url: str
    """E.g. ``https://api.example.com/v1``; dialect paths are appended (``/chat/completions``)."""
    credential: Secret = Secret("")
    dialect: str = "openai_chat"
    models: tuple[str, ...] = ()
    """Model ids as the provider spells them; empty: any id is passed on."""
    priority: int = 100
    """Lower is tried first."""
    headers: tuple[tuple[str, str], ...] = ()
    proxy: Secret = Secret("")
    """``http://user:pass@host:port`` or ``socks5://...``; empty: direct."""
    tls: TlsProfile = TlsProfile()
    timeouts: Timeouts = Timeouts()
    max_in_flight: int = 0
    allow_private: bool = False
    """The egress guard lets this connection reach loopback and private addresses."""
    quirks: Quirks = Quirks()
    """How the upstream deviates from its dialect: its provider's preset, and what the connection says otherwise."""
    in_flight_counter: int = 0
    """``counter_id("connection-in-flight", connection_id)``."""

    def __repr__(self) -> str:
        return f"Connection({self.provider}/{self.label})"  # a header's value may be a key
