"""``omniroute bench``: how fast is a running gateway, as its clients see it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from omniroute.cli import admin, output

if TYPE_CHECKING:
    import httpx


class Sample(msgspec.Struct, frozen=True):
    """One request, timed."""

    ok: bool
    first_ms: float
    total_ms: float
    overhead_ms: float
    why: str = ""


@click.command("bench", short_help="Measure a running gateway as its clients see it.")
@click.option("--url", default="http://127.0.0.1:20128", show_default=True, help="The gateway.")
@click.option("--key", envvar="OMNIROUTE_API_KEY", required=True, help="An API key (or OMNIROUTE_API_KEY).")
@click.option("--model", default="demo/echo", show_default=True)
@click.option("--requests", default=200, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--concurrency", default=8, show_default=True, type=click.IntRange(1, 1000))
@click.option("--stream/--no-stream", default=True, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@admin.runs
async def COMMAND(  # noqa: N802 - the name discovery looks for
    url: str, key: str, model: str, requests: int, concurrency: int, stream: bool, as_json: bool
) -> None:
    """Send chat requests and report latencies. It costs what the model costs: the default is the demo provider."""
    import httpx
    import trio

    body = msgspec.json.encode(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Count from one to ten, please."}]}
    )
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    samples: list[Sample] = []
    left = iter(range(requests))
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    started_at = trio.current_time()
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=120.0) as http:

        async def client() -> None:
            for _ in left:
                samples.append(await _one(http, body))  # noqa: PERF401 - all clients fill one list

        async with trio.open_nursery() as nursery:  # one task for each client
            for _ in range(concurrency):
                nursery.start_soon(client)
    report = _report(samples, trio.current_time() - started_at)
    if as_json:
        output.print_json(report)
    else:
        output.print_table(
            ("", "p50", "p95", "p99", "max"), [(name, *row) for name, row in report.latencies.items()], ""
        )
        click.echo(f"{report.ok} of {requests} answered, {report.per_second} a second")
    for why in report.errors[:3]:
        click.echo(f"error: {why}", err=True)
    if report.ok != requests:
        sys.exit(1)


async def _one(http: httpx.AsyncClient, body: bytes) -> Sample:
    import httpx
    import trio

    started_at = trio.current_time()
    first_at = 0.0
    try:
        async with http.stream("POST", "/v1/chat/completions", content=body) as answer:
            async for _ in answer.aiter_raw():
                first_at = first_at or trio.current_time()
            ended_at = trio.current_time()
    except httpx.HTTPError as exc:
        return Sample(ok=False, first_ms=0, total_ms=0, overhead_ms=0, why=f"{type(exc).__name__}: {exc}")
    why = "" if answer.is_success else f"HTTP {answer.status_code}"
    return Sample(
        ok=answer.is_success,
        first_ms=(first_at - started_at) * 1000,
        total_ms=(ended_at - started_at) * 1000,
        overhead_ms=float(answer.headers.get("x-omniroute-overhead-ms", 0)),
        why=why,
    )


class Report(msgspec.Struct, frozen=True):
    """What was measured; milliseconds."""

    ok: int
    per_second: float
    latencies: dict[str, tuple[float, float, float, float]]
    errors: list[str]


def _report(samples: list[Sample], seconds: float) -> Report:
    good = [sample for sample in samples if sample.ok]
    return Report(
        ok=len(good),
        per_second=round(len(samples) / seconds, 1),
        latencies={
            "first byte, ms": _percentiles([s.first_ms for s in good]),
            "whole answer, ms": _percentiles([s.total_ms for s in good]),
            "gateway's own time, ms": _percentiles([s.overhead_ms for s in good]),
        },
        errors=sorted({s.why for s in samples if not s.ok}),
    )


def _percentiles(values: list[float]) -> tuple[float, float, float, float]:
    if not values:
        return (0.0, 0.0, 0.0, 0.0)
    ordered = sorted(values)
    p50, p95, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.95, 0.99))
    return (round(p50, 3), round(p95, 3), round(p99, 3), round(ordered[-1], 3))
