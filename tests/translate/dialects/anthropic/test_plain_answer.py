"""The quick reading of whole answers takes what is plain, and reads it as the patient one does."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Usage
from omniroute.translate import find_dialects
from omniroute.translate.canonical import Finish, Reasoning, Text, ToolCall
from omniroute.translate.dialects.anthropic.answer import read_any

UPSTREAM = find_dialects()["anthropic"].upstream
assert UPSTREAM is not None
assert UPSTREAM.read_plain_answer is not None
quick, failure = UPSTREAM.read_plain_answer, UPSTREAM.read_failure

USAGE = {"input_tokens": 10, "output_tokens": 9}
BODY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "text", "text": "a\u00e9\n", "citations": None},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.50, "b": [ ]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        **USAGE, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
        "output_tokens_details": {"thinking_tokens": 3}, "server_tool_use": None,
    },
    "new_member": [1],
}  # fmt: skip


def test_a_plain_answer_is_read() -> None:
    response = quick(msgspec.json.encode(BODY))

    assert response is not None
    assert (response.id, response.model, response.service_tier) == ("msg_1", "m", "standard")
    assert response.candidates[0].blocks == (
        Reasoning(text="hm", signature="S", origin="anthropic"),
        Text(text="a\u00e9\n"),
        ToolCall(call_id="t", name="f", arguments='{"a":1.5,"b":[]}'),
    )
    assert response.candidates[0].finish == Finish(reason="tool", raw="tool_use")
    assert response.usage == Usage(130, 100, 5, 15, 9, 3, 0, 0, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"content": [{"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "a"}]}]},
        {"content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]},
        {"content": [{"type": "redacted_thinking", "data": "R"}]},
        {"content": [{"type": "text", "text": 1}]},
        {"content": None},
        {"usage": None},
        {"usage": {"input_tokens": -1, "output_tokens": 1}},
        {"usage": {"input_tokens": True, "output_tokens": 1}},
        {"usage": {"output_tokens": 1}},
        {"stop_reason": "refusal", "stop_details": {"category": "bio", "explanation": "no"}},
        {"container": {"id": "c"}},
        {"diagnostics": {"a": 1}},
        {"id": 1},
    ],
)
def test_what_is_not_plain_is_left_to_the_patient_reading(changed: dict[str, object]) -> None:
    assert quick(msgspec.json.encode({**BODY, **changed})) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"event: message_start\n",
        b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}',
        b'{"id":"","model":"","stop_reason":"","content":[{"type":"text","text":"\\ud83d"}],"usage":{"input_tokens":1,"output_tokens":1}}',
        b'{"id":"","model":"","stop_reason":"","content":[{"type":"text","text":"\xff"}],"usage":{"input_tokens":1,"output_tokens":1}}',
        b'{"id":"","model":"","stop_reason":"","content":[],"usage":{"input_tokens":1,"output_tokens":1},"deep":'
        + b"[" * 100_000,
    ],
)
def test_bytes_of_no_plain_answer(body: bytes) -> None:
    assert quick(body) is None


_words = st.sampled_from(["", "a", "end_turn", "tool_use", "stop_sequence", "refusal", '\u00e9\n"<omni'])
_odd = st.one_of(st.booleans(), st.integers(-2, 5), st.just(10**13), _words, st.just([]), st.just({}))


def mostly(usual: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """What is documented; now and then null, and, rarely, anything."""
    return st.integers(0, 19).flatmap(lambda n: _odd if n == 0 else st.none() if n == 1 else usual)


def of(kind: str, **members: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({"type": st.just(kind)}, optional={n: mostly(v) for n, v in members.items()})


_counts = st.integers(0, 50)
_blocks = st.one_of(
    of("text", text=_words, citations=st.none()),
    of("thinking", thinking=_words, signature=_words),
    of("tool_use", id=_words, name=_words, input=st.dictionaries(_words, _odd, max_size=2)),
)
_usages = st.fixed_dictionaries(
    {"input_tokens": mostly(_counts), "output_tokens": mostly(_counts)},
    optional={
        "cache_read_input_tokens": mostly(_counts),
        "cache_creation_input_tokens": mostly(_counts),
        "cache_creation": mostly(st.fixed_dictionaries({}, optional={"ephemeral_1h_input_tokens": mostly(_counts)})),
        "output_tokens_details": mostly(st.fixed_dictionaries({"thinking_tokens": _counts})),
        "service_tier": mostly(_words),
    },
)
_messages = st.fixed_dictionaries(
    {
        "content": st.lists(_blocks, max_size=3),
        "usage": _usages,
        **{name: mostly(_words) for name in ("id", "model", "stop_reason")},
    },
    optional={
        **{name: mostly(_words) for name in ("type", "stop_sequence")},
        **{name: mostly(st.none()) for name in ("stop_details", "error", "container")},
    },
)


@given(_messages)
def test_both_readings_agree(message: dict[str, object]) -> None:
    body = msgspec.json.encode(message)
    response = quick(body)

    if response is not None:
        assert failure(body) is None
        assert response == read_any(body)


def test_members_that_are_told_twice_or_escaped() -> None:
    body = (
        b'{"id":"","model":"","model":"m","stop_reason":"","content":[{"text":"a","t\\u0079pe":"text","text":"b"}],'
        b'"usage":{"input_tokens":1,"output_tokens":2}}'
    )
    response = quick(body)

    assert response is not None
    assert response == read_any(body)
