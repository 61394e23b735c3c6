"""A link whose operations are awaited."""

from __future__ import annotations

import msgspec
import trio

from omniroute._speedups import Link, Status
from omniroute._speedups.relay_py import Translator


class WireError(Exception):
    """A read or send that did not end with OK. ``status`` says how, ``detail`` one sentence without payload."""

    def __init__(self, status: Status, detail: str = "") -> None:
        super().__init__(f"{status.name.lower()}: {detail}" if detail else status.name.lower())
        self.status = status
        self.detail = detail


class PumpLimits(msgspec.Struct, frozen=True):
    """Limits of one pump, seconds; 0 turns one off."""

    idle_s: float = 0.0
    write_s: float = 0.0
    after_finish_s: float = 5.0
    total_at: float = 0.0
    heartbeat_s: float = 0.0


class Wire(Link):
    """One socket. At most one task reads and one sends at a time. Cancellation takes the operation out of the relay."""

    def _abort_read(self, _: object) -> trio.lowlevel.Abort:
        self.cancel()
        return trio.lowlevel.Abort.SUCCEEDED

    def _abort_send(self, _: object) -> trio.lowlevel.Abort:
        self.cancel_send()
        return trio.lowlevel.Abort.SUCCEEDED

    async def _parked_read(self) -> None:
        self.waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort_read)

    async def read_head(self, limit_bytes: int, deadline_at: float, head_s: float = 0.0) -> bytes:
        """The next message head with its blank line. Raises WireError (CLOSED between messages).

        With ``head_s``, ``deadline_at`` is for its first byte, and ``head_s`` for the rest from then on.
        """
        if not self.start_head(limit_bytes, deadline_at, head_s):
            await self._parked_read()
        if self.status:
            raise WireError(self.status, self.detail)
        return self.result

    async def read_body(self, limit_bytes: int, deadline_at: float, min_rate: float = 0.0) -> bytes:
        """The whole body declared with ``set_body``. Raises WireError."""
        if not self.start_body(limit_bytes, deadline_at, min_rate):
            await self._parked_read()
        if self.status:
            raise WireError(self.status, self.detail)
        return self.result

    async def read_piece(self, deadline_at: float) -> bytes:
        """The next piece of body, b"" at its end. Raises WireError."""
        if not self.start_piece(deadline_at):
            await self._parked_read()
        if self.status:
            raise WireError(self.status, self.detail)
        return self.result

    async def send(self, parts: tuple[bytes | bytearray | memoryview, ...], deadline_at: float) -> None:
        """Everything in ``parts`` is with the kernel when this returns. Raises WireError (RESET, DEADLINE)."""
        if not self.start_send(parts, deadline_at):
            self.send_waiter = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort_send)
        if self.send_status:
            raise WireError(self.send_status, "send")

    async def pump(
        self, sink: Wire, translator: Translator | None, limits: PumpLimits, *, first: bytes = b"", chunked: bool = True
    ) -> Status:
        """Move the body to ``sink``; how it ended (see ``Link.start_pump``). On OK the unsent tail is in ``result``."""
        if not self.start_pump(
            sink,
            translator,
            first=first,
            chunked=chunked,
            idle_s=limits.idle_s,
            write_s=limits.write_s,
            after_finish_s=limits.after_finish_s,
            total_at=limits.total_at,
            heartbeat_s=limits.heartbeat_s,
        ):
            await self._parked_read()
        return self.status
