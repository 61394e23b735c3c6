"""``omniroute serve``."""

from __future__ import annotations

import sys

import click

from omniroute.config import MAX_WORKERS, Settings, variables
from omniroute.processes.boot import Ready


def _epilog() -> str:
    """Every environment variable, from the one list there is."""
    lines = ["\b", "Environment (a flag wins over its variable; docs/configuration.md says more):"]
    for variable in variables():
        also = f" (also {', '.join(variable.aliases)})" if variable.aliases else ""
        lines.append(f"  {variable.name}{also} [{variable.default}]")
        lines.append(f"      {variable.description}")
    lines.append(
        "  OMNIROUTE_MASTER_KEY\n"
        "      Key of the secrets at rest; without it a 0600 file in the data directory is used."
    )
    lines.append("  OMNIROUTE_NO_SPEEDUPS\n      Run on the plain-Python twins of the compiled parts (one worker).")
    return "\n".join(lines)


@click.command("serve", epilog=_epilog(), short_help="Run the gateway.")
@click.option("--host", help="Address to listen on.  [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [20128]")
@click.option("--workers", type=click.IntRange(0, MAX_WORKERS), help="Worker processes; 0: one for each core.  [0]")
@click.option("--admin-bind", metavar="HOST:PORT", help="Move management to its own listener.")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Where everything is kept.  [~/.omniroute]")
@click.option("--drain-seconds", type=click.FloatRange(0, 86400), help="Time for running requests after SIGTERM.  [30]")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[info]")
@click.option(
    "--log-format", type=click.Choice(["auto", "json", "text"]), help="auto: text on a terminal, else json.  [auto]"
)
def COMMAND(**flags: object) -> None:  # noqa: N802 - the name discovery looks for
    """Run the gateway until SIGTERM.

    The first start creates an API key, shown once, and a demo provider that answers without any account.
    SIGHUP replaces the workers one by one; a second SIGTERM ends everything at once.
    """
    import trio

    from omniroute.config import ConfigurationError, load
    from omniroute.paths import DataDirectoryError
    from omniroute.processes.listen import BindError
    from omniroute.processes.lock import DataDirectoryLock
    from omniroute.processes.supervisor import StartError, Supervisor
    from omniroute.telemetry.log import Log

    try:
        settings = load(flags)
        log = Log(level=settings.process.log_level, form=settings.process.log_format, source="supervisor")
        with DataDirectoryLock(settings.process.data_dir):
            try:
                status = trio.run(Supervisor(settings, log, lambda url, ready: _announce(settings, url, ready)).run)
            finally:
                log.flush()
    except (ConfigurationError, DataDirectoryError, BindError, StartError) as exc:
        raise click.ClickException(str(exc)) from exc
    sys.exit(status)


def _announce(settings: Settings, url: str, ready: Ready) -> None:
    """Say on standard output that the gateway serves, and at the first start how to talk to it."""
    lines = [f"OmniRoute is ready on {url}/v1 (data in {settings.process.data_dir})"]
    if ready.new_key:
        lines += [
            "",
            f"  API key: {ready.new_key}",
            "  It is shown this once; 'omniroute keys create' makes others. Try it:",
            "",
            f"  curl -N {url}/v1/chat/completions -H 'Authorization: Bearer {ready.new_key}' \\",
            "    -H 'Content-Type: application/json' \\",
            """    -d '{"model":"demo/echo","stream":true,"""
            """"messages":[{"role":"user","content":"Hello from OmniRoute"}]}\'""",
            "",
        ]
    click.echo("\n".join(lines))
    sys.stdout.flush()
