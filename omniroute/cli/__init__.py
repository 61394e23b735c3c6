"""The command line: one file per command, each exporting ``COMMAND``; found by discovery, sorted by name.

Only the command that is called is imported, and it imports what it needs inside its function: ``omniroute serve`` is
the supervisor for as long as the gateway runs, and carries neither the mock nor an HTTP client.
"""

from __future__ import annotations

from typing import Final

import click

from omniroute import __version__, discovery

COMMANDS: Final = "omniroute.cli.commands"


class _Commands(click.Group):
    """The files in ``commands``, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, for the help page."""
        return list(discovery.stems(COMMANDS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, if there is one."""
        if cmd_name not in discovery.stems(COMMANDS):
            return None
        return discovery.find_one(COMMANDS, cmd_name, "COMMAND", click.Command)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="omniroute")
def main() -> None:
    """OmniRoute: one endpoint in front of every LLM provider."""
