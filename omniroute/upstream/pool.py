"""Kept-alive wires per origin, last in first out, with their bounds, their reaper and their drains.

LIFO keeps few wires warm and lets the rest grow old and be reaped. A wire is asked ``idle_and_clean`` before use and
while idle: the relay's epoll has already told whether the peer closed it or sent something nobody asked for, so this
costs no system call. A wire that sent bytes while idle would have them read as the answer to the next request: it is
closed.
"""

from __future__ import annotations

import msgspec
import trio

from omniroute.domain import Connection
from omniroute.upstream.map_errors import pool_full
from omniroute.upstream.open import Opener
from omniroute.upstream.options import UpstreamOptions
from omniroute.upstream.origin import Origin
from omniroute.upstream.routes import RouteTable
from omniroute.upstream.wire import UpstreamWire
from omniroute.wire import WireError


class PoolStatistics(msgspec.Struct, frozen=True):
    """Gauges of this instant, then counters since the start."""

    origins: int
    routes: int
    idle: int
    in_use: int
    """Wires held by exchanges, being opened or being drained."""
    draining: int
    names: int
    opened: int
    reused: int
    found_dead: int
    """Idle wires found closed or unclean before use."""
    expired: int
    """Idle wires closed for age."""
    stale_retries: int
    """Requests repeated on a fresh wire because the reused one broke."""
    drained: int
    drains_failed: int


class Pool:
    """The wires of one worker. ``run`` owns what outlives a call: reaper, drains, look-ups."""

    def __init__(self, options: UpstreamOptions, opener: Opener, routes: RouteTable) -> None:
        self._options = options
        self._opener = opener
        self._routes = routes
        self._nursery: trio.Nursery | None = None
        self._draining = 0
        self._opened = self._reused = self._found_dead = self._expired = self._drained = self._drains_failed = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; then every idle and draining wire is closed, one in use when its exchange is left."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await self._reap()
        finally:
            self._nursery = None
            for origin in self._routes.origins():
                while origin.idle:
                    self.discard(origin.idle.pop())

    def take(self, origin: Origin, now: float) -> UpstreamWire | None:
        """The wire of ``origin`` that was used last and is still good, if any."""
        idle = origin.idle
        while idle:
            wire = idle.pop()
            if wire.idle_and_clean and wire.idle_until > now:
                self._reused += 1
                return wire
            self._close_idle(wire)
        return None

    async def open(self, connection: Connection, origin: Origin, deadline_at: float) -> UpstreamWire:
        """A fresh wire. Raises UpstreamError."""
        if self._nursery is None:
            raise pool_full(connection, "the gateway is stopping")
        bound = self._options.max_per_origin
        if bound and origin.open >= bound:
            raise pool_full(connection, f"{bound} connections to {origin.label} are in use, as many as are allowed")
        origin.open += 1
        opened = False
        try:
            wire = await self._opener.open(self._nursery, connection, origin, deadline_at)
            opened = True
        finally:
            if not opened:
                origin.open -= 1
        self._opened += 1
        return wire

    def put_back(self, wire: UpstreamWire, keep_alive_s: float) -> None:
        """Keep a wire whose exchange is complete, or close it if it is unclean or one too many.

        ``keep_alive_s``: what the upstream announced, 0 if nothing.
        """
        idle = wire.origin.idle
        wire.watch = None  # or the wire would keep a client's alive
        idle_s = self._options.idle_s
        if keep_alive_s:
            idle_s = min(idle_s, keep_alive_s - 1.0)  # the upstream counts from earlier than we do
        if (
            self._nursery is None
            or len(idle) >= self._options.max_idle_per_origin
            or idle_s <= 0
            or not wire.idle_and_clean
        ):
            self.discard(wire)
            return
        if wire.tls is not None and not wire.uses:  # now tickets of TLS 1.3 have been read
            wire.origin.session = wire.tls.session
            wire.origin.session_context = wire.tls.context
        wire.uses += 1
        wire.idle_until = trio.current_time() + idle_s
        idle.append(wire)

    def discard(self, wire: UpstreamWire) -> None:
        """Close a wire."""
        wire.watch = None
        wire.close()
        wire.origin.open -= 1

    def drain(self, wire: UpstreamWire, keep_alive_s: float) -> None:
        """Read the rest of a body whose end mark was seen, then keep the wire; bounded in bytes, time and number."""
        wire.watch = None
        left = self._options.drain_bytes
        deadline_at = trio.current_time() + self._options.drain_after_end_s
        # the last chunk is mostly here already: no task then
        while wire.start_piece(deadline_at):
            left -= len(wire.result)
            if wire.status or left < 0:
                self._drains_failed += 1
                self.discard(wire)
                return
            if not wire.result:
                self._drained += 1
                self.put_back(wire, keep_alive_s)
                return
        wire.cancel()
        if self._nursery is None or self._draining >= self._options.max_draining:
            self._drains_failed += 1
            self.discard(wire)
            return
        self._draining += 1
        self._nursery.start_soon(self._drain, wire, left, deadline_at, keep_alive_s)

    async def _drain(self, wire: UpstreamWire, left: int, deadline_at: float, keep_alive_s: float) -> None:
        clean = False
        try:
            while piece := await wire.read_piece(deadline_at):
                left -= len(piece)
                if left < 0:
                    break
            clean = wire.body_complete
        except WireError:
            pass  # the answer was complete; only the wire is lost, which is counted below
        finally:
            self._draining -= 1
            if clean:
                self._drained += 1
                self.put_back(wire, keep_alive_s)
            else:
                self._drains_failed += 1
                self.discard(wire)

    async def _reap(self) -> None:
        while True:
            await trio.sleep(self._options.reap_every_s)
            now = trio.current_time()
            for origin in self._routes.origins():
                kept = []
                for wire in origin.idle:
                    if wire.idle_until > now and wire.idle_and_clean:
                        kept.append(wire)
                    else:
                        self._close_idle(wire)
                origin.idle[:] = kept
            self._routes.forget_unused(now - self._options.route_idle_s)

    def _close_idle(self, wire: UpstreamWire) -> None:
        if wire.idle_and_clean:
            self._expired += 1
        else:
            self._found_dead += 1
        self.discard(wire)

    def statistics(self, *, stale_retries: int, names: int) -> PoolStatistics:
        """What the pool holds and has done."""
        origins = list(self._routes.origins())
        idle = sum(len(origin.idle) for origin in origins)
        return PoolStatistics(
            origins=len(origins),
            routes=len(self._routes),
            idle=idle,
            in_use=sum(origin.open for origin in origins) - idle,
            draining=self._draining,
            names=names,
            opened=self._opened,
            reused=self._reused,
            found_dead=self._found_dead,
            expired=self._expired,
            stale_retries=stale_retries,
            drained=self._drained,
            drains_failed=self._drains_failed,
        )
