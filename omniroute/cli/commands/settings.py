"""``omniroute settings``: what can change while the gateway runs."""

from __future__ import annotations

import click

from omniroute.cli import admin, output


@click.command("settings", short_help="Show or change what can change while the gateway runs.")
@click.option(
    "--heartbeat",
    type=click.FloatRange(0),
    help="Seconds of silence after which a stream gets ': keep-alive'; 0: never.",
)
@click.option("--max-attempts", type=click.IntRange(1), help="Connections tried for one request.")
@admin.options
@admin.runs
async def COMMAND(heartbeat: float | None, max_attempts: int | None, data_dir: str | None, as_json: bool) -> None:  # noqa: N802 - the name discovery looks for
    """Without options, show the settings in force; with some, change those."""
    change = {k: v for k, v in (("heartbeat_s", heartbeat), ("max_attempts", max_attempts)) if v is not None}
    if change:
        settings = admin.record(await admin.call(data_dir, "PATCH", "/api/settings", change))
    else:
        settings = admin.record(await admin.call(data_dir, "GET", "/api/settings"))
    if as_json:
        output.print_json(settings)
    else:
        output.print_table(("setting", "value"), list(settings.items()), "")
