"""A link whose operations are awaited.

Who parks and who wakes: an operation that is not complete at once leaves its task in ``waiter`` (``send_waiter``) and
sleeps. Exactly one of three takes it out again and clears the slot: :func:`wake` with what the relay returned; the
task's own cancellation, which first takes the operation out of the relay, so that it cannot be returned any more; or
``close``, after which the relay returns nothing of this link. All three run between checkpoints, so none sees another
half done. A task that was woken and is cancelled before it runs still gets its result: Trio delivers the cancellation
at its next checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import trio

from omniroute._speedups import Link, Status
from omniroute._speedups.halves_py import READ_BYTES

if TYPE_CHECKING:
    from typing import Self

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
    heartbeat: bytes = b": keep-alive\n\n"


class Wire(Link):
    """One socket. At most one task reads and one sends at a time. Cancellation takes the operation out of the relay.

    ``with wire:`` closes it at the end.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket now; whoever waits on it gets ``WireError`` CANCELLED. Idempotent."""
        super().close()
        self.wake_read()
        self.wake_send()

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

    async def read_piece(self, deadline_at: float, limit_bytes: int = READ_BYTES) -> bytes:
        """The next piece of body, at most ``limit_bytes``, b"" at its end. Raises WireError."""
        if not self.start_piece(deadline_at, limit_bytes):
            await self._parked_read()
        if self.status:
            raise WireError(self.status, self.detail)
        return self.result

    async def send(self, parts: tuple[bytes | bytearray | memoryview, ...], deadline_at: float) -> None:
        """Everything in ``parts`` is with the kernel when this returns. Raises WireError (RESET, DEADLINE).

        After an error or a cancellation in the middle the message is torn: close the wire.
        """
        if not self.start_send(parts, deadline_at):
            await self._parked_send()
        if self.send_status:
            raise WireError(self.send_status, "what was to be sent was not sent whole")

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
            heartbeat=limits.heartbeat,
        ):
            await self._parked_read()
        return self.status

    def wake_read(self) -> None:
        """Let the task that waits for a read operation, if there is one, see how it ended."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            trio.lowlevel.reschedule(waiter)  # type: ignore[arg-type]  # a task: set by _parked_read alone

    def wake_send(self) -> None:
        """The same for a send."""
        waiter, self.send_waiter = self.send_waiter, None
        if waiter is not None:
            trio.lowlevel.reschedule(waiter)  # type: ignore[arg-type]  # a task: set by _parked_send alone

    async def _parked_read(self) -> None:
        self.waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort_read)

    async def _parked_send(self) -> None:
        self.send_waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort_send)

    def _abort_read(self, _: object) -> trio.lowlevel.Abort:
        self.waiter = None
        self.cancel()
        return trio.lowlevel.Abort.SUCCEEDED

    def _abort_send(self, _: object) -> trio.lowlevel.Abort:
        self.send_waiter = None
        self.cancel_send()
        return trio.lowlevel.Abort.SUCCEEDED


def wake(links: Iterable[Link]) -> None:
    """Let everyone whose operation the relay returned see how it ended."""
    for link in links:
        if isinstance(link, Wire):  # always: a driver adopts nothing else
            if link.read_done:
                link.wake_read()
            if link.send_done:
                link.wake_send()
