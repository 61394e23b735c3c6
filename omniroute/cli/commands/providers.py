"""``omniroute providers``: add, list, test, remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from omniroute.cli import admin, output
from omniroute.domain import Timeouts

if TYPE_CHECKING:
    from collections.abc import Sequence

PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("providers", short_help="Connections to providers: add, list, test, remove.")
def COMMAND() -> None:  # noqa: N802 - the name discovery looks for
    """Connections to providers: a base URL, its dialect and a key each, as many per provider as you have."""


@COMMAND.command("add")
@click.argument("provider")
@click.option("--base-url", required=True, help="E.g. https://api.openai.com/v1")
@click.option(
    "--key", envvar="OMNIROUTE_PROVIDER_KEY", help="The provider's API key; asked for if left out, '' for none."
)
@click.option("--label", help="Tells this connection from others of the provider.  [default: the provider's name]")
@click.option(
    "--model", "models", multiple=True, help="A model id as the provider spells it; repeatable. None: any is passed on."
)
@click.option("--priority", default=100, show_default=True, help="Lower is tried first.")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Sent with every request; repeatable.")
@click.option("--proxy", default="", help="http://user:pass@host:port or socks5://…")
@click.option("--ca", type=PEM, help="PEM file of the CA that signed the provider's certificate.")
@click.option("--client-cert", type=PEM, help="PEM file of our certificate.")
@click.option("--client-key", type=PEM, help="PEM file of its key.")
@click.option("--server-name", default="", help="The name to verify, if it is not the URL's host.")
@click.option("--max-in-flight", default=0, type=click.IntRange(0), help="Requests at a time; 0: no limit.")
@click.option(
    "--timeout",
    "timeouts",
    multiple=True,
    metavar="NAME=SECONDS",
    help="connect, first-byte, idle, client-write or total; repeatable.",
)
@click.option("--dialect", default="openai_chat", show_default=True, help="What the upstream speaks.")
@click.option(
    "--quirk",
    "quirks",
    multiple=True,
    metavar="NAME=VALUE",
    help="How it deviates from its dialect, e.g. think_tags=true; repeatable.",
)
@click.option("--allow-private", is_flag=True, help="The base URL may lead to loopback or a private address.")
@admin.options
@admin.runs
async def add(
    provider: str, base_url: str, key: str | None, label: str | None, models: Sequence[str], priority: int,
    headers: Sequence[str], proxy: str, ca: Path | None, client_cert: Path | None, client_key: Path | None,
    server_name: str, max_in_flight: int, timeouts: Sequence[str], dialect: str, quirks: Sequence[str],
    allow_private: bool, data_dir: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Add a connection to PROVIDER, which becomes the prefix of its models: PROVIDER/model."""
    if key is None:
        key = click.prompt("API key of the provider (empty for none)", default="", hide_input=True, show_default=False)
    body = {
        "provider": provider,
        "label": label or provider,
        "base_url": base_url,
        "credential": key,
        "models": list(models),
        "priority": priority,
        "headers": dict(_pair(text, "--header") for text in headers),
        "proxy": proxy,
        "ca_pem": _text(ca),
        "client_cert_pem": _text(client_cert),
        "client_key_pem": _text(client_key),
        "server_name": server_name,
        "timeouts": msgspec.to_builtins(_timeouts(timeouts)),
        "max_in_flight": max_in_flight,
        "allow_private": allow_private,
        "dialect": dialect,
        "quirks": dict(_quirk(text) for text in quirks),
    }
    added = admin.record(await admin.call(data_dir, "POST", "/api/providers", body))
    if as_json:
        output.print_json(added)
        return
    model = f"{provider}/{models[0]}" if models else f"{provider}/<model id>"
    click.echo(f"Added {provider}/{added['label']} ({added['connection_id']}). Ask for its models as {model}.")


@COMMAND.command("list")
@admin.options
@admin.runs
async def list_providers(data_dir: str | None, as_json: bool) -> None:
    """List all connections."""
    rows = admin.rows(await admin.call(data_dir, "GET", "/api/providers"))
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        ("id", "provider", "label", "state", "base URL", "dialect", "models", "priority"),
        [
            (
                c["connection_id"], c["provider"], c["label"], c["problem"] or ("active" if c["active"] else "off"),
                c["base_url"], c["dialect"], output.joined(c["models"]), c["priority"],
            )
            for c in rows
        ],
        "There is no connection. 'omniroute providers add NAME --base-url URL' adds one.",
    )  # fmt: skip


@COMMAND.command("test")
@click.argument("connection")
@click.option("--model", default="", help="Model to call; empty: the connection's first, or its list of models.")
@admin.options
@admin.runs
async def test(connection: str, model: str, data_dir: str | None, as_json: bool) -> None:
    """Make one real, cheap call over CONNECTION (id, PROVIDER/LABEL, or PROVIDER if it has one) and say what failed."""
    ref = admin.quoted(await _ref(data_dir, connection))
    probed = admin.record(await admin.call(data_dir, "POST", f"/api/providers/{ref}/test", {"model": model}))
    if as_json:
        output.print_json(probed)
    else:
        click.echo(f"{'ok' if probed['ok'] else 'failed at ' + str(probed['stage'])}: {probed['message']}")
    if not probed["ok"]:
        sys.exit(1)


@COMMAND.command("remove")
@click.argument("connection")
@admin.options
@admin.runs
async def remove(connection: str, data_dir: str | None, as_json: bool) -> None:
    """Forget CONNECTION (its id, PROVIDER/LABEL, or PROVIDER if it has one) and its secrets."""
    ref = admin.quoted(await _ref(data_dir, connection))
    removed = admin.record(await admin.call(data_dir, "DELETE", f"/api/providers/{ref}"))
    if as_json:
        output.print_json(removed)
    else:
        click.echo(f"{removed['provider']}/{removed['label']} is removed.")


async def _ref(data_dir: str | None, text: str) -> str:
    """``text``, or ``provider/label`` of a provider's only connection."""
    if "/" in text:
        return text
    rows = admin.rows(await admin.call(data_dir, "GET", "/api/providers"))
    named = [f"{c['provider']}/{c['label']}" for c in rows if c["provider"] == text]
    if len(named) > 1:
        raise click.ClickException(f"{text} has several connections: name one of {', '.join(named)}.")
    return named[0] if named else text


def _text(pem: Path | None) -> str:
    return pem.read_text() if pem else ""


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name.strip(), value.strip()


def _quirk(text: str) -> tuple[str, object]:
    """JSON where it is (true, 4096, [1024,2048,4096]), else the word itself."""
    name, value = _pair(text, "--quirk")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def _timeouts(given: Sequence[str]) -> Timeouts:
    known = msgspec.structs.asdict(Timeouts())
    for text in given:
        name, value = _pair(text, "--timeout")
        field = f"{name.replace('-', '_')}_s"
        if field not in known:
            names = ", ".join(key.removesuffix("_s").replace("_", "-") for key in known)
            raise click.BadParameter(f"{name!r} is none of {names}", param_hint="--timeout")
        try:
            known[field] = float(value)
        except ValueError as exc:
            raise click.BadParameter(f"{value!r} is not a number of seconds", param_hint="--timeout") from exc
    return Timeouts(**known)
