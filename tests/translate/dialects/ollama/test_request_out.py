"""The hub's requests, written for an Ollama server, and what is said of what it cannot take."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Block,
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
from omniroute.translate.notes import Unsupported, UnsupportedContent
from omniroute.translate.openai_bodies import PARAMETER_WORDS
from tests.translate.dialects.ollama.asking import PNG, chat, write

USER = Turn(role="user", blocks=(Text(text="x"),))
PICTURE = Image(source=Inline("image/png", PNG), at="messages[0].content[1]")


def asked(*blocks: Block, **members: object) -> ChatRequest:
    turns = (Turn(role="user", blocks=blocks, at="messages[0]"),) if blocks else (USER,)
    return msgspec.structs.replace(ChatRequest(origin="openai_chat", model="m", turns=turns), **members)


def messages(request: ChatRequest) -> list[dict[str, object]]:
    return write(request)[0]["messages"]


def test_an_ollama_clients_own_words_come_back() -> None:
    body, lost = write(
        chat(options={"num_ctx": 8192, "top_k": 4}, keep_alive=0, think=False, format="json", stream=False)
    )
    assert body["options"] == {"num_ctx": 8192, "top_k": 4}
    assert (body["keep_alive"], body["think"], body["format"], body["stream"]) == (0, False, "json", False)
    assert lost == []


def test_what_only_generate_knows_is_dropped() -> None:
    assert write(chat(width=5))[1] == [("width", "dropped")]


@pytest.mark.parametrize(
    ("thinking", "levels", "written"),
    [
        (None, True, None),
        (Thinking(mode="off"), True, False),
        (Thinking(mode="effort", effort="none"), True, False),
        (Thinking(mode="effort", effort="minimal"), True, "low"),
        (Thinking(mode="effort", effort="xhigh"), True, "high"),
        (Thinking(mode="effort", effort="odd"), True, "odd"),
        (Thinking(mode="effort", effort="low"), False, True),
        (Thinking(mode="adaptive"), True, True),
        (Thinking(mode="budget", budget=0), True, False),
        (Thinking(mode="budget", budget=9000), True, "medium"),
        (Thinking(mode="budget", budget=9000), False, True),
    ],
)
def test_thinking(thinking: Thinking | None, levels: bool, written: object) -> None:
    assert write(asked(thinking=thinking), Quirks(ollama_think_levels=levels))[0].get("think") == written


def test_parameters_that_are_not_there() -> None:
    request = asked(
        words=PARAMETER_WORDS,
        choices=3,
        parallel=False,
        logit_bias=b"{}",
        user="u",
        metadata=b"{}",
        verbosity="low",
        service_tier="flex",
        store=True,
        cache_key="k",
        ext=(("prediction", b"{}"),),
    )
    assert set(write(request)[1]) == {
        (field, "dropped")
        for field in ("n", "parallel_tool_calls", "logit_bias", "user", "metadata", "verbosity", "service_tier", "store", "prompt_cache_key", "prediction")
    }  # fmt: skip


def test_fields_are_named_in_the_clients_words() -> None:
    request = asked(user="u", parallel=False, words={"user": "metadata", "parallel": "choice.parallel"})
    assert write(request)[1] == [("choice.parallel", "dropped"), ("metadata", "dropped")]


def test_what_another_vendor_keeps_is_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        write(asked(ext=(("container", b'"x"'),), elsewhere=frozenset({"container"})))
    assert caught.value.param == "container"


TOOLS = (Tool(name="a", schema=b'{"type":"object"}', at="tools[0]"), Tool(name="b", at="tools[1]"))


@pytest.mark.parametrize(
    ("choice", "kept", "lost"),
    [
        (None, ["a", "b"], []),
        (ToolChoice(mode="auto"), ["a", "b"], []),
        (ToolChoice(mode="none"), [], [("tool_choice", "emulated")]),
        (ToolChoice(mode="required"), ["a", "b"], [("tool_choice", "dropped")]),
        (ToolChoice(mode="named", names=("a",)), ["a", "b"], [("tool_choice", "dropped")]),
        (ToolChoice(mode="allowed", names=("b",)), ["b"], [("tool_choice", "emulated")]),
    ],
)
def test_tool_choices(choice: ToolChoice | None, kept: list[str], lost: list[tuple[str, str]]) -> None:
    body, noted = write(asked(tools=TOOLS, tool_choice=choice))
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == kept
    assert noted == lost


def test_tools_without_a_schema_and_of_free_text() -> None:
    custom = Tool(name="c", custom=True, strict=True, cache=Cache(), ext=(("defer_loading", b"true"),), at="tools[0]")
    body, lost = write(asked(tools=(TOOLS[1], custom)))
    assert [tool["function"]["parameters"] for tool in body["tools"]] == [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    ]
    assert set(lost) == {
        ("tools[0].strict", "dropped"),
        ("tools[0].cache_control", "dropped"),
        ("tools[0].defer_loading", "dropped"),
        ("tools[0]", "emulated"),
    }


def test_tools_that_a_vendor_runs() -> None:
    hosted = ServerTool(origin="anthropic", kind="web_search_20250305", raw=b"{}", at="tools[0]")
    own = Tool(name="f", at="tools[1]")
    body, lost = write(asked(tools=(hosted, own)))
    assert lost == [("tools[0]", "dropped")]
    assert len(body["tools"]) == 1
    assert write(asked(tools=(msgspec.structs.replace(hosted, origin="gemini"),)))[1] == [("tools[0]", "dropped")]
    for tools in ((hosted,), (msgspec.structs.replace(hosted, origin="openai_responses"), own)):
        with pytest.raises(Unsupported) as caught:
            write(asked(tools=tools))
        assert (caught.value.param, caught.value.code) == ("tools[0]", "unsupported_feature")


def test_a_schema_goes_as_it_was_written() -> None:
    form = Format(kind="json_schema", name="n", schema=b'{"const":1.50}', strict=True)
    body, lost = write(asked(format=form))
    assert body["format"] == {"const": 1.5}
    assert set(lost) == {("response_format.name", "dropped"), ("response_format.strict", "dropped")}
    assert "format" not in write(asked(format=Format(kind="text")))[0]


@pytest.mark.parametrize(
    "block",
    [
        Image(source=Link("https://e.x/a.png"), at="here"),
        Image(source=Held("file_1", "anthropic"), at="here"),
        Audio(source=Inline("audio/wav", "AAAA"), at="here"),
        Document(source=Inline("application/pdf", "AAAA"), at="here"),
        Document(source=Link("https://e.x/a.pdf"), at="here"),
        Document(source=Inline("text/plain", "/w=="), at="here"),
    ],
)
def test_content_without_a_form_is_refused(block: Block) -> None:
    with pytest.raises(UnsupportedContent) as caught:
        write(asked(block))
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "here", "unsupported_content")


def test_documents_become_text() -> None:
    told = Document(
        source=Inline("text/plain", "aGk="), title="T", context="c", citations=True, at="messages[0].content[0]"
    )
    inside = Document(blocks=(Text(text="a"), Text(text="b")), at="messages[0].content[1]")
    plain = Document(text="p", filename="f.txt", at="messages[0].content[2]")
    body, lost = write(asked(told, inside, plain))
    assert body["messages"] == [{"role": "user", "content": "T\nhi\na\nb\nf.txt\np"}]
    assert ("messages[0].content[0].citations", "dropped") in lost
    assert ("messages[0].content[2]", "approximated") in lost


def test_pictures_stand_beside_the_text() -> None:
    url_safe = Image(
        source=Inline("image/png", PNG.replace("+", "-").rstrip("=")), detail="high", at="messages[0].content[0]"
    )
    body, lost = write(asked(url_safe, Text(text="?")))
    assert body["messages"] == [{"role": "user", "content": "?", "images": [PNG]}]
    assert lost == [("messages[0].content[0].image_url.detail", "dropped"), ("messages[0].content", "approximated")]
    assert write(asked(Text(text="?"), PICTURE))[1] == []


def test_a_tool_loop_with_everything_wrong_in_it() -> None:
    turns = (
        Turn(
            role="assistant",
            blocks=(
                Reasoning(text="a", signature="s", origin="anthropic", at="r[0]"),
                Reasoning(text="b", at="r[1]"),
                Refusal(text="no", at="r[2]"),
                Text(text="well"),
                Opaque(origin="anthropic", raw=b"{}", kind="server_tool_use", at="r[3]"),
                ToolCall(call_id="1", name="f", arguments='{"a": 1.50}', at="c[0]"),
                ToolCall(call_id="2", name="g", arguments="{not json", at="c[1]"),
                ToolCall(call_id="3", name="h", arguments="free", custom=True, at="c[2]"),
            ),
        ),
        Turn(
            role="user",
            blocks=(
                ToolResult(call_id="2", blocks=(Text(text="r"), PICTURE), is_error=True, at="t[0]"),
                ToolResult(call_id="1", blocks=(Text(text="p"), Text(text="q")), at="t[1]"),
                ToolResult(call_id="3", blocks=(), at="t[2]"),
                ToolResult(call_id="9", blocks=(), at="t[3]"),
                Text(text="so?"),
            ),
            name="n",
            at="messages[1]",
        ),
    )
    body, lost = write(ChatRequest(origin="anthropic", model="m", turns=turns))
    assistant, *results, media = body["messages"]
    assert (assistant["content"], assistant["thinking"]) == ("no\nwell", "a\n\nb")
    assert [call["function"]["arguments"] for call in assistant["tool_calls"]] == [
        {"a": 1.5},
        {"_raw_arguments": "{not json"},
        {"input": "free"},
    ]
    assert [(one["tool_call_id"], one["tool_name"], one["content"]) for one in results] == [
        ("2", "g", "r"),
        ("1", "f", "p\nq"),
        ("3", "h", ""),
    ]
    assert media == {"role": "user", "content": "From the result of tool call 2:\nso?", "images": [PNG]}
    assert {
        ("r[0].signature", "dropped"),
        ("r[2]", "approximated"),
        ("r[3]", "dropped"),
        ("t[0].is_error", "dropped"),
    } <= set(lost)
    assert {("c[1].function.arguments", "approximated"), ("t[3]", "dropped"), ("messages[1].name", "dropped")} <= set(
        lost
    )


def test_calls_without_ids_are_paired_by_name() -> None:
    calls = Turn(
        role="assistant",
        blocks=(ToolCall(call_id="", name="a", arguments="{}"), ToolCall(call_id="", name="b", arguments="")),
    )
    results = Turn(role="user", blocks=(ToolResult(call_id="", name="b"), ToolResult(call_id="", name="a")))
    _, *answers = messages(ChatRequest(origin="gemini", model="m", turns=(calls, results)))
    assert [answer["tool_name"] for answer in answers] == ["b", "a"]


def test_results_in_messages_of_their_own_are_gathered() -> None:
    calls = tuple(ToolCall(call_id=str(at), name="f", arguments="{}") for at in range(3))
    turns = [Turn(role="assistant", blocks=calls), Turn(role="user", blocks=(Text(text="wait"),), at="u")]
    turns += [
        Turn(role="user", blocks=(ToolResult(call_id=str(at), blocks=(Text(text=f"r{at}"),)),)) for at in (2, 0, 1)
    ]
    turns += [USER, USER]
    body, lost = write(ChatRequest(origin="openai_chat", model="m", turns=tuple(turns)))
    assert [(one["role"], one["content"]) for one in body["messages"][1:]] == [
        ("tool", "r2"),
        ("tool", "r0"),
        ("tool", "r1"),
        ("user", "wait"),
        ("user", "x"),
        ("user", "x"),
    ]
    assert lost == []


def test_nothing_to_say_is_refused() -> None:
    with pytest.raises(ClientError):
        write(asked(Text(text="")))


def test_system_texts_stand_where_they_stood() -> None:
    request = ChatRequest(
        origin="anthropic",
        model="m",
        system=(Text(text="a", cache=Cache(), at="system[0]"), Text(text="b")),
        turns=(USER, Turn(role="system", blocks=(Text(text="now"),))),
    )
    body, lost = write(request)
    assert [(one["role"], one["content"]) for one in body["messages"]] == [
        ("system", "a"),
        ("system", "b"),
        ("user", "x"),
        ("system", "now"),
    ]
    assert lost == [("system[0].cache_control", "dropped")]
