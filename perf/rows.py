"""The rows of the table: what is measured, against which limit, and how one pair of samples is taken."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec

from perf import machine
from perf.machine import CannotMeasureError
from perf.peers import Peer, Product, fresh

CONNECTIONS: Final = 32
STREAMS: Final = 1500
PERIOD_MS: Final = 50
BURSTS: Final = 8
HELD: Final = 4000
"""Streams open while memory is measured; fewer if descriptors do not reach, and the table says so."""
SETTLE_S: Final = 1.0


class Loaded(msgspec.Struct, frozen=True):
    """What one run of the load generator said."""

    seconds: float
    answers: int
    events: int
    errors: int
    reconnects: int
    cpu_ns: int
    p50_us: float
    p99_us: float
    max_us: float
    first_error: str

    @property
    def busy(self) -> float:
        """Share of the core the watched process used."""
        return self.cpu_ns / 1e9 / self.seconds


@dataclass(frozen=True)
class Pace:
    """How long and how often."""

    repeats: int
    window_ms: int
    warm_ms: int
    stream_window_ms: int


FULL: Final = Pace(repeats=5, window_ms=2000, warm_ms=500, stream_window_ms=4000)
QUICK: Final = Pace(repeats=1, window_ms=700, warm_ms=300, stream_window_ms=1500)

Verdict = Literal["aim", "limit", "over"]


@dataclass(frozen=True)
class Result:
    """One line of the table; all numbers in the row's unit."""

    title: str
    nginx: str
    gateway: str
    compared: str
    """The number that is held against limit and aim, with its unit."""
    limit: str
    aim: str
    verdict: Verdict
    note: str = ""


def _load_command(mode: str, connections: int, peer: Peer, *extra: object, port: int | None = None) -> list[str]:
    words = [*machine.on_core(machine.OTHER_CORE), str(machine.BUILD / "load"), mode, str(connections)]
    words += ["--port", str(port or peer.port), "--key", peer.key, "--model", peer.model, "--pid", str(peer.worker)]
    return words + [str(word) for word in extra]


def _parse(out: str, err: str, peer: Peer) -> Loaded:
    if not out.strip():
        raise CannotMeasureError(f"the load generator said nothing about {peer.name}: {err[-1000:]}")
    said = msgspec.json.decode(out, type=Loaded)
    if said.errors:
        raise CannotMeasureError(f"{peer.name}: {said.errors} errors under load, the first: {said.first_error}")
    return said


def load(mode: str, connections: int, peer: Peer, *extra: object, port: int | None = None) -> Loaded:
    """One bounded run. Raises CannotMeasureError if anything went wrong: a number with errors in it is no number."""
    command = _load_command(mode, connections, peer, *extra, port=port)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, stdin=subprocess.DEVNULL)
    return _parse(done.stdout, done.stderr, peer)


@contextmanager
def holding(connections: int, peer: Peer) -> Iterator[None]:
    """That many slow streams are open inside the block."""
    command = _load_command(
        "hold", connections, peer, "--period-ms", 1000, "--warm-ms", 1500, "--window-ms", 500, port=peer.stream_port
    )
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            _parse(process.stdout.readline(), "no line", peer)
            yield
        finally:
            process.kill()


@dataclass(frozen=True)
class Bench:
    """Everything a row needs."""

    nginx: Peer
    gateway: Peer
    upstream: Peer
    """Reached without a proxy, for reference."""
    product: Product | None
    upstream_port: int
    folder: Path
    pace: Pace
    say: Callable[[str], None]

    def pairs(self, what: str, take: Callable[[Peer], Loaded]) -> list[tuple[Loaded, Loaded]]:
        """Interleaved samples of nginx and the gateway, so that a slow minute of the machine hits both."""
        taken = []
        for turn in range(self.pace.repeats):
            self.say(f"{what}, {turn + 1} of {self.pace.repeats}")
            taken.append((take(self.nginx), take(self.gateway)))
        return taken


def _mid(values: Sequence[float]) -> float:
    return float(median(values))


def _spread(values: Sequence[float], unit: str, digits: int = 1) -> str:
    low, high = min(values), max(values)
    span = f" ({low:,.{digits}f}-{high:,.{digits}f})" if len(values) > 1 else ""
    return f"{_mid(values):,.{digits}f} {unit}{span}"


def _judge(value: float, limit: float, aim: float, *, at_least: bool = False) -> Verdict:
    sign = -1 if at_least else 1
    if sign * value <= sign * aim:
        return "aim"
    return "limit" if sign * value <= sign * limit else "over"


def _busy(sides: Sequence[Sequence[Loaded]]) -> str:
    """A peer below about 95 % was not the bottleneck: its CPU figure holds, its rate says nothing about it."""
    return " and ".join(f"{_mid([run.busy for run in side]):.0%}" for side in sides) + " of the core"


def cpu_per_request(bench: Bench, body_bytes: int, title: str, limit: float, aim: float) -> list[Result]:
    """CPU time per whole answer at full speed, as a ratio of each pair."""
    timing = ("--body", body_bytes, "--window-ms", bench.pace.window_ms, "--warm-ms", bench.pace.warm_ms)
    pairs = bench.pairs(title, lambda peer: load("requests", CONNECTIONS, peer, *timing))
    sides = list(zip(*pairs, strict=True))
    cost = [[run.cpu_ns / 1e3 / run.answers for run in side] for side in sides]
    ratio = _mid([gateway / nginx for nginx, gateway in zip(*cost, strict=True)])
    rate = [_mid([run.answers / run.seconds for run in side]) for side in sides]
    note = f"{rate[0]:,.0f} and {rate[1]:,.0f} requests/s at {CONNECTIONS} connections, {_busy(sides)}"
    shown = [_spread(side, "µs") for side in cost]
    return [
        Result(
            title,
            shown[0],
            shown[1],
            f"{ratio:.2f} x",
            f"{limit:.1f} x",
            f"{aim:.1f} x",
            _judge(ratio, limit, aim),
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
    ratio = _mid([gateway / nginx for nginx, gateway in zip(*cost, strict=True)])
    rate = [_mid([run.events / run.seconds for run in side]) for side in sides]
    note = f"{rate[0]:,.0f} and {rate[1]:,.0f} events/s arrived, {_busy(sides)}"
    held = [[run.p99_us / 1e3 for run in side] for side in sides]
    bare = load("streams", STREAMS, bench.upstream, *timing, port=bench.upstream.stream_port)
    slow = _mid(held[1])
    middle = [_mid([run.p50_us / 1e3 for run in side]) for side in sides]
    held_note = (
        f"p50 {middle[0]:.2f} and {middle[1]:.2f} ms; without a proxy p99 {bare.p99_us / 1e3:.2f} ms, which is included"
    )
    shown, waited = [_spread(side, "µs") for side in cost], [_spread(side, "ms", 2) for side in held]
    return [
        Result(title, shown[0], shown[1], f"{ratio:.2f} x", "1.5 x", "1.1 x", _judge(ratio, 1.5, 1.1), note),
        Result(
            "p99 time an event is held there",
            waited[0],
            waited[1],
            f"{slow:.2f} ms",
            "10 ms",
            "4 ms",
            _judge(slow, 10, 4),
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
    ratio = _mid([gateway / nginx for nginx, gateway in zip(*rate, strict=True)])
    cost = [_mid([run.cpu_ns / 1e3 / run.events for run in side]) for side in sides]
    note = f"{BURSTS} connections back to back, CPU {cost[0]:.2f} and {cost[1]:.2f} µs per event, {_busy(sides)}"
    shown = [_spread(side, "k/s", 0) for side in rate]
    verdict = _judge(ratio, 0.7, 1.0, at_least=True)
    return [Result(title, shown[0], shown[1], f"{ratio:.2f} x", "at least 0.7 x", "1.0 x", verdict, note)]


def latency(bench: Bench) -> list[Result]:
    """Median latency of one request at a time, over nginx's own."""
    timing = ("--window-ms", bench.pace.window_ms, "--warm-ms", bench.pace.warm_ms)
    pairs = bench.pairs("latency at concurrency 1", lambda peer: load("requests", 1, peer, *timing))
    middle = [[run.p50_us / 1e3 for run in side] for side in zip(*pairs, strict=True)]
    over = _mid([gateway - nginx for nginx, gateway in zip(*middle, strict=True)])
    bare = load("requests", 1, bench.upstream, *timing)
    slow = [_mid([run.p99_us / 1e3 for run in side]) for side in zip(*pairs, strict=True)]
    note = f"p99 {slow[0]:.2f} and {slow[1]:.2f} ms; without a proxy p50 {bare.p50_us / 1e3:.3f} ms"
    shown = [_spread(side, "ms", 3) for side in middle]
    verdict = _judge(over, 0.4, 0.15)
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
    value = _mid(grown)
    note = "" if streams == HELD else f"only {streams:,} streams: raise ulimit -n to {2 * HELD + 500:,}"
    title = f"memory per open stream ({HELD:,} open)"
    shown = (f"{nginx:.1f} KB", _spread(grown, "KB"))
    return [Result(title, shown[0], shown[1], f"{value:.1f} KB", "30 KB", "15 KB", _judge(value, 30, 15), note)]


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
    memory, seconds = _mid(idle), _mid(started)
    title = "idle memory, supervisor + control + 1 worker (PSS)"
    shown = (f"{nginx_mb:.1f} MB", _spread(idle, "MB"))
    waited = (f"{nginx_s:.2f} s", _spread(started, "s", 2))
    return [
        Result(
            title, shown[0], shown[1], f"{memory:.0f} MB", "120 MB", "80 MB", _judge(memory, 120, 80), f"{parts} MB"
        ),
        Result(
            "start to ready",
            waited[0],
            waited[1],
            f"{seconds:.2f} s",
            "1.5 s",
            "0.8 s",
            _judge(seconds, 1.5, 0.8),
            "data directory exists",
        ),
    ]


ROWS: Final[dict[str, Callable[[Bench], list[Result]]]] = {
    "request": lambda bench: cpu_per_request(bench, 1500, "CPU per request, 1.5 KB in, 0.6 KB out", 4.0, 2.5),
    "request-100k": lambda bench: cpu_per_request(bench, 100_000, "CPU per request, 100 KB in", 4.0, 2.0),
    "streams": paced_streams,
    "burst": bursts,
    "latency": latency,
    "memory": memory_per_stream,
    "start": start_and_idle,
}
"""Names for ``--rows``, in the order of the table."""
