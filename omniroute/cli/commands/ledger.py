"""``omniroute ledger``: every attempt there was."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import click

from omniroute.cli import admin, output

PAGE_ROWS: Final = 1000
OUTCOMES: Final = ("ok", "client_error", "upstream_error", "client_gone", "cancelled", "lost", "fault")


@click.command("ledger", short_help="Every attempt there was, newest first.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only attempts that ended so.")
@click.option("--key", "key_id", help="Id of an API key.")
@click.option("--connection", "connection_id", help="Id of a connection.")
@click.option("--totals", is_flag=True, help="Only what they add up to.")
@admin.options
@admin.runs
async def COMMAND(  # noqa: N802 - the name discovery looks for
    limit: int, outcome: str | None, key_id: str | None, connection_id: str | None, totals: bool,
    data_dir: str | None, as_json: bool,
) -> None:  # fmt: skip
    """List attempts, newest first: one row for each call to a provider, also those that failed or were cut off."""
    wanted = {k: v for k, v in (("outcome", outcome), ("key_id", key_id), ("connection_id", connection_id)) if v}
    if totals:
        answer = admin.record(await admin.call(data_dir, "GET", f"/api/ledger/totals?{urlencode(wanted)}"))
        if as_json:
            output.print_json(answer)
        else:
            by_outcome = answer["by_outcome"]
            assert isinstance(by_outcome, list)
            output.print_table(
                tuple(by_outcome[0]) if by_outcome else (), [tuple(row.values()) for row in by_outcome], "Nothing yet."
            )
        return
    rows = await _rows(data_dir, wanted, limit)
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ("when", "request", "model", "connection", "outcome", "status", "error", "tokens", "first ms", "total ms"),
        [
            (
                output.when(r["started_epoch_s"]), r["request_id"], f"{r['provider']}/{r['model']}", r["connection_id"],
                r["outcome"], r["status"], r["error_class"], _tokens(r["usage"]), r["first_token_ms"], r["total_ms"],
            )
            for r in rows
        ],
        "Nothing yet.",
    )  # fmt: skip


async def _rows(data_dir: str | None, wanted: dict[str, str], limit: int) -> list[dict[str, object]]:
    """``limit`` rows, over as many pages as that takes."""
    rows: list[dict[str, object]] = []
    before = ""
    while len(rows) < limit:
        query = urlencode({**wanted, "limit": min(PAGE_ROWS, limit - len(rows)), "before": before})
        page = admin.record(await admin.call(data_dir, "GET", f"/api/ledger?{query}"))
        rows += admin.rows(page)
        before = str(page["next_before"] or "")
        if not before:
            break
    return rows


def _tokens(usage: object) -> str:
    assert isinstance(usage, dict)
    return f"{usage['input_total']} → {usage['output_total']}" if usage["known"] else "unknown"
