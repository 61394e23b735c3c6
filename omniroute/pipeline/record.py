"""What happened, written down: the journal entry of each attempt, before its last byte is sent."""

from __future__ import annotations

import trio

from omniroute.domain import AttemptRecord, OpenAttempt
from omniroute.pipeline.losses import RECORD_BYTES, translation
from omniroute.pipeline.values import Request, Served
from omniroute.ports import Journal


class Book:
    """One attempt's place in the journal. Opened before the upstream is called, closed exactly once."""

    __slots__ = ("_closed", "_journal", "_request", "_served", "_slot")

    def __init__(self, journal: Journal, request: Request, served: Served) -> None:
        """Note the attempt as open. Raises ``errors.Overloaded`` if the journal has no room."""
        self._journal = journal
        self._request = request
        self._served = served
        self._closed = False
        self._slot = journal.open(_opened(request, served, -1))

    def commit(self) -> None:
        """Note that the upstream has answered: what is known if this process dies in the middle of the stream."""
        served = self._served
        self._journal.amend(self._slot, _opened(self._request, served, _ms(served.started_at, served.head_at)))

    def close(self, now: float = 0.0) -> None:
        """Write the record of what ``served`` holds now. Later calls do nothing: the first one told the truth.

        ``now``: the time where it was just read.
        """
        if self._closed:
            return
        self._closed = True
        now = now or trio.current_time()
        request, served = self._request, self._served
        connection = served.target.connection
        self._journal.close(
            self._slot,
            AttemptRecord(
                served.attempt_id,
                request.incoming.request_id,
                request.caller.key_id,
                connection.provider,
                connection.connection_id,
                served.target.model,
                served.started_epoch_s,
                served.number,
                served.outcome,
                served.status,
                served.error_class,
                served.usage,
                served.connect_ms,
                _ms(served.started_at, served.head_at),
                _ms(served.started_at, served.committed_at),
                _ms(served.started_at, now),
                served.body_bytes,
                served.bytes_out,
                request.peeked.stream,
                request.peeked.model,
                request.snapshot.epoch,
                translation(served.notes, RECORD_BYTES) if served.notes else "",
                request.door.name,
                connection.dialect,
            ),
        )


def _opened(request: Request, served: Served, head_ms: int) -> OpenAttempt:
    connection = served.target.connection
    return OpenAttempt(
        served.attempt_id, request.incoming.request_id, request.caller.key_id, connection.provider,
        connection.connection_id, served.target.model, served.started_epoch_s, served.number, request.peeked.stream,
        head_ms,
    )  # fmt: skip


def _ms(start_at: float, end_at: float) -> int:
    return int((end_at - start_at) * 1000 + 0.5) if end_at else -1  # half the price of round()
