"""The grammar refuses every stream that breaks one of its rules, saying which."""

from __future__ import annotations

import pytest

from omniroute.translate.dialect import GrammarError
from tests.translate.dialects.anthropic.wire import CLIENT

START = (
    b'{"type":"message_start","message":{"type":"message","role":"assistant","id":"i","model":"m","content":[],'
    b'"usage":{"input_tokens":1,"output_tokens":1}}}'
)
TEXT = b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
THINKING = b'{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}'
CALL = b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"i","name":"n","input":{}}}'
SAID = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}'
SIGNED = b'{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}'
THOUGHT = b'{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}'
CLOSE = b'{"type":"content_block_stop","index":0}'
END = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}'
STOP = b'{"type":"message_stop"}'
ERROR = b'{"type":"error","error":{"type":"api_error","message":"x"}}'
PING = b'{"type":"ping"}'


def check(*events: bytes) -> None:
    checker = CLIENT.checker()
    for data in events:
        name = data.partition(b'"type":"')[2].partition(b'"')[0]
        checker.event(name, data)
    checker.end()


@pytest.mark.parametrize(
    "events",
    [
        (START, END, STOP),
        (START, PING, TEXT, SAID, CLOSE, END, STOP),
        (START, THINKING, SIGNED, CLOSE, END, STOP),
        (START, CALL, CLOSE, END, STOP),
        (START, TEXT, SAID, ERROR),
        (ERROR,),
    ],
)
def test_good_streams_pass(events: tuple[bytes, ...]) -> None:
    check(*events)


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ((), "ends in state new"),
        ((STOP,), "message_stop without"),
        ((PING,), "ping before"),
        ((TEXT,), "outside the message"),
        ((START, START), "second message_start"),
        ((START.replace(b'"id":"i"', b'"id":""'), END, STOP), "without an id"),
        ((START.replace(b'"model":"m",', b""), END, STOP), "without a model"),
        ((START.replace(b"[]", b"[1]"), END, STOP), "begins with content"),
        ((START.replace(b'"input_tokens":1,', b""), END, STOP), "without usage"),
        ((START.replace(b"assistant", b"user"), END, STOP), "not an assistant's"),
        ((b'{"type":"message_start"}',), "without a message"),
        ((START, b'{"type":"content_block_start","index":0}'), "without a type"),
        ((START, TEXT, b'{"type":"content_block_delta","index":0}'), "without content"),
        ((START, TEXT, TEXT), "inside a block"),
        ((START, TEXT.replace(b'"index":0', b'"index":1')), "index 1"),
        ((START, TEXT.replace(b'"text":""', b'"text":"x"')), "begins with text"),
        ((START, THINKING.replace(b',"signature":""', b"")), "not begun empty"),
        ((START, CALL.replace(b'"id":"i"', b'"id":""')), "without an id"),
        ((START, CALL.replace(b'"name":"n",', b"")), "without a name"),
        ((START, CALL.replace(b'"input":{}', b'"input":{"a":1}')), "begins with input"),
        ((START, SAID), "outside a block"),
        ((START, TEXT, SAID.replace(b'"index":0', b'"index":1')), "of another block"),
        ((START, TEXT, SAID.replace(b'"x"', b'""')), "empty text_delta"),
        ((START, TEXT, THOUGHT), "thinking_delta in a text"),
        ((START, THINKING, SIGNED, THOUGHT), "after the signature"),
        ((START, TEXT, CLOSE), "empty text block"),
        ((START, THINKING, CLOSE), "empty thinking block"),
        ((START, CLOSE), "not open"),
        ((START, TEXT, SAID, END), "inside a block"),
        ((START, END.replace(b'"end_turn"', b"null")), "without a reason"),
        ((START, END.replace(b'"output_tokens":1', b"")), "without usage"),
        ((START, END, END), "outside the message"),
        ((START, END), "ends in state ended"),
        ((START, END, STOP, PING), "after the end"),
        ((ERROR, START), "after the end"),
        ((b'{"type":"strange"}',), "no known type"),
        ((b'{"type":"ping"',), "not JSON"),
        ((b'["type":"ping"]',), "not JSON"),
        ((b"[1]",), "no object"),
    ],
)
def test_every_rule_is_kept(events: tuple[bytes, ...], rule: str) -> None:
    with pytest.raises(GrammarError, match=rule):
        check(*events)


def test_the_name_is_the_type() -> None:
    with pytest.raises(GrammarError, match="differs"):
        CLIENT.checker().event(b"pong", PING)
