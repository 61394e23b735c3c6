"""Whole answers of upstreams, read: in the order the hub has, and whatever vendors put in their place."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.domain import Quirks, Usage
from omniroute.translate.canonical import (
    Block,
    Citation,
    Finish,
    Image,
    Link,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialects.openai_chat.answer_in import read_answer


def blocks(
    finish: str | None = "stop", logprobs: object = None, **message: object
) -> tuple[tuple[Block, ...], Finish | None]:
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    (candidate,) = read_answer(msgspec.json.encode({"choices": [choice]}), Quirks()).candidates
    return candidate.blocks, candidate.finish


def test_what_stands_around_the_message() -> None:
    body = (
        b'{"id":"c","model":"m","created":7,"service_tier":"flex","choices":[{"index":1,"message":{"content":"b"},"finish_reason":"length"},'
        b'{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}'
    )
    answer = read_answer(body, Quirks())
    assert (answer.id, answer.model, answer.created_epoch_s, answer.service_tier) == ("c", "m", 7, "flex")
    assert [one.index for one in answer.candidates] == [1, 1]
    assert answer.usage == Usage(3, output_total=5, known=True)
    assert answer.origin == "openai_chat"


def test_everything_a_message_can_hold() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u", "title": "T", "start_index": 0, "end_index": 1}}
    found, finish = blocks(
        "stop",
        {"content": [{"token": "a", "logprob": -1.0}]},
        content="a",
        reasoning="hm",
        refusal="no",
        annotations=[note],
        images=[{"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}],
        audio={"id": "x"},
        extra_content={"google": {"thought_signature": "S"}},
        tool_calls=[
            {
                "id": "c",
                "type": "function",
                "function": {"name": "f", "arguments": ""},
                "extra_content": {"google": {"thought_signature": "T"}},
            },
            {"id": "c", "type": "custom", "custom": {"name": "run", "input": "ls"}},
            {"id": "e", "function": {"name": "g", "arguments": {"a": 1.0}}},
            {"id": "f", "function": {"arguments": "{}"}},
        ],
        function_call={"name": "old", "arguments": "{}"},
    )
    assert found == (
        Reasoning(text="hm"),
        Text(
            text="a",
            citations=(Citation(url="u", title="T", start=0, end=1),),
            logprobs=b'[{"token":"a","logprob":-1.0}]',
            signature="S",
        ),
        Refusal(text="no"),
        Image(source=Link("https://e.com/a.png")),
        Opaque(origin="openai_chat", kind="audio", raw=b'{"id":"x"}'),
        ToolCall(call_id="c", name="f", arguments="", signature="T"),
        ToolCall(call_id="", name="run", arguments="ls", custom=True),
        ToolCall(call_id="e", name="g", arguments='{"a":1.0}'),
        ToolCall(call_id="", name="old", arguments="{}", legacy=True),
    )
    assert finish == Finish(reason="tool", raw="stop")


@pytest.mark.parametrize(
    ("message", "thoughts"),
    [
        ({"reasoning_content": "h", "reasoning": "h"}, (Reasoning(text="h"),)),
        (
            {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "signature": "S", "format": "anthropic-claude-v1"}]},
            (Reasoning(text="h", signature="S", origin="anthropic"),),
        ),
        (
            {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "signature": "S", "format": "anthropic-claude-v1"}]},
            (Reasoning(text="h", signature="S", origin="anthropic"),),
        ),
        (
            {"reasoning": "h", "reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "format": "xai-responses-v1", "id": "r"}]},
            (Reasoning(text="h"), Reasoning(data="D", origin="xai-responses-v1", item_id="r", redacted=True)),
        ),
        (
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1", "id": "r", "index": 0}, {"type": "reasoning.encrypted", "data": "D", "format": "openai-responses-v1", "id": "r", "index": 0}]},
            (Reasoning(text="s", data="D", origin="openai_responses", item_id="r", summary=True),),
        ),
        ({"content": [{"type": "thinking", "thinking": "h"}, {"type": "text", "text": "a"}]}, (Reasoning(text="h"),)),
    ],
)  # fmt: skip
def test_reasoning(message: dict[str, object], thoughts: tuple[Reasoning, ...]) -> None:
    found, _ = blocks(**message)
    assert tuple(block for block in found if isinstance(block, Reasoning)) == thoughts


@pytest.mark.parametrize(
    ("word", "message", "finish"),
    [
        ("stop", {"refusal": "no"}, Finish(reason="filter", raw="stop")),
        ("", {"content": "a"}, Finish(reason="stop", unknown=True)),
        (None, {"content": "a"}, Finish(reason="stop", unknown=True)),
        ("eos", {"content": "a"}, Finish(reason="stop", raw="eos")),
        ("tool_use", {"content": "a"}, Finish(reason="tool", raw="tool_use")),
        ("model_length", {"content": "a"}, Finish(reason="context_window", raw="model_length")),
        ("weird", {"content": "a"}, Finish(reason="stop", raw="weird", unknown=True)),
        ("error", {"content": "a"}, Finish(reason="error", raw="error")),
    ],
)
def test_how_it_ended(word: str | None, message: dict[str, object], finish: Finish) -> None:
    assert blocks(word, **message)[1] == finish


def test_copilot_spreads_an_answer_over_choices() -> None:
    calls = [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]
    choices = [
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
        {"index": 0, "message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"},
    ]
    body = msgspec.json.encode({"choices": choices})
    (candidate,) = read_answer(body, Quirks(merge_choices=True)).candidates
    assert candidate.blocks == (Text(text="a"), ToolCall(call_id="c", name="f", arguments="{}"))
    assert candidate.finish is not None
    assert candidate.finish.reason == "tool"
    assert read_answer(b'{"choices":[]}', Quirks(merge_choices=True)).candidates == ()


def test_an_error_of_a_choice_says_why() -> None:
    body = b'{"choices":[{"message":{"content":"a"},"finish_reason":"error","error":{"code":502,"message":"gone"}}]}'
    (candidate,) = read_answer(body, Quirks()).candidates
    assert candidate.finish == Finish(reason="error", raw="error", detail="gone")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":{}}', b"<html>", b'data: {"choices":[]}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="choices"):
        read_answer(body, Quirks())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "name", "function", "message", "content"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(json_values, json_values)
def test_whatever_comes_is_read(choice: object, usage: object) -> None:
    answer = read_answer(msgspec.json.encode({"choices": [choice], "usage": usage}), Quirks())
    assert len(answer.candidates) == 1
