"""A pool over a real relay, and the proof that nothing is left when it stops."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from omniroute._speedups import Relay
from omniroute.domain import Connection, Secret, Timeouts, TlsProfile
from omniroute.ports import Buffer, WireRequest
from omniroute.upstream import Exchange, Lookup, PoolStatistics, UpstreamOptions, UpstreamPool, system_lookup
from omniroute.wire import Driver, Wire


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells: the kernel's and the relay's own pace."""
    with trio.fail_after(5):
        while not condition():
            await trio.sleep(0.001)


class Rig:
    """A running pool."""

    def __init__(self, options: UpstreamOptions, lookup: Lookup, max_links: int) -> None:
        self.relay = Relay(max_links=max_links)
        self.driver = Driver(self.relay)
        self.pool = UpstreamPool(self.driver, options, lookup)

    def statistics(self) -> PoolStatistics:
        return self.pool.statistics()

    async def settled(self) -> None:
        """Wait until no wire is held."""
        await until(lambda: self.statistics().in_use == 0)

    async def call(
        self,
        connection: Connection,
        *body: Buffer,
        watch: Wire | None = None,
        total_at: float = 0.0,
        method: bytes = b"POST",
    ) -> Exchange:
        body = body or (b"{}",)
        size = sum(len(part) for part in body)
        request = WireRequest(connection, method, "/x", ((b"content-type", b"application/json"),), body, size)
        return await self.pool.call(request, watch=watch, total_at=total_at)

    async def fetch(self, connection: Connection, *body: Buffer) -> bytes:
        """One whole exchange; the response body."""
        with await self.call(connection, *body) as exchange:
            return await exchange.source.read_body(1_000_000, 0.0)


@asynccontextmanager
async def running(
    options: UpstreamOptions | None = None,
    lookup: Lookup = system_lookup,
    *,
    in_use_at_stop: int = 0,
    max_links: int = 1000,
) -> AsyncIterator[Rig]:
    """A pool that runs; when the block is left, so many wires are in use and stopping must close the rest."""
    rig = Rig(options or UpstreamOptions(), lookup, max_links)
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.driver.run)
        async with trio.open_nursery() as pool_nursery:
            await pool_nursery.start(rig.pool.run)
            yield rig
            held = rig.statistics().in_use
            pool_nursery.cancel_scope.cancel()
        assert held == in_use_at_stop
        assert rig.statistics().idle == 0
        assert rig.relay.links() == 0
        nursery.cancel_scope.cancel()


def connection(
    base_url: str,
    *,
    proxy: str = "",
    allow_private: bool = True,
    tls: TlsProfile | None = None,
    timeouts: Timeouts | None = None,
) -> Connection:
    return Connection(
        connection_id="c1",
        label="main",
        provider="acme",
        base_url=base_url,
        credential=Secret("sk-never-shown"),
        proxy=Secret(proxy),
        allow_private=allow_private,
        tls=tls or TlsProfile(),
        timeouts=timeouts or Timeouts(),
    )
