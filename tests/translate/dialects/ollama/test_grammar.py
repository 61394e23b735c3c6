"""The grammar refuses what no Ollama server sends; that it accepts ours is seen in the encoder's tests."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.translate.dialect import GrammarError
from tests.translate.dialects.ollama.asking import CLIENT

SAID = {"model": "m", "created_at": "t", "message": {"role": "assistant", "content": "x"}, "done": False}
COUNTERS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)
DONE = (
    SAID
    | {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    | dict.fromkeys(COUNTERS, 1)
)


def called(**function: object) -> dict[str, object]:
    call = {"id": "c", "function": {"index": 0, "name": "f", "arguments": {}} | function}
    return SAID | {"message": {"role": "assistant", "content": "", "tool_calls": [call]}}


def check(*lines: object) -> None:
    checker = CLIENT.checker()
    for line in lines:
        checker.event(b"", line if isinstance(line, bytes) else msgspec.json.encode(line))
    checker.end()


@pytest.mark.parametrize(
    "lines",
    [
        (SAID, DONE),
        (DONE,),
        (SAID, {"error": "x"}),
        ({"error": "x"},),
        (called(), called(index=1), DONE),
        (SAID | {"logprobs": [{}]}, DONE),
    ],
)
def test_accepts(lines: tuple[object, ...]) -> None:
    check(*lines)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "without a line that is done"),
        ((SAID,), "without a line that is done"),
        ((DONE, SAID), "after the stream was done"),
        (({"error": "x"}, DONE), "after the stream was failed"),
        (({"error": {"message": "x"}},), "one text"),
        (({"error": "x", "done": True},), "one text"),
        ((b"{",), "not JSON"),
        ((b"[]",), "not an object"),
        ((b'{"a":\n1}',), "line end"),
        ((SAID | {"model": 5},), "'model'"),
        ((SAID | {"done": 1},), "'done'"),
        ((SAID | {"message": {"role": "user", "content": "x"}},), "role assistant"),
        ((SAID | {"message": {"role": "assistant"}},), "role assistant"),
        ((SAID | {"message": None},), "neither"),
        ((SAID | {"response": "x"},), "in one line"),
        ((SAID | {"message": {"role": "assistant", "content": ""}},), "says nothing"),
        ((called(name=""),), "without a name"),
        ((called(arguments="{}"),), "no object"),
        ((called(index=1),), "not counted"),
        ((called(), called()), "not counted"),
        ((DONE | {"done_reason": None},), "done_reason"),
        ((DONE | {"eval_count": -1},), "eval_count"),
    ],
)
def test_refuses(lines: tuple[object, ...], says: str) -> None:
    with pytest.raises(GrammarError, match=says):
        check(*lines)


def test_lines_have_no_names() -> None:
    with pytest.raises(GrammarError, match="event name"):
        CLIENT.checker().event(b"message", b"{}")
