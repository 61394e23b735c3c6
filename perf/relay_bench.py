"""CPU of the relay per forwarded SSE event, compiled against plain, in one process: ``python perf/relay_bench.py``.

N streams are open at once. Each round the bench writes one event (a chunk of about 200 bytes) to every upstream peer,
then times ``turn`` alone, after which every client peer has it. Writing, reading and pacing are not in the figure; the
kernel's share of the relay's own system calls is. ``--tcp`` uses loopback TCP, where the kernel's share is what
production pays; the default is socketpairs, which show the relay itself. The last column is memory: growth of the
resident size a link.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import socket
import time
from types import ModuleType

from omniroute._speedups.status import BODY_CHUNKED

EVENT = (
    b'data: {"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1736000000,"model":"gpt-4o-mini",'
    b'"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}\n\n'
)
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
BUDGET_S = 2.0


def pairs(count: int, *, tcp: bool) -> list[tuple[socket.socket, socket.socket]]:
    made = []
    listener = socket.create_server(("127.0.0.1", 0)) if tcp else None
    for _ in range(count):
        if listener is None:
            one, other = socket.socketpair()
        else:
            other = socket.create_connection(listener.getsockname())
            one, _ = listener.accept()
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        other.setblocking(False)
        made.append((one, other))
    if listener is not None:
        listener.close()
    return made


def resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123  # procfs
        return int(statm.read().split()[1]) * resource.getpagesize()


def run(relay_module: ModuleType, tap_module: ModuleType | None, streams: int, *, tcp: bool) -> tuple[float, float]:
    """CPU microseconds an event, resident bytes a link."""
    upstreams, clients = pairs(streams, tcp=tcp), pairs(streams, tcp=tcp)
    before = resident_bytes()
    relay = relay_module.Relay()
    links = [relay_module.Link(sock) for pair in (upstreams, clients) for sock, _ in pair]
    for link in links:
        relay.add(link)
    for source, sink in zip(links[:streams], links[streams:], strict=True):
        source.set_body(BODY_CHUNKED)
        source.start_pump(sink, tap_module.SseTap() if tap_module else None, idle_s=60.0, write_s=60.0)
    now = 1.0
    relay.turn(now)
    grown = (resident_bytes() - before) / len(links)
    events, spent_ns = 0, 0
    end = time.perf_counter() + BUDGET_S
    while time.perf_counter() < end:
        for _, peer in upstreams:
            peer.send(CHUNK)
        now += 0.05
        start = time.process_time_ns()
        relay.turn(now)
        spent_ns += time.process_time_ns() - start
        events += streams
        for _, peer in clients:
            assert len(peer.recv(65536)) == len(CHUNK)
    relay.close()
    for _, peer in upstreams + clients:
        peer.close()
    return spent_ns / 1000 / events, grown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--tcp", action="store_true")
    args = parser.parse_args()
    wanted = args.streams * 4 + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    for with_tap in (False, True):
        figures = {}
        for half in ("c", "py"):
            try:
                relay = importlib.import_module(f"omniroute._speedups.relay_{half}")
                tap = importlib.import_module(f"omniroute._speedups.tap_{half}") if with_tap else None
            except ImportError as exc:
                print(f"{half}: not there ({exc})")
                continue
            figures[half], link_bytes = run(relay, tap, args.streams, tcp=args.tcp)
            what = "SseTap" if with_tap else "raw"
            print(f"{what:7} {half:3} {figures[half]:7.2f} us/event {link_bytes:9.0f} bytes/link", flush=True)
        if len(figures) == 2:
            print(f"ratio {figures['py'] / figures['c']:.1f}")


if __name__ == "__main__":
    main()
