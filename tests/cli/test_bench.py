"""``omniroute bench``: what it reports of an upstream that is known."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from click.testing import CliRunner

from omniroute.cli import main

pytestmark = pytest.mark.slow  # a process of its own answers


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "omniroute", "mock", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found
        yield found[0]
        process.terminate()


def bench(url: str, *args: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(main, ["bench", "--url", url, "--key", "k", "--json", *args])
    return done.exit_code, msgspec.json.decode(done.stdout)


def test_latencies_of_what_was_answered(url: str) -> None:
    status, report = bench(url, "--requests", "20", "--concurrency", "4", "--model", "echo;delay=20ms")
    assert (status, report["ok"], report["errors"]) == (0, 20, [])
    latencies = report["latencies"]
    assert isinstance(latencies, dict)
    for p50, p95, p99, most in (latencies["first byte, ms"], latencies["whole answer, ms"]):
        assert p50 <= p95 <= p99 <= most
    assert latencies["whole answer, ms"][0] >= 20


def test_failures_are_told_and_the_status_says_so(url: str) -> None:
    status, report = bench(url, "--requests", "3", "--model", "echo;status=503", "--no-stream")
    assert (status, report["ok"], report["errors"]) == (1, 0, ["HTTP 503"])
    status, report = bench("http://127.0.0.1:9", "--requests", "2")
    assert (status, report["ok"]) == (1, 0)
    assert "ConnectError" in str(report["errors"])


def test_a_table_for_people(url: str) -> None:
    done = CliRunner().invoke(main, ["bench", "--url", url, "--key", "k", "--requests", "2"])
    assert done.exit_code == 0
    assert "2 of 2 answered" in done.output
    assert "gateway's own time, ms" in done.output
