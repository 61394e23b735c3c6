"""``omniroute mock``."""

from __future__ import annotations

import signal

import click
import trio

from omniroute.domain import Secret
from omniroute.mock.mock import Mock, MockOptions
from omniroute.mock.script import BadScript


@click.command("mock")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=20129, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 picks a free one."
)
@click.option("--key", default="", envvar="OMNIROUTE_MOCK_KEY", help="API key to demand; empty accepts everyone.")
@click.option("--script", default="", help="Script of every request, as in delay=200ms;pace=30ms (see GET /mock).")
def mock_command(host: str, port: int, key: str, script: str) -> None:
    """Run a scripted upstream that speaks every dialect, to try streams, failures and fallbacks without a provider."""
    try:
        trio.run(_run, host, port, Mock(MockOptions(key=Secret(key), script=script)))
    except BadScript as error:
        raise click.BadParameter(str(error), param_hint="--script") from error
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from error


async def _run(host: str, port: int, mock: Mock) -> None:
    listeners = await trio.open_tcp_listeners(port, host=host)
    async with trio.open_nursery() as nursery:  # the server, until a signal
        await nursery.start(mock.run, listeners)
        click.echo(f"mock listening on http://{host}:{mock.port}/v1 (GET http://{host}:{mock.port}/mock explains it)")
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                break
        nursery.cancel_scope.cancel()
