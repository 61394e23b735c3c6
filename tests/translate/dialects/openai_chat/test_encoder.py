"""Streams for clients, written: chunks OpenAI's SDK reads, the grammar, and frames that say what ``encode`` says."""

from collections.abc import Iterable

import msgspec
import pytest
from openai.types.chat import ChatCompletionChunk

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import (
    ChatRequest,
    Citation,
    Document,
    Held,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
)
from omniroute.translate.canonical import Finish as Reason
from omniroute.translate.dialect import AnswerContext, GrammarError
from omniroute.translate.dialects.openai_chat.encoder import ChatEncoder
from omniroute.translate.dialects.openai_chat.grammar import ChatChecker
from omniroute.translate.events import (
    Cite,
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)

START = Start(id="msg_1", model="claude", created_epoch_s=9)
STOP = Finish(0, Reason(reason="stop"))


def context(**members: object) -> AnswerContext:
    given: dict[str, object] = {"attempt_id": "abc", "created_epoch_s": 7, "model": "m", "include_usage": False}
    return AnswerContext(**{**given, **members})  # type: ignore[arg-type]


def written(events: Iterable[StreamEvent], told: AnswerContext | None = None) -> list[dict[str, object]]:
    """The chunks for ``events``, after the grammar and OpenAI's own types have read them."""
    encoder, checker = ChatEncoder(told or context()), ChatChecker()
    out = b"".join(encoder.encode(event) for event in events)
    chunks: list[dict[str, object]] = []
    for block in out.split(b"\n\n")[:-1]:
        data = block.removeprefix(b"data: ")
        checker.event(b"", data)
        if data != b"[DONE]":
            chunks.append(msgspec.json.decode(data))
            if "error" not in chunks[-1]:
                ChatCompletionChunk.model_validate(chunks[-1])
    checker.end()
    return chunks


def deltas(chunks: list[dict[str, object]], index: int = 0) -> list[dict[str, object]]:
    """What the chunks of a choice say, without its role and finish."""
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]  # type: ignore[attr-defined]
    return [choice["delta"] for choice in choices if choice["delta"] and "role" not in choice["delta"]]


def tool(block: int, name: str = "f", call_id: str = "c", **more: object) -> Open:
    return Open(block=block, kind="tool", call_id=call_id, name=name, **more)  # type: ignore[arg-type]


def test_a_text_from_beginning_to_end() -> None:
    events = [START, Open(block=0, kind="text"), Delta(0, 0, rb"a\n"), Delta(0, 0, rb"\ud83d\ude00"), Close(0, 0)]
    usage = Report(Usage(3, output_total=5, known=True))
    chunks = written([*events, STOP, usage, End()], context(include_usage=True))
    head = {"id": "chatcmpl-abc", "object": "chat.completion.chunk", "created": 9, "model": "claude"}
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    assert chunks[0] == head | {"choices": [first], "usage": None}
    assert deltas(chunks) == [{"content": "a\n"}, {"content": "😀"}]
    assert chunks[-2]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert chunks[-1] == head | {
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def test_usage_is_for_those_who_ask() -> None:
    chunks = written([START, STOP, Report(Usage(3, known=True)), End()])
    assert not [chunk for chunk in chunks if "usage" in chunk]


def test_ids_of_the_dialect_are_kept_and_what_is_not_told_is_filled_in() -> None:
    assert written([Start(id="chatcmpl-x"), STOP, End()])[0]["id"] == "chatcmpl-x"
    nameless = written([STOP, End()])[0]
    assert (nameless["id"], nameless["created"], nameless["model"]) == ("chatcmpl-abc", 7, "m")
    tiers = [
        written([Start(service_tier=tier), STOP, End()])[0].get("service_tier")
        for tier in ("flex", "standard", "batch")
    ]
    assert tiers == ["flex", "default", None]


def test_reasoning_its_maker_signs_is_written_twice() -> None:
    events = [
        START,
        Open(block=0, kind="reasoning", origin="anthropic"),
        Delta(0, 0, b"hm"),
        Sign(block=0, signature="SIG", origin="anthropic"),
        Close(0, 0),
        Whole(block=1, value=Reasoning(data="RED", origin="anthropic", redacted=True)),
        Open(block=2, kind="reasoning", origin="openai_responses", summary=True, item_id="rs"),
        Delta(0, 2, b"s"),
        Sign(block=2, data="ENC", origin="openai_responses"),
        Close(0, 2),
        STOP,
        End(),
    ]
    form = {"format": "anthropic-claude-v1", "index": 0}
    ours = {"format": "openai-responses-v1", "id": "rs", "index": 2}
    assert deltas(written(events)) == [
        {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", **form}]},
        {"reasoning_details": [{"type": "reasoning.text", "signature": "SIG", **form}]},
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "RED", "format": "anthropic-claude-v1", "index": 1}
            ]
        },
        {"reasoning_content": "\n\ns", "reasoning_details": [{"type": "reasoning.summary", "summary": "s", **ours}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "ENC", **ours}]},
    ]


@pytest.mark.parametrize("origin", ["", "gemini", "ollama", "openai_chat"])
def test_reasoning_nobody_signs_is_plain(origin: str) -> None:
    events = [START, Open(block=0, kind="reasoning", origin=origin), Delta(0, 0, b"hm"), Close(0, 0), STOP, End()]
    assert deltas(written(events)) == [{"reasoning_content": "hm"}]


def test_gemini_signs_in_a_place_of_its_own() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "S"}}}
    events = [
        START,
        Open(block=0, kind="text"),
        Delta(0, 0, b"a"),
        Sign(block=0, signature="S", origin="gemini"),
        Close(0, 0),
        Whole(block=1, value=Text(text="", signature="S")),
        tool(2, signature="S", origin="gemini"),
        Delta(0, 2, b"{}"),
        Close(0, 2),
        tool(3, "g", "d"),
        Sign(block=3, signature="S", origin="gemini"),
        Delta(0, 3, b"{}"),
        Close(0, 3),
        STOP,
        End(),
    ]
    said = deltas(written(events))
    assert said[:3] == [{"content": "a"}, extra, extra]
    assert said[3]["tool_calls"][0]["extra_content"] == extra["extra_content"]  # type: ignore[index]
    assert said[6] == {"tool_calls": [{"index": 1, "function": {"arguments": ""}} | extra]}


def test_calls_are_numbered_named_and_never_without_arguments() -> None:
    events = [
        START,
        tool(0, "f_1", ""),
        Delta(0, 0, rb"{\"a\""),
        tool(1, "g", "call_hash"),
        Delta(0, 0, b":1}"),
        Close(0, 0),
        Close(0, 1),
        Whole(block=2, value=ToolCall(call_id="w", name="h", arguments='{"b": 2}')),
        Finish(0, Reason(reason="tool")),
        End(),
    ]
    told = context(names={"f_1": "f.1"}, call_ids={"call_hash": "long"})
    chunks = written(events, told)
    assert deltas(chunks) == [
        {
            "tool_calls": [
                {"index": 0, "id": "call_abc_0", "type": "function", "function": {"name": "f.1", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 1, "id": "long", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 2, "id": "w", "type": "function", "function": {"name": "h", "arguments": ""}}]},
        {"tool_calls": [{"index": 2, "function": {"arguments": '{"b": 2}'}}]},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"  # type: ignore[index]


def test_custom_tools_are_custom_again() -> None:
    request = ChatRequest(origin="openai_chat", model="m", tools=(Tool(name="run", custom=True),))
    events = [
        START,
        tool(0, "run"),
        Delta(0, 0, rb"{\"input\":"),
        Delta(0, 0, rb"\"l\\ns\"}"),
        Close(0, 0),
        tool(1, "run", "d", custom=True),
        Delta(0, 1, b"ls"),
        Close(0, 1),
        Finish(0, Reason(reason="tool")),
        End(),
    ]
    encoder = ChatEncoder(context(request=request))
    out = b"".join(map(encoder.encode, events))
    said = [msgspec.json.decode(block[6:])["choices"][0]["delta"] for block in out.split(b"\n\n")[1:-3]]
    assert said == [
        {"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "run", "input": "l\ns"}}]},
        {"tool_calls": [{"index": 1, "id": "d", "type": "custom", "custom": {"name": "run", "input": ""}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "ls"}}]},
    ]


def test_who_asks_with_functions_gets_a_function_call() -> None:
    request = ChatRequest(origin="openai_chat", model="m", legacy_functions=True)
    events = [START, tool(0), Delta(0, 0, b"{}"), Close(0, 0), tool(1, "g", "d"), Delta(0, 1, b"{}"), Close(0, 1)]
    chunks = written([*events, Finish(0, Reason(reason="tool")), End()], context(request=request))
    assert deltas(chunks) == [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"  # type: ignore[index]


def test_as_many_choices_as_were_asked_for() -> None:
    events = [
        START,
        Open(choice=1, block=0, kind="text"),
        Delta(1, 0, b"b"),
        Open(choice=0, block=1, kind="text"),
        Delta(0, 1, b"a"),
        Close(1, 0),
        Finish(1, Reason(reason="length")),
        Close(0, 1),
        STOP,
        End(),
    ]
    both = written(events, context(choices=2))
    assert (deltas(both, 0), deltas(both, 1)) == ([{"content": "a"}], [{"content": "b"}])
    assert deltas(written(events), 1) == []


@pytest.mark.parametrize(
    ("reason", "word", "said"),
    [
        (Reason(reason="filter", detail="Not allowed."), "content_filter", [{"refusal": "Not allowed."}]),
        (Reason(reason="filter"), "content_filter", []),
        (Reason(reason="stop_sequence", detail="END"), "stop", []),
        (Reason(reason="context_window"), "length", []),
        (Reason(reason="pause"), "stop", []),
    ],
)
def test_how_it_ended(reason: Reason, word: str, said: list[object]) -> None:
    chunks = written([START, Finish(0, reason), End()])
    assert deltas(chunks) == said
    assert chunks[-1]["choices"][0]["finish_reason"] == word  # type: ignore[index]


def test_a_failure_is_the_last_thing_said() -> None:
    error = UpstreamError("gone", error_class="x", status=503, kind="overloaded", code="overloaded")
    chunks = written([START, Open(block=0, kind="text"), Delta(0, 0, b"a"), Failure(error)])
    assert chunks[-1] == {"error": {"message": "gone", "type": "server_error", "param": None, "code": "overloaded"}}


def test_what_stands_beside_the_text() -> None:
    web = Citation(url="https://e.com", title="T")
    events = [
        START,
        Open(block=0, kind="text"),
        Delta(0, 0, "é😀".encode()),
        Close(0, 0),
        Open(block=1, kind="text", apart=True),
        Delta(0, 1, b"blue"),
        Probabilities(0, 1, b'[{"token":"blue","logprob":-0.5,"bytes":null,"top_logprobs":[]}]'),
        Cite(0, 1, web),
        Cite(0, 1, Citation(url="https://e.com", start=1, end=2)),
        Cite(0, 1, Citation(raw=b"{}", origin="anthropic")),
        Close(0, 1),
        Whole(block=2, value=Image(source=Inline("image/png", "AAAA"))),
        Whole(block=3, value=Image(source=Held("f", "gemini"))),
        Whole(block=4, value=Opaque(origin="anthropic", raw=b"{}")),
        Whole(block=5, value=Refusal(text="No.")),
        Whole(block=6, value=Document(text="x")),
        STOP,
        End(),
    ]
    said = deltas(written(events))
    assert said[1] == {"content": "\n\nblue"}
    spans = [delta["annotations"][0]["url_citation"] for delta in said if "annotations" in delta]  # type: ignore[index]
    assert [(span["start_index"], span["end_index"]) for span in spans] == [(2, 8), (3, 4)]
    assert said[-2:] == [
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"refusal": "No."},
    ]


@pytest.mark.parametrize(
    ("opened", "request_"),
    [
        (Open(block=0, kind="text"), None),
        (Open(block=0, kind="reasoning"), None),
        (Open(block=0, kind="refusal"), None),
        (tool(0), None),
        (tool(0, custom=True), None),
        (tool(0), ChatRequest(origin="openai_chat", model="m", legacy_functions=True)),
        (Open(choice=3, block=0, kind="text"), None),
    ],
)
def test_a_frame_says_what_encode_says(opened: Open, request_: ChatRequest | None) -> None:
    """From a block's second text on; the first always comes by ``encode``."""
    told = context(request=request_, include_usage=True)
    events = [START, opened, Delta(opened.choice, 0, b"first")]
    one, other = ChatEncoder(told), ChatEncoder(told)
    assert [one.encode(event) for event in events] == [other.encode(event) for event in events]
    frame = one.frame(0)
    assert frame is not None
    framed = b"" if frame.silent else frame.head + rb"a\u00e9" + frame.tail
    assert framed == other.encode(Delta(opened.choice, 0, rb"a\u00e9"))
    if frame.keep:
        one.caught(0, rb"a\u00e9")
    rest = [Cite(opened.choice, 0, Citation(url="u")), Close(opened.choice, 0), STOP, End()]
    assert [one.encode(event) for event in rest] == [other.encode(event) for event in rest]


def test_no_frame_where_every_text_must_be_seen() -> None:
    encoder = ChatEncoder(context())
    for opened in (Open(block=0, kind="text"), Open(block=1, kind="reasoning", origin="anthropic"), tool(2)):
        encoder.encode(opened)
        assert encoder.frame(opened.block) is None


def test_reasoning_that_may_be_signed_is_written_twice_by_its_frame_too() -> None:
    first, second = ChatEncoder(context()), ChatEncoder(context())
    for encoder in (first, second):
        encoder.encode(Open(block=1, kind="reasoning", origin="anthropic"))
        encoder.encode(Delta(0, 1, b"signed "))
    frame = first.frame(1)

    assert frame is not None
    assert frame.again is not None
    assert frame.head + b"later" + frame.again + b"later" + frame.tail == second.encode(Delta(0, 1, b"later"))


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ([b'{"choices":[{"index":0,"delta":{"content":"a"}}]}'], "begins without its role"),
        ([b'{"choices":[{"index":0,"delta":{"role":"assistant"}}]}', b"[DONE]"], "before every choice finished"),
        ([b'{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"}]}', b'{"choices":[{"index":0,"delta":{"content":"a"}}]}'], "goes on after its finish"),
        ([b'{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"function":{"arguments":""}}]}}]}'], "begins without an id"),
        ([b'{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":1,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}}]}'], "tool call 1 after 0"),
        ([b'{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"end_turn"}]}'], "finish 'end_turn'"),
        ([b'{"error":{"message":"x"}}'], "error"),
        ([b'{"error":{"message":"x","type":"y","param":null,"code":null}}', b"[DONE]"], "after the error"),
        ([b'{"choices":[]}'], "no choices and no usage"),
        ([b"nonsense"], "not JSON"),
        ([b"[]"], "no object"),
        ([b"[DONE]"], "before any choice"),
        ([], "no .DONE. and no error"),
    ],
)  # fmt: skip
def test_the_grammar_is_held(events: list[bytes], rule: str) -> None:
    head = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    checker = ChatChecker()

    def run() -> None:
        for event in events:
            checker.event(b"", head + event[1:] if event.startswith(b'{"choices"') else event)
        checker.end()

    with pytest.raises(GrammarError, match=rule):
        run()
