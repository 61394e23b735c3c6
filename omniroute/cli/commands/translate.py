"""``omniroute translate``: what the gateway makes of a request, an answer or a stream, and what is lost."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click
import msgspec

from omniroute.cli import output
from omniroute.errors import OmniRouteError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from omniroute.translate.trial import Translation


@click.command("translate", short_help="Translate a request, an answer or a stream from one dialect to another.")
@click.option("--from", "source", required=True, metavar="DIALECT", help="Dialect of FILE, e.g. openai_chat.")
@click.option("--to", "target", required=True, metavar="DIALECT", help="Dialect wanted, e.g. anthropic.")
@click.option("--kind", type=click.Choice(["request", "response", "stream"]), help="What FILE is. Default: found out.")
@click.option("--model", default="", help="The model's name at the target. Default: as in FILE.")
@click.option("--provider", default="", help="Whose quirks the upstream has, e.g. mistral.")
@click.option("--quirk", "quirks", multiple=True, metavar="NAME=VALUE", help="One of them by itself; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print result and losses as JSON.")
@click.argument("file", type=click.File("rb"))
def COMMAND(  # noqa: N802 - the name discovery looks for
    source: str, target: str, kind: str | None, model: str, provider: str, quirks: Sequence[str], as_json: bool,
    file: BinaryIO,
) -> None:  # fmt: skip
    """Translate FILE ("-": standard input) as the gateway would.

    A request goes from a client that speaks --from to an upstream that speaks --to; an answer or a stream comes from
    an upstream that speaks --from to a client that speaks --to. The result goes to standard output; what is lost to
    standard error. Exit status 1: it cannot be translated.
    """
    try:
        done = _translated(file.read(), source, target, kind, model, provider, quirks)
    except OmniRouteError as exc:
        raise click.ClickException(exc.message) from exc
    if as_json:
        from omniroute.translate import trial

        output.print_json(trial.shown(done))
        return
    _print(done)


def _translated(
    text: bytes, source: str, target: str, kind: str | None, model: str, provider: str, quirks: Sequence[str]
) -> Translation:
    from omniroute.translate import AnswerContext, find_dialects, trial

    found = msgspec.convert(kind, trial.Kind) if kind else trial.kind_of(text)
    pair = trial.pair_of(find_dialects(), source, target, found)
    attempt_id = os.urandom(16).hex()
    context = AnswerContext(
        attempt_id=attempt_id,
        request_id=f"req_{attempt_id}",
        created_epoch_s=int(time.time()),
    )
    return trial.translate(
        text,
        pair,
        found,
        quirks=trial.quirks_of(provider, dict(map(_quirk, quirks))),
        model=model,
        context=context,
    )


def _print(done: Translation) -> None:
    if done.path:
        click.echo(f"POST {done.path}", err=True)
    for note in done.losses:
        click.echo(f"{note.action} ({note.severity}): {note.field}: {note.reason}", err=True)
    if done.failure:
        click.echo(f"it is an error, or ends in one: {done.failure}", err=True)
    click.echo(
        done.body if done.kind == "stream" else msgspec.json.format(done.body, indent=2), nl=done.kind != "stream"
    )


def _quirk(text: str) -> tuple[str, object]:
    """JSON where it is (true, 4096, [1024,2048,4096]), else the word itself."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--quirk")
    try:
        return name.strip(), msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name.strip(), value.strip()
