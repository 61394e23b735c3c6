"""The flow of a stream through a stream core: through the hub, or passing with an observer beside it."""

from __future__ import annotations

from omniroute._speedups import StreamCore
from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate.dialect import AnswerContext, Peeked
from omniroute.translate.flow import Flow
from omniroute.translate.pairing import Pair
from omniroute.translate.stream import Machine


def open_flow(
    pair: Pair, context: AnswerContext, peeked: Peeked, quirks: Quirks, *, passed: bool, max_event_bytes: int
) -> Flow:
    """How the answer to a request goes back to its client. ``passed``: what ``Pair.passes`` said of the request."""
    if passed and pair.identity is not None and pair.identity.flow is not None:
        return pair.identity.flow(peeked, context.request_id)
    return CoreFlow(pair, context, peeked, quirks, passed=passed, max_event_bytes=max_event_bytes)


class CoreFlow:
    """A ``Flow``."""

    __slots__ = ("_machine", "_pair", "_request_id", "_variant", "reader")

    def __init__(
        self, pair: Pair, context: AnswerContext, peeked: Peeked, quirks: Quirks, *, passed: bool, max_event_bytes: int
    ) -> None:
        """As ``Pair.core``."""
        core, machine = pair.core(context, peeked, quirks, passed=passed, max_event_bytes=max_event_bytes)
        self.reader: StreamCore = core
        self._machine = machine
        self._pair = pair
        self._request_id = context.request_id
        self._variant = peeked.variant

    @property
    def content(self) -> bool:
        """Something was said."""
        return self.reader.content

    @property
    def failure(self) -> UpstreamError | None:
        """What has gone wrong."""
        return self._machine.failure

    @property
    def told(self) -> bool:
        """The client's bytes hold the failure: of bytes that pass, if it was in an event."""
        return self._machine.failure is not None and (isinstance(self._machine, Machine) or self._machine.told)

    @property
    def usage(self) -> Usage:
        """Counts so far."""
        self.reader.settle()  # the last may have come in an event the machine has not been told of
        return self._machine.usage

    @property
    def lost(self) -> tuple[str, ...]:
        """Reasons to finish that nobody knows; where bytes pass the client has them."""
        machine = self._machine
        return tuple(finish.finish.raw for finish in machine.lost) if isinstance(machine, Machine) else ()

    def look(self, data: bytes) -> bytes:
        """The client's bytes before the commit."""
        return self.reader.feed(data) if data else self.reader.finish()

    def complete(self, *, whole: bool) -> bool:
        """Whether the answer came to its end. The end mark is missed by nobody if every choice has its own."""
        if self._machine.failure is not None:
            return False
        # An upstream may give fewer answers than asked for; if it also breaks off, the missing ones were on their way.
        return self.reader.done or self.reader.finished or (whole and self._machine.finishes > 0)

    def fail(self, error: UpstreamError, *, last: bytes) -> bytes:
        """The client's bytes for a failure outside the stream."""
        core, machine = self.reader, self._machine
        core.settle()
        if isinstance(machine, Machine):
            return machine.fail(error)
        held = b"" if machine.failure is not None else machine.finish()
        gap = b""
        if last and not last.endswith(b"\n\n"):
            # Readers of events pass over a line too many; readers of lines die of it.
            gap = b"\n\n" if self._pair.far.framing == "sse" else b"" if last.endswith(b"\n") else b"\n"
        near = self._pair.near
        if near.error_event_of is not None:
            return held + gap + near.error_event_of(error, self._request_id, self._variant)
        return held + gap + near.error_event(error, self._request_id)
