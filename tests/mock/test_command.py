from __future__ import annotations

import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from omniroute.discovery import stems
from omniroute.mock import ALIASES, PARAMETERS, Mock
from omniroute.mock.command import mock_command
from tests.mock.client import once, request

RUN = "from omniroute.mock.command import mock_command; mock_command()"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_serves_until_a_signal(how: signal.Signals) -> None:
    command = [sys.executable, "-c", RUN, "--port", "0", "--script", "tokens=2"]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, check=False))
        said = (await process.stdout.receive_some()).decode()
        mock = Mock()
        mock.port = int(re.search(r":(\d+)/v1", said)[1])
        assert b'"one two"' in (await once(mock, request())).body
        process.send_signal(how)
        with trio.fail_after(5):
            assert await process.wait() == 0


def test_a_wrong_script_is_refused_before_listening() -> None:
    result = CliRunner().invoke(mock_command, ["--port", "0", "--script", "dely=3s"])
    assert result.exit_code == 2
    assert "unknown parameter 'dely'" in result.output


async def test_a_taken_port_is_said() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    result = await trio.to_thread.run_sync(lambda: CliRunner().invoke(mock_command, ["--port", str(port)]))
    await listeners[0].aclose()
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.output


def test_the_page_names_every_parameter_alias_and_dialect() -> None:
    page = Path("docs/mock.md").read_text()
    assert [name for name in (parameter.name for parameter in PARAMETERS) if f"| `{name}" not in page] == []
    assert [name for name in ALIASES if f"| `{name}` |" not in page] == []
    assert [name for name in stems("omniroute.mock.dialects") if f"| `{name}` |" not in page] == []
