"""The least a request can cost in this design: Trio, the relay, edge and upstream pool, and nothing in between.

No key, no limits, no journal, no headers of ours, no log: what is left is what the pipeline is built on, so the
difference between the gateway and this is the pipeline's own price. Measured with the benchmark like any other gateway:

    python -m perf.bench --rows request,request-100k --no-write --ready-path / --worker-match perf.floor \\
        --gateway-key x --gateway-cmd "python -m perf.floor {port} http://127.0.0.1:{upstream}/v1"
"""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Iterator

import trio

from omniroute._speedups import Relay
from omniroute.domain import Connection
from omniroute.edge import PLAIN, Edge, Endpoint, Routes
from omniroute.ports import Incoming, Reply, WireRequest
from omniroute.upstream import UpstreamPool
from omniroute.wire import Driver

_HEADERS = ((b"content-type", b"application/json"),)


class Floor:
    """Answers a chat request with what the upstream answers to the same bytes."""

    def __init__(self, upstream: UpstreamPool, upstream_url: str) -> None:
        self._upstream = upstream
        self._connection = Connection("c", "floor", "floor", upstream_url, allow_private=True)

    async def chat(self, incoming: Incoming, reply: Reply) -> None:
        body = incoming.body
        request = WireRequest(self._connection, b"POST", "/chat/completions", _HEADERS, (body,), len(body))
        with await self._upstream.call(request, watch=incoming.watch, total_at=0.0) as exchange:
            answer = await exchange.source.read_body(1 << 20, 0.0)
            await reply.complete(exchange.status, _HEADERS, (answer,))

    async def ready(self, _incoming: Incoming, reply: Reply) -> None:
        await reply.complete(200, _HEADERS, (b"{}",))

    def endpoints(self) -> Iterator[Endpoint]:
        yield Endpoint("POST", "/v1/chat/completions", "chat", self.chat, PLAIN)
        yield Endpoint("GET", "/", "ready", self.ready, PLAIN)


async def serve(port: int, upstream_url: str) -> None:
    driver = Driver(Relay())
    upstream = UpstreamPool(driver)
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    async with trio.open_nursery() as nursery:  # three services, until killed
        await nursery.start(driver.run)
        await nursery.start(upstream.run)
        gc.freeze()
        nursery.start_soon(Edge(driver, Routes(Floor(upstream, upstream_url).endpoints())).serve, [listener])


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), sys.argv[2])
