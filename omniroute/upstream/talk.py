"""One request and its response head on one wire.

The common case, one send that the kernel takes whole and then a wait for the head, is the caller's. A body larger than
the socket's buffer is still being written when an upstream refuses it (413, 401, 429): then both directions must be
awaited at once, or the refusal would be lost behind a write that never ends.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import trio

from omniroute._speedups import Status
from omniroute.upstream.options import UpstreamOptions
from omniroute.upstream.response import MalformedHeadError, ResponseHead, parse_response_head
from omniroute.upstream.wire import UpstreamWire
from omniroute.wire import WireError

NEVER: Final = math.inf
"""The deadline of what has none."""


class SendError(WireError):
    """The request could not be sent and no answer explains why."""


class Deadlines(msgspec.Struct, frozen=True, gc=False):
    """Of one talk, on Trio's clock; ``NEVER`` where there is none."""

    first_byte_s: float
    """Counts from the moment the request is written."""
    total_at: float

    def head_at(self, written_at: float) -> float:
        """When the head must be there."""
        head_at = written_at + self.first_byte_s
        return head_at if head_at < self.total_at else self.total_at


def wire_deadline(at: float) -> float:
    """``at`` as wires take it: 0.0 for none."""
    return 0.0 if at == NEVER else at


async def finish(
    wire: UpstreamWire, method: bytes, deadlines: Deadlines, options: UpstreamOptions, now: float, *, handed: bool
) -> tuple[ResponseHead, bool]:
    """After a ``start_send`` that was not the common case: the final response head, and whether all was sent.

    ``handed``: what ``start_send`` returned, no checkpoint ago. Raises WireError (SendError if the send failed) or
    MalformedHeadError.
    """
    if not handed:
        return await _Duplex(wire, method, deadlines, options).run()
    try:  # the peer has closed its side, perhaps after an answer
        early_at = min(deadlines.head_at(now), now + options.early_answer_s)
        return await read_answer(wire, method, early_at, options), False
    except WireError as exc:
        if exc.status == Status.DEADLINE:
            raise SendError(Status(wire.send_status), "no answer after the send failed") from exc
        raise


async def read_answer(
    wire: UpstreamWire, method: bytes, deadline_at: float, options: UpstreamOptions, *, skipped: int = 0
) -> ResponseHead:
    """The next final response head; interim ones are skipped, of which there were ``skipped`` already."""
    for _ in range(options.max_interim + 1 - skipped):
        head = parse_response_head(await wire.read_head(options.head_bytes, deadline_at), method)
        if head.status >= 200:
            return head
    raise MalformedHeadError("more interim responses than are skipped")


class _Duplex:
    """A send that is under way, and the wait for an answer beside it."""

    def __init__(self, wire: UpstreamWire, method: bytes, deadlines: Deadlines, options: UpstreamOptions) -> None:
        self._wire = wire
        self._method = method
        self._deadlines = deadlines
        self._options = options
        self._head: ResponseHead | None = None
        self._whole = False
        self._read_failure: WireError | MalformedHeadError | None = None
        self._send_failure: WireError | None = None
        # its deadline is known only when the send has ended
        self._listening = trio.CancelScope(deadline=deadlines.total_at)

    async def run(self) -> tuple[ResponseHead, bool]:
        """As ``finish``."""
        async with trio.open_nursery() as nursery:  # two waits at once; only for bodies that do not fit a socket buffer
            nursery.start_soon(self._listen, nursery.cancel_scope)
            try:
                await self._wire.sent()  # nothing was awaited since start_send: opening a nursery is no checkpoint
                self._whole = True
                self._listening.deadline = self._deadlines.head_at(trio.current_time())
            except WireError as exc:
                self._send_failure = exc
                # a broken pipe may follow an answer; a write that stalled does not
                wait_s = 0.0 if exc.status == Status.DEADLINE else self._options.early_answer_s
                self._listening.deadline = min(trio.current_time() + wait_s, self._deadlines.total_at)
        if self._head is not None:
            return self._head, self._whole
        if self._read_failure is not None:
            raise self._read_failure
        if self._send_failure is not None:
            raise SendError(self._send_failure.status, "no answer after the send failed") from self._send_failure
        raise WireError(Status.DEADLINE if self._whole else Status.TOTAL_DEADLINE)

    async def _listen(self, both: trio.CancelScope) -> None:
        try:
            with self._listening:
                self._head = await read_answer(self._wire, self._method, 0.0, self._options)
        except (WireError, MalformedHeadError) as exc:
            self._read_failure = exc
        # a refusal needs no more of the body, and after a failure or the deadline the rest is pointless; an early 2xx
        # comes from an upstream that reads on
        if self._head is None or self._head.status >= 400:
            both.cancel()
