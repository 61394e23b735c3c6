"""Requests for upstreams, written: what each provider takes, what is noted as lost, and what cannot be carried."""

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.domain.quirks import PRESETS
from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Block,
    Cache,
    ChatRequest,
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
from omniroute.translate.dialect import Outgoing
from omniroute.translate.dialects.openai_chat.peek import peek
from omniroute.translate.dialects.openai_chat.request_in import read_request
from omniroute.translate.dialects.openai_chat.request_out import write_request
from omniroute.translate.notes import Notes, Unsupported, UnsupportedContent
from omniroute.translate.openai_bodies import PARAMETER_WORDS
from tests.translate.dialects.openai_chat.asking import ask

OPENAI = PRESETS["openai"]
MISTRAL = PRESETS["mistral"]
USER = Turn(role="user", blocks=(Text(text="x"),))


def outgoing(quirks: Quirks | None = None, notes: Notes | None = None, **members: object) -> Outgoing:
    given: dict[str, object] = {"origin": "anthropic", "model": "m", "turns": (USER,)}
    request = ChatRequest(**{**given, **members})  # type: ignore[arg-type]
    return write_request(request, quirks or Quirks(), Notes() if notes is None else notes)


def written(quirks: Quirks | None = None, notes: Notes | None = None, **members: object) -> dict[str, object]:
    result: dict[str, object] = msgspec.json.decode(b"".join(outgoing(quirks, notes, **members).body))
    return result


def messages(*turns: Turn, quirks: Quirks | None = None, notes: Notes | None = None, **members: object) -> list[object]:
    found = written(quirks, notes, turns=turns, **members)["messages"]
    assert isinstance(found, list)
    return found


def said(*blocks: Block) -> Turn:
    return Turn(role="assistant", blocks=blocks, at="messages[1]")


def noted(notes: Notes) -> set[tuple[str, str, str]]:
    return {(note.field, note.action, note.severity) for note in notes}


def test_a_client_of_the_dialect_loses_nothing() -> None:
    members = {
        "temperature": 1.5, "top_p": 0.5, "top_k": 3, "seed": 1, "n": 2, "stop": ["a"], "presence_penalty": 0.5,
        "frequency_penalty": 0.5, "logit_bias": {"1": 1}, "logprobs": True, "top_logprobs": 2, "user": "u",
        "metadata": {"a": "b"}, "service_tier": "flex", "store": True, "verbosity": "low", "prompt_cache_key": "k",
        "prompt_cache_retention": "24h", "reasoning_effort": "low", "min_p": 0.1, "prediction": {"type": "content"},
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}, "strict": True}}, {"type": "browser"}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}},
        "parallel_tool_calls": False, "max_tokens": 7,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}, "strict": True}},
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}}], "name": "bob"},
            {"role": "assistant", "content": None, "refusal": "no", "audio": {"id": "a"}},
            {"role": "system", "content": "T"},
            {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": " {}"}, "extra_content": {"google": {"thought_signature": "S"}}}, {"id": "d", "type": "custom", "custom": {"name": "run", "input": ""}}]},
            {"role": "tool", "tool_call_id": "c", "content": "1"},
            {"role": "tool", "tool_call_id": "d", "content": "2"},
        ],
    }  # fmt: skip
    asked = ask(**members)
    notes = Notes()
    out = write_request(
        read_request(asked, peek(asked)), msgspec.structs.replace(OPENAI, max_tokens_field="max_tokens"), notes
    )
    assert msgspec.json.decode(b"".join(out.body)) == {"model": "m"} | members
    assert not list(notes)


@pytest.mark.parametrize(
    ("quirks", "members"),
    [
        (OPENAI, {"max_completion_tokens": 9, "seed": 7, "stream_options": {"include_usage": True}}),
        (Quirks(), {"max_tokens": 9, "seed": 7, "stream_options": {"include_usage": True}}),
        (MISTRAL, {"max_tokens": 9, "random_seed": 7}),
    ],
)
def test_providers_have_words_of_their_own(quirks: Quirks, members: dict[str, object]) -> None:
    found = written(quirks, max_output=9, seed=b"7", stream=True)
    assert found == {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True} | members


def test_what_other_clients_say_that_has_no_place_is_noted() -> None:
    notes = Notes()
    found = written(
        notes=notes, origin="openai_responses", words=PARAMETER_WORDS, top_k=b"5", store=True, cache_key="k", ext=(("truncation", b'"auto"'),),
        thinking=Thinking(mode="budget", budget=3000, summary="auto", at="reasoning"), service_tier="standard_only",
    )  # fmt: skip
    assert found == {
        "model": "m", "messages": [{"role": "user", "content": "x"}], "reasoning_effort": "medium", "service_tier": "default",
    }  # fmt: skip
    assert noted(notes) == {
        ("top_k", "dropped", "warning"), ("store", "dropped", "info"), ("prompt_cache_key", "dropped", "info"),
        ("truncation", "dropped", "info"), ("reasoning", "approximated", "info"), ("reasoning.summary", "dropped", "info"),
    }  # fmt: skip
    assert written(OPENAI, origin="openai_responses", cache_key="k")["prompt_cache_key"] == "k"


@pytest.mark.parametrize(
    "members",
    [
        {"reasoning": {"effort": "low"}},
        {"reasoning": {"max_tokens": 2000, "exclude": True}},
        {"reasoning": {"enabled": True}},
        {"reasoning": {"enabled": False}},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "enabled", "budget_tokens": 9}},
        {"enable_thinking": False},
        {"enable_thinking": True, "thinking_budget": 9},
        {"reasoning_effort": "high"},
    ],
)
def test_a_client_of_the_dialect_is_quoted_on_how_much_to_reason(members: dict[str, object]) -> None:
    asked = ask(**members)
    notes = Notes()
    out = write_request(read_request(asked, peek(asked)), Quirks(), notes)
    assert msgspec.json.decode(b"".join(out.body)) == msgspec.json.decode(asked.body)
    assert not list(notes)


def test_instructions_of_each_client() -> None:
    texts = (
        Text(text="A", at="system[0]"),
        Text(text=" ", at="system[1]"),
        Text(text="B", cache=Cache("1h"), at="system[2]"),
    )
    notes = Notes()
    assert messages(USER, system=texts, notes=notes)[0] == {"role": "system", "content": "A\nB"}
    assert noted(notes) == {("system[2].cache_control", "dropped", "info")}
    marked = messages(USER, system=texts, quirks=Quirks(chat_cache_control=True))[0]
    assert marked == {
        "role": "system",
        "content": [
            {"type": "text", "text": "A"},
            {"type": "text", "text": "B", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
    }
    own = (Text(text="A", at="messages[0]"), Text(text="B", role="developer", at="messages[1]"))
    roles = [[m["role"] for m in messages(USER, system=own, origin="openai_chat", quirks=q)] for q in (OPENAI, MISTRAL)]  # type: ignore[index]
    assert roles == [["system", "developer", "user"], ["system", "system", "user"]]


def test_results_follow_their_calls_and_what_they_show_follows_them() -> None:
    image = Image(source=Inline("image/png", "AAAA"), at="r.content[1]")
    notes = Notes()
    found = messages(
        USER,
        said(ToolCall(call_id="a", name="f", arguments=""), ToolCall(call_id="b", name="g", arguments="{bad")),
        Turn(
            role="user",
            blocks=(ToolResult(call_id="b", blocks=(Text(text="1"), Text(text="2"), image), is_error=True, at="r"),),
        ),
        Turn(role="user", blocks=(Text(text="and?"), ToolResult(call_id="a", blocks=(Text(text="3"),)))),
        Turn(role="user", blocks=(Text(text="later"),)),
        notes=notes,
    )
    assert found[1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{bad"}},
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "1\n2"},
        {"role": "tool", "tool_call_id": "a", "content": "3"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Shown by the tool of call b:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "user", "content": "and?"},
        {"role": "user", "content": "later"},
    ]
    assert noted(notes) == {("r.is_error", "dropped", "info"), ("r.content[1]", "approximated", "warning")}


THOUGHTS = (
    Reasoning(text="hm", signature="SIG", origin="anthropic", at="t[0]"),
    Reasoning(data="RED", origin="anthropic", redacted=True, at="t[1]"),
    Reasoning(text="so", signature="G", origin="gemini", at="t[2]"),
)


@pytest.mark.parametrize(
    ("quirks", "members", "lost"),
    [
        (OPENAI, {"content": "a"}, {("t[0]", "dropped", "info"), ("t[1]", "dropped", "info"), ("t[2]", "dropped", "info")}),
        (Quirks(reasoning_echo="optional"), {"content": "a", "reasoning_content": "hm\n\nso"}, {("t[1]", "dropped", "info")}),
        (
            PRESETS["openrouter"],
            {
                "content": "a",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "hm", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "RED", "format": "anthropic-claude-v1", "index": 1},
                    {"type": "reasoning.text", "text": "so", "format": "google-gemini-v1", "index": 2},
                ],
            },
            {("t[2]", "dropped", "info")},
        ),
        (
            MISTRAL,
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            {("t[1]", "dropped", "info")},
        ),
    ],
)  # fmt: skip
def test_earlier_reasoning_goes_where_it_is_wanted(
    quirks: Quirks, members: dict[str, object], lost: set[object]
) -> None:
    notes = Notes()
    found = messages(USER, said(*THOUGHTS, Text(text="a")), USER, quirks=quirks, notes=notes)
    assert found[1] == {"role": "assistant"} | members
    assert noted(notes) == lost


def test_reasoning_that_is_demanded_is_filled_in() -> None:
    notes = Notes()
    found = messages(
        USER,
        said(ToolCall(call_id="c", name="f", arguments="{}")),
        quirks=Quirks(reasoning_echo="required"),
        notes=notes,
    )
    assert found[1]["content"] == ""  # type: ignore[index]
    assert found[1]["reasoning_content"] == " "  # type: ignore[index]
    assert ("messages[1]", "synthesised", "info") in noted(notes)


def test_ids_and_names_within_limits_and_back() -> None:
    long = "x" * 41
    turns = (
        USER,
        said(ToolCall(call_id=long, name="a.b", arguments="{}")),
        Turn(role="user", blocks=(ToolResult(call_id=long),)),
    )
    for quirks, chars in ((Quirks(), 40), (MISTRAL, 9)):
        out = outgoing(
            quirks, turns=turns, tools=(Tool(name="a.b"),), tool_choice=ToolChoice(mode="named", names=("a.b",))
        )
        body = msgspec.json.decode(b"".join(out.body))
        call, result = body["messages"][1]["tool_calls"][0], body["messages"][2]
        assert call["id"] == result["tool_call_id"]
        assert len(call["id"]) <= chars
        name = body["tools"][0]["function"]["name"]
        assert name == call["function"]["name"] == body["tool_choice"]["function"]["name"] == "a_b"
        assert (out.names, out.call_ids) == ({"a_b": "a.b"}, {call["id"]: long})


@pytest.mark.parametrize(
    ("choice", "quirks", "told"),
    [
        (ToolChoice(mode="auto"), Quirks(), "auto"),
        (ToolChoice(mode="validated"), Quirks(), "auto"),
        (ToolChoice(mode="none"), Quirks(), "none"),
        (ToolChoice(mode="required"), Quirks(), "required"),
        (ToolChoice(mode="required"), MISTRAL, "any"),
        (ToolChoice(mode="named", names=("run",)), OPENAI, {"type": "custom", "custom": {"name": "run"}}),
        (ToolChoice(mode="named", names=("run",)), Quirks(), {"type": "function", "function": {"name": "run"}}),
        (ToolChoice(mode="allowed", names=("f",), required=True), Quirks(), "required"),
        (
            ToolChoice(mode="allowed", names=("f",)),
            OPENAI,
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}},
        ),
    ],
)  # fmt: skip
def test_choices_of_tools(choice: ToolChoice, quirks: Quirks, told: object) -> None:
    found = written(quirks, tools=(Tool(name="f"), Tool(name="run", custom=True)), tool_choice=choice)
    assert found["tool_choice"] == told
    if choice.mode == "allowed" and quirks is not OPENAI:
        assert len(found["tools"]) == 1  # type: ignore[arg-type]


def test_custom_tools_are_functions_for_those_who_know_none() -> None:
    tools = (Tool(name="run", description="d", custom=True, at="tools[0]"),)
    turns = (USER, said(ToolCall(call_id="c", name="run", arguments="l\ns", custom=True)), USER)
    notes = Notes()
    found = written(notes=notes, tools=tools, turns=turns)
    assert found["tools"][0]["function"]["parameters"]["required"] == ["input"]  # type: ignore[index]
    assert found["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"input":"l\\ns"}'  # type: ignore[index]
    assert ("tools[0]", "emulated", "warning") in noted(notes)
    kept = written(OPENAI, tools=tools, turns=turns)
    assert kept["tools"] == [{"type": "custom", "custom": {"name": "run", "description": "d"}}]
    assert kept["messages"][1]["tool_calls"][0]["custom"] == {"name": "run", "input": "l\ns"}  # type: ignore[index]


def test_tools_of_other_vendors() -> None:
    notes = Notes()
    hosted = ServerTool(origin="gemini", kind="googleSearch", raw=b"{}", at="tools[0]")
    choice = ToolChoice(mode="required")
    found = written(notes=notes, tools=(hosted,), tool_choice=choice, parallel=False)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & found.keys()
    assert noted(notes) == {("tools[0]", "dropped", "warning"), ("tool_choice", "dropped", "warning")}
    notes, own = Notes(), Tool(name="f", at="tools[1]")
    theirs = msgspec.structs.replace(hosted, origin="anthropic")
    assert len(written(notes=notes, tools=(theirs, own))["tools"]) == 1
    assert noted(notes) == {("tools[0]", "dropped", "warning")}
    for tools in ((theirs,), (msgspec.structs.replace(hosted, origin="openai_responses"), own)):
        with pytest.raises(Unsupported) as caught:
            written(tools=tools)
        assert caught.value.param == "tools[0]"


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (Audio(source=Inline("audio/wav", "-_8")), {"type": "input_audio", "input_audio": {"data": "+/8=", "format": "wav"}}),
        (Document(source=Inline("application/pdf", "AA=="), title="T"), {"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,AA=="}}),
        (Document(source=Inline("application/pdf", "AA==")), {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AA=="}}),
        (Document(source=Held("file-1", "openai_responses")), {"type": "file", "file": {"file_id": "file-1"}}),
        (Document(text="hi", title="T"), {"type": "text", "text": "T\nhi"}),
        (Document(source=Inline("text/plain", "aGk=")), {"type": "text", "text": "hi"}),
        (Document(blocks=(Text(text="in it"),)), {"type": "text", "text": "in it"}),
    ],
)  # fmt: skip
def test_media(block: Block, part: object) -> None:
    found = messages(Turn(role="user", blocks=(block, Text(text="?"))))
    assert found == [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]


@pytest.mark.parametrize(
    "block",
    [
        Image(source=Held("f", "anthropic"), at="here"),
        Image(source=Link("gs://b/a.png"), at="here"),
        Audio(source=Link("https://e.com/a.wav"), at="here"),
        Document(source=Link("https://e.com/a.pdf"), at="here"),
        Document(source=Held("f", "anthropic"), at="here"),
        Document(source=Inline("video/mp4", "AAAA"), at="here"),
    ],
)
def test_content_that_cannot_be_carried_is_refused(block: Block) -> None:
    with pytest.raises(UnsupportedContent) as caught:
        messages(Turn(role="user", blocks=(block,)))
    assert (caught.value.status, caught.value.param) == (400, "here")


def test_what_else_is_lost_of_earlier_turns() -> None:
    notes = Notes()
    answer = said(
        Text(text="a", citations=(Citation(url="u"),), signature="S", at="m"),
        Text(text="b", apart=True, at="n"),
        Refusal(text="no"),
        Opaque(origin="anthropic", raw=b"{}", kind="server_tool_use", at="o"),
        ToolCall(call_id="c", name="f", arguments="{}", signature="S", cache=Cache(), at="c"),
    )
    asking = Turn(
        role="user",
        blocks=(
            Opaque(origin="anthropic", raw=b"{}", at="p"),
            Document(text="t", context="c", citations=True, cache=Cache(), at="q"),
        ),
    )
    found = messages(asking, answer, notes=notes)
    assert found[1]["content"] == "a\n\nbno"  # type: ignore[index]
    assert noted(notes) == {
        ("m.citations", "dropped", "info"), ("m", "dropped", "info"), ("messages[1]", "approximated", "info"),
        ("o", "dropped", "warning"), ("c", "dropped", "info"), ("c.cache_control", "dropped", "info"),
        ("c", "synthesised", "warning"), ("p", "dropped", "warning"), ("q.citations", "dropped", "warning"),
        ("q.context", "dropped", "info"), ("q.cache_control", "dropped", "info"), ("q", "approximated", "warning"),
    }  # fmt: skip


def test_mistral_goes_on_with_a_prefix() -> None:
    assert messages(USER, said(Text(text="So")), quirks=MISTRAL)[-1] == {
        "role": "assistant",
        "content": "So",
        "prefix": True,
    }
    assert messages(USER, said(Text(text="So")))[-1] == {"role": "assistant", "content": "So"}


def test_nothing_to_answer_is_refused() -> None:
    with pytest.raises(ClientError) as caught:
        messages(Turn(role="user", blocks=(Text(text=""),)))
    assert caught.value.param == "messages"
