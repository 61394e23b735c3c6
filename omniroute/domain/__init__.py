"""Frozen values shared by all packages: no behaviour beyond derivation. Units are in the names."""

from omniroute.domain.caller import Caller
from omniroute.domain.connection import Connection, Timeouts, TlsProfile
from omniroute.domain.ids import counter_id
from omniroute.domain.quirks import PRESETS, Quirks, own_quirks, quirks_of
from omniroute.domain.record import AttemptRecord, OpenAttempt
from omniroute.domain.secret import Secret
from omniroute.domain.snapshot import RuntimeSettings, Snapshot, SnapshotDocument, Target
from omniroute.domain.stored import StoredResponse
from omniroute.domain.summary import Summary
from omniroute.domain.usage import Usage

__all__ = [
    "PRESETS",
    "AttemptRecord",
    "Caller",
    "Connection",
    "OpenAttempt",
    "Quirks",
    "RuntimeSettings",
    "Secret",
    "Snapshot",
    "SnapshotDocument",
    "StoredResponse",
    "Summary",
    "Target",
    "Timeouts",
    "TlsProfile",
    "Usage",
    "counter_id",
    "own_quirks",
    "quirks_of",
]
