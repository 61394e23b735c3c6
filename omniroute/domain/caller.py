"""Who an API key resolves to."""

from __future__ import annotations

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """One API key as the hot path sees it. Limits of 0 mean none."""

    key_id: str
    name: str
    digest: bytes
    """Keyed BLAKE2b-128 of the key (``auth.keys.digest_of``): the snapshot's index."""
    scopes: tuple[str, ...] = ("inference",)
    allowed_models: tuple[str, ...] = ()
    """Globs anchored at both ends over ``provider/model``; empty allows all."""
    allowed_connections: tuple[str, ...] = ()
    requests_per_minute: int = 0
    max_in_flight: int = 0
    expires_epoch_s: float = 0.0
    """0: never."""
    rate_counter: int = 0
    """``counter_id("key-rate", key_id)``."""
    in_flight_counter: int = 0
    """``counter_id("key-in-flight", key_id)``."""
