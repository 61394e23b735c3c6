"""How a row is sampled: the load generator's runs, pairs of them, and what is made of the numbers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec

from perf import machine
from perf.machine import CannotMeasureError
from perf.peers import Peer, Product

CONNECTIONS: Final = 32
STREAMS: Final = 1500
PERIOD_MS: Final = 50


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


def mid(values: Sequence[float]) -> float:
    return float(median(values))


def spread(values: Sequence[float], unit: str, digits: int = 1) -> str:
    low, high = min(values), max(values)
    span = f" ({low:,.{digits}f}-{high:,.{digits}f})" if len(values) > 1 else ""
    return f"{mid(values):,.{digits}f} {unit}{span}"


def judge(value: float, limit: float, aim: float, *, at_least: bool = False) -> Verdict:
    sign = -1 if at_least else 1
    if sign * value <= sign * aim:
        return "aim"
    return "limit" if sign * value <= sign * limit else "over"


def busy(sides: Sequence[Sequence[Loaded]]) -> str:
    """A peer below about 95 % was not the bottleneck: its CPU figure holds, its rate says nothing about it."""
    return " and ".join(f"{mid([run.busy for run in side]):.0%}" for side in sides) + " of the core"
