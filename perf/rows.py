"""The rows of the table: what is measured, against which limit, and how one pair of samples is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from perf import machine, translated
from perf.peers import Peer, fresh
from perf.sampling import (
    CONNECTIONS,
    PERIOD_MS,
    STREAMS,
    Bench,
    Result,
    busy,
    holding,
    judge,
    load,
    mid,
    spread,
)

BURSTS: Final = 8
HELD: Final = 4000
"""Streams open while memory is measured; fewer if descriptors do not reach, and the table says so."""
SETTLE_S: Final = 1.0


def cpu_per_request(bench: Bench, body_bytes: int, title: str, limit: float, aim: float) -> list[Result]:
    """CPU time per whole answer at full speed, as a ratio of each pair."""
    timing = ("--body", body_bytes, "--window-ms", bench.pace.window_ms, "--warm-ms", bench.pace.warm_ms)
    pairs = bench.pairs(title, lambda peer: load("requests", CONNECTIONS, peer, *timing))
    sides = list(zip(*pairs, strict=True))
    cost = [[run.cpu_ns / 1e3 / run.answers for run in side] for side in sides]
    ratio = mid([gateway / nginx for nginx, gateway in zip(*cost, strict=True)])
    rate = [mid([run.answers / run.seconds for run in side]) for side in sides]
    note = f"{rate[0]:,.0f} and {rate[1]:,.0f} requests/s at {CONNECTIONS} connections, {busy(sides)}"
    shown = [spread(side, "µs") for side in cost]
    return [
        Result(
            title,
            shown[0],
            shown[1],
            f"{ratio:.2f} x",
            f"{limit:.1f} x",
            f"{aim:.1f} x",
            judge(ratio, limit, aim),
            note,
        )
    ]


def paced_streams(bench: Bench) -> list[Result]:
    """CPU per event and how long an event is held, in the same runs."""
    timing = ("--window-ms", bench.pace.stream_window_ms, "--warm-ms", 1500, "--period-ms", PERIOD_MS)
    title = f"CPU per event, {STREAMS:,} streams x {1000 // PERIOD_MS} events/s"
    pairs = bench.pairs(title, lambda peer: load("streams", STREAMS, peer, *timing, port=peer.stream_port))
    sides = list(zip(*pairs, strict=True))
    cost = [[run.cpu_ns / 1e3 / run.events for run in side] for side in sides]
    ratio = mid([gateway / nginx for nginx, gateway in zip(*cost, strict=True)])
    rate = [mid([run.events / run.seconds for run in side]) for side in sides]
    note = f"{rate[0]:,.0f} and {rate[1]:,.0f} events/s arrived, {busy(sides)}"
    held = [[run.p99_us / 1e3 for run in side] for side in sides]
    bare = load("streams", STREAMS, bench.upstream, *timing, port=bench.upstream.stream_port)
    slow = mid(held[1])
    middle = [mid([run.p50_us / 1e3 for run in side]) for side in sides]
    held_note = (
        f"p50 {middle[0]:.2f} and {middle[1]:.2f} ms; without a proxy p99 {bare.p99_us / 1e3:.2f} ms, which is included"
    )
    shown, waited = [spread(side, "µs") for side in cost], [spread(side, "ms", 2) for side in held]
    return [
        Result(title, shown[0], shown[1], f"{ratio:.2f} x", "1.5 x", "1.1 x", judge(ratio, 1.5, 1.1), note),
        Result(
            "p99 time an event is held there",
            waited[0],
            waited[1],
            f"{slow:.2f} ms",
            "10 ms",
            "4 ms",
            judge(slow, 10, 4),
            held_note,
        ),
    ]


def bursts(bench: Bench) -> list[Result]:
    """Events per second when every stream of 300 events comes as fast as it is taken."""
    timing = ("--window-ms", bench.pace.window_ms, "--warm-ms", bench.pace.warm_ms)
    title = "300-event streams as fast as they come"
    pairs = bench.pairs(title, lambda peer: load("burst", BURSTS, peer, *timing, port=peer.stream_port))
    sides = list(zip(*pairs, strict=True))
    rate = [[run.events / run.seconds / 1e3 for run in side] for side in sides]
    ratio = mid([gateway / nginx for nginx, gateway in zip(*rate, strict=True)])
    cost = [mid([run.cpu_ns / 1e3 / run.events for run in side]) for side in sides]
    note = f"{BURSTS} connections back to back, CPU {cost[0]:.2f} and {cost[1]:.2f} µs per event, {busy(sides)}"
    shown = [spread(side, "k/s", 0) for side in rate]
    verdict = judge(ratio, 0.7, 1.0, at_least=True)
    return [Result(title, shown[0], shown[1], f"{ratio:.2f} x", "at least 0.7 x", "1.0 x", verdict, note)]


def latency(bench: Bench) -> list[Result]:
    """Median latency of one request at a time, over nginx's own."""
    timing = ("--window-ms", bench.pace.window_ms, "--warm-ms", bench.pace.warm_ms)
    pairs = bench.pairs("latency at concurrency 1", lambda peer: load("requests", 1, peer, *timing))
    middle = [[run.p50_us / 1e3 for run in side] for side in zip(*pairs, strict=True)]
    over = mid([gateway - nginx for nginx, gateway in zip(*middle, strict=True)])
    bare = load("requests", 1, bench.upstream, *timing)
    slow = [mid([run.p99_us / 1e3 for run in side]) for side in zip(*pairs, strict=True)]
    note = f"p99 {slow[0]:.2f} and {slow[1]:.2f} ms; without a proxy p50 {bare.p50_us / 1e3:.3f} ms"
    shown = [spread(side, "ms", 3) for side in middle]
    verdict = judge(over, 0.4, 0.15)
    return [
        Result(
            "p50 latency at concurrency 1, over nginx's",
            shown[0],
            shown[1],
            f"{over:+.3f} ms",
            "+0.4 ms",
            "+0.15 ms",
            verdict,
            note,
        )
    ]


def _growth_kb(peer: Peer, streams: int) -> float:
    """PSS per open stream of a process that has served a little before."""
    load("requests", CONNECTIONS, peer, "--window-ms", 300, "--warm-ms", 200)
    before = machine.pss_kb(peer.worker)
    with holding(streams, peer):
        return (machine.pss_kb(peer.worker) - before) / streams


def memory_per_stream(bench: Bench) -> list[Result]:
    """PSS growth of a fresh worker. Only the first opening counts: what an allocator keeps hides the next one."""
    streams = min(HELD, (machine.descriptors() - 500) // 2)
    bench.say(f"memory of {streams:,} open streams")
    grown: list[float] = []
    with fresh(None, bench.upstream_port, bench.folder / "nginx-memory") as peer:
        nginx = _growth_kb(peer, streams)
    for turn in range(min(bench.pace.repeats, 3)):
        with fresh(bench.product, bench.upstream_port, bench.folder / f"gateway-memory-{turn}") as peer:
            grown.append(_growth_kb(peer, streams))
    value = mid(grown)
    note = "" if streams == HELD else f"only {streams:,} streams: raise ulimit -n to {2 * HELD + 500:,}"
    title = f"memory per open stream ({HELD:,} open)"
    shown = (f"{nginx:.1f} KB", spread(grown, "KB"))
    return [Result(title, shown[0], shown[1], f"{value:.1f} KB", "30 KB", "15 KB", judge(value, 30, 15), note)]


def start_and_idle(bench: Bench) -> list[Result]:
    """Time to ready on a data directory that exists, and the memory of all processes a little later."""
    started, idle, parts = [], [], ""
    with fresh(None, bench.upstream_port, bench.folder / "nginx-start") as peer:
        nginx_s, nginx_mb = peer.start_s, sum(map(machine.pss_kb, peer.members)) / 1024
    with fresh(bench.product, bench.upstream_port, bench.folder / "gateway-start"):
        pass  # the first start creates what the next ones find
    for turn in range(bench.pace.repeats):
        bench.say(f"start and idle memory, {turn + 1} of {bench.pace.repeats}")
        with fresh(bench.product, bench.upstream_port, bench.folder / "gateway-start") as peer:
            time.sleep(SETTLE_S)
            each = [machine.pss_kb(pid) / 1024 for pid in peer.members]
            started.append(peer.start_s)
            idle.append(sum(each))
            parts = " + ".join(f"{one:.0f}" for one in each)
    memory, seconds = mid(idle), mid(started)
    title = "idle memory, supervisor + control + 1 worker (PSS)"
    shown = (f"{nginx_mb:.1f} MB", spread(idle, "MB"))
    waited = (f"{nginx_s:.2f} s", spread(started, "s", 2))
    return [
        Result(title, shown[0], shown[1], f"{memory:.0f} MB", "120 MB", "80 MB", judge(memory, 120, 80), f"{parts} MB"),
        Result(
            "start to ready",
            waited[0],
            waited[1],
            f"{seconds:.2f} s",
            "1.5 s",
            "0.8 s",
            judge(seconds, 1.5, 0.8),
            "data directory exists",
        ),
    ]


ROWS: Final[dict[str, Callable[[Bench], list[Result]]]] = {
    "request": lambda bench: cpu_per_request(bench, 1500, "CPU per request, 1.5 KB in, 0.6 KB out", 4.0, 2.5),
    "request-100k": lambda bench: cpu_per_request(bench, 100_000, "CPU per request, 100 KB in", 4.0, 2.0),
    "streams": paced_streams,
    "burst": bursts,
    **translated.ROWS,
    "latency": latency,
    "memory": memory_per_stream,
    "start": start_and_idle,
}
"""Names for ``--rows``, in the order of the table."""
