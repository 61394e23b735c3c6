"""A finished request, as the log and the metrics are told of it."""

from __future__ import annotations

import msgspec


class Summary(msgspec.Struct, frozen=True):
    """One client request. Milliseconds count from its head; negative: did not happen."""

    time: float
    """Of its end, seconds since 1970."""
    request_id: str
    key_id: str
    path: str
    peer: str
    requested_model: str
    provider: str
    model: str
    connection: str
    outcome: str
    error_class: str
    status: int
    attempts: int
    streamed: bool
    total_ms: float
    first_token_ms: float
    overhead_ms: float
    tokens_in: int
    tokens_out: int
    bytes_out: int
    epoch: int
    events: int = 0
    losses: str = ""
    """What a translation between dialects lost, as ``action:field`` with semicolons."""
    grammar: str = ""
    """Of a translated stream that was checked: ``ok``, or the rule it broke; "" if it was not."""
