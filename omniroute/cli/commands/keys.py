"""``omniroute keys``: create, list, revoke."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from omniroute.cli import admin, output

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group("keys", short_help="API keys your clients use: create, list, revoke.")
def COMMAND() -> None:  # noqa: N802 - the name discovery looks for
    """API keys your clients use. A key is shown once, when it is created; only its keyed hash is kept."""


@COMMAND.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=["inference"],
    show_default=True,
    help="'inference' or 'manage'; repeatable.",
)
@click.option("--allow-model", "models", multiple=True, help="Glob over provider/model; repeatable. Default: all.")
@click.option("--allow-connection", "connections", multiple=True, help="Connection id; repeatable. Default: all.")
@click.option("--rpm", default=0, type=click.IntRange(0), help="Requests per minute; 0: no limit.")
@click.option("--max-in-flight", default=0, type=click.IntRange(0), help="Requests at a time; 0: no limit.")
@click.option("--expires-in-days", default=0.0, type=click.FloatRange(0), help="0: never.")
@admin.options
@admin.runs
async def create(
    name: str, scopes: Sequence[str], models: Sequence[str], connections: Sequence[str], rpm: int, max_in_flight: int,
    expires_in_days: float, data_dir: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Create a key called NAME."""
    body = {
        "name": name,
        "scopes": list(scopes),
        "allowed_models": list(models),
        "allowed_connections": list(connections),
        "requests_per_minute": rpm,
        "max_in_flight": max_in_flight,
        "expires_epoch_s": time.time() + expires_in_days * 86400 if expires_in_days else 0.0,
    }
    created = admin.record(await admin.call(data_dir, "POST", "/api/keys", body))
    if as_json:
        output.print_json(created)
        return
    click.echo(f"{created['key']}\n\nThis is the only time the key is shown. Its id is {created['key_id']}.")


@COMMAND.command("list")
@admin.options
@admin.runs
async def list_keys(data_dir: str | None, as_json: bool) -> None:
    """List all keys, revoked ones too."""
    rows = admin.rows(await admin.call(data_dir, "GET", "/api/keys"))
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ("id", "name", "key", "state", "scopes", "models", "rpm", "in flight", "created", "expires"),
        [
            (
                k["key_id"], k["name"], f"{k['prefix']}…{k['last4']}", k["state"], output.joined(k["scopes"]),
                output.joined(k["allowed_models"]), k["requests_per_minute"] or "-", k["max_in_flight"] or "-",
                output.when(k["created_epoch_s"]), output.when(k["expires_epoch_s"]),
            )
            for k in rows
        ],
        "There is no key. 'omniroute keys create NAME' makes one.",
    )  # fmt: skip


@COMMAND.command("revoke")
@click.argument("key")
@admin.options
@admin.runs
async def revoke(key: str, data_dir: str | None, as_json: bool) -> None:
    """Revoke the KEY with this id or name. When this returns, no worker accepts it any more."""
    revoked = admin.record(await admin.call(data_dir, "DELETE", f"/api/keys/{admin.quoted(key)}"))
    if as_json:
        output.print_json(revoked)
    else:
        click.echo(f"{revoked['name']} ({revoked['key_id']}) is revoked.")
