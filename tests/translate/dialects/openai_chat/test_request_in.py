"""Requests of clients, read: what is understood, where each thing stood, and what is refused by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from omniroute.translate.dialects.openai_chat.peek import peek
from omniroute.translate.dialects.openai_chat.request_in import read_request
from omniroute.translate.notes import Unsupported, UnsupportedContent
from tests.translate.dialects.openai_chat.asking import Asking, ask


def read(**members: object) -> ChatRequest:
    asked = ask(**members)
    return read_request(asked, peek(asked))


def blocks(*parts: object, role: str = "user", **more: object) -> tuple[object, ...]:
    """Blocks of one message with ``parts`` as its content."""
    (turn,) = read(messages=[{"role": role, "content": list(parts)} | more]).turns
    return turn.blocks


AT = "messages[0].content[0]"


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Text(text="a", cache=Cache("1h"), at=AT)),
        ({"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}}, Image(source=Link("https://e.com/a.png"), detail="low", at=AT)),
        ({"type": "image_url", "image_url": "data:image/png;base64,AAAA"}, Image(source=Inline("image/png", "AAAA"), at=AT)),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}, Audio(source=Inline("audio/mp3", "AAAA"), format="mp3", at=AT)),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(source=Held("file-1", "openai_chat"), at=AT)),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "AAAA"}}, Document(source=Inline("application/pdf", "AAAA"), filename="a.pdf", at=AT)),
        ({"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}}, Document(text="hi", filename="a.txt", title="a.txt", at=AT)),
        ({"type": "refusal", "refusal": "no"}, Refusal(text="no", at=AT)),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}, Reasoning(text="hm", at=AT)),
    ],
)  # fmt: skip
def test_parts(part: object, block: object) -> None:
    assert blocks(part) == (block,)


def test_instructions_come_first_and_stay_in_place_later() -> None:
    request = read(
        messages=[
            {"role": "developer", "content": "A"},
            {"role": "system", "content": [{"type": "text", "text": "B"}]},
            {"role": "user", "content": "x", "name": "bob"},
            {"role": "developer", "content": "C"},
        ]
    )
    assert request.system == (
        Text(text="A", role="developer", at="messages[0]"),
        Text(text="B", role="system", at="messages[1].content[0]"),
    )
    assert request.turns == (
        Turn(role="user", blocks=(Text(text="x", at="messages[2].content"),), name="bob", at="messages[2]"),
        Turn(
            role="system",
            blocks=(Text(text="C", role="developer", at="messages[3]"),),
            developer=True,
            at="messages[3]",
        ),
    )


def test_what_an_assistant_said() -> None:
    said = blocks(
        {"type": "text", "text": "a"},
        role="assistant",
        reasoning_content="hm",
        refusal="no",
        audio={"id": "audio_1"},
        extra_content={"google": {"thought_signature": "S"}},
        function_call={"name": "f", "arguments": "{}"},
        tool_calls=[
            {
                "id": "c",
                "type": "function",
                "function": {"name": "g", "arguments": {"a": 1.0}},
                "extra_content": {"google": {"thought_signature": "T"}},
            },
            {"id": "d", "type": "custom", "custom": {"name": "run", "input": "ls"}},
        ],
    )
    assert said == (
        Reasoning(text="hm", at="messages[0].reasoning_content"),
        Text(text="a", signature="S", at=AT),
        Refusal(text="no", at="messages[0].refusal"),
        Opaque(origin="openai_chat", kind="audio", raw=b'{"id":"audio_1"}', at="messages[0].audio"),
        ToolCall(call_id="", name="f", arguments="{}", legacy=True, at="messages[0].function_call"),
        ToolCall(call_id="c", name="g", arguments='{"a":1.0}', signature="T", at="messages[0].tool_calls[0]"),
        ToolCall(call_id="d", name="run", arguments="ls", custom=True, at="messages[0].tool_calls[1]"),
    )


def test_details_of_reasoning_are_whole_and_never_said_twice() -> None:
    form = {"format": "anthropic-claude-v1"}
    details = [
        {"type": "reasoning.text", "text": "h", "index": 0, **form},
        {"type": "reasoning.text", "text": "m", "signature": "S", "index": 0, **form},
        {"type": "reasoning.encrypted", "data": "D", "index": 1, **form},
        {"type": "unheard of"},
    ]
    said = blocks(role="assistant", reasoning_content="hm", reasoning_details=details)
    where = "messages[0].reasoning_details"
    assert said == (
        Reasoning(text="hm", signature="S", origin="anthropic", at=f"{where}[0]"),
        Reasoning(data="D", origin="anthropic", redacted=True, at=f"{where}[1]"),
    )


def test_details_a_library_joined_from_the_fragments_of_a_stream() -> None:
    """The `openai` package's stream helper joins every text of one index, names of formats and ids among them."""
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "S", "index": 0, "format": "anthropic-claude-v1" * 3},
        {
            "type": "reasoning.encrypted", "summary": "so", "data": "D", "index": 1, "id": "rs_1rs_1",
            "format": "openai-responses-v1" * 2,
        },
        {"type": "reasoning.encrypted", "data": "E", "index": 2, "id": "rs_2rs_3", "format": "openai-responses-v1" * 2},
        {"type": "reasoning.text", "text": "x", "signature": "T", "index": 3, "format": "anthropic-claude-v1a"},
    ]  # fmt: skip
    said = blocks(role="assistant", reasoning_details=details)
    where = "messages[0].reasoning_details"
    assert said == (
        Reasoning(text="hm", signature="S", origin="anthropic", at=f"{where}[0]"),
        Reasoning(text="so", data="D", origin="openai_responses", item_id="rs_1", summary=True, at=f"{where}[1]"),
        Reasoning(data="E", origin="openai_responses", item_id="rs_2rs_3", redacted=True, at=f"{where}[2]"),
        Reasoning(text="x", signature="T", origin="anthropic-claude-v1a", at=f"{where}[3]"),
    )


def test_results_of_tools() -> None:
    request = read(
        messages=[
            {
                "role": "tool",
                "tool_call_id": "c",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "function", "name": "f", "content": "ok"},
        ]
    )
    first, second = (turn.blocks[0] for turn in request.turns)
    texts = tuple(Text(text=text, at=f"messages[0].content[{n}]") for n, text in enumerate("ab"))
    assert first == ToolResult(call_id="c", blocks=texts, at="messages[0]")
    assert second == ToolResult(
        call_id="", name="f", blocks=(Text(text="ok", at="messages[1].content"),), at="messages[1]"
    )


def test_parameters_keep_their_spelling() -> None:
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1.0,"top_p": 0.10 ,"top_k":40,"seed":12345678901234567,'
        b'"presence_penalty":-0.0,"frequency_penalty":1e-1,"logit_bias":{"1":-100.0},"metadata":{"a":"b"},"stop":"END","n":2,'
        b'"logprobs":true,"top_logprobs":3,"parallel_tool_calls":false,"max_tokens":5,"max_completion_tokens":9,"verbosity":"low",'
        b'"user":"u","store":true,"service_tier":"flex","prompt_cache_key":"k","prompt_cache_retention":"24h","prediction":{"x": 1.50},"min_p":null}'
    )  # fmt: skip
    asked = Asking(body)
    request = read_request(asked, peek(asked))
    assert (request.temperature, request.top_p, request.top_k, request.seed) == (
        b"1.0",
        b"0.10",
        b"40",
        b"12345678901234567",
    )
    assert (request.presence, request.frequency, request.logit_bias) == (b"-0.0", b"1e-1", b'{"1":-100.0}')
    assert (request.max_output, request.max_output_at, request.stop, request.choices) == (
        9,
        "max_completion_tokens",
        ("END",),
        2,
    )
    assert (request.logprobs, request.top_logprobs, request.parallel, request.store) == (True, 3, False, True)
    assert (request.verbosity, request.user, request.service_tier, request.metadata) == (
        "low",
        "u",
        "flex",
        b'{"a":"b"}',
    )
    assert (request.cache_key, request.cache_retention) == ("k", "24h")
    assert request.ext == (("prediction", b'{"x": 1.50}'),)


@pytest.mark.parametrize(
    ("members", "thinking"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, Thinking(mode="off")),
        ({"reasoning_effort": "xhigh", "reasoning": {"effort": "low"}}, Thinking(mode="effort", effort="xhigh")),
        ({"reasoning": {"effort": "low"}}, Thinking(mode="effort", effort="low", show=True, at="reasoning.effort")),
        ({"reasoning": {"max_tokens": 2000, "exclude": True}}, Thinking(mode="budget", budget=2000, show=False, at="reasoning.max_tokens")),
        ({"reasoning": {"enabled": True}}, Thinking(mode="adaptive", show=True, at="reasoning")),
        ({"reasoning": {"enabled": False}}, Thinking(mode="off", at="reasoning")),
        ({"reasoning": {}}, None),
        ({"thinking": {"type": "disabled"}}, Thinking(mode="off", at="thinking")),
        ({"thinking": {"type": "enabled"}}, Thinking(mode="adaptive", at="thinking")),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, Thinking(mode="budget", budget=9, at="thinking.budget_tokens")),
        ({"enable_thinking": False, "thinking_budget": 9}, Thinking(mode="off", at="enable_thinking")),
        ({"thinking_budget": 9}, Thinking(mode="budget", budget=9, at="thinking_budget")),
        ({"enable_thinking": True}, Thinking(mode="adaptive", at="enable_thinking")),
    ],
)  # fmt: skip
def test_how_much_to_reason(members: dict[str, object], thinking: Thinking | None) -> None:
    assert read(**members).thinking == thinking


FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}


def test_tools() -> None:
    request = read(
        tools=[
            {"type": "function", "function": FUNCTION, "cache_control": {"type": "ephemeral"}},
            {"type": "custom", "custom": {"name": "run", "format": {"type": "text"}}},
            {"type": "web_search", "x": 1},
        ]
    )
    assert request.tools == (
        Tool(name="f", description="d", schema=b'{"type":"object"}', strict=True, cache=Cache(), at="tools[0]"),
        Tool(name="run", custom=True, format=b'{"type":"text"}', at="tools[1]"),
        ServerTool(origin="openai_chat", kind="web_search", raw=b'{"type":"web_search","x":1}', at="tools[2]"),
    )


@pytest.mark.parametrize(
    ("given_", "choice"),
    [
        ("none", ToolChoice(mode="none")),
        ("auto", ToolChoice(mode="auto")),
        ("required", ToolChoice(mode="required")),
        ("any", ToolChoice(mode="required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="named", names=("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice(mode="named", names=("f",), custom=True)),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}},
            ToolChoice(mode="allowed", names=("f",), required=True),
        ),
        (None, None),
    ],
)  # fmt: skip
def test_choices_of_tools(given_: object, choice: ToolChoice | None) -> None:
    assert read(tool_choice=given_).tool_choice == choice


def test_legacy_functions() -> None:
    request = read(functions=[FUNCTION], function_call={"name": "f"})
    assert request.legacy_functions
    assert request.tools == (
        Tool(name="f", description="d", schema=b'{"type":"object"}', strict=True, at="functions[0]"),
    )
    assert request.tool_choice == ToolChoice(mode="named", names=("f",), at="function_call")
    assert read(functions=[FUNCTION], function_call="none").tool_choice == ToolChoice(mode="none", at="function_call")


@pytest.mark.parametrize(
    ("told", "form"),
    [
        ({"type": "text"}, Format(kind="text")),
        ({"type": "json_object"}, Format(kind="json_object")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}, "strict": False}},
            Format(kind="json_schema", name="n", description="d", schema=b"{}", strict=False),
        ),
    ],
)
def test_formats(told: object, form: Format) -> None:
    assert read(response_format=told).format == form


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}, {"role": "robot"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp:x"}}]}]}, "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,%%"}}]}]}, "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]}, "messages[0].content[0].input_audio.data"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "https://e.com"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": 1}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}]}, "messages[0].tool_calls[0].function.arguments"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"seed": 0.5}, "seed"),
        ({"logit_bias": [1]}, "logit_bias"),
        ({"stop": ["x"] * 300}, "stop"),
        ({"stop": 7}, "stop"),
        ({"reasoning_effort": ""}, "reasoning_effort"),
        ({"reasoning_effort": "x" * 40}, "reasoning_effort"),
        ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "thinking.budget_tokens"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}}, "response_format.json_schema.schema"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}] * 2049}, "tools"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"functions": [FUNCTION], "function_call": "maybe"}, "function_call"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(members: dict[str, object], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read(**members)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert not isinstance(caught.value, Unsupported)


@pytest.mark.parametrize(
    ("members", "param", "kind"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {}}]}]}, "messages[0].content[0]", UnsupportedContent),
        ({"modalities": ["text", "audio"]}, "modalities", Unsupported),
    ],
)  # fmt: skip
def test_what_only_some_can_do(members: dict[str, object], param: str, kind: type[Unsupported]) -> None:
    with pytest.raises(kind) as caught:
        read(**members)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (rb"a\ud83d b", "messages[0].content"),
        (b"\xff", "messages[0].content"),
        (rb"a\\ud83d \ud83d\ude00", None),
    ],
)
def test_what_is_no_text_is_refused_where_it_stands(content: bytes, param: str | None) -> None:
    asked = Asking(b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % content)
    if param is None:
        (turn,) = read_request(asked, peek(asked)).turns
        assert turn.blocks == (Text(text="a\\ud83d 😀", at="messages[0].content"),)
        return
    with pytest.raises(ClientError) as caught:
        read_request(asked, peek(asked))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep = Asking(b'{"model":"m","messages":[],"x":' + b"[" * 400 + b"]" * 400 + b"}")
    with pytest.raises(ClientError):
        read_request(deep, peek(deep))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "role", "content", "name", "function"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KNOWN = (
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "stop",
    "reasoning",
    "metadata",
    "functions",
    "function_call",
    "logit_bias",
)


def status_of(asked: Asking) -> int:
    try:
        read_request(asked, peek(asked))
    except ClientError as error:
        return error.status
    return 200


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(KNOWN), json_values, max_size=4))
def test_whatever_a_client_sends_is_read_or_refused(members: dict[str, object]) -> None:
    assert status_of(ask(**members)) in (200, 400)
