from __future__ import annotations

import shutil
import sys

import pytest
from click.testing import CliRunner

from perf.bench import main
from perf.rows import ROWS

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark runs on Linux")


@linux_only
@pytest.mark.parametrize(("missing", "says"), [("nginx", "apt-get install nginx"), ("cc", "apt-get install gcc")])
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, missing: str, says: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None if name == missing else f"/usr/bin/{name}")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    result = CliRunner().invoke(main, ["--quick"])
    assert result.exit_code == 2
    assert says in result.output


def test_unknown_rows_are_refused_before_anything_runs() -> None:
    result = CliRunner().invoke(main, ["--rows", "request,speed"])
    assert result.exit_code == 2
    assert "unknown: speed" in result.output
    assert all(name in result.output for name in ROWS)


@linux_only
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_gateway_that_does_not_start_is_quoted() -> None:
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("no nginx")
    command = f"{sys.executable} -c 'raise SystemExit(\"no such port: {{port}}\")'"
    result = CliRunner().invoke(main, ["--quick", "--rows", "latency", "--gateway-cmd", command])
    assert result.exit_code == 1
    assert "no such port" in result.output
