"""A client's request, read: everything it can say, and a 400 naming the field for everything it cannot."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Cache,
    Citation,
    Document,
    Format,
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
    Turn,
)
from tests.translate.dialects.anthropic.wire import CLIENT, asked, read

PIXEL = "iVBORw0KGgo="


def blocks(*content: object, role: str = "user") -> tuple[object, ...]:
    request = read({"model": "m", "max_tokens": 9, "messages": [{"role": role, "content": list(content)}]})
    return request.turns[0].blocks


def basic(**more: object) -> dict[str, object]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}


def test_the_least_a_request_can_say() -> None:
    request = read(basic())

    assert request.origin == "anthropic"
    assert request.max_output == 9
    assert request.turns == (Turn(role="user", blocks=(Text(text="hi", at="messages[0].content"),), at="messages[0]"),)
    assert request.ext == ()


def test_every_setting_is_understood_and_numbers_keep_their_spelling() -> None:
    body = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"temperature":0.50,"top_p":9e-1,'
        b'"top_k":5,"stop_sequences":["a"],"metadata":{"user_id":"u"},"service_tier":"standard_only","stream":true,'
        b'"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"b": 1.0}}},'
        b'"thinking":{"type":"adaptive","display":"omitted"},"container":"c","inference_geo":null,"new":{"x":1}}'
    )
    request = read(body)

    assert (request.temperature, request.top_p, request.top_k) == (b"0.50", b"9e-1", b"5")
    assert (request.stop, request.user, request.service_tier, request.stream) == (("a",), "u", "default", True)
    assert request.format == Format(kind="json_schema", schema=b'{"b": 1.0}', at="output_config.format")
    assert request.thinking == Thinking(mode="adaptive", effort="high", show=False, at="output_config.effort")
    assert request.ext == (("container", b'"c"'), ("new", b'{"x":1}'))


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"thinking": {"type": "disabled"}}, Thinking(mode="off", at="thinking")),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            Thinking(mode="budget", budget=2000, show=True, at="thinking.budget_tokens"),
        ),
        ({"thinking": {"type": "adaptive"}}, Thinking(mode="adaptive", show=True, at="thinking")),
        ({"output_config": {"effort": "low"}}, Thinking(mode="effort", effort="low", at="output_config.effort")),
        ({}, None),
    ],
)
def test_thinking(config: dict[str, object], thinking: Thinking | None) -> None:
    assert read(basic(**config)).thinking == thinking


def test_system_is_a_text_or_blocks_and_blank_ones_are_nothing() -> None:
    assert read(basic(system="S")).system == (Text(text="S", at="system"),)
    request = read(
        basic(system=[{"type": "text", "text": " "}, {"type": "text", "text": "S", "cache_control": {"ttl": "1h"}}])
    )
    assert request.system == (Text(text="S", cache=Cache("1h"), at="system[1]"),)


def test_media_of_every_kind() -> None:
    found = blocks(
        {"type": "image", "source": {"type": "base64", "media_type": "image/PNG", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f1"}},
        {"type": "document", "source": {"type": "base64", "data": "QUJD"}, "title": "t", "context": "c"},
        {"type": "document", "source": {"type": "text", "data": "facts"}, "citations": {"enabled": True}},
        {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "in"}]}},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
    )
    at = [f"messages[0].content[{number}]" for number in range(8)]

    assert found == (
        Image(source=Inline("image/png", PIXEL), at=at[0]),
        Image(source=Link("https://e.com/a.png"), at=at[1]),
        Image(source=Held("f1", "anthropic"), at=at[2]),
        Document(source=Inline("application/pdf", "QUJD"), title="t", context="c", at=at[3]),
        Document(text="facts", citations=True, at=at[4]),
        Document(source=Link("https://e.com/a.pdf", "application/pdf"), at=at[5]),
        Document(blocks=(Text(text="in", at=f"{at[6]}.source.content[0]"),), at=at[6]),
        Document(blocks=(Text(text="found", at=f"{at[7]}.content[0]"),), title="t", context="s", at=at[7]),
    )


def test_reasoning_goes_back_to_whom_it_belongs() -> None:
    found = blocks(
        {"type": "thinking", "thinking": "a", "signature": "S"},
        {"type": "thinking", "thinking": "b", "signature": ""},
        {"type": "thinking", "thinking": "c", "signature": "omr1:openai-responses:rs_1:D"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "redacted_thinking", "data": "omr1:openai-responses:rs_2:E"},
        {"type": "thinking", "thinking": "", "signature": "omr1:gemini:G"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        role="assistant",
    )
    at = [f"messages[0].content[{number}]" for number in range(7)]

    assert found == (
        Reasoning(text="a", signature="S", origin="anthropic", at=at[0]),
        Reasoning(text="b", at=at[1]),
        Reasoning(text="c", data="D", item_id="rs_1", origin="openai_responses", summary=True, at=at[2]),
        Reasoning(data="R", redacted=True, origin="anthropic", at=at[3]),
        Reasoning(data="E", item_id="rs_2", redacted=True, origin="openai_responses", summary=True, at=at[4]),
        ToolCall(call_id="t", name="f", arguments='{"a":1}', signature="G", at=at[6]),
    )


def test_the_summary_beside_a_calls_signature_stays_reasoning() -> None:
    found = blocks(
        {"type": "thinking", "thinking": "sum", "signature": "omr1:gemini:G"},
        {"type": "tool_use", "id": "t", "name": "f"},
        role="assistant",
    )

    assert found == (
        Reasoning(text="sum", origin="gemini", at="messages[0].content[0]"),
        ToolCall(call_id="t", name="f", arguments="{}", signature="G", at="messages[0].content[1]"),
    )


def test_a_picture_in_a_data_url() -> None:
    (found,) = blocks({"type": "image", "source": {"type": "url", "url": f"data:image/gif;base64,{PIXEL}"}})

    assert found == Image(source=Inline("image/gif", PIXEL), at="messages[0].content[0]")


def test_arguments_are_not_spelled_anew() -> None:
    body = (
        b'{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":['
        b'{"type":"tool_use","id":"t","name":"f","input":{ "n" : 1.0e2, "big":123456789012345678901234567890 }}]}]}'
    )
    (call,) = read(body).turns[0].blocks

    assert isinstance(call, ToolCall)
    assert call.arguments == '{"n":1.0e2,"big":123456789012345678901234567890}'


def test_tool_results_hold_texts_pictures_and_errors() -> None:
    found = blocks(
        {"type": "tool_result", "tool_use_id": "a", "content": "x", "cache_control": {"type": "ephemeral"}},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
        {
            "type": "tool_result",
            "tool_use_id": "c",
            "content": [
                {"type": "image", "source": {"type": "url", "url": "https://e.com/a"}},
                {"type": "tool_reference", "tool_name": "f"},
            ],
        },
    )
    at = [f"messages[0].content[{number}]" for number in range(3)]

    assert found == (
        ToolResult(call_id="a", blocks=(Text(text="x", at=f"{at[0]}.content"),), cache=Cache(), at=at[0]),
        ToolResult(call_id="b", is_error=True, at=at[1]),
        ToolResult(
            call_id="c",
            blocks=(
                Image(source=Link("https://e.com/a"), at=f"{at[2]}.content[0]"),
                Opaque(
                    origin="anthropic", kind="tool_reference", at=f"{at[2]}.content[1]",
                    raw=b'{"type":"tool_reference","tool_name":"f"}',
                ),
            ),
            at=at[2],
        ),
    )  # fmt: skip


def test_citations_and_server_tools_ride_along() -> None:
    cited = {"type": "char_location", "cited_text": "c", "document_title": "d"}
    web = {"type": "web_search_result_location", "url": "https://e.com", "encrypted_index": "", "cited_text": "c"}
    found = blocks(
        {"type": "text", "text": "a", "citations": [cited, web]},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        role="assistant",
    )

    assert isinstance(found[0], Text)
    assert found[0].citations == (
        Citation(title="d", cited_text="c", origin="anthropic", raw=msgspec.json.encode(cited)),
        Citation(url="https://e.com", cited_text="c"),
    )
    assert isinstance(found[1], Opaque)
    assert found[1].kind == "server_tool_use"


def test_tools_of_the_client_and_of_the_vendor() -> None:
    request = read(
        basic(
            tools=[
                {"name": "f", "input_schema": {"type": "object"}, "type": "custom", "input_examples": [{}]},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        )
    )

    assert request.tools == (
        Tool(
            name="f", schema=b'{"type":"object"}', ext=(("input_examples", b"[{}]"),), ext_origin="anthropic",
            at="tools[0]",
        ),
        ServerTool(
            origin="anthropic", kind="web_search_20250305", at="tools[1]",
            raw=b'{"type":"web_search_20250305","name":"web_search"}',
        ),
    )  # fmt: skip
    assert request.tool_choice == ToolChoice(mode="named", names=("f",))
    assert request.parallel is False


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"stop_sequences": ["x"] * 300}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tools": [{"name": ""}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": {"x": "y" * 1024 * 1024}}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "f"}] * 3000}, "tools"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "much"}}, "thinking.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "https://e.com"}}]}, "system[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "%"}}]}]},
            "messages[0].content[0].source.data",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "source": {"type": "base64", "media_type": "text/x", "data": "QQ=="}}
                        ],
                    }
                ]
            },
            "messages[0].content[0].source.media_type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x:y"}}]}]},
            "messages[0].content[0].source.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "messages[0].content[0].source.file_id",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "odd"}}]}]},
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": ""}]}]},
            "messages[0].content[0].name",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": 1}]}
                ]
            },
            "messages[0].content[0].input",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "tool_result",
                                "tool_use_id": "t",
                                "content": [{"type": "tool_use", "id": "x", "name": "f"}],
                            }
                        ],
                    }
                ]
            },
            "messages[0].content[0].content[0]",
        ),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, object], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(basic(**body))

    assert caught.value.status == 400
    assert caught.value.param == param
    assert param in caught.value.message


def test_documents_inside_documents_end_somewhere() -> None:
    inner: object = {"type": "text", "text": "x"}
    for _ in range(6):
        inner = {"type": "document", "source": {"type": "content", "content": [inner]}}

    with pytest.raises(ClientError, match="nested too deeply"):
        blocks(inner)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"x","y":"\xff"}]}]}',
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":' + b"[" * 100_000,
        b'{"model":"m","max_tokens":1,"messages":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]',
        b"[]",
        b"",
    ],
)
def test_what_is_no_request_is_a_400(body: bytes) -> None:
    with pytest.raises(ClientError):
        read(body)


def test_half_of_a_surrogate_pair_is_refused_where_it_stands() -> None:
    with pytest.raises(ClientError) as caught:
        read(rb'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a\ud83d"}]}')

    assert caught.value.param == "messages[0].content"


def test_a_count_needs_no_limit() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    request = asked(body, path="/v1/messages/count_tokens")
    peeked = CLIENT.peek(request)

    assert (peeked.operation, peeked.stream) == ("count", False)
    assert CLIENT.read_request(request, peeked).max_output is None


_JSON = st.recursive(
    st.sampled_from([None, True, 7, -1.5, "", "text", "image", "tool_use", "tool_result", "document", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "source", "name", "input", "id", "tool_use_id"]), inner
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["messages", "system", "tools", "tool_choice", "thinking", "max_tokens"]), _JSON)
)
def test_anything_is_read_or_refused(members: dict[str, object]) -> None:
    body = msgspec.json.encode(basic(**members))
    with contextlib.suppress(ClientError):  # anything else fails
        read(body)
