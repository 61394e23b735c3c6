"""Requests of clients, read."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Citation,
    Document,
    Held,
    Image,
    Inline,
    Link,
    Opaque,
    Reasoning,
    Refusal,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from omniroute.translate.notes import Unsupported
from tests.translate.dialects.openai_responses.said import read, read_body

PNG = "data:image/png;base64,aGk="


def test_a_text_is_one_user_turn() -> None:
    request = read(instructions="S", input="Hi")
    assert request.system == (Text(text="S", at="instructions"),)
    assert request.turns == (Turn(role="user", blocks=(Text(text="Hi", at="input"),), at="input"),)
    assert request.include_usage


def test_leading_instructions_are_the_system_and_later_ones_stay_in_place() -> None:
    request = read(
        input=[
            {"role": "system", "content": "one"},
            {"role": "developer", "content": [{"type": "input_text", "text": "two"}]},
            {"role": "user", "content": "x"},
            {"role": "developer", "content": "three"},
        ]
    )
    assert [(text.text, text.role) for text in request.system] == [("one", "system"), ("two", "developer")]
    assert [(turn.role, turn.developer) for turn in request.turns] == [("user", False), ("system", True)]


def test_what_the_model_said_together_is_one_turn_and_outputs_another() -> None:
    request = read(
        input=[
            {"role": "user", "content": "x"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}]},
            {"type": "message", "role": "assistant", "content": "t", "phase": "commentary"},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "a", "arguments": ""},
            {"type": "custom_tool_call", "call_id": "c2", "name": "b", "input": "ls"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
            {"role": "user", "content": "y"},
        ]
    )
    _, said, results, asked = request.turns
    assert (said.role, said.at) == ("assistant", "input[1]")
    assert said.blocks == (
        Reasoning(text="s", origin="openai_responses", item_id="rs_1", summary=True, at="input[1]"),
        Text(text="t", phase="commentary", at="input[2].content"),
        ToolCall(call_id="c1", name="a", arguments="", item_id="fc_1", at="input[3]"),
        ToolCall(call_id="c2", name="b", arguments="ls", custom=True, at="input[4]"),
    )
    assert results.blocks == (
        ToolResult(call_id="c1", blocks=(Text(text="1", at="input[5].output"),), at="input[5]"),
        ToolResult(call_id="c2", blocks=(Text(text="2", at="input[6].output[0]"),), custom=True, at="input[6]"),
    )
    assert asked.at == "input[7]"


def test_messages_of_the_model_one_after_another_stay_apart() -> None:
    request = read(
        input=[
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "n"}],
            },
            {"role": "assistant", "content": "b"},
            {"role": "assistant", "content": "c"},
        ]
    )
    (_, said) = request.turns
    assert [block.apart for block in said.blocks if isinstance(block, Text)] == [False, False, True]
    assert said.blocks[1] == Refusal(text="n", at="input[1].content[1]")


def test_every_part_of_a_message() -> None:
    request = read(
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "?"},
                    {"type": "input_image", "image_url": PNG, "detail": "low"},
                    {"type": "input_image", "image_url": "https://e.com/a.png"},
                    {"type": "input_image", "file_id": "file_1"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
                    {"type": "input_file", "filename": "b.txt", "file_data": "aGk="},
                    {"type": "input_file", "file_url": "https://e.com/c.pdf"},
                    {"type": "input_file", "file_id": "file_2"},
                    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
                ],
            }
        ]
    )
    at = "input[0].content[{}]".format
    assert request.turns[0].blocks == (
        Text(text="?", at=at(0)),
        Image(source=Inline("image/png", "aGk="), detail="low", at=at(1)),
        Image(source=Link("https://e.com/a.png"), at=at(2)),
        Image(source=Held("file_1", "openai_responses"), at=at(3)),
        Document(source=Inline("application/pdf", "aGk="), filename="a.pdf", at=at(4)),
        Document(source=Inline("text/plain", "aGk="), filename="b.txt", at=at(5)),
        Document(source=Link("https://e.com/c.pdf"), at=at(6)),
        Document(source=Held("file_2", "openai_responses"), at=at(7)),
        Audio(source=Inline("audio/mp3", "aGk="), format="mp3", at=at(8)),
    )


def test_earlier_texts_keep_their_sources() -> None:
    web = {"type": "url_citation", "url": "https://e.com", "title": "T", "start_index": 0, "end_index": 3}
    own = {"type": "file_citation", "file_id": "f", "index": 1}
    part = {"type": "output_text", "text": "See", "annotations": [web, own]}
    (turn,) = read(input=[{"role": "assistant", "content": [part]}]).turns
    (text,) = turn.blocks
    assert isinstance(text, Text)
    raw = [msgspec.json.encode(annotation) for annotation in (web, own)]
    assert text.citations == (
        Citation(url="https://e.com", title="T", start=0, end=3, origin="openai_responses", raw=raw[0]),
        Citation(origin="openai_responses", raw=raw[1]),
    )


@pytest.mark.parametrize(
    ("item", "block"),
    [
        (
            {"id": "rs_1", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "gAAA"},
            Reasoning(
                text="a\n\nb", data="gAAA", origin="openai_responses", item_id="rs_1", summary=True, at="input[0]"
            ),
        ),
        (
            {"id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            Reasoning(data="gAAA", origin="openai_responses", item_id="rs_1", redacted=True, at="input[0]"),
        ),
        (
            {"id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "cot"}]},
            Reasoning(text="cot", origin="openai_responses", item_id="rs_1", at="input[0]"),
        ),
        (
            {"summary": [{"text": "hm"}], "encrypted_content": "omr1:anthropic:SIG"},
            Reasoning(text="hm", signature="SIG", origin="anthropic", summary=True, at="input[0]"),
        ),
        (
            {"summary": [], "encrypted_content": "omr1:anthropic-redacted:DATA"},
            Reasoning(data="DATA", origin="anthropic", redacted=True, at="input[0]"),
        ),
    ],
)
def test_reasoning_goes_back_to_whoever_made_it(item: dict[str, object], block: Reasoning) -> None:
    request = read(input=[{"type": "reasoning", **item}])
    assert request.turns[0].blocks == (block,)


def test_a_signature_without_text_belongs_to_the_call_after_it() -> None:
    request = read(
        input=[
            {"type": "reasoning", "summary": [], "encrypted_content": "omr1:gemini:U0lH"},
            {"type": "function_call", "call_id": "c1", "name": "a", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "a", "arguments": "{}"},
        ]
    )
    assert [block.signature for block in request.turns[0].blocks if isinstance(block, ToolCall)] == ["U0lH", ""]


@pytest.mark.parametrize("after", [[], [{"role": "user", "content": "y"}]])
def test_or_to_the_text_before_it(after: list[object]) -> None:
    request = read(
        input=[
            {"role": "assistant", "content": "t"},
            {"type": "reasoning", "summary": [], "encrypted_content": "omr1:gemini:U0lH"},
            *after,
        ]
    )
    assert request.turns[0].blocks == (Text(text="t", signature="U0lH", at="input[0].content"),)


def test_items_of_the_vendors_own_tools_are_opaque() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    output = {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}}
    said, heard = read(input=[search, output]).turns
    assert (said.role, heard.role) == ("assistant", "user")
    (block,) = said.blocks
    assert block == Opaque(
        origin="openai_responses", raw=msgspec.json.encode(search), kind="web_search_call", at="input[0]"
    )


def test_tools_and_the_choice_among_them() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 12345678901234567890123}}}
    request = read_body(
        b'{"model":"m","input":"x","tools":[{"type":"function","name":"f","description":"d","parameters":'
        + msgspec.json.encode(schema)
        + b',"strict":false,"defer_loading":true},{"type":"custom","name":"c","format":{"type":"text"}},'
        b'{"type":"web_search","search_context_size":"low"}],"tool_choice":{"type":"custom","name":"c"}}'
    )
    function, custom, hosted = request.tools
    assert function == Tool(
        name="f",
        description="d",
        schema=msgspec.json.encode(schema),
        strict=False,
        ext=(("defer_loading", b"true"),),
        ext_origin="openai_responses",
        at="tools[0]",
    )
    assert custom == Tool(
        name="c", custom=True, format=b'{"type":"text"}', ext_origin="openai_responses", at="tools[1]"
    )
    assert isinstance(hosted, ServerTool)
    assert (hosted.kind, hosted.at) == ("web_search", "tools[2]")
    assert request.tool_choice == ToolChoice(mode="named", names=("c",), custom=True)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="named", names=("f",))),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice(mode="allowed", names=("f",), required=True),
        ),
        ({"type": "web_search"}, ToolChoice(mode="required", raw=b'{"type":"web_search"}')),
        (None, None),
    ],
)
def test_choices(choice: object, expected: ToolChoice | None) -> None:
    assert read(input="x", tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ({"effort": "none"}, Thinking(mode="off", at="reasoning.effort")),
        ({"effort": "high"}, Thinking(mode="effort", effort="high", at="reasoning.effort")),
        (
            {"effort": "low", "summary": "detailed"},
            Thinking(mode="effort", effort="low", show=True, summary="detailed", at="reasoning.effort"),
        ),
        (
            {"generate_summary": "auto"},
            Thinking(mode="adaptive", show=True, summary="auto", at="reasoning.summary"),
        ),
        ({"effort": None}, None),
        (None, None),
    ],
)
def test_how_much_to_think(reasoning: object, expected: Thinking | None) -> None:
    assert read(input="x", reasoning=reasoning).thinking == expected


def test_parameters_keep_their_spelling_and_unknown_members_ride_along() -> None:
    request = read_body(
        b'{"model":"m","input":"x","temperature":1.0,"top_p":1e-1,"max_output_tokens":5,"top_logprobs":2,'
        b'"include":["message.output_text.logprobs","reasoning.encrypted_content"],"store":true,"user":"u",'
        b'"metadata":{"a":"b"},"prompt_cache_key":"k","service_tier":"flex","parallel_tool_calls":false,'
        b'"text":{"verbosity":"low","format":{"type":"json_schema","name":"o","schema":{"type":"object"}}},'
        b'"truncation":"auto","of_tomorrow":1e400,"stream":true,"previous_response_id":null}'
    )
    assert (request.temperature, request.top_p, request.max_output) == (b"1.0", b"1e-1", 5)
    assert (request.logprobs, request.top_logprobs, request.parallel) == (True, 2, False)
    assert (request.store, request.user, request.metadata) == (True, "u", b'{"a":"b"}')
    assert (request.cache_key, request.service_tier, request.verbosity) == ("k", "flex", "low")
    assert request.format is not None
    assert (request.format.kind, request.format.name, request.format.schema) == (
        "json_schema",
        "o",
        b'{"type":"object"}',
    )
    assert dict(request.ext) == {
        "truncation": b'"auto"',
        "of_tomorrow": b"1e400",
        "include": b'["reasoning.encrypted_content"]',
    }


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "x", "conversation": "conv_1"}, "conversation"),
        ({"input": "x", "background": True}, "background"),
        ({"input": "x", "prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": ["x", {"type": "item_reference", "id": "msg_1"}][1:]}, "input[0]"),
    ],
)
def test_what_needs_a_state_is_refused(members: dict[str, object], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        read(**members)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({}, "input"),
        ({"input": [1]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x/a.png"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "not base64!"}]}]},
            "input[0].content[0].file_data",
        ),
        (
            {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": PNG}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"type": "function_call", "name": "a", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "", "arguments": "{}"}]}, "input[0].name"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "a", "arguments": {}}]}, "input[0].arguments"),
        ({"input": "x", "temperature": "hot"}, "temperature"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "x", "max_output_tokens": 1.5}, "max_output_tokens"),
        ({"input": "x", "tools": [{"name": "f"}]}, "tools[0].type"),
        ({"input": "x", "tools": [{"type": "function", "name": "f", "parameters": 3}]}, "tools[0].parameters"),
        ({"input": "x", "tools": [{"type": "function", "name": ""}]}, "tools[0].name"),
        ({"input": "x", "tool_choice": "whatever"}, "tool_choice"),
        ({"input": "x", "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"input": "x", "text": {"format": {"type": "json_schema", "name": "o"}}}, "text.format.schema"),
        ({"input": "x", "metadata": []}, "metadata"),
        ({"input": "x", "include": ["x"] * 65}, "include"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, object], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(**members)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(ClientError) as caught:
        read_body(b'{"model":"m","input":[{"role":"user","content":"a\\ud800b"}]}')
    assert (caught.value.status, caught.value.param) == (400, "input[0].content")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":"\xff"}',
        b'{"model":"m","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_text_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        read_body(body)
    assert caught.value.status == 400
