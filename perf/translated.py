"""The rows of translation: nginx passes an upstream's bytes, the gateway says the same in its client's dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from perf.asks import MARKS, STREAM_EVENTS, Dialect, http_request, stream_body, tools_body
from perf.peers import Peer
from perf.sampling import CONNECTIONS, PERIOD_MS, STREAMS, Bench, Loaded, Result, busy, judge, load, mid, spread
from perf.witness import WITNESSED, witness

NAMES: Final[Mapping[Dialect, str]] = {"openai_chat": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini"}
CHECKED_MS: Final = 300

Body = Callable[[Dialect, str], Mapping[str, object]]
Sides = list[tuple[Loaded, ...]]


def _heard_by(peer: Peer, client: Dialect, upstream: Dialect) -> Dialect:
    """Who passes bytes has a client that speaks as the upstream does."""
    return client if peer.models else upstream


def _request(peer: Peer, client: Dialect, upstream: Dialect, body: Body, port: int) -> bytes:
    dialect = _heard_by(peer, client, upstream)
    model = peer.models.get(upstream, peer.model)
    return http_request(dialect, body(dialect, model), port=port, key=peer.key, model=model)


def _file(bench: Bench, peer: Peer, name: str, request: bytes) -> str:
    """The file ``load`` reads its request from."""
    path = bench.folder / f"{name}-{peer.port}.http"
    path.write_bytes(request)
    return str(path)


def _script(script: str) -> Body:
    return lambda dialect, model: stream_body(dialect, model, script)


def _check_streams(bench: Bench, client: Dialect, upstream: Dialect) -> None:
    """Both peers give right streams: one is read whole, then many are counted to their end, under load."""
    for peer in (bench.nginx, bench.gateway):
        port, dialect = peer.stream_port, _heard_by(peer, client, upstream)
        short = _request(peer, client, upstream, _script(f"burst-{WITNESSED}"), port)
        witness(dialect, short, port, streamed=True)
        whole = _request(peer, client, upstream, _script(f"burst-{STREAM_EVENTS}"), port)
        wanted = ("--stamps", STREAM_EVENTS, "--before", MARKS[dialect].before, "--last", MARKS[dialect].last)
        timing = ("--window-ms", CHECKED_MS, "--warm-ms", 100)
        load("burst", 2, peer, "--ask", _file(bench, peer, "burst", whole), *wanted, *timing, port=port)


def streams(bench: Bench, client: Dialect, upstream: Dialect) -> list[Result]:
    """CPU per event of paced streams that are translated on the way."""
    title = f"CPU per translated event, {NAMES[client]} client, {NAMES[upstream]} upstream"
    bench.say(f"{title}: checking")
    _check_streams(bench, client, upstream)
    timing = ("--window-ms", bench.pace.stream_window_ms, "--warm-ms", 1500)

    def sample(peer: Peer) -> Loaded:
        port, dialect = peer.stream_port, _heard_by(peer, client, upstream)
        asked = _request(peer, client, upstream, _script(f"paced-1000000000-{PERIOD_MS}"), port)
        before = ("--before", MARKS[dialect].before)
        return load("streams", STREAMS, peer, "--ask", _file(bench, peer, "paced", asked), *before, *timing, port=port)

    sides = list(zip(*bench.pairs(title, sample), strict=True))
    cost = [[run.cpu_ns / 1e3 / run.events for run in side] for side in sides]
    rate = [mid([run.events / run.seconds for run in side]) for side in sides]
    held = [mid([run.p99_us / 1e3 for run in side]) for side in sides]
    waited = f"p99 held {held[0]:.2f} and {held[1]:.2f} ms"
    note = f"{rate[0]:,.0f} and {rate[1]:,.0f} events/s arrived, {waited}, {busy(sides)}"
    return [_row(title, cost, 2.5, 1.6, note)]


def requests(bench: Bench, client: Dialect, upstream: Dialect) -> list[Result]:
    """CPU per whole answer to a request with tools, both translated on the way."""
    title = f"CPU per translated request, {NAMES[client]} client, {NAMES[upstream]} upstream"
    timing = ("--window-ms", bench.pace.window_ms, "--warm-ms", bench.pace.warm_ms)
    files = {}
    for peer in (bench.nginx, bench.gateway):
        asked = _request(peer, client, upstream, tools_body, peer.port)
        witness(_heard_by(peer, client, upstream), asked, peer.port, streamed=False)
        files[peer.port] = _file(bench, peer, "whole", asked)

    def sample(peer: Peer) -> Loaded:
        return load("requests", CONNECTIONS, peer, "--ask", files[peer.port], "--stamps", 1, *timing)

    sides = list(zip(*bench.pairs(title, sample), strict=True))
    cost = [[run.cpu_ns / 1e3 / run.answers for run in side] for side in sides]
    rate = [mid([run.answers / run.seconds for run in side]) for side in sides]
    note = (
        f"6 messages, 4 tools; {rate[0]:,.0f} and {rate[1]:,.0f} requests/s at {CONNECTIONS} connections, {busy(sides)}"
    )
    return [_row(title, cost, 6.0, 4.0, note)]


def _row(title: str, cost: list[list[float]], limit: float, aim: float, note: str) -> Result:
    ratio = mid([gateway / nginx for nginx, gateway in zip(*cost, strict=True)])
    shown = [spread(side, "µs") for side in cost]
    compared, most, wanted = (f"{number:.{digits}f} x" for number, digits in ((ratio, 2), (limit, 1), (aim, 1)))
    return Result(title, shown[0], shown[1], compared, most, wanted, judge(ratio, limit, aim), note)


def delta(bench: Bench) -> list[Result]:
    """Decoding and encoding one more text of a stream: the compiled half against its plain twin, in this process."""
    from perf import stream_bench  # noqa: PLC0415 - only this row needs the compiled halves in this process

    pairs: list[tuple[Dialect, Dialect]] = [("anthropic", "openai_chat"), ("gemini", "anthropic")]
    results = []
    for upstream, client in pairs:
        title = f"one text delta, {NAMES[client]} client, {NAMES[upstream]} upstream: compiled to plain Python"
        bench.say(title)
        halves = (
            (stream_bench.stream_py, stream_bench.shapes_py),
            (stream_bench.stream_c, stream_bench.shapes_c),
        )
        made = [partial(stream_bench.core, stream, shapes, upstream, client) for stream, shapes in halves]
        taken = [
            [stream_bench.ns_per_event(make, upstream)[0] / 1e3 for make in made] for _ in range(bench.pace.repeats)
        ]
        ratio = mid([compiled / plain for plain, compiled in taken])
        shown = [spread(side, "µs", 2) for side in zip(*taken, strict=True)]
        note = "in the column of nginx: the plain twin; of the gateway: the compiled half"
        verdict = judge(ratio, 1 / 8, 1 / 20)
        results.append(Result(title, shown[0], shown[1], f"1/{1 / ratio:.0f}", "1/8", "1/20", verdict, note))
    return results


ROWS: Final[dict[str, Callable[[Bench], list[Result]]]] = {
    "translate-stream": partial(streams, client="openai_chat", upstream="anthropic"),
    "translate-stream-gemini": partial(streams, client="anthropic", upstream="gemini"),
    "translate-request": partial(requests, client="openai_chat", upstream="anthropic"),
    "delta": delta,
}
