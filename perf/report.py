"""The table: on the terminal, and between the markers of ``perf/README.md``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from perf.sampling import Result

BEGIN: Final = "<!-- bench: written by `make bench` -->"
END: Final = "<!-- bench: end -->"
_SHOWN: Final = {"aim": "reaches the aim", "limit": "within the limit", "over": "**over the limit**"}
_STYLE: Final = {"aim": "green", "limit": "yellow", "over": "bold red"}
_HEADS: Final = ("measure", "nginx", "gateway", "compared", "at most", "aim", "verdict")


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table."""
    table = Table(*_HEADS, title="gateway against nginx, one core each, same run; median (range)")
    for one in results:
        verdict = f"[{_STYLE[one.verdict]}]{_SHOWN[one.verdict].strip('*')}[/]"
        table.add_row(one.title, one.nginx, one.gateway, one.compared, one.limit, one.aim, verdict)
    console.print(table)
    for one in results:
        if one.note:
            console.print(f"[dim]{one.title}: {one.note}[/]", highlight=False)


def markdown(results: Sequence[Result], facts: Sequence[str]) -> str:
    """The table and the facts its numbers depend on."""
    lines = [*(f"- {fact}" for fact in facts), "", f"| {' | '.join(_HEADS)} |", f"|{' --- |' * len(_HEADS)}"]
    for one in results:
        cells = (one.title, one.nginx, one.gateway, one.compared, one.limit, one.aim, _SHOWN[one.verdict])
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"- {one.title}: {one.note}" for one in results if one.note]
    return "\n".join([*lines, "", "Nginx and gateway, in this order:", "", *notes]) + "\n"


def write(page: Path, text: str) -> None:
    """Replace what stands between the markers."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has lost its markers: put {BEGIN} and {END} back, each on a line of its own")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
