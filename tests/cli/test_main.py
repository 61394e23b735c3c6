"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from omniroute import __version__
from omniroute.cli import main

COMMANDS = ["bench", "doctor", "keys", "ledger", "mock", "providers", "serve", "settings", "translate"]


def test_every_file_is_a_command() -> None:
    assert main.list_commands(click.Context(main)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_says_what_it_does(command: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    assert found.get_short_help_str(), command
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_help_loads_neither_database_nor_admin_stack_nor_http_client() -> None:
    probe = (
        "import sys; from click.testing import CliRunner; from omniroute.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(*{'httpx', 'apsw', 'starlette', 'hypercorn', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_serve_loads_neither_the_mock_nor_another_command() -> None:
    """It becomes the supervisor, which stays as long as the gateway runs."""
    probe = (
        "import sys; from click.testing import CliRunner; from omniroute.cli import main;"
        "assert CliRunner().invoke(main, ['serve', '--help']).exit_code == 0;"
        "print(*{'omniroute.mock', 'omniroute.cli.commands.keys', 'httpx', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_module_runs_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "omniroute", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"omniroute, version {__version__}"


def test_serve_refuses_a_bad_setting_before_it_touches_anything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    runner = CliRunner(env={"OMNIROUTE_EDGE_BODY_BYTES": "lots"})
    done = runner.invoke(main, ["serve", "--data-dir", str(data)])
    assert done.exit_code == 1
    assert "OMNIROUTE_EDGE_BODY_BYTES" in done.output
    assert not data.exists()
