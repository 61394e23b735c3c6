"""The command line: one file per command, each exporting ``COMMAND``; found by discovery, sorted by name.

A command imports what it needs inside its function, so that ``omniroute --help`` loads neither the database nor the
admin stack nor an HTTP client.
"""

from __future__ import annotations

import click

from omniroute import __version__
from omniroute.discovery import find


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="omniroute")
def main() -> None:
    """OmniRoute: one endpoint in front of every LLM provider."""


for _command in find("omniroute.cli.commands", "COMMAND", click.Command).values():
    main.add_command(_command)
