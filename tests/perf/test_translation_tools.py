"""What the rows of translation hold against each other is the same answer, in whole and right words of its dialect."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from perf import machine, peers
from perf.asks import MARKS, Dialect, http_request, stream_body, tools_body
from perf.machine import CannotMeasureError
from perf.peers import Peer
from perf.sampling import load
from perf.witness import WITNESSED, witness

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="the tools are C on Linux"),
]
SHORT = ("--window-ms", 150, "--warm-ms", 50)
DIALECTS: tuple[Dialect, ...] = ("openai_chat", "anthropic", "gemini")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Peer]:
    machine.compile_tools()
    with peers.upstream() as port:
        yield Peer("upstream", port, port, worker=0)


def request(dialect: Dialect, port: int, body: Mapping[str, object]) -> bytes:
    return http_request(dialect, body, port=port, key="k", model="m")


def marks(dialect: Dialect, stamps: int) -> tuple[object, ...]:
    return ("--stamps", stamps, "--before", MARKS[dialect].before, "--last", MARKS[dialect].last)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_streams_of_every_vendor_are_whole_and_counted(dialect: Dialect, upstream: Peer, tmp_path: Path) -> None:
    port = upstream.port
    if dialect != "openai_chat":  # what passes in the row of bursts is texts and the end mark, no more
        witness(dialect, request(dialect, port, stream_body(dialect, "m", f"burst-{WITNESSED}")), port, streamed=True)
    file = tmp_path / "ask"
    file.write_bytes(request(dialect, port, stream_body(dialect, "m", "burst-300")))
    said = load("burst", 2, upstream, *SHORT, "--ask", file, *marks(dialect, 300))
    assert said.answers > 10


@pytest.mark.parametrize("dialect", DIALECTS[:2])
def test_whole_answers_are_whole(dialect: Dialect, upstream: Peer, tmp_path: Path) -> None:
    asked = request(dialect, upstream.port, tools_body(dialect, "m"))
    assert 1350 <= len(asked.partition(b"\r\n\r\n")[2]) <= 1700
    (tmp_path / "ask").write_bytes(asked)
    if dialect == "anthropic":  # the answer bytes pass for the row without translation holds no stamp
        witness(dialect, asked, upstream.port, streamed=False)
        said = load("requests", 2, upstream, *SHORT, "--ask", tmp_path / "ask", "--stamps", 1)
        assert said.events == said.answers > 10


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (("--stamps", 299), "stamps in an answer: 300 instead of 299"),
        (("--before", '"text":" '), "before a stamp"),
        (("--last", "more\n"), "last bytes of an answer"),
    ],
)
def test_an_answer_that_is_another_is_no_number(
    wanted: tuple[object, ...], says: str, upstream: Peer, tmp_path: Path
) -> None:
    file = tmp_path / "ask"
    file.write_bytes(request("openai_chat", upstream.port, stream_body("openai_chat", "m", "burst-300")))
    with pytest.raises(CannotMeasureError, match=says):
        load("burst", 2, upstream, *SHORT, "--ask", file, *wanted)


def test_a_stream_that_is_short_or_another_is_seen(upstream: Peer) -> None:
    port = upstream.port
    short = request("anthropic", port, stream_body("anthropic", "m", f"burst-{WITNESSED - 1}"))
    with pytest.raises(CannotMeasureError, match="4 texts instead of 5"):
        witness("anthropic", short, port, streamed=True)
    with pytest.raises(CannotMeasureError, match="its end is missing"):
        witness("openai_chat", short, port, streamed=True)
    with pytest.raises(CannotMeasureError, match="something else"):
        witness("openai_chat", request("anthropic", port, tools_body("anthropic", "m")), port, streamed=False)
