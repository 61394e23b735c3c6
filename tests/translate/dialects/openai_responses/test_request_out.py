"""Requests as upstreams of this dialect get them."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Cache,
    ChatRequest,
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
from omniroute.translate.notes import Notes, Unsupported, UnsupportedContent
from tests.translate.dialects.openai_responses.said import UPSTREAM, losses, read, read_body, written

HI = Turn(role="user", blocks=(Text(text="Hi"),))
HI_ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}


def request(*turns: Turn, **members: object) -> ChatRequest:
    return ChatRequest(origin="anthropic", model="m", turns=turns or (HI,), **members)  # type: ignore[arg-type]


def said(*blocks: object) -> Turn:
    return Turn(role="assistant", blocks=blocks)  # type: ignore[arg-type]


def asked(*blocks: object) -> Turn:
    return Turn(role="user", blocks=blocks)  # type: ignore[arg-type]


def items(found: ChatRequest) -> list[object]:
    listed = written(found)["input"]
    assert isinstance(listed, list)
    return listed


def test_the_least_says_not_to_keep_it() -> None:
    assert written(request()) == {"model": "m", "input": [HI_ITEM], "store": False}


def test_the_first_system_text_leads_and_the_others_keep_their_role() -> None:
    system = (Text(text="S"), Text(text="D", role="developer"), Text(text=""))
    found = written(request(system=system))
    assert found["instructions"] == "S"
    assert found["input"] == [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "D"}]},
        HI_ITEM,
    ]


def test_a_system_text_alone_is_the_conversation() -> None:
    assert written(ChatRequest(origin="openai_chat", model="m", system=(Text(text="S"),)))["input"] == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "S"}]}
    ]


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(ClientError):
        written(ChatRequest(origin="openai_chat", model="m", turns=(asked(Text(text="")),)))


def test_the_users_messages_around_a_result_stay_messages() -> None:
    def message(text: str) -> dict[str, object]:
        return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}

    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "r"}

    sent = written(read(input=[call, message("a"), message("b"), output, message("c"), message("d")]))

    assert sent["input"] == [call, output, *map(message, "abcd")]
    assert written(read(input=sent["input"])) == sent


def test_the_models_texts_are_one_message_until_it_does_something_else() -> None:
    turn = said(
        Text(text="a"),
        Text(text="b"),
        Text(text="c", phase="commentary"),
        Text(text="d", apart=True, phase="commentary"),
    )
    assert items(request(HI, turn))[1:] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": []},
                {"type": "output_text", "text": "b", "annotations": []},
            ],
        },
        {"type": "message", "role": "assistant", "content": "c", "phase": "commentary"},
        {"type": "message", "role": "assistant", "content": "d", "phase": "commentary"},
    ]


def test_calls_and_results_are_items_of_their_own() -> None:
    turns = (
        said(
            Text(text="t"),
            ToolCall(call_id="c1", name="f", arguments=""),
            ToolCall(call_id="c2", name="g", arguments="ls", custom=True),
        ),
        asked(ToolResult(call_id="c2", blocks=(), custom=True), Text(text="y")),
        asked(ToolResult(call_id="c1", blocks=(Text(text="1"), Image(source=Inline("image/png", "aGk="))))),
    )
    assert items(request(HI, *turns))[1:] == [
        {"type": "message", "role": "assistant", "content": "t"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": ""},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [
                {"type": "input_text", "text": "1"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
            ],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "y"}]},
    ]


def test_only_its_own_encrypted_reasoning_goes_back() -> None:
    turn = said(
        Reasoning(text="s", data="gAAA", origin="openai_responses", item_id="rs_1", summary=True, at="own"),
        Reasoning(text="s", origin="openai_responses", item_id="rs_2", summary=True, at="bare"),
        Reasoning(text="hm", signature="SIG", origin="anthropic", at="foreign"),
        Text(text="t"),
    )
    assert items(request(HI, turn))[1:] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "s"}],
            "encrypted_content": "gAAA",
        },
        {"type": "message", "role": "assistant", "content": "t"},
    ]
    assert losses(request(HI, turn)) == {"bare": "info", "foreign": "info"}


def test_media() -> None:
    turn = asked(
        Image(source=Link("https://e.com/a.png"), detail="low"),
        Image(source=Held("file_1", "openai_chat")),
        Document(source=Inline("application/pdf", "aGk="), title="T", context="C", citations=True, at="d"),
        Document(source=Link("https://e.com/c.pdf")),
        Document(source=Held("file_2", "openai_responses")),
        Document(source=Inline("text/plain", "aGk=")),
        Document(text="plain", title="T", at="p"),
        Document(blocks=(Text(text="inner"),), at="b"),
        Audio(source=Inline("audio/mp3", "aGk=")),
    )
    (message,) = items(request(turn))
    assert isinstance(message, dict)
    assert message["content"] == [
        {"type": "input_image", "image_url": "https://e.com/a.png", "detail": "low"},
        {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        {"type": "input_file", "filename": "T", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "file_url": "https://e.com/c.pdf"},
        {"type": "input_file", "file_id": "file_2"},
        {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,aGk="},
        {"type": "input_text", "text": "T\nplain"},
        {"type": "input_text", "text": "inner"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
    ]
    assert losses(request(turn)) == {"d.context": "info", "d.citations": "info", "p": "warning", "b": "warning"}


@pytest.mark.parametrize(
    "turn",
    [
        asked(Image(source=Held("f", "anthropic"), at="x")),
        asked(Document(source=Held("f", "gemini"), at="x")),
        asked(Document(source=Inline("video/mp4", "aGk="), at="x")),
        asked(Document(source=Link("https://e.com/a.mp4", "video/mp4"), at="x")),
        asked(Image(source=Link("gs://bucket/a.png"), at="x")),
        asked(Audio(source=Link("https://e.com/a.mp3"), at="x")),
        said(Image(source=Inline("image/png", "aGk="), at="x")),
        said(Document(text="t", at="x")),
    ],
)
def test_content_without_a_form_is_refused(turn: Turn) -> None:
    with pytest.raises(UnsupportedContent) as caught:
        written(request(HI, turn))
    assert caught.value.param == "x"


def test_blocks_of_other_vendors_stay_behind_and_its_own_go_on() -> None:
    own = Opaque(
        origin="openai_responses", raw=b'{"type":"web_search_call","id":"ws_1","n":1.0}', kind="web_search_call"
    )
    foreign = Opaque(origin="anthropic", raw=b"{}", kind="server_tool_use", at="foreign")
    found = request(HI, said(own, foreign, Text(text="t")))
    outgoing = UPSTREAM.write_request(found, Quirks(), Notes())
    assert own.raw in b"".join(outgoing.body)
    assert losses(found) == {"foreign": "warning"}


def test_tools() -> None:
    tools = (
        Tool(name="f", description="d", schema=b'{"type":"object","n":1e2}'),
        Tool(name="g", strict=True, cache=Cache(), ext=(("input_examples", b"[]"),), ext_origin="anthropic", at="t1"),
        Tool(name="c", custom=True, format=b'{"type":"grammar","grammar":{"syntax":"regex","definition":".*"}}'),
        ServerTool(origin="anthropic", kind="web_search_20250305", raw=b"{}", at="t3"),
        ServerTool(origin="openai_responses", kind="mcp", raw=b'{"type":"mcp","server_label":"s"}'),
    )
    found = request(tools=tools)
    assert written(found)["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "n": 1e2},
            "strict": False,
        },
        {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}, "strict": True},
        {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "regex", "definition": ".*"}},
        {"type": "mcp", "server_label": "s"},
    ]
    assert losses(found) == {"t1.cache_control": "info", "t1.input_examples": "info", "t3": "warning"}


def test_a_foreign_tool_alone_is_refused() -> None:
    tool = ServerTool(origin="anthropic", kind="web_search_20250305", raw=b"{}", at="tools[0]")
    with pytest.raises(Unsupported) as caught:
        written(request(tools=(tool,)))
    assert caught.value.param == "tools[0]"


def test_one_that_may_be_left_out_takes_the_choice_with_it() -> None:
    tool = ServerTool(origin="gemini", kind="googleSearch", raw=b"{}", at="tools[0].googleSearch")
    found = request(tools=(tool,), tool_choice=ToolChoice(mode="required", at="toolConfig"))
    assert {"tools", "tool_choice"}.isdisjoint(written(found))
    assert losses(found) == {"tools[0].googleSearch": "warning", "toolConfig": "warning"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="auto"), "auto"),
        (ToolChoice(mode="validated"), "auto"),
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="named", names=("f",)), {"type": "function", "name": "f"}),
        (ToolChoice(mode="named", names=("f",), custom=True), {"type": "custom", "name": "f"}),
        (
            ToolChoice(mode="allowed", names=("f", "g"), required=True),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}],
            },
        ),
    ],
)
def test_choices(choice: ToolChoice, expected: object) -> None:
    tools = (Tool(name="f"), Tool(name="g"))
    assert written(request(tools=tools, tool_choice=choice))["tool_choice"] == expected


def test_names_and_ids_outside_the_limits_are_fitted_and_can_be_restored() -> None:
    name, call_id = "ns.tool with spaces", "x" * 100
    found = request(
        HI,
        said(ToolCall(call_id=call_id, name=name, arguments="{}")),
        asked(ToolResult(call_id=call_id, blocks=(Text(text="1"),))),
        tools=(Tool(name=name),),
        tool_choice=ToolChoice(mode="named", names=(name,)),
    )
    outgoing = UPSTREAM.write_request(found, Quirks(), Notes())
    body = msgspec.json.decode(b"".join(outgoing.body))
    (fitted,) = outgoing.names
    (fitted_id,) = outgoing.call_ids
    assert (outgoing.names[fitted], outgoing.call_ids[fitted_id]) == (name, call_id)
    assert body["tools"][0]["name"] == body["tool_choice"]["name"] == body["input"][1]["name"] == fitted
    assert body["input"][1]["call_id"] == body["input"][2]["call_id"] == fitted_id
    assert len(fitted_id) <= 64


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Thinking(mode="off"), {"effort": "none"}),
        (Thinking(mode="effort", effort="xhigh"), {"effort": "xhigh"}),
        (Thinking(mode="effort", effort="low", show=True), {"effort": "low", "summary": "auto"}),
        (
            Thinking(mode="effort", effort="low", show=True, summary="detailed"),
            {"effort": "low", "summary": "detailed"},
        ),
        (Thinking(mode="effort", effort="low", show=False), {"effort": "low"}),
        (Thinking(mode="adaptive"), None),
        (Thinking(mode="adaptive", show=True), {"summary": "auto"}),
        (Thinking(mode="budget", budget=2048), {"effort": "low"}),
        (Thinking(mode="budget", budget=16384), {"effort": "medium"}),
        (Thinking(mode="budget", budget=16385), {"effort": "high"}),
    ],
)
def test_how_much_to_think(wish: Thinking, expected: object) -> None:
    found = written(request(thinking=wish), Quirks(responses_reasoning=True))
    assert found.get("reasoning") == expected
    assert found["include"] == ["reasoning.encrypted_content"]


def test_a_budget_is_approximated_and_no_summary_is_asked_of_a_model_that_may_not_reason() -> None:
    found = request(thinking=Thinking(mode="budget", budget=9, show=True, at="thinking.budget_tokens"))
    assert written(found)["reasoning"] == {"effort": "low"}
    assert losses(found) == {"thinking.budget_tokens": "warning"}
    assert "include" not in written(found)


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        (Format(kind="text"), {"type": "text"}),
        (Format(kind="json_object"), {"type": "json_object"}),
        (
            Format(kind="json_schema", schema=b'{"type":"object"}'),
            {"type": "json_schema", "name": "response", "schema": {"type": "object"}},
        ),
        (
            Format(kind="json_schema", schema=b"{}", name="n", description="d", strict=True),
            {"type": "json_schema", "name": "n", "description": "d", "schema": {}, "strict": True},
        ),
    ],
)
def test_formats(format_: Format, expected: object) -> None:
    assert written(request(format=format_))["text"] == {"format": expected}


def test_parameters_and_what_of_them_is_lost() -> None:
    found = request(
        max_output=5,
        temperature=b"1.0",
        top_p=b"0.9",
        top_k=b"3",
        seed=b"1",
        presence=b"1",
        frequency=b"1",
        logit_bias=b"{}",
        stop=("E",),
        stop_at="stop_sequences",
        choices=2,
        logprobs=True,
        top_logprobs=2,
        parallel=False,
        verbosity="low",
        user="u",
        metadata=b'{"a":"b"}',
        service_tier="flex",
        store=True,
        cache_key="k",
        stream=True,
        ext=(("output_config.x", b"1"),),
    )
    body = b"".join(UPSTREAM.write_request(found, Quirks(), Notes()).body)
    assert b'"temperature":1.0,' in body
    assert written(found) == {
        "model": "m",
        "input": [HI_ITEM],
        "max_output_tokens": 5,
        "temperature": 1.0,
        "top_p": 0.9,
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs"],
        "parallel_tool_calls": False,
        "text": {"verbosity": "low"},
        "user": "u",
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "stream": True,
        "store": False,
    }
    warnings = {field for field, severity in losses(found).items() if severity == "warning"}
    assert warnings == {"n", "stop_sequences", "top_k", "seed", "logit_bias", "presence", "frequency"}
    assert {field for field, severity in losses(found).items() if severity == "info"} == {
        "store",
        "cache_key",
        "output_config.x",
    }


def test_an_answer_is_kept_where_the_provider_keeps_and_the_client_asked() -> None:
    keeps = Quirks(responses_store=True)
    assert [written(request(store=store), keeps)["store"] for store in (True, False, None)] == [True, False, False]


def test_a_foreign_state_is_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        written(request(ext=(("container", b'"x"'),), elsewhere=frozenset({"container"})))
    assert caught.value.param == "container"


def test_marks_and_names_have_no_place() -> None:
    turn = Turn(
        role="user", name="Ann", blocks=(Text(text="Hi", cache=Cache("1h"), at="messages[0].content[0]"),), at="m0"
    )
    assert losses(request(turn)) == {"m0.name": "info", "messages[0].content[0].cache_control": "info"}


def test_a_request_of_this_dialect_comes_through_the_hub_unchanged() -> None:
    body = {
        "model": "m",
        "instructions": "S",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "D"}]},
            HI_ITEM,
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "s"}],
                "encrypted_content": "gAAA",
            },
            {"type": "message", "role": "assistant", "content": "t", "phase": "commentary"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1.0}'},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "later"}]},
        ],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "parameters": {"type": "object", "properties": {}},
                "defer_loading": True,
            },
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "web_search"},
        "max_output_tokens": 7,
        "temperature": 0.5,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["file_search_call.results", "message.output_text.logprobs"],
        "truncation": "auto",
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "stream": True,
        "store": False,
    }
    assert written(read_body(msgspec.json.encode(body))) == body
    assert losses(read_body(msgspec.json.encode(body))) == {}


def test_a_client_of_this_dialect_says_itself_whether_tools_are_strict() -> None:
    found = read(
        input="x", tools=[{"type": "function", "name": "f", "strict": False}, {"type": "function", "name": "g"}]
    )
    tools = written(found)["tools"]
    assert isinstance(tools, list)
    assert [tool.get("strict") for tool in tools] == [False, None]
