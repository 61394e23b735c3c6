"""The benchmark's own tools tell the truth about what went over the wire."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import httpx
import pytest

from perf import machine, peers
from perf.machine import CannotMeasureError
from perf.peers import Peer
from perf.sampling import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="the tools are C on Linux"),
]
SHORT = ("--window-ms", 150, "--warm-ms", 50)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Peer]:
    machine.compile_tools()
    with peers.upstream() as port:
        yield Peer("upstream", port, port, worker=0)


def test_requests_are_answered_and_timed(upstream: Peer) -> None:
    said = load("requests", 4, upstream, *SHORT)
    assert said.answers > 100
    assert 0 < said.p50_us <= said.p99_us <= said.max_us
    assert said.events == said.errors == 0


def test_a_large_body_is_read_whole(upstream: Peer) -> None:
    assert load("requests", 2, upstream, *SHORT, "--body", 100_000).answers > 20


def test_paced_streams_come_at_their_pace(upstream: Peer) -> None:
    said = load("streams", 20, upstream, "--window-ms", 400, "--warm-ms", 100, "--period-ms", 20)
    assert said.events == pytest.approx(20 * 0.4 / 0.02, rel=0.15)
    assert said.answers == 0
    assert said.p50_us < 20_000


def test_bursts_hold_every_event(upstream: Peer) -> None:
    said = load("burst", 2, upstream, *SHORT)
    assert said.events == pytest.approx(said.answers * 300, abs=2 * 300)


def test_the_stream_is_what_a_provider_sends(upstream: Peer) -> None:
    asked = {"stream": True, "user": "burst-3", "stream_options": {"include_usage": True}}
    body = httpx.post(f"http://127.0.0.1:{upstream.port}/v1/chat/completions", json=asked).text
    events = body.split("\n\n")
    assert len(events) == 3 + 1 + 1 + 1  # events, usage, the end mark, nothing
    assert all(event.startswith("data: {") for event in events[:4])
    assert '"usage"' in events[3]
    assert events[4:] == ["data: [DONE]", ""]
    whole = httpx.post(f"http://127.0.0.1:{upstream.port}/v1/chat/completions", json={})
    assert (whole.status_code, len(whole.content)) == (200, 600)


def test_errors_are_no_numbers(upstream: Peer) -> None:
    with pytest.raises(CannotMeasureError, match="errors under load"):
        load("requests", 1, Peer("nobody", peers.free_port(), 0, worker=0), *SHORT)
