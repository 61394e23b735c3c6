"""A request for an Anthropic upstream: what the service demands, and every loss said."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Block,
    Cache,
    ChatRequest,
    Citation,
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
from omniroute.translate.notes import Notes, Unsupported, UnsupportedContent
from omniroute.translate.openai_bodies import PARAMETER_WORDS
from tests.translate.dialects.anthropic.wire import UPSTREAM, read, write

HI = Turn(role="user", blocks=(Text(text="hi"),))
TOOL = Tool(name="f", schema=b'{"type":"object"}', at="tools[0]")


def request(*turns: Turn, **facts: object) -> ChatRequest:
    base = ChatRequest(origin="openai_chat", words=PARAMETER_WORDS, model="m", max_output=9000, turns=turns or (HI,))
    return msgspec.structs.replace(base, **facts)


def losses(asked: ChatRequest, **quirks: object) -> dict[tuple[str, str], str]:
    notes = Notes()
    write(asked, notes, **quirks)
    return {(note.field, note.action): note.severity for note in notes}


def user(*blocks: Block) -> Turn:
    return Turn(role="user", blocks=blocks)


def assistant(*blocks: Block) -> Turn:
    return Turn(role="assistant", blocks=blocks)


def test_the_least() -> None:
    assert write(request()) == {"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": "hi"}]}


def test_numbers_schemas_and_arguments_keep_their_spelling() -> None:
    asked = request(
        HI,
        assistant(ToolCall(call_id="c", name="f", arguments='{"n":1.0e2}')),
        user(ToolResult(call_id="c", blocks=(Text(text="1"),))),
        temperature=b"0.50", top_p=b"9e-1", tools=(msgspec.structs.replace(TOOL, schema=b'{"type":"object","x":1.0}'),),
    )  # fmt: skip
    (body,) = UPSTREAM.write_request(asked, Quirks(), Notes()).body

    for text in (b'"temperature":0.50', b'"top_p":9e-1', b'"n":1.0e2', b'"x":1.0'):
        assert text in body


def test_foreign_reasoning_is_left_out_and_ones_own_is_sent_back() -> None:
    own = Reasoning(text="a", signature="S", origin="anthropic")
    hidden = Reasoning(data="R", redacted=True, origin="anthropic")
    foreign = (
        Reasoning(text="b", at="x"),
        Reasoning(text="c", signature="G", origin="gemini", at="y"),
        Reasoning(data="D", redacted=True, origin="openai_responses", at="z"),
    )
    asked = request(HI, assistant(own, hidden, *foreign, Text(text="t")), HI)

    assert write(asked)["messages"][1]["content"] == [  # type: ignore[index]
        {"type": "thinking", "thinking": "a", "signature": "S"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "text", "text": "t"},
    ]
    assert losses(asked) == {(at, "dropped"): "info" for at in "xyz"}


def test_what_only_another_vendor_can_read_is_left_out() -> None:
    asked = request(
        user(
            Text(text="a"), Opaque(origin="gemini", raw=b"{}", at="x"), Opaque(origin="anthropic", raw=b'{"type":"y"}')
        )
    )

    assert write(asked)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "y"}]},
    ]
    assert losses(asked) == {("x", "dropped"): "warning"}


def test_media() -> None:
    asked = request(
        user(
            Image(source=Inline("image/png", "QU-_"), cache=Cache()),
            Image(source=Link("https://e.com/a.png"), detail="low", at="messages[0].content[1]"),
            Image(source=Held("f", "anthropic"), detail="auto"),
            Document(source=Inline("application/pdf", "QUJD"), filename="a.pdf"),
            Document(source=Inline("text/markdown", "QUJD"), title="t", context="c", citations=True),
            Document(source=Link("https://e.com/a.pdf")),
            Document(text="facts"),
            Document(blocks=(Text(text="in"),)),
        )
    )

    assert write(asked)["messages"][0]["content"] == [  # type: ignore[index]
        {
            "type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QU+/"},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {
            "type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
            "title": "a.pdf",
        },
        {
            "type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ABC"}, "title": "t",
            "context": "c", "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "facts"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "in"}]}},
    ]  # fmt: skip
    assert losses(asked) == {("messages[0].content[1].image_url.detail", "dropped"): "info"}


@pytest.mark.parametrize(
    "block",
    [
        Audio(source=Inline("audio/wav", "QUJD"), at="here"),
        Image(source=Held("f", "openai_responses"), at="here"),
        Image(source=Link("gs://bucket/a.png"), at="here"),
        Document(source=Inline("application/zip", "QUJD"), at="here"),
        Document(source=Link("https://e.com/a.mp4", "video/mp4"), at="here"),
        Document(source=Inline("text/plain", "/w=="), at="here"),
    ],
)
def test_content_that_cannot_be_carried_is_refused(block: Block) -> None:
    with pytest.raises(UnsupportedContent) as caught:
        write(request(user(block)))

    assert caught.value.param == "here"


def test_results_of_all_kinds() -> None:
    calls = tuple(ToolCall(call_id=f"c{n}", name="f", arguments="") for n in range(4))
    asked = request(
        HI,
        assistant(*calls),
        user(
            ToolResult(call_id="c0", blocks=(Text(text=""),)),
            ToolResult(call_id="c1", blocks=(Text(text="a"), Text(text=" "), Image(source=Link("https://e.com/a")))),
            ToolResult(call_id="c2", is_error=True),
            ToolResult(call_id="c3", cache=Cache("1h")),
        ),
    )

    assert write(asked)["messages"][2]["content"] == [  # type: ignore[index]
        {"type": "tool_result", "tool_use_id": "c0", "content": ""},
        {
            "type": "tool_result", "tool_use_id": "c1",
            "content": [
                {"type": "text", "text": "a"}, {"type": "image", "source": {"type": "url", "url": "https://e.com/a"}},
            ],
        },
        {"type": "tool_result", "tool_use_id": "c2", "content": "The tool failed.", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c3", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]  # fmt: skip


def test_names_and_ids_that_do_not_fit_are_replaced_and_remembered() -> None:
    asked = request(
        HI,
        assistant(ToolCall(call_id="call:1.2", name="a.b", arguments="{}")),
        user(ToolResult(call_id="call:1.2", blocks=(Text(text="1"),))),
        tools=(msgspec.structs.replace(TOOL, name="a.b"), msgspec.structs.replace(TOOL, name="a_b")),
        tool_choice=ToolChoice(mode="named", names=("a.b",)),
    )
    outgoing = UPSTREAM.write_request(asked, Quirks(), Notes())
    body = msgspec.json.decode(b"".join(outgoing.body))
    first, second = (tool["name"] for tool in body["tools"])
    call, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]

    assert second == "a_b"
    assert first == call["name"] == body["tool_choice"]["name"] != "a_b"
    assert outgoing.names == {first: "a.b"}
    assert call["id"] == result["tool_use_id"]
    assert outgoing.call_ids == {call["id"]: "call:1.2"}


def test_a_refusal_is_text_and_foreign_citations_are_left_out() -> None:
    own = Citation(origin="anthropic", raw=b'{"type":"x"}')
    asked = request(
        HI,
        assistant(Refusal(text="no", at="a"), Text(text="t", citations=(own, Citation(url="https://e.com")), at="b")),
        HI,
    )

    assert write(asked)["messages"][1]["content"] == [  # type: ignore[index]
        {"type": "text", "text": "no"},
        {"type": "text", "text": "t", "citations": [{"type": "x"}]},
    ]
    assert losses(asked) == {("a", "approximated"): "warning", ("b.citations", "dropped"): "warning"}


def test_a_begun_answer_is_trimmed_or_refused() -> None:
    asked = request(HI, msgspec.structs.replace(assistant(Text(text="It is \n")), at="messages[1]"))

    assert write(asked)["messages"][1] == {"role": "assistant", "content": "It is"}  # type: ignore[index]
    with pytest.raises(Unsupported) as caught:
        write(asked, anthropic_prefill=False)
    assert caught.value.param == "messages[1]"


@pytest.mark.parametrize("turns", [(user(Text(text=" ")),), (assistant(Reasoning(text="x")),)])
def test_a_conversation_of_nothing_is_refused(turns: tuple[Turn, ...]) -> None:
    with pytest.raises(ClientError, match="empty"):
        write(request(*turns))


def test_tools() -> None:
    asked = request(
        tools=(
            msgspec.structs.replace(TOOL, strict=True, description="d", cache=Cache("5m")),
            Tool(name="g"),
            Tool(name="h", schema=b'{"properties":{}}', strict=False),
            Tool(name="i", custom=True, at="tools[3]"),
            Tool(name="j", schema=b'{"type":"object"}', ext=(("defer_loading", b"true"),), ext_origin="anthropic"),
            ServerTool(origin="anthropic", kind="bash_20250124", raw=b'{"type":"bash_20250124","name":"bash"}'),
            ServerTool(origin="gemini", kind="googleSearch", raw=b"{}", at="tools[6]"),
        )
    )

    assert write(asked)["tools"] == [
        {
            "name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True,
            "cache_control": {"type": "ephemeral", "ttl": "5m"},
        },
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
        {"name": "h", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "i",
            "input_schema": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
        },
        {"name": "j", "input_schema": {"type": "object"}, "defer_loading": True},
        {"type": "bash_20250124", "name": "bash"},
    ]  # fmt: skip
    assert losses(asked) == {("tools[3]", "emulated"): "warning", ("tools[6]", "dropped"): "warning"}


def test_schemas_nobody_can_read_are_refused() -> None:
    deep = b'{"a":' * 600 + b"1" + b"}" * 600

    with pytest.raises(ClientError) as caught:
        write(request(tools=(msgspec.structs.replace(TOOL, schema=deep),)))
    assert caught.value.param == "tools[0]"


def test_what_is_nested_deeply_is_carried() -> None:
    deep = b"[" * 480 + b"]" * 480
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t",'
    body += b'"name":"f","input":{"a":' + deep + b'}}]}],"container":' + deep + b"}"

    assert write(read(body))["container"] == msgspec.json.decode(deep)


def test_a_hosted_tool_of_responses_is_refused() -> None:
    tool = ServerTool(origin="openai_responses", kind="file_search", raw=b"{}", at="tools[0]")

    with pytest.raises(Unsupported) as caught:
        write(request(tools=(tool,)))
    assert caught.value.param == "tools[0]"


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="auto"), None, {"type": "auto"}),
        (ToolChoice(mode="validated"), None, {"type": "auto"}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="named", names=("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice(mode="allowed", names=("f",)), None, {"type": "auto"}),
    ],
)
def test_choices(choice: ToolChoice | None, parallel: bool | None, written: object) -> None:
    assert write(request(tools=(TOOL,), tool_choice=choice, parallel=parallel)).get("tool_choice") == written


def test_a_choice_without_tools_is_left_out() -> None:
    asked = request(tool_choice=ToolChoice(mode="required"), parallel=False)

    assert "tool_choice" not in write(asked)
    assert losses(asked) == {("tool_choice", "dropped"): "warning"}


_BUDGET = {"effort_budgets": (1024, 10240, 131072)}


@pytest.mark.parametrize(
    ("thinking", "quirks", "written", "effort", "actions"),
    [
        (Thinking(mode="off"), {}, {"type": "disabled"}, None, []),
        (Thinking(mode="effort", effort="low"), _BUDGET, {"type": "enabled", "budget_tokens": 1024}, None, []),
        (
            Thinking(mode="effort", effort="xhigh"), _BUDGET, {"type": "enabled", "budget_tokens": 8999}, None,
            ["approximated"],
        ),
        (Thinking(mode="budget", budget=2000), {}, {"type": "enabled", "budget_tokens": 2000}, None, []),
        (Thinking(mode="budget", budget=1000), {}, None, None, ["dropped"]),
        (
            Thinking(mode="adaptive"), {"effort_budgets": (1024, 2048, 4096)},
            {"type": "enabled", "budget_tokens": 2048}, None, ["approximated"],
        ),
        (
            Thinking(mode="effort", effort="minimal", show=False), {"anthropic_thinking": "adaptive"},
            {"type": "adaptive", "display": "omitted"}, "low", [],
        ),
        (
            Thinking(mode="budget", budget=9000), {"anthropic_thinking": "adaptive"}, {"type": "adaptive"}, "medium",
            ["approximated"],
        ),
        (
            Thinking(mode="adaptive", effort="max", show=True), {"anthropic_thinking": "adaptive"},
            {"type": "adaptive"}, "max", [],
        ),
    ],
)  # fmt: skip
def test_thinking(
    thinking: Thinking, quirks: dict[str, object], written: object, effort: str | None, actions: list[str]
) -> None:
    asked = request(thinking=thinking)
    body = write(asked, **quirks)

    assert body.get("thinking") == written
    assert body.get("output_config") == (None if effort is None else {"effort": effort})
    assert [action for _, action in losses(asked, **quirks)] == actions


def test_thinking_takes_few_sampling_parameters() -> None:
    asked = request(thinking=Thinking(mode="budget", budget=2000), temperature=b"1.0", top_p=b"0.9", top_k=b"4")

    assert write(asked)["temperature"] == 1
    assert set(losses(asked)) == {("top_p", "dropped"), ("top_k", "dropped")}


def test_calls_made_without_thinking_are_gone_on_with_without() -> None:
    history = (HI, assistant(ToolCall(call_id="c", name="f", arguments="{}")), user(ToolResult(call_id="c")))
    asked = request(*history, thinking=Thinking(mode="budget", budget=2000, at="reasoning"))

    assert "thinking" not in write(asked)
    assert losses(asked) == {("reasoning", "dropped"): "warning"}
    assert write(asked, anthropic_thinking="adaptive")["thinking"] == {"type": "adaptive"}


def test_everything_without_a_place_is_noted() -> None:
    asked = request(
        seed=b"1", presence=b"1", frequency=b"1", logit_bias=b"{}", logprobs=True, top_logprobs=3, choices=2,
        verbosity="low", cache_key="k", cache_retention="24h", store=True, metadata=b'{"a":"b"}', service_tier="flex",
        stop=(" ", "x"), ext=(("prediction", b"{}"),),
    )  # fmt: skip
    found = losses(asked)

    assert write(asked)["stop_sequences"] == ["x"]
    assert {field for (field, action), severity in found.items() if severity == "warning" and action == "dropped"} == {
        "seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "n", "verbosity",
        "prompt_cache_retention", "service_tier", "stop",
    }  # fmt: skip
    assert {field for (field, _), severity in found.items() if severity == "info"} == {
        "prompt_cache_key", "store", "prediction", "metadata",
    }  # fmt: skip


def test_formats() -> None:
    schema = Format(kind="json_schema", schema=b'{"type":"object"}', strict=False)
    assert write(request(format=schema))["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object"}}
    }
    subset = Format(kind="json_schema", schema=b'{"type":"OBJECT"}', openapi=True)
    assert write(request(format=subset))["output_config"]["format"]["schema"] == {"type": "object"}  # type: ignore[index]
    assert "JSON" in str(write(request(format=Format(kind="json_object")))["system"])


def test_a_limit_nobody_gave_is_said_to_be_made_up() -> None:
    asked = request(max_output=None, max_output_at="max_output_tokens")

    assert write(asked, default_max_tokens=77)["max_tokens"] == 77
    assert losses(asked) == {("max_output_tokens", "synthesised"): "info"}


def test_names_of_turns_and_signatures_of_calls_are_left_out() -> None:
    call = ToolCall(call_id="c", name="f", arguments="[1]", signature="G", at="messages[1].tool_calls[0]")
    asked = request(
        msgspec.structs.replace(HI, name="bob", at="messages[0]"), assistant(call), user(ToolResult(call_id="c"))
    )

    assert losses(asked) == {
        ("messages[0].name", "dropped"): "info",
        ("messages[1].tool_calls[0].thoughtSignature", "dropped"): "info",
        ("messages[1].tool_calls[0].function.arguments", "approximated"): "warning",
    }


def test_sampling_the_model_does_not_take() -> None:
    asked = request(temperature=b"1.6", top_p=b"0.5")

    assert write(asked)["temperature"] == 1
    assert losses(asked) == {("temperature", "approximated"): "warning"}
    assert losses(asked, anthropic_sampling=False) == {
        ("temperature", "dropped"): "warning",
        ("top_p", "dropped"): "warning",
    }


def test_a_choice_of_another_vendors_tool_is_left_to_the_model() -> None:
    asked = request(tools=(TOOL,), tool_choice=ToolChoice(mode="named", raw=b'{"type":"file_search"}'))

    assert write(asked)["tool_choice"] == {"type": "auto"}
    assert losses(asked) == {("tool_choice", "dropped"): "warning"}


def test_a_begun_answer_without_white_space_stays() -> None:
    assert write(request(HI, assistant(Text(text="It"))))["messages"][1] == {"role": "assistant", "content": "It"}  # type: ignore[index]


def test_a_user_is_found_in_metadata_too() -> None:
    assert write(request(metadata=b'{"user_id":"u","a":1}'))["metadata"] == {"user_id": "u"}
    assert write(request(user="v"))["metadata"] == {"user_id": "v"}


def test_instructions_in_the_middle() -> None:
    middle = Turn(role="system", blocks=(Text(text="S"),), at="messages[1]")
    asked = request(HI, middle, assistant(Text(text="a")), HI)

    assert write(asked)["system"] == "S"
    assert losses(asked) == {("messages[1]", "approximated"): "warning"}
    kept = write(asked, anthropic_mid_system=True)
    assert [turn["role"] for turn in kept["messages"]] == ["user", "system", "assistant", "user"]  # type: ignore[attr-defined]


def test_a_count_asks_only_for_what_counts() -> None:
    assert UPSTREAM.counting is not None
    asked = request(system=(Text(text="S"),), stream=True, user="u", temperature=b"1", stop=("x",), tools=(TOOL,))
    asked = msgspec.structs.replace(asked, max_output=None)
    notes = Notes()
    outgoing = UPSTREAM.counting.write_request(asked, Quirks(), notes)

    assert outgoing.path == "/messages/count_tokens"
    assert set(msgspec.json.decode(b"".join(outgoing.body))) == {"model", "messages", "system", "tools"}
    assert not list(notes)


def test_what_another_vendor_keeps_is_refused() -> None:
    with pytest.raises(Unsupported, match="cachedContent"):
        write(request(origin="gemini", elsewhere=frozenset({"cachedContent"}), ext=(("cachedContent", b'"x"'),)))


@pytest.mark.parametrize(
    "body",
    [
        {
            "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "container_upload", "file_id": "f"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "S"},
                        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result", "tool_use_id": "t", "is_error": True,
                            "content": [
                                {"type": "image", "source": {"type": "url", "url": "https://e.com/a"}},
                                {"type": "text", "text": "x"},
                            ],
                        }
                    ],
                },
            ],
            "tools": [
                {"name": "f", "input_schema": {"type": "object"}, "eager_input_streaming": True},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "stop_sequences": ["x"],
            "metadata": {"user_id": "u"},
            "service_tier": "standard_only",
            "stream": True,
            "container": "c",
            "cache_control": {"type": "ephemeral"},
        },
        {
            "messages": [{"role": "user", "content": "x"}],
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
            "temperature": 0.5,
            "top_k": 3,
        },
    ],
)  # fmt: skip
def test_a_request_of_ones_own_is_the_same_after_the_hub(body: dict[str, object]) -> None:
    told = {"model": "m", "max_tokens": 4000, **body}
    notes = Notes()

    assert write(read(told), notes) == told
    assert not list(notes)


_TEXTS = st.sampled_from(["a", "b c", "{}", "\u00e9\n"])
_USER = st.one_of(
    _TEXTS.map(lambda text: {"type": "text", "text": text}),
    st.just({"type": "image", "source": {"type": "url", "url": "https://e.com/a"}}),
    _TEXTS.map(
        lambda text: {
            "type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, "title": text,
        }
    ),
)  # fmt: skip
_ASSISTANT = st.one_of(
    _TEXTS.map(lambda text: {"type": "text", "text": text}),
    _TEXTS.map(lambda text: {"type": "thinking", "thinking": text, "signature": "S"}),
    st.just({"type": "redacted_thinking", "data": "R"}),
    st.just({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
)


@given(st.lists(st.tuples(st.lists(_USER, min_size=2, max_size=3), st.lists(_ASSISTANT, min_size=2, max_size=3))))
def test_a_conversation_is_the_same_after_the_hub(turns: list[tuple[list[object], list[object]]]) -> None:
    messages: list[object] = []
    for said, answered in turns:
        messages += [{"role": "user", "content": said}, {"role": "assistant", "content": answered}]
    messages.append({"role": "user", "content": "end"})
    told = {"model": "m", "max_tokens": 4000, "messages": messages}

    assert write(read(told)) == told
