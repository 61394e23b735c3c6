"""An upstream's wire: a wire and what the pool must know of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trio

from omniroute.wire import Wire, WireError

if TYPE_CHECKING:
    from omniroute.upstream.origin import Origin


class UpstreamWire(Wire):
    """One connected socket of an origin. Made by ``Opener``, owned by the pool or by one exchange."""

    origin: Origin
    tls: ssl.SSLSocket | None = None
    """The socket if it is TLS: asked for its session once."""
    uses: int = 0
    """Exchanges completed; above 0 the wire is a reused one."""
    idle_until: float = 0.0
    """While idle: not to be used after this instant."""

    async def sent(self) -> None:
        """Wait for a send that ``start_send`` left unfinished; to be called before any checkpoint. Raises WireError."""
        self.send_waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort_send)
        if self.send_status:
            raise WireError(self.send_status, "send")
