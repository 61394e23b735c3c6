"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import click
import msgspec

PIPED_COLUMNS: Final = 1000
"""Where nobody says how wide the screen is: what reads a pipe wants a row on a line."""


def print_json(value: object) -> None:
    """``value`` as JSON, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table, or the sentence ``empty`` if there are no rows. Brackets in a cell are brackets, no markup."""
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an id that is cut short is of no use
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=PIPED_COLUMNS)).print(table)


def when(epoch_s: object) -> str:
    """A wall-clock instant in local time; a dash for none."""
    if not isinstance(epoch_s, int | float) or not epoch_s:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch_s))


def joined(values: object) -> str:
    """A list for a table cell; "all" for an empty one."""
    return ", ".join(map(str, values)) if isinstance(values, list) and values else "all"
