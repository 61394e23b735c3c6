"""The values stages hand to each other."""

from __future__ import annotations

import msgspec

from omniroute.domain import Caller, Snapshot, Target, Usage
from omniroute.ports import Incoming
from omniroute.translate import Dialect, Peeked


class PipelineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the pipeline."""

    response_body_bytes: int = 64 * 1024 * 1024
    """Largest upstream answer that is not streamed: it is held to read its usage. Over: 502."""
    error_body_bytes: int = 256 * 1024
    """How much of an upstream's error body is read, to classify and relay it. Over: 502, the next one is tried."""
    held_bytes: int = 1024 * 1024
    """Handshake events held before the first content event of a stream. Over: the next connection is tried."""


class Plan(msgspec.Struct, frozen=True):
    """What to try, in order. Never empty."""

    targets: tuple[Target, ...]


class Request(msgspec.Struct, frozen=True):
    """A request whose caller is known and admitted, with its plan: all an attempt needs besides its target."""

    incoming: Incoming
    dialect: Dialect
    peeked: Peeked
    snapshot: Snapshot
    caller: Caller
    plan: Plan


class Served(msgspec.Struct):
    """What is learnt during one attempt. The one mutable value: filled in as the attempt goes on, by its task alone."""

    target: Target
    number: int
    attempt_id: str
    started_at: float
    started_epoch_s: float
    lost_s: float = 0.0
    """What earlier attempts of the request took."""
    body_bytes: int = 0
    status: int = 0
    connect_ms: int = -1
    head_at: float = 0.0
    committed_at: float = 0.0
    usage: Usage = Usage()
    bytes_out: int = 0
    events: int = 0
    outcome: str = "cancelled"
    error_class: str = ""
