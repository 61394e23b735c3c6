"""What the admin app asks of the process it runs in."""

from __future__ import annotations

from typing import Protocol

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Facts(Protocol):
    """The state of the gateway at this instant; every answer is at hand, none waits."""

    def snapshot_epoch(self) -> int:
        """Number of the snapshot in force, 0 if none is."""
        ...

    def workers_alive(self) -> int:
        """Workers that serve."""
        ...

    def drain_problem(self) -> str:
        """Why records do not reach the ledger, empty if they do."""
        ...

    def metrics(self) -> bytes:
        """The metrics page: all processes of the gateway added up, in Prometheus's text format."""
        ...
