"""What the log and the metrics are told of a request, gathered on the way."""

from __future__ import annotations

import time

import msgspec

from omniroute.domain import Summary
from omniroute.errors import OmniRouteError, UpstreamError
from omniroute.pipeline.losses import translation
from omniroute.pipeline.values import Served
from omniroute.ports import Incoming


class Story(msgspec.Struct, eq=False):
    """One request's. The one mutable value beside ``Served``; its task alone fills it in."""

    incoming: Incoming
    epoch: int
    """Of the snapshot it runs under."""
    key_id: str = ""
    model: str = ""
    streamed: bool = False
    outcome: str = "ok"
    status: int = 0
    error_class: str = ""
    served: Served | None = None

    def failed(self, exc: OmniRouteError) -> None:
        """It ended with an error that the client is told of."""
        self.outcome = exc.outcome
        self.status = exc.status
        self.error_class = exc.error_class if isinstance(exc, UpstreamError) else exc.code

    def summary(self, now: float) -> Summary:
        """All of it; ``now`` is Trio's clock."""
        served, incoming = self.served, self.incoming
        received_at = incoming.received_at
        total_ms = (now - received_at) * 1000
        if served is None:
            return Summary(
                time.time(), incoming.request_id, self.key_id, incoming.path, incoming.peer, self.model, "", "", "",
                self.outcome, self.error_class, self.status, 0, self.streamed, total_ms, -1.0, total_ms, 0, 0, 0,
                self.epoch,
            )  # fmt: skip
        connection = served.target.connection
        first_token_ms = (served.committed_at - received_at) * 1000 if served.committed_at else -1.0
        return Summary(
            time.time(), incoming.request_id, self.key_id, incoming.path, incoming.peer, self.model,
            connection.provider, served.target.model, connection.label,
            served.outcome if self.outcome == "ok" else self.outcome, self.error_class or served.error_class,
            self.status or served.status, served.number, self.streamed, total_ms, first_token_ms,
            (served.started_at - received_at - served.lost_s) * 1000,
            served.usage.input_total, served.usage.output_total, served.bytes_out, self.epoch, served.events,
            translation(served.notes) if served.notes else "", served.grammar,
        )  # fmt: skip
