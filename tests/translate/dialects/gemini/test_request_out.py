"""Requests written for a Gemini upstream."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
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
from tests.translate.dialects.gemini.speech import far, read, says, written

_USER = Turn(role="user", blocks=(Text(text="x"),))


def _request(*turns: Turn, **more: object) -> ChatRequest:
    request = ChatRequest(origin="openai_chat", words=PARAMETER_WORDS, model="m", turns=turns or (_USER,))
    return msgspec.structs.replace(request, **more)


def _body(*turns: Turn, quirks: Quirks | None = None, **more: object) -> dict[str, object]:
    return written(_request(*turns, **more), quirks)[1]


def _parts(*blocks: object, role: str = "user", quirks: Quirks | None = None) -> list[object]:
    """The parts of the first content."""
    turn = msgspec.structs.replace(Turn(role="user", blocks=()), role=role, blocks=blocks)
    contents = _body(turn, quirks=quirks)["contents"]
    assert isinstance(contents, list)
    return contents[0]["parts"]


def _lost(request: ChatRequest, quirks: Quirks | None = None) -> set[tuple[str, str, str]]:
    return {(note.field, note.action, note.severity) for note in written(request, quirks)[2]}


def test_the_path_says_model_and_stream() -> None:
    assert written(_request())[0] == "/models/m:generateContent"
    assert written(_request(stream=True, model="tunedModels/a"))[0] == ("/tunedModels/a:streamGenerateContent?alt=sse")
    assert written(_request(model="a?b#c"))[0] == "/models/a%3Fb%23c:generateContent"


def test_instructions_stand_at_the_beginning_wherever_they_were() -> None:
    request = _request(
        _USER,
        Turn(role="system", blocks=(Text(text="late"),), at="messages[1]"),
        Turn(role="user", blocks=(Text(text="y"),)),
        system=(Text(text="A"), Text(text=" "), Text(text="B", role="developer")),
    )
    _, body, notes = written(request)
    assert body["systemInstruction"] == {"role": "user", "parts": [{"text": "A"}, {"text": "B"}, {"text": "late"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "x"}, {"text": "y"}]}]
    assert [(note.field, note.action) for note in notes] == [("messages[1]", "approximated")]


def test_a_conversation_of_nothing_is_refused() -> None:
    for turns in ((), (Turn(role="user", blocks=(Text(text=""),)),)):
        with pytest.raises(ClientError) as caught:
            far().write_request(ChatRequest(origin="openai_chat", model="m", turns=turns), Quirks(), Notes())
        assert caught.value.status == 400


def test_media() -> None:
    assert _parts(
        Image(source=Inline("image/png", "AA-_"), detail="high", at="a"),
        Image(source=Link("https://x.test/pic")),
        Image(source=Held("gs://b/a.webp", "gemini")),
        Audio(source=Inline("audio/mpeg", "AAAA"), format="mp3"),
        Document(source=Inline("application/octet-stream", "AAAA"), filename="a.csv"),
        Document(source=Link("https://x.test/d"), title="T", context="C", citations=True, at="d"),
        Document(text="body", title="T"),
        Document(blocks=(Text(text="one"), Image(source=Inline("image/gif", "AAAA")))),
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": "AA+/"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/pic"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://b/a.webp"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        {"inlineData": {"mimeType": "text/csv", "data": "AAAA"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.test/d"}},
        {"text": "T\nbody"},
        {"text": "one"},
        {"inlineData": {"mimeType": "image/gif", "data": "AAAA"}},
    ]


def test_a_file_only_another_vendor_holds_is_refused() -> None:
    with pytest.raises(UnsupportedContent) as caught:
        _parts(Document(source=Held("file_1", "anthropic"), at="messages[0].content[0]"))
    assert caught.value.param == "messages[0].content[0]"


def _loop(*results: ToolResult, calls: tuple[ToolCall, ...] | None = None) -> tuple[Turn, ...]:
    made = calls or (ToolCall(call_id="c1", name="f", arguments="{}", at="call"),)
    return (_USER, Turn(role="assistant", blocks=made), Turn(role="user", blocks=results))


def test_calls_and_results_without_ids_are_paired_and_given_some() -> None:
    turns = _loop(
        ToolResult(call_id="", name="g", blocks=(Text(text="G"),)),
        ToolResult(call_id="", name="f", blocks=(Text(text="F1"),)),
        ToolResult(call_id="", name="f", blocks=(Text(text="F2"),)),
        calls=tuple(ToolCall(call_id="", name=name, arguments="{}") for name in ("f", "f", "g")),
    )
    contents = _body(*turns)["contents"]
    assert isinstance(contents, list)
    calls = [part["functionCall"] for part in contents[1]["parts"]]
    results = [part["functionResponse"] for part in contents[2]["parts"]]
    assert [call["id"] for call in calls] == [result["id"] for result in results]
    assert len({call["id"] for call in calls}) == 3
    assert [(result["name"], result["response"]["output"]) for result in results] == [
        ("f", "F1"),
        ("f", "F2"),
        ("g", "G"),
    ]


@pytest.mark.parametrize(
    ("text", "is_error", "response"),
    [
        ("ten", False, b'{"output":"ten"}'),
        ("", False, b'{"output":""}'),
        (" 7.0 ", False, b'{"output":7.0}'),
        ('{"a": 1.0}', False, b'{"a":1.0}'),
        ("null", False, b'{"output":null}'),
        ('"q"', False, b'{"output":"q"}'),
        ('{"a":', False, b'{"output":"{\\"a\\":"}'),
        ('{"a":1}', True, b'{"error":"{\\"a\\":1}"}'),
    ],
)
def test_a_result_is_an_object(text: str, is_error: bool, response: bytes) -> None:
    turns = _loop(ToolResult(call_id="c1", blocks=(Text(text=text),), is_error=is_error))
    outgoing = far().write_request(_request(*turns), Quirks(), Notes())
    assert b'"response":' + response in b"".join(outgoing.body)


@pytest.mark.parametrize("inside", [True, False])
def test_media_of_results_go_in_or_after_them(inside: bool) -> None:
    result = ToolResult(
        call_id="c1", blocks=(Text(text="done"), Image(source=Inline("image/png", "AAAA"))), at="messages[2]"
    )
    request = _request(*_loop(result))
    _, body, notes = written(request, Quirks(gemini_function_response_parts=inside))
    contents = body["contents"]
    assert isinstance(contents, list)
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    response = {"id": "c1", "name": "f", "response": {"output": "done"}}
    if inside:
        assert contents[2]["parts"] == [{"functionResponse": {**response, "parts": [image]}}]
        assert not list(notes)
    else:
        assert contents[2]["parts"] == [
            {"functionResponse": response},
            {"text": "Content of the result of call c1:"},
            image,
        ]
        assert [(note.field, note.action) for note in notes] == [("messages[2]", "approximated")]


def test_signatures_stand_where_google_put_them() -> None:
    carried = Reasoning(text="summary", signature="U0lH", origin="gemini")
    foreign = Reasoning(text="hm", signature="SIG", origin="anthropic", at="foreign")
    call = ToolCall(call_id="c1", name="f", arguments="{}")
    quirks = Quirks(gemini_signatures="required")
    assert _parts(foreign, carried, call, role="assistant", quirks=quirks)[0]["thoughtSignature"] == "U0lH"
    assert _parts(Text(text="a"), carried, role="assistant") == [{"text": "a", "thoughtSignature": "U0lH"}]
    assert _parts(call, carried, role="assistant")[1] == {"text": "", "thoughtSignature": "U0lH"}
    assert _parts(carried, Text(text="a"), call, role="assistant")[1].get("thoughtSignature") is None
    url_safe = ToolCall(call_id="c1", name="f", arguments="{}", signature="a-_b")
    assert _parts(url_safe, role="assistant")[0]["thoughtSignature"] == "a+/b"


def test_the_placeholder_goes_on_the_first_call_of_each_step_that_has_none() -> None:
    def step(*calls: ToolCall) -> tuple[Turn, ...]:
        results = tuple(ToolResult(call_id=call.call_id, blocks=(Text(text="1"),)) for call in calls)
        return Turn(role="assistant", blocks=calls), Turn(role="user", blocks=results)

    turns = (
        _USER,
        *step(ToolCall(call_id="a", name="f", arguments="{}", at="A"), ToolCall(call_id="b", name="f", arguments="{}")),
        *step(ToolCall(call_id="c", name="f", arguments="{}", signature="U0lH")),
        *step(ToolCall(call_id="d", name="f", arguments="{}", at="D")),
    )
    for quirks, expected in (
        (Quirks(gemini_signatures="required"), ["c2tp", None, "U0lH", "c2tp"]),
        (Quirks(), [None, None, "U0lH", None]),
    ):
        contents = _body(*turns, quirks=quirks)["contents"]
        assert isinstance(contents, list)
        found = [part.get("thoughtSignature") for content in contents[1::2] for part in content["parts"]]
        assert [signature and signature[:4] for signature in found] == expected
    assert _lost(_request(*turns), Quirks(gemini_signatures="required")) == {
        ("A", "synthesised", "info"),
        ("D", "synthesised", "info"),
    }


def test_what_is_said_about_blocks_that_lose_something() -> None:
    turn = Turn(
        role="assistant",
        name="bob",
        at="t",
        blocks=(
            Refusal(text="no", at="r"),
            Text(text="x", cache=Cache(), citations=(Citation(url="u"),), at="x"),
            Opaque(origin="anthropic", raw=b"{}", kind="server_tool_use", at="o"),
            ToolCall(call_id="c", name="f", arguments="not json", at="c"),
        ),
    )
    assert _lost(_request(turn, Turn(role="user", blocks=(ToolResult(call_id="c", blocks=(Text(text="1"),)),)))) == {
        ("t.name", "dropped", "info"),
        ("r", "approximated", "info"),
        ("x.cache_control", "dropped", "info"),
        ("x.citations", "dropped", "warning"),
        ("o", "dropped", "warning"),
        ("c", "approximated", "warning"),
    }


def test_names_are_fitted_and_can_be_restored() -> None:
    tools = (Tool(name="a b"), Tool(name="a_b"), Tool(name="1st"), Tool(name="x" * 80))
    outgoing = far().write_request(
        _request(tools=tools, tool_choice=ToolChoice(mode="named", names=("a b",))), Quirks(), Notes()
    )
    body = msgspec.json.decode(b"".join(outgoing.body))
    names = [declared["name"] for declared in body["tools"][0]["functionDeclarations"]]
    assert [outgoing.names.get(name, name) for name in names] == [tool.name for tool in tools]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 for name in names)
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [names[0]]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="named", names=("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(mode="allowed", names=("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (
            ToolChoice(mode="allowed", names=("f", "g"), required=True),
            {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
        ),
        (ToolChoice(mode="validated"), {"mode": "VALIDATED"}),
    ],
)
def test_tool_choice(choice: ToolChoice, config: object) -> None:
    assert _body(tools=(Tool(name="f"),), tool_choice=choice)["toolConfig"] == {"functionCallingConfig": config}
    assert "toolConfig" not in _body(tool_choice=choice), "Google refuses a mode without functions"


def test_free_text_tools_are_functions_of_one_text() -> None:
    request = _request(
        *_loop(
            ToolResult(call_id="c1", blocks=(Text(text="ok"),)),
            calls=(ToolCall(call_id="c1", name="p", arguments="a\nb", custom=True),),
        ),
        tools=(Tool(name="p", custom=True, at="tools[0]"),),
    )
    _, body, notes = written(request)
    declared = body["tools"][0]["functionDeclarations"][0]  # type: ignore[index]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "a\nb"}  # type: ignore[index]
    assert [(note.field, note.action) for note in notes] == [("tools[0]", "emulated")]


def test_tools_other_vendors_run() -> None:
    search = ServerTool(origin="anthropic", kind="web_search", raw=b"{}", at="tools[1]")
    assert _lost(_request(tools=(Tool(name="f"), search))) == {("tools[1]", "dropped", "warning")}
    for tools in (
        (search,),
        (Tool(name="f"), ServerTool(origin="openai_responses", kind="w", raw=b"{}", at="tools[1]")),
    ):
        with pytest.raises(Unsupported) as caught:
            _body(tools=tools)
        assert caught.value.param == "tools[1]"


@pytest.mark.parametrize(
    ("thinking", "level", "budget", "lost"),
    [
        (Thinking(mode="effort", effort="low"), {"thinkingLevel": "LOW"}, {"thinkingBudget": 1024}, 0),
        (Thinking(mode="effort", effort="max"), {"thinkingLevel": "XHIGH"}, {"thinkingBudget": 32768}, 0),
        (Thinking(mode="effort", effort="ultra"), {"thinkingLevel": "ULTRA"}, {"thinkingBudget": 32768}, 0),
        (Thinking(mode="adaptive"), {}, {"thinkingBudget": -1}, 0),
        (Thinking(mode="adaptive", effort="medium"), {"thinkingLevel": "MEDIUM"}, {"thinkingBudget": -1}, 0),
        (Thinking(mode="budget", budget=5000), {"thinkingLevel": "MEDIUM"}, {"thinkingBudget": 5000}, 1),
    ],
)
def test_thinking(thinking: Thinking, level: dict[str, object], budget: dict[str, object], lost: int) -> None:
    request = _request(thinking=thinking)
    shown = {"includeThoughts": True}
    _, body, notes = written(request, Quirks(gemini_thinking="level"))
    assert body["generationConfig"] == {"thinkingConfig": level | shown}
    assert len(notes) == lost
    assert written(request)[1]["generationConfig"] == {"thinkingConfig": budget | shown}
    hidden = written(_request(thinking=msgspec.structs.replace(thinking, show=False)))[1]["generationConfig"]
    assert hidden == {"thinkingConfig": budget | {"includeThoughts": False}}


@pytest.mark.parametrize(
    ("model", "quirk", "config"),
    [
        ("gemini-2.5-flash", "budget", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "budget", {"thinkingBudget": 128}),
        ("gemini-3-flash", "level", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro", "level", {"thinkingLevel": "LOW"}),
    ],
)
def test_thinking_off(model: str, quirk: str, config: object) -> None:
    quirks = msgspec.structs.replace(Quirks(), gemini_thinking=quirk)
    for thinking in (Thinking(mode="off"), Thinking(mode="effort", effort="none")):
        body = _body(model=model, thinking=thinking, quirks=quirks)
        assert body["generationConfig"] == {"thinkingConfig": config}


def test_formats() -> None:
    schema = b'{"type":"object","properties":{"a":{"type":["string","null"]}}}'
    form = Format(kind="json_schema", name="n", strict=True, schema=schema)
    assert _body(format=form)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": msgspec.json.decode(schema),
    }
    assert _body(format=form, quirks=Quirks(gemini_schema="openapi"))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
    }
    assert "generationConfig" not in _body(format=Format(kind="text"))


def test_what_gemini_has_no_word_for() -> None:
    request = _request(
        stop=("1", "2", "3", "4", "5", "6"),
        user="u",
        verbosity="low",
        parallel=False,
        store=True,
        service_tier="scale",
        ext=(("prediction", b"{}"),),
    )
    _, body, notes = written(request)
    assert body["generationConfig"] == {"stopSequences": ["1", "2", "3", "4", "5"]}
    assert {(note.field, note.action) for note in notes} == {
        ("user", "dropped"),
        ("verbosity", "dropped"),
        ("parallel_tool_calls", "dropped"),
        ("store", "dropped"),
        ("prediction", "dropped"),
        ("service_tier", "dropped"),
        ("stop", "approximated"),
    }


def test_a_reference_to_another_vendors_state_is_refused() -> None:
    with pytest.raises(Unsupported):
        _body(origin="x", elsewhere=frozenset({"previous"}), ext=(("previous", b'"r"'),))
    assert _body(origin="x", elsewhere=frozenset({"previous"}), ext=(("previous", b"null"),))


def test_googles_own_client_loses_nothing() -> None:
    body = says(
        {"text": "x"},
        systemInstruction={"role": "user", "parts": [{"text": "S"}]},
        safetySettings=[{"category": "c", "threshold": "OFF"}],
        cachedContent="cachedContents/1",
        labels={"a": "b"},
        serviceTier="flex",
        store=True,
        tools=[
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "parametersJsonSchema": {"type": "object"},
                        "responseJsonSchema": {"type": "string"},
                        "behavior": "NON_BLOCKING",
                    }
                ]
            },
            {"googleSearch": {"timeRangeFilter": {}}},
        ],
        toolConfig={"functionCallingConfig": {"mode": "AUTO"}, "retrievalConfig": {"languageCode": "de"}},
        generationConfig={
            "temperature": 0.5,
            "candidateCount": 1,
            "responseModalities": ["IMAGE"],
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": -1},
        },
    )
    body["contents"] += [  # type: ignore[operator]
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "U0lH"},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"a": 1}}}]},
    ]
    _, again, notes = written(read(body))
    assert again == body
    assert not list(notes)


@pytest.mark.parametrize(
    ("model", "third"),
    [
        ("gemini-3-pro-preview", True),
        ("publishers/google/models/gemini-3.1-flash", True),
        ("gemini-10-pro", True),
        ("gemini-2.5-pro", False),
        ("gemini-flash-latest", False),
        ("gemma-3", False),
    ],
)
def test_the_third_generation_is_known_by_its_name(model: str, third: bool) -> None:
    turns = _loop(ToolResult(call_id="c1", blocks=(Text(text="1"),)))
    body = _body(*turns, model=model, thinking=Thinking(mode="effort", effort="low"))
    assert body["generationConfig"] == {
        "thinkingConfig": {**({"thinkingLevel": "LOW"} if third else {"thinkingBudget": 1024}), "includeThoughts": True}
    }
    assert ("thoughtSignature" in body["contents"][1]["parts"][0]) is third  # type: ignore[index]
