"""What the journal and the ledger keep of an attempt."""

from __future__ import annotations

import msgspec

from omniroute.domain.usage import Usage


class OpenAttempt(msgspec.Struct, frozen=True, array_like=True):
    """The entry of an attempt in progress: what is known if its worker dies. As msgpack it fits a ring's OPEN_BYTES."""

    attempt_id: str
    request_id: str
    key_id: str
    provider: str
    connection_id: str
    model: str
    started_epoch_s: float
    attempt: int
    streamed: bool = False
    head_ms: int = -1
    """-1 until the upstream's head arrived; amended once."""


class AttemptRecord(msgspec.Struct, frozen=True, array_like=True):
    """One attempt, ended. One ledger row. Times in milliseconds from the attempt's start; -1: did not happen."""

    attempt_id: str
    request_id: str
    key_id: str
    provider: str
    connection_id: str
    model: str
    started_epoch_s: float
    attempt: int
    outcome: str
    """ok, client_error, upstream_error, client_gone, lost, cancelled, fault."""
    status: int
    """HTTP status the upstream gave, 0 if none."""
    error_class: str = ""
    usage: Usage = Usage()
    connect_ms: int = -1
    head_ms: int = -1
    first_token_ms: int = -1
    total_ms: int = -1
    bytes_in: int = 0
    """Request body to the upstream."""
    bytes_out: int = 0
    """Response payload to the client."""
    streamed: bool = False
    requested_model: str = ""
    epoch: int = 0
    """The snapshot it ran under."""
    losses: str = ""
    """What a translation between dialects lost, as ``action:field`` with semicolons."""
    client_dialect: str = ""
    dialect: str = ""
    """The upstream's."""
