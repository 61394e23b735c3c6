"""The port's implementation: route, wire, talk, and the one safe retry."""

from __future__ import annotations

from typing import Final

import trio

from omniroute._speedups import Link, Status
from omniroute.errors import GatewayFault
from omniroute.ports import ClientGone, WireRequest
from omniroute.upstream.dns import Lookup, Resolver, system_lookup
from omniroute.upstream.exchange import Exchange
from omniroute.upstream.map_errors import malformed, read_error, write_error
from omniroute.upstream.open import Opener
from omniroute.upstream.options import UpstreamOptions
from omniroute.upstream.origin import Route
from omniroute.upstream.pool import Pool, PoolStatistics
from omniroute.upstream.response import MalformedHeadError, parse_response_head
from omniroute.upstream.routes import RouteTable
from omniroute.upstream.talk import NEVER, Deadlines, SendError, finish, read_answer, wire_deadline
from omniroute.upstream.wire import UpstreamWire
from omniroute.wire import Driver, WireError

_BROKEN: Final = (Status.RESET, Status.CLOSED)


class UpstreamPool:
    """Calls upstreams over kept-alive wires (``ports.Upstream``). ``run`` must be running while calls are made."""

    def __init__(self, driver: Driver, options: UpstreamOptions | None = None, lookup: Lookup = system_lookup) -> None:
        """``driver`` turns the relay the wires belong to; ``lookup`` resolves names (blocking, in a thread)."""
        self._options = options or UpstreamOptions()
        self._resolver = Resolver(self._options, lookup)
        self._routes = RouteTable(self._options.max_routes)
        self._pool = Pool(self._options, Opener(driver, self._options, self._resolver), self._routes)
        self._stale_retries = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; closes every wire that no exchange holds."""
        await self._pool.run(task_status=task_status)

    def statistics(self) -> PoolStatistics:
        """What the pool holds and has done."""
        return self._pool.statistics(stale_retries=self._stale_retries, names=self._resolver.names())

    async def call(self, request: WireRequest, *, watch: object, total_at: float) -> Exchange:
        """See ``ports.Upstream.call``. ``watch`` may be None: nobody to wait for."""
        now = trio.current_time()
        route = self._routes.of(request.connection, now)
        head = route.head(request)
        client: Link | None = watch  # type: ignore[assignment]  # a wire, or None; a cast is a call
        until = total_at or NEVER
        wire = self._pool.take(route.origin, now)
        if wire is not None:
            exchange = await self._exchange(wire, route, request, head, client, until, now, 0)
            if exchange is not None:
                return exchange
            self._stale_retries += 1
        started_at = trio.current_time()
        connect_s = request.connection.timeouts.connect_s or NEVER
        wire = await self._pool.open(request.connection, route.origin, min(started_at + connect_s, until))
        if client is not None and client.gone:  # nothing was sent, nothing is owed: the next request may have the wire
            self._pool.put_back(wire, 0.0)
            raise ClientGone
        now = trio.current_time()
        connect_ms = int((now - started_at) * 1000)
        exchange = await self._exchange(wire, route, request, head, client, until, now, connect_ms)
        if exchange is None:
            raise GatewayFault("a fresh wire was taken for a stale one")
        return exchange

    async def _exchange(
        self,
        wire: UpstreamWire,
        route: Route,
        request: WireRequest,
        head: bytes,
        client: Link | None,
        until: float,
        now: float,
        connect_ms: int,
    ) -> Exchange | None:
        """The exchange on ``wire``, or None if it was a kept-alive wire that the upstream had given up."""
        options = self._options
        received = wire.received_bytes
        wire.watch = client
        write_at = now + options.write_s + request.body_bytes / options.write_min_bytes_s
        first_byte_s = request.connection.timeouts.first_byte_s or NEVER
        write_at = write_at if write_at < until else until
        exchange = None
        try:
            handed = wire.start_send((head, *request.body), wire_deadline(write_at))
            if handed and not wire.send_status:  # nearly always; without a coroutine of its own
                head_at = now + first_byte_s
                head_at = wire_deadline(head_at if head_at < until else until)
                answer = parse_response_head(await wire.read_head(options.head_bytes, head_at), request.method)
                if answer.status < 200:
                    answer = await read_answer(wire, request.method, head_at, options, skipped=1)
                whole = True
            else:
                late = Deadlines(first_byte_s, until)
                answer, whole = await finish(wire, request.method, late, options, now, handed=handed)
            wire.set_body(answer.body_kind, answer.body_bytes)
            exchange = Exchange(
                self._pool, wire, answer.status, answer.headers, connect_ms, wire.uses > 0, whole and answer.keep_alive,
                answer.keep_alive_s,
            )  # fmt: skip
        except WireError as exc:
            if (
                wire.uses
                and exc.status in _BROKEN
                and wire.received_bytes == received
                and trio.current_time() - now <= options.stale_retry_s
            ):
                return None
            to_error = write_error if isinstance(exc, SendError) else read_error
            raise to_error(request.connection, route.origin.label, exc) from exc
        except MalformedHeadError as exc:
            raise malformed(request.connection, route.origin.label, exc) from exc
        finally:
            if exchange is None:
                self._pool.discard(wire)
        return exchange
