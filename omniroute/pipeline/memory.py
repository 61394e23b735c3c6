"""What a worker remembers within one snapshot: answers that only the snapshot and the request's own words decide.

A new snapshot forgets all of it, so a revoked key or a removed connection is gone with the snapshot that had it. At the
bound everything is forgotten and learnt again.
"""

from __future__ import annotations

from typing import Final

from omniroute.auth import presented_key
from omniroute.domain import Caller, Snapshot
from omniroute.pipeline.authenticate import authenticate
from omniroute.pipeline.plan import plan
from omniroute.pipeline.values import Plan
from omniroute.ports import Incoming

MAX_REMEMBERED: Final = 4096
"""Keys, and (key, model) pairs: a few hundred bytes each."""

MAX_HEADER_BYTES: Final = 256
"""Longest Authorization header remembered: blanks around a good key make as many different ones as one likes."""


class Memory:
    """Callers by the header that presented them, plans by caller and model. Refusals are not remembered."""

    __slots__ = ("_callers", "_plans", "_snapshot")

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._callers: dict[bytes, Caller] = {}
        self._plans: dict[tuple[str, str], Plan] = {}

    def caller(self, incoming: Incoming, snapshot: Snapshot, now_epoch_s: float) -> Caller:
        """As ``authenticate``."""
        if snapshot is not self._snapshot:
            self._forget(snapshot)
        presented = incoming.headers.get(b"authorization")
        if presented is None:
            return authenticate(incoming, snapshot, now_epoch_s)
        caller = self._callers.get(presented)
        if caller is not None and not caller.expires_epoch_s:
            return caller
        caller = authenticate(incoming, snapshot, now_epoch_s)
        if len(presented) > MAX_HEADER_BYTES or presented_key({b"authorization": presented}, b"") is None:
            return caller  # or the key came elsewhere: this header alone must not open the door to the next request
        if len(self._callers) >= MAX_REMEMBERED:
            self._callers.clear()
        self._callers[presented] = caller
        return caller

    def plan(self, model: str, caller: Caller, snapshot: Snapshot) -> Plan:
        """As ``plan``; ``caller`` was given by this memory for the same snapshot."""
        key = (caller.key_id, model)
        found = self._plans.get(key)
        if found is None:
            found = plan(model, caller, snapshot)
            if len(self._plans) >= MAX_REMEMBERED:
                self._plans.clear()
            self._plans[key] = found
        return found

    def statistics(self) -> tuple[int, int]:
        """How many callers and plans are remembered."""
        return len(self._callers), len(self._plans)

    def _forget(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._callers = {}
        self._plans = {}
