"""Requests of Ollama's clients, read: what is meant, and which field is wrong."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import ClientError
from omniroute.translate.canonical import Format, Image, Inline, Reasoning, Text, Thinking, ToolCall, ToolResult
from tests.translate.dialects.ollama.asking import CLIENT, PNG, Request, chat, read


def test_a_conversation_with_everything_in_it() -> None:
    request = read(
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "?", "images": [PNG]},
                {
                    "role": "assistant",
                    "content": "",
                    "thinking": "hm",
                    "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"n": 1.50}}}],
                },
                {"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "r"},
                {"role": "system", "content": "now"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"a": 1}}}],
            "options": {"num_predict": 9, "temperature": 0.70, "stop": ["E"], "num_ctx": 8192, "top_k": 5},
            "think": "high",
            "keep_alive": "5m",
            "unheard_of": [1],
        }
    )
    assert [text.text for text in request.system] == ["S"]
    assert [turn.role for turn in request.turns] == ["user", "assistant", "user", "system"]
    user, assistant, result, _ = request.turns
    assert user.blocks[1] == Image(source=Inline("image/png", PNG), at="messages[1].images[0]")
    assert assistant.blocks == (
        Reasoning(text="hm", at="messages[2].thinking"),
        ToolCall(call_id="c1", name="f", arguments='{"n":1.5}', at="messages[2].tool_calls[0]"),
    )
    assert result.blocks == (
        ToolResult(call_id="c1", name="f", blocks=(Text(text="r", at="messages[3].content"),), at="messages[3]"),
    )
    assert (request.max_output, request.temperature, request.stop, request.top_k) == (9, b"0.7", ("E",), b"5")
    assert request.thinking == Thinking(mode="effort", effort="high", show=True, at="think")
    assert dict(request.ext) == {"keep_alive": b'"5m"', "unheard_of": b"[1]", "options.num_ctx": b"8192"}
    assert request.stream is True


def test_numbers_keep_their_spelling() -> None:
    request = read(
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"temperature":1.50,"seed":9007199254740993}}'
    )
    assert (request.temperature, request.seed) == (b"1.50", b"9007199254740993")
    call = b'{"function":{"name":"f","arguments":{ "n" : 1.50 }}}'
    (block,) = read(b'{"model":"m","messages":[{"role":"assistant","tool_calls":[' + call + b"]}]}").turns[0].blocks
    assert isinstance(block, ToolCall)
    assert block.arguments == '{"n":1.50}'


@pytest.mark.parametrize(
    ("think", "meant"),
    [
        (None, None),
        (False, Thinking(mode="off", at="think")),
        (True, Thinking(mode="effort", effort="medium", show=True, at="think")),
        ("low", Thinking(mode="effort", effort="low", show=True, at="think")),
    ],
)
def test_thinking(think: object, meant: Thinking | None) -> None:
    assert chat(think=think).thinking == meant


@pytest.mark.parametrize(
    ("form", "meant"),
    [
        ("", None),
        (None, None),
        ("json", Format(kind="json_object", at="format")),
        ({"type": "object"}, Format(kind="json_schema", schema=b'{"type":"object"}', at="format")),
    ],
)
def test_formats(form: object, meant: Format | None) -> None:
    assert chat(format=form).format == meant


@pytest.mark.parametrize("limit", [-1, -2, 0])
def test_a_limit_that_is_none(limit: int) -> None:
    assert chat(options={"num_predict": limit}).max_output is None


def test_a_prompt_is_a_conversation_of_one_turn() -> None:
    request = read(
        {"model": "m", "prompt": "Hi", "system": "S", "images": [PNG], "context": [], "raw": False, "suffix": ""},
        "/v1/api/generate",
    )
    assert [text.text for text in request.system] == ["S"]
    (turn,) = request.turns
    assert turn.blocks[0] == Text(text="Hi", at="prompt")
    assert isinstance(turn.blocks[1], Image)
    assert request.ext == ()


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"raw": True}, "raw"),
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"context": [1, 2]}, "context"),
        ({"suffix": "end"}, "suffix"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"images": ["AAAA"]}, "images[0]"),
    ],
)
def test_prompts_that_cannot_be_carried(members: dict[str, object], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read({"model": "m", "prompt": "x"} | members, "/api/generate")
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "images": ["not base64!"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "content": "x", "images": ["aGVsbG8gd29ybGQ="]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "content": "x", "images": ["data:;base64"]}]}, "messages[0].images[0]"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"tools": [{"type": "web", "function": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": "f", "parameters": 3}}]}, "tools[0].function.parameters"),
        ({"tools": [{"function": {"name": "f"}}] * 3000}, "tools"),
        ({"format": "yaml"}, "format"),
        ({"format": 3}, "format"),
        ({"options": [1]}, "options"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"options": {"temperature": 1e300}}, "options.temperature"),
        ({"options": {"num_predict": 1.5}}, "options.num_predict"),
        ({"options": {"num_predict": 2**40}}, "options.num_predict"),
        ({"options": {"stop": 3}}, "options.stop"),
        ({"options": {"stop": ["x"] * 1_000_000}}, "options.stop"),
        ({"think": "x" * 100}, "think"),
        ({"think": 3}, "think"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, object], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        chat(**members)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (b"{}", "model"),
        (b'{"model":5}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":"a\\nb"}', "model"),
        (b'{"model":"\\ud800"}', "model"),
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"model":"a","stream":1}', "stream"),
        (b'{"model":"a","messages":' + b"[" * 100_000, "messages" + "[0]" * 7),
    ],
)
def test_what_cannot_be_peeked_at(body: bytes, param: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        CLIENT.peek(Request(body))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_nesting_within_a_member_is_refused() -> None:
    # jsonspan lets 512 levels pass, and more than the reader can take must still be a 400
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"format":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}"
    )
    assert read(body).format is not None


def test_streams_unless_told_not_to() -> None:
    assert CLIENT.peek(Request(b'{"model":"m"}')).stream
    assert CLIENT.peek(Request(b'{"model":"m","stream":null}')).stream
    assert not CLIENT.peek(Request(b'{"model":"m","stream":false}')).stream


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "messages",
        "tools",
        "format",
        "options",
        "think",
        "stream",
        "keep_alive",
        "logprobs",
        "prompt",
        "images",
        "system",
    ]
)


@given(st.dictionaries(MEMBERS, JSON, max_size=4), st.sampled_from(["/api/chat", "/api/generate"]))
def test_any_body_is_read_or_refused(members: dict[str, object], path: str) -> None:
    try:
        request = read({"model": "m"} | members, path)
    except ClientError as error:
        assert error.status == 400  # noqa: PT017 - either is right; anything else fails the test
    else:
        assert request.turns or request.system


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read(b'{"model":"m",' + body)
    except ClientError as error:
        assert error.status == 400  # noqa: PT017 - as above


def test_the_members_we_send_are_those_of_the_vendor() -> None:
    assert msgspec.json.decode(CLIENT.error_body(ClientError("no"), "r")) == {"error": "no"}
    assert CLIENT.error_event(ClientError("no"), "r") == b'{"error":"no"}\n'
