"""An upstream call whose response head has arrived (``ports.Exchange``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from omniroute.upstream.pool import Pool
from omniroute.upstream.response import ResponseHead
from omniroute.upstream.wire import UpstreamWire


class Exchange:
    """Holds a wire until it is left; see the port for what happens then.

    Left without an exception after a read that ended well, with the body not read to its end: that is an answer whose
    end mark was seen. Whoever gives up on an answer leaves with an exception, and the wire is closed: going on reading
    would keep the upstream at work.
    """

    __slots__ = ("_keep_alive_s", "_pool", "_reusable", "connect_ms", "headers", "reused", "source", "status")

    def __init__(self, pool: Pool, wire: UpstreamWire, head: ResponseHead, *, whole: bool, connect_ms: int) -> None:
        """``whole``: all of the request was sent."""
        self.status: int = head.status
        self.headers: Sequence[tuple[bytes, bytes]] = head.headers
        self.connect_ms: int = connect_ms
        self.reused: bool = wire.uses > 0
        self.source: UpstreamWire = wire
        self._pool = pool
        self._reusable = whole and head.keep_alive
        self._keep_alive_s = head.keep_alive_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, /, *_: object) -> None:
        wire = self.source
        if not self._reusable:
            self._pool.discard(wire)
        elif wire.body_complete:
            self._pool.put_back(wire, self._keep_alive_s)
        elif exc_type is None and not wire.status:
            self._pool.drain(wire, self._keep_alive_s)
        else:
            self._pool.discard(wire)
