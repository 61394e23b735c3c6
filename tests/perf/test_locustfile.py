"""The locustfile runs as shipped, and tells a stream that ended well from one that did not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import msgspec
import pytest
import trio

from omniroute.mock import Mock, MockOptions, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="locust is in the perf extra"),
]


class Row(msgspec.Struct):
    name: str
    num_requests: int
    num_failures: int


async def locust(mock: Mock) -> tuple[int, dict[str, Row]]:
    """Exit status, and the rows of its table by name."""
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "perf/locustfile.py",
        "--headless",
        "-u",
        "4",
        "-r",
        "4",
        "-t",
        "2s",
    ]
    command += ["--host", mock.base_url.removesuffix("/v1"), "--model", "echo", "--think-seconds", "0.05"]
    command += ["--prompt-words", "5", "--key", "x", "--json", "--stop-timeout", "5"]
    with trio.fail_after(60):
        done = await trio.run_process(
            command, check=False, capture_stdout=True, capture_stderr=True, stdin=subprocess.DEVNULL
        )
    return done.returncode, {row.name: row for row in msgspec.json.decode(done.stdout, type=list[Row])}


async def test_counts_what_the_mock_counts() -> None:
    async with running() as mock:
        status, rows = await locust(mock)
        assert status == 0
        heads = rows["chat, head of a stream"].num_requests
        assert heads == rows["whole stream"].num_requests == rows["first event"].num_requests
        assert heads + rows["chat"].num_requests == mock.counts.total.full
        assert not any(row.num_failures for row in rows.values())


@pytest.mark.parametrize("script", ["rst-after=3", "error-event-after=2", "no-done"])
async def test_a_stream_that_ends_badly_is_a_failure(script: str) -> None:
    async with running(MockOptions(script=script)) as mock:
        status, rows = await locust(mock)
        heads = rows["chat, head of a stream"]
        assert status == 1
        assert heads.num_failures == heads.num_requests > 0
        assert "whole stream" not in rows
