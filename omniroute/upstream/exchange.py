"""An upstream call whose response head has arrived (``ports.Exchange``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec

from omniroute.upstream.pool import Pool
from omniroute.upstream.wire import UpstreamWire


class Exchange(msgspec.Struct, frozen=True, eq=False):
    """Holds a wire until it is left; see the port for what happens then.

    Left without an exception after a read that ended well, with the body not read to its end: that is an answer whose
    end mark was seen. Whoever gives up on an answer leaves with an exception, and the wire is closed: going on reading
    would keep the upstream at work.
    """

    _pool: Pool
    source: UpstreamWire
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    connect_ms: int
    reused: bool
    _reusable: bool
    """All of the request was sent, and the answer's head lets the connection live."""
    _keep_alive_s: float

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
