"""Requests of the dialect to an upstream of the dialect that repeat what another one said."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.translate import Pair
from omniroute.translate.dialects.anthropic import DIALECT

PAIR = Pair(DIALECT, DIALECT)


def request(*blocks: object) -> bytes:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks}]
    return msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": [*said, {"role": "user", "content": "go"}]})


THOUGHT = {"type": "thinking", "thinking": "hm"}
TEXT = {"type": "text", "text": "so"}


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        (request(THOUGHT | {"signature": "c2ln"}, TEXT), True),
        (request(THOUGHT | {"signature": ""}, TEXT), False),
        (request(TEXT, THOUGHT | {"signature": ""}), False),
        (msgspec.json.format(request(THOUGHT | {"signature": ""}, TEXT)), False),
        (request({"type": "text", "text": '{"signature":""}'}), True),
        (request({"type": "tool_use", "id": "t", "name": "f", "input": {"signature": ""}}), True),
        (b'{"model":"m","messages":[{"content":7,"signature":""}]}', True),
        (b'{"model":"m","messages":[{"signature":""}', True),
    ],
    ids=["signed", "unsigned", "last", "spaced", "text", "arguments", "no turn", "no JSON"],
)
def test_unsigned_thinking_does_not_pass(body: bytes, passes: bool) -> None:
    assert PAIR.passes(body, Quirks()) == passes
