"""``make bench``: the gateway against nginx, in the same run, on the same core.

Exit status: 0 measured, 1 measured and over a limit (with ``--check``) or failed on the way, 2 something is missing.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from perf import machine, peers, report
from perf.machine import CannotMeasureError
from perf.peers import Peer, Product
from perf.rows import ROWS
from perf.sampling import FULL, QUICK, Bench, Pace, Result

LOG_WIDTH = 170
"""Columns where nobody says how many there are: a log, a pipe."""
README = machine.HERE / "README.md"


def _run(names: Sequence[str], pace: Pace, product: Product | None, console: Console) -> list[Result]:
    results: list[Result] = []
    with (
        tempfile.TemporaryDirectory(prefix="omniroute-bench-") as scratch,
        peers.upstream() as port,
        console.status("starting nginx and the gateway") as status,
        peers.all_of(product, port, Path(scratch)) as (nginx, gateway),
    ):
        bare = Peer("upstream", port, port, worker=0)
        bench = Bench(nginx, gateway, bare, product, port, Path(scratch), pace, status.update)
        for name in names:
            results += ROWS[name](bench)
    return results


@click.command()
@click.option("--quick", is_flag=True, help="One short sample of each: to see that it works, not to quote.")
@click.option("--rows", default=",".join(ROWS), show_default=True, help="Which rows, by name.")
@click.option("--repeats", type=click.IntRange(1, 100), help="Pairs of samples for each row.  [5]")
@click.option(
    "--gateway-cmd", default="", help="Measure this command instead; {port}, {upstream}, {data_dir} are filled in."
)
@click.option("--gateway-key", default="x", help="API key for --gateway-cmd.")
@click.option("--gateway-model", default="m", show_default=True, help="Model to ask the gateway for.")
@click.option("--ready-path", default="/health/ready", show_default=True, help="Answers 200 once the gateway is ready.")
@click.option(
    "--worker-match", default=Product.worker_match, show_default=True, help="Finds the worker's command line."
)
@click.option("--self-check", is_flag=True, help="Measure nginx against nginx: every ratio should be near 1.")
@click.option("--check", is_flag=True, help="Exit with 1 if a row is over its limit.")
@click.option("--write/--no-write", default=None, help="Write perf/README.md.  [only after a full run of all rows]")
def main(  # noqa: PLR0913, PLR0917 - click hands options over one by one
    quick: bool,
    rows: str,
    repeats: int | None,
    gateway_cmd: str,
    gateway_key: str,
    gateway_model: str,
    ready_path: str,
    worker_match: str,
    self_check: bool,
    check: bool,
    write: bool | None,
) -> None:
    """Measure the gateway against nginx."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    names = [name.strip() for name in rows.split(",") if name.strip()]
    if unknown := set(names) - set(ROWS):
        raise click.BadParameter(
            f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ROWS)}", param_hint="--rows"
        )
    pace = QUICK if quick else FULL
    pace = replace(pace, repeats=repeats) if repeats else pace
    product = Product(gateway_cmd, gateway_key, gateway_model, ready_path, worker_match)
    try:
        machine.check()
        machine.descriptors()
        machine.compile_tools()
        facts = [
            f"{datetime.now(UTC):%Y-%m-%d}, {pace.repeats} interleaved pairs per row, medians",
            *machine.describe(),
        ]
    except CannotMeasureError as error:
        console.print(f"[bold red]cannot measure:[/] {escape(str(error))}", highlight=False)
        sys.exit(2)
    try:
        results = _run(names, pace, None if self_check else product, console)
    except CannotMeasureError as error:
        console.print(f"[bold red]failed:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)
    report.show(results, console)
    text = report.markdown(results, facts)
    whole = not quick and not self_check and not gateway_cmd and names == list(ROWS)
    if write or (write is None and whole):
        report.write(README, text)
        console.print(f"written to {README}")
    sys.exit(check and any(one.verdict == "over" for one in results))


if __name__ == "__main__":
    main()
