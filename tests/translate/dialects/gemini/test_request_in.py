"""Requests of Gemini clients, read."""

from __future__ import annotations

import re
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups.jsonspan_py import value_end
from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Document,
    Held,
    Image,
    Inline,
    Link,
    Opaque,
    Reasoning,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.translate.dialects.gemini.speech import BETA, near, read, request, says


def test_both_spellings_and_lone_objects_are_read() -> None:
    canonical = read(
        {
            "system_instruction": {"parts": {"text": "be brief"}},
            "contents": {"parts": {"inline_data": {"mime_type": "image/png", "data": "iVBORw0="}}},
            "generation_config": {"max_output_tokens": 5, "stop_sequences": ["E"], "topP": 0.5},
            "tools": {
                "function_declarations": [{"name": "f", "parameters_json_schema": {"properties": {"a_b": {"x_y": 1}}}}]
            },
            "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        }
    )
    assert [text.text for text in canonical.system] == ["be brief"]
    assert canonical.turns[0].role == "user"
    assert canonical.turns[0].blocks == (Image(source=Inline("image/png", "iVBORw0="), at="contents[0].parts[0]"),)
    assert (canonical.max_output, canonical.stop, canonical.top_p) == (5, ("E",), b"0.5")
    (tool,) = canonical.tools
    assert isinstance(tool, Tool)
    assert tool.schema == b'{"properties":{"a_b":{"x_y":1}}}', "a user's own names are nobody's to rename"
    assert canonical.tool_choice == ToolChoice(mode="named", names=("f",), at="toolConfig.functionCallingConfig")


def test_arguments_and_results_keep_their_names_and_numbers() -> None:
    canonical = read(
        b'{"contents":[{"role":"model","parts":[{"function_call":{"name":"f","args":{"snake_case": 1.0, "n": '
        b'12345678901234567890123}}}]},{"role":"function","parts":[{"function_response":{"name":"f",'
        b'"response":{"my_key": 1e400}}}]}]}'
    )
    call, result = canonical.turns[0].blocks[0], canonical.turns[1].blocks[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"snake_case":1.0,"n":12345678901234567890123}'
    assert isinstance(result, ToolResult)
    assert result.blocks == (Text(text='{"my_key":1e400}', at="contents[1].parts[0]"),)


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "one"}, "one", False),
        ({"result": "one"}, "one", False),
        ({"error": "boom"}, "boom", True),
        ({"output": {"v": [1, 2]}}, '{"v":[1,2]}', False),
        ({"output": None}, "null", False),
        ({"output": "a", "more": 1}, '{"output":"a","more":1}', False),
        ({}, "{}", False),
    ],
)
def test_a_result_says_what_its_lone_member_says(response: object, text: str, is_error: bool) -> None:
    block = read(says({"functionResponse": {"name": "f", "id": "c1", "response": response}})).turns[0].blocks[0]
    assert isinstance(block, ToolResult)
    assert (block.call_id, block.name, block.is_error) == ("c1", "f", is_error)
    assert [inner.text for inner in block.blocks if isinstance(inner, Text)] == [text]


def test_parts_of_all_kinds() -> None:
    at = "contents[0].parts[%d]"
    parts: list[object] = [
        {"text": "t", "thoughtSignature": "U0lH"},
        {"text": "hm", "thought": True},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "-_-_"}},
        {"fileData": {"fileUri": "https://x.test/a.JPG"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://x.test/v"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a"}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"thoughtSignature": "U0lH"},
    ]
    assert read(says(*parts)).turns[0].blocks == (
        Text(text="t", signature="U0lH", at=at % 0),
        Reasoning(text="hm", origin="gemini", summary=True, at=at % 1),
        Audio(source=Inline("audio/mpeg", "AAAA"), format="mp3", at=at % 2),
        Document(source=Inline("application/pdf", "+/+/"), at=at % 3),
        Image(source=Link("https://x.test/a.JPG", "image/jpeg"), at=at % 4),
        Document(source=Link("https://x.test/v", "video/mp4"), at=at % 5),
        Image(source=Held("gs://bucket/a", "gemini"), at=at % 6),
        Opaque(
            origin="gemini",
            kind="executableCode",
            raw=b'{"executableCode":{"language":"PYTHON","code":"1"}}',
            at=at % 7,
        ),
        Text(text="", signature="U0lH", at=at % 8),
    )


def test_what_only_google_knows_rides_along() -> None:
    canonical = read(
        says(
            safetySettings=[{"category": "c"}],
            labels={"a": "b"},
            serviceTier="STANDARD",
            future=1,
            tools=[{"googleSearch": {}}, {"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}],
            generationConfig={"responseModalities": ["TEXT", "IMAGE"], "somethingNew": [1.50]},
        )
    )
    assert dict(canonical.ext) == {
        "safetySettings": b'[{"category":"c"}]',
        "generationConfig.responseModalities": b'["TEXT","IMAGE"]',
        "future": b"1",
        "generationConfig.somethingNew": b"[1.5]",
    }
    assert canonical.metadata == b'{"a":"b"}'
    assert canonical.service_tier == "default"
    search, function = canonical.tools
    assert search == ServerTool(
        origin="gemini", kind="googleSearch", raw=b'{"googleSearch":{}}', at="tools[0].googleSearch"
    )
    assert isinstance(function, Tool)
    assert function.ext == (("behavior", b'"NON_BLOCKING"'),)


def test_answers_of_text_alone_are_nothing_special() -> None:
    assert read(says(generationConfig={"responseModalities": ["TEXT"], "responseMimeType": "text/plain"})).ext == ()


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"thinkingLevel": "HIGH"}, Thinking(mode="effort", effort="high")),
        ({"thinkingBudget": 0}, Thinking(mode="off")),
        ({"thinkingBudget": -1, "includeThoughts": True}, Thinking(mode="adaptive", show=True)),
        ({"thinkingBudget": 512}, Thinking(mode="budget", budget=512)),
        ({"includeThoughts": True}, Thinking(mode="adaptive", show=True)),
        ({"includeThoughts": False}, None),
        ({}, None),
    ],
)
def test_thinking(config: object, thinking: Thinking | None) -> None:
    found = read(says(generationConfig={"thinkingConfig": config})).thinking
    assert found == (
        None if thinking is None else msgspec.structs.replace(thinking, at="generationConfig.thinkingConfig")
    )


def test_top_k_is_a_whole_number_even_if_googles_sdk_writes_a_float() -> None:
    assert read(says(generationConfig={"topK": 40.0})).top_k == b"40"
    assert read(b'{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"topK":2.5}}').top_k == b"2.5"


def test_a_count_is_read_in_both_forms() -> None:
    inner = says({"text": "hello"}, systemInstruction={"parts": [{"text": "S"}]})
    for body in (inner, {"generateContentRequest": {"model": "models/other", **inner}}):
        asked = request(body, f"{BETA}m:countTokens")
        canonical = near().read_request(asked, near().peek(asked))
        assert canonical.model == "m"
        assert canonical.turns[0].blocks == (Text(text="hello", at="contents[0].parts[0]"),)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (says({}), "contents[0].parts[0]"),
        (says({"hologram": {}}), "contents[0].parts[0]"),
        (says({"text": 5}), "contents[0].parts[0].text"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
        (says({"inlineData": {"data": "AAAA"}}), "contents[0].parts[0].inlineData.mimeType"),
        (says({"inlineData": {"mimeType": "image/png", "data": "no!"}}), "contents[0].parts[0].inlineData.data"),
        (says({"fileData": {"mimeType": "image/png"}}), "contents[0].parts[0].fileData.fileUri"),
        (says({"fileData": {"fileUri": "ftp://x/y"}}), "contents[0].parts[0].fileData.fileUri"),
        (says({"functionCall": {"args": {}}}), "contents[0].parts[0].functionCall.name"),
        (says({"functionCall": {"name": "f", "args": [1]}}), "contents[0].parts[0].functionCall.args"),
        (says({"functionResponse": {}}), "contents[0].parts[0].functionResponse.name"),
        (says({"functionResponse": {"name": "f", "response": "x"}}), "contents[0].parts[0].functionResponse.response"),
        (says(systemInstruction={"parts": [{"inlineData": {}}]}), "systemInstruction.parts[0]"),
        (says(tools=[{"functionDeclarations": [{}]}]), "tools[0].functionDeclarations[0].name"),
        (
            says(tools=[{"functionDeclarations": [{"name": "f", "parameters": [1]}]}]),
            "tools[0].functionDeclarations[0].parameters",
        ),
        (says(toolConfig={"functionCallingConfig": {"mode": "MAYBE"}}), "toolConfig.functionCallingConfig.mode"),
        (says(generationConfig={"temperature": "hot"}), "generationConfig.temperature"),
        (says(generationConfig={"maxOutputTokens": 0}), "generationConfig.maxOutputTokens"),
        (says(generationConfig={"stopSequences": ["x"] * 1000}), "generationConfig.stopSequences"),
        (says(generationConfig={"seed": 1.5}), "generationConfig.seed"),
        (says(tools=[{"functionDeclarations": [{"name": "f"}] * 3000}]), "tools"),
    ],
)
def test_what_is_wrong_is_named(body: object, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(body)
    assert caught.value.param == param
    assert caught.value.status == 400
    assert param in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents":[{"parts":[{"text":"\xff"}]}]}',
        b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}]}',
        b'{"contents":[{"parts":[{"functionCall":{"name":"f","args":'
        + b'{"a":' * 100_000
        + b"1"
        + b"}" * 100_000
        + b"}}]}]}",
        b'{"contents":[{"parts":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    ],
    ids=["utf-8", "utf-8 in arguments", "deep arguments", "deep parts"],
)
def test_broken_bodies_are_the_clients_fault(body: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        read(body)
    assert caught.value.status == 400


_FULL = msgspec.json.encode(
    says(
        {"text": "a", "thoughtSignature": "U0lH"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"fileUri": "https://x.test/a"}},
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"functionResponse": {"name": "f", "response": {"output": 1}, "parts": [{"inlineData": {}}]}},
        systemInstruction={"parts": [{"text": "S"}]},
        tools=[{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "anyOf": [{"enum": ["a"]}]}}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        generationConfig={
            "topK": 1,
            "candidateCount": 1,
            "stopSequences": ["E"],
            "responseSchema": {"type": "STRING"},
            "thinkingConfig": {"thinkingBudget": 1},
        },
    )
)
_NODES = re.findall(rb'"(?:[^"]*)"(?=[,}\]])|[0-9]+|\{|\[', _FULL)
_WRONG = [
    b"null",
    b"true",
    b"1",
    b"-1.5e300",
    b'"x"',
    b'""',
    b"[]",
    b"{}",
    b"[{}]",
    b'{"a":[1]}',
    b"\xff",
    b'"\\ud800"',
    b"{",
]


@given(st.integers(0, len(_NODES) - 1), st.sampled_from(_WRONG))
def test_any_change_to_a_body_is_read_or_refused(node: int, wrong: bytes) -> None:
    found = list(re.finditer(rb'"(?:[^"]*)"(?=[,}\]])|[0-9]+|\{|\[', _FULL))[node]
    end = value_end(_FULL, found.start())
    with suppress(ClientError):  # and nothing else
        assert read(_FULL[: found.start()] + wrong + _FULL[end:]).model == "m"


@pytest.mark.parametrize("text", [b"a\\ud800", b"a\xff"])
def test_what_is_no_text_is_named_in_either_spelling(text: bytes) -> None:
    for more in (b"", b',"generation_config":{"max_output_tokens":5}'):
        with pytest.raises(ClientError) as caught:
            read(b'{"contents":[{"parts":[{"text":"' + text + b'"}]}]' + more + b"}")
        assert caught.value.param == "contents[0].parts[0].text"
