"""Streams for clients: every one obeys the grammar and the vendor's types (``events_of`` checks both)."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate import events
from omniroute.translate.canonical import (
    ChatRequest,
    Citation,
    Finish,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Text,
    Tool,
)
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.events import (
    Close,
    Delta,
    End,
    Failure,
    Open,
    Probabilities,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)
from tests.translate.dialects.openai_responses.said import ATTEMPT_ID, CLIENT, CONTEXT, encoded, events_of, names, read

START = Start(id="chatcmpl-1", model="m", created_epoch_s=5)
STOP = events.Finish(0, Finish(reason="stop", raw="stop"))


def text(block: int, *deltas: bytes, **opening: object) -> list[StreamEvent]:
    opened = Open(block=block, kind="text", **opening)  # type: ignore[arg-type]
    return [opened, *(Delta(0, block, delta) for delta in deltas), Close(0, block)]


def call(block: int, *deltas: bytes, name: str = "f", **opening: object) -> list[StreamEvent]:
    opened = Open(block=block, kind="tool", call_id=f"c{block}", name=name, **opening)  # type: ignore[arg-type]
    return [opened, *(Delta(0, block, delta) for delta in deltas), Close(0, block)]


def streamed(*said: StreamEvent, context: AnswerContext = CONTEXT) -> list[dict[str, object]]:
    return events_of(encoded([START, *said, End()], context))


def output(told: list[dict[str, object]]) -> list[dict[str, object]]:
    response = told[-1]["response"]
    assert isinstance(response, dict)
    found = response["output"]
    assert isinstance(found, list)
    return found


def test_a_text() -> None:
    told = streamed(*text(0, b"Hel", b'l\\"o'), STOP, Report(Usage(input_total=10, output_total=4, known=True)))
    assert names(told) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = told[-1]["response"]
    assert isinstance(response, dict)
    assert (response["id"], response["model"], response["created_at"]) == (f"resp_{ATTEMPT_ID}", "m", 5)
    assert response["usage"]["total_tokens"] == 14
    (message,) = output(told)
    assert message["content"] == [{"type": "output_text", "text": 'Hell"o', "annotations": []}]
    assert message["status"] == "completed"


def test_an_answer_that_says_nothing_has_no_items() -> None:
    told = streamed(Open(block=0, kind="text"), Close(0, 0), Open(block=1, kind="reasoning"), Close(0, 1), STOP)
    assert names(told) == ["created", "in_progress", "completed"]
    response = told[-1]["response"]
    assert isinstance(response, dict)
    assert response["usage"] is None


def test_neighbouring_texts_share_a_message_until_something_sets_them_apart() -> None:
    told = streamed(
        *text(0, b"a"),
        *text(1, b"b"),
        Open(block=2, kind="refusal"),
        Delta(0, 2, b"no"),
        Close(0, 2),
        *text(3, b"c", apart=True),
        *text(4, b"d", phase="commentary"),
        STOP,
    )
    assert [[part.get("text", part.get("refusal")) for part in item["content"]] for item in output(told)] == [  # type: ignore[attr-defined]
        ["a", "b", "no"],
        ["c"],
        ["d"],
    ]
    assert output(told)[2]["phase"] == "commentary"


def test_reasoning_of_others_is_a_summary_and_carries_what_they_want_back() -> None:
    told = streamed(
        Open(block=0, kind="reasoning", origin="anthropic"),
        Delta(0, 0, b"hm"),
        Sign(block=0, signature="SIG", origin="anthropic"),
        Close(0, 0),
        Open(block=1, kind="reasoning", origin="anthropic"),
        Sign(block=1, signature="BARE", origin="anthropic"),
        Close(0, 1),
        Whole(block=2, value=Reasoning(data="DATA", origin="anthropic", redacted=True)),
        STOP,
    )
    assert [(item["summary"], item["encrypted_content"]) for item in output(told)] == [
        ([{"type": "summary_text", "text": "hm"}], "omr1:anthropic:SIG"),
        ([], "omr1:anthropic:BARE"),
        ([], "omr1:anthropic-redacted:DATA"),
    ]


def test_its_own_reasoning_stays_what_it_was() -> None:
    told = streamed(
        Open(block=0, kind="reasoning", origin="openai_responses", item_id="rs_up"),
        Delta(0, 0, b"cot"),
        Sign(block=0, data="gAAA", origin="openai_responses", item_id="rs_up"),
        Close(0, 0),
        STOP,
    )
    assert output(told) == [
        {
            "type": "reasoning",
            "id": "rs_up",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "cot"}],
            "encrypted_content": "gAAA",
        }
    ]


def test_signatures_of_calls_and_texts_travel_beside_them() -> None:
    told = streamed(
        *call(0, b"{}", signature="CALL", origin="gemini"),
        Open(block=1, kind="text"),
        Delta(0, 1, b"t"),
        Sign(block=1, signature="TEXT", origin="gemini"),
        Close(0, 1),
        Whole(block=2, value=Text(text="", signature="EMPTY")),
        STOP,
    )
    assert [(item["type"], item.get("encrypted_content")) for item in output(told)] == [
        ("reasoning", "omr1:gemini:CALL"),
        ("function_call", None),
        ("message", None),
        ("reasoning", "omr1:gemini:TEXT"),
        ("reasoning", "omr1:gemini:EMPTY"),
    ]


def test_parallel_calls_may_interleave() -> None:
    told = streamed(
        Open(block=0, kind="tool", call_id="a", name="f"),
        Open(block=1, kind="tool", call_id="b", name="g"),
        Delta(0, 1, b'{\\"b\\":'),
        Delta(0, 0, b'{\\"a\\":1}'),
        Delta(0, 1, b"2}"),
        Close(0, 0),
        Close(0, 1),
        events.Finish(0, Finish(reason="tool")),
    )
    assert [(item["call_id"], item["arguments"], item["status"]) for item in output(told)] == [
        ("a", '{"a":1}', "completed"),
        ("b", '{"b":2}', "completed"),
    ]


def test_a_call_ends_with_its_arguments_where_the_upstream_does_not_say_so() -> None:
    told = streamed(
        Open(block=0, kind="tool", call_id="a", name="f"),
        Delta(0, 0, b"{}"),
        Open(block=1, kind="tool", call_id="b", name="g"),
        Delta(0, 1, b"{}"),
        Delta(0, 0, b" "),
        Close(0, 0),
        Close(0, 1),
        STOP,
    )
    done = [event["output_index"] for event in told if event["type"] == "response.output_item.done"]
    added = names(told).index("output_item.added", names(told).index("output_item.added") + 1)
    assert done == [0, 1]
    assert names(told).index("output_item.done") < added


def test_calls_without_ids_or_arguments_get_them() -> None:
    told = streamed(
        Open(block=0, kind="tool", name="f"),
        Close(0, 0),
        *call(1, b"{}"),
        Open(block=2, kind="tool", call_id="c1", name="f"),
        Delta(0, 2, b"{}"),
        Close(0, 2),
        STOP,
    )
    assert [(item["call_id"], item["arguments"]) for item in output(told)] == [
        (f"call_{ATTEMPT_ID}_0", "{}"),
        ("c1", "{}"),
        (f"call_{ATTEMPT_ID}_2", "{}"),
    ]


def test_names_and_ids_are_the_clients_own() -> None:
    context = msgspec.structs.replace(CONTEXT, names={"ns_tool": "ns.tool"}, call_ids={"c0": "original"})
    (item,) = output(streamed(*call(0, b"{}", name="ns_tool"), STOP, context=context))
    assert (item["name"], item["call_id"]) == ("ns.tool", "original")


def custom_context() -> AnswerContext:
    tool = Tool(name="run", custom=True)
    request = ChatRequest(origin="openai_responses", model="m", tools=(tool,))
    return msgspec.structs.replace(CONTEXT, request=request)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(rb"{\"input\":\"a\\nb\"}", "a\nb"), (b"not json", "not json"), (rb"{\"other\":1}", '{"other":1}'), (b"", "")],
)
def test_an_emulated_custom_call_is_turned_back(arguments: bytes, said: str) -> None:
    deltas = [arguments[:4], arguments[4:]] if arguments else []
    told = streamed(*call(0, *deltas, name="run"), STOP, context=custom_context())
    (item,) = output(told)
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "run", said)


def test_a_custom_call_of_an_upstream_that_has_them_goes_on_as_it_comes() -> None:
    told = streamed(*call(0, b"ls ", b"-l", name="run", custom=True), STOP, context=custom_context())
    deltas = [event["delta"] for event in told if event["type"] == "response.custom_tool_call_input.delta"]
    assert deltas == ["ls ", "-l"]
    assert output(told)[0]["input"] == "ls -l"


def test_sources() -> None:
    raw = b'{"type":"file_citation","file_id":"f","filename":"n","index":0}'
    citations = (
        Citation(url="https://e.com", title="T", start=0, end=3),
        Citation(url="https://e.org"),
        Citation(origin="openai_responses", raw=raw),
        Citation(origin="anthropic", raw=b"{}"),
    )
    cited = [events.Cite(0, 0, citation) for citation in citations]
    told = streamed(Open(block=0, kind="text"), Delta(0, 0, b"See"), *cited, Close(0, 0), STOP)
    part = output(told)[0]["content"]
    assert isinstance(part, list)
    assert part[0]["annotations"] == [
        {"type": "url_citation", "url": "https://e.com", "title": "T", "start_index": 0, "end_index": 3},
        {"type": "url_citation", "url": "https://e.org", "title": "", "start_index": 0, "end_index": 0},
        msgspec.json.decode(raw),
    ]


LOGPROBS = b'[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]'


def test_log_probabilities_stand_beside_their_text_if_they_were_asked_for() -> None:
    said = [
        Open(block=0, kind="text"),
        Delta(0, 0, b"a"),
        Probabilities(0, 0, LOGPROBS),
        Delta(0, 0, b"b"),
        Close(0, 0),
        STOP,
    ]
    asked = msgspec.structs.replace(CONTEXT, request=read(input="x", include=["message.output_text.logprobs"]))
    told = streamed(*said, context=asked)
    deltas = [(event["delta"], len(event["logprobs"])) for event in told if "delta" in event]  # type: ignore[arg-type]
    assert deltas == [("a", 1), ("b", 0)]
    parts = output(told)[0]["content"]
    assert isinstance(parts, list)
    assert parts[0]["logprobs"] == msgspec.json.decode(LOGPROBS)
    unasked = output(streamed(*said))[0]["content"]
    assert isinstance(unasked, list)
    assert "logprobs" not in unasked[0]


@pytest.mark.parametrize(
    ("finish", "status", "reason", "item"),
    [
        (Finish(reason="stop"), "completed", None, "completed"),
        (Finish(reason="stop_sequence", detail="E"), "completed", None, "completed"),
        (Finish(reason="pause"), "completed", None, "completed"),
        (Finish(reason="length"), "incomplete", "max_output_tokens", "incomplete"),
        (Finish(reason="context_window"), "incomplete", "max_output_tokens", "incomplete"),
        (Finish(reason="filter"), "incomplete", "content_filter", "incomplete"),
        (Finish(reason="filter", detail="I may not."), "completed", None, "completed"),
    ],
)
def test_why_it_ended(finish: Finish, status: str, reason: str | None, item: str) -> None:
    told = streamed(*text(0, b"t"), events.Finish(0, finish))
    response = told[-1]["response"]
    assert isinstance(response, dict)
    assert response["status"] == status
    assert (response["incomplete_details"] or {}).get("reason") == reason
    assert output(told)[-1]["status"] == item
    if finish.reason == "filter" and finish.detail:
        assert output(told)[-1]["content"][-1] == {"type": "refusal", "refusal": "I may not."}  # type: ignore[index]


def test_an_item_before_the_last_is_complete_whatever_the_end_is() -> None:
    told = streamed(*text(0, b"t"), *call(1, b'{\\"a'), events.Finish(0, Finish(reason="length")))
    assert [item["status"] for item in output(told)] == ["completed", "incomplete"]


@pytest.mark.parametrize("said", [[], [START], [START, Open(block=0, kind="text"), Delta(0, 0, b"x")]])
def test_a_failure_is_an_error_and_a_failed_response(said: list[StreamEvent]) -> None:
    error = UpstreamError("boom", error_class="x", kind="rate_limit", code="rate_limit_exceeded", param="p")
    told = events_of(encoded([*said, Failure(error)]))
    assert names(told)[-2:] == ["error", "failed"]
    assert (told[-2]["code"], told[-2]["message"], told[-2]["param"]) == ("rate_limit_exceeded", "boom", "p")
    response = told[-1]["response"]
    assert isinstance(response, dict)
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "boom"}


def test_an_end_that_is_an_error_is_no_success() -> None:
    told = streamed(*text(0, b"t"), events.Finish(0, Finish(reason="error", raw="insufficient_system_resource")))
    assert names(told)[-2:] == ["error", "failed"]


def test_pictures_and_the_vendors_own_items_come_whole() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    told = streamed(
        Whole(block=0, value=Image(source=Inline("image/png", "aGk="))),
        Whole(
            block=1, value=Opaque(origin="openai_responses", raw=msgspec.json.encode(search), kind="web_search_call")
        ),
        Whole(block=2, value=Opaque(origin="anthropic", raw=b"{}")),
        STOP,
    )
    picture, searched = output(told)
    assert (picture["type"], picture["result"]) == ("image_generation_call", "aGk=")
    assert searched == search


def test_answers_after_the_first_have_no_place() -> None:
    encoder = CLIENT.encoder(CONTEXT)
    said = [START, Open(choice=1, block=0, kind="text"), Delta(1, 0, b"other"), *text(1, b"this")]
    out = b"".join(encoder.encode(event) for event in said)
    frame = encoder.frame(0)
    assert frame is not None
    assert frame.silent
    ends = [Close(1, 0), events.Finish(1, Finish(reason="length")), STOP, End()]
    told = events_of(out + b"".join(encoder.encode(event) for event in ends))
    assert [part["text"] for item in output(told) for part in item["content"]] == ["this"]  # type: ignore[attr-defined]


def test_what_went_by_in_a_frame_is_in_every_later_event() -> None:
    encoder = CLIENT.encoder(CONTEXT)
    out = encoder.encode(START) + encoder.encode(Open(block=0, kind="text")) + encoder.encode(Delta(0, 0, b"a"))
    frame = encoder.frame(0)
    assert frame is not None
    assert frame.middle is not None
    assert frame.keep
    for piece in (b"b", b"c"):
        out += frame.head + str(encoder.sequence).encode() + frame.middle + piece + frame.tail
        encoder.sequence += 1
    encoder.caught(0, b"bc")
    out += b"".join(encoder.encode(event) for event in (Close(0, 0), STOP, End()))
    assert out == encoded([START, *text(0, b"a", b"b", b"c"), STOP, End()])
    events_of(out)


def test_the_request_is_repeated() -> None:
    request = read(
        input="x",
        instructions="S",
        tools=[
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
            {"type": "web_search"},
        ],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_object"}, "verbosity": "low"},
        metadata={"a": "b"},
        truncation="auto",
        max_tool_calls=2,
        user="u",
        store=False,
    )
    told = streamed(*text(0, b"t"), STOP, context=msgspec.structs.replace(CONTEXT, request=request))
    for event in (told[0], told[-1]):
        response = event["response"]
        assert isinstance(response, dict)
        assert response["tools"][0]["name"] == "f"
        assert response["tools"][1] == {"type": "web_search"}
        assert response["tool_choice"] == {"type": "function", "name": "f"}
        assert response["parallel_tool_calls"] is False
        assert response["instructions"] == "S"
        assert (response["max_output_tokens"], response["temperature"], response["top_p"]) == (9, 0.5, 0.9)
        assert response["reasoning"] == {"effort": "low", "summary": "auto"}
        assert response["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
        assert (response["metadata"], response["truncation"], response["user"]) == ({"a": "b"}, "auto", "u")
        assert (response["store"], response["max_tool_calls"]) == (False, 2)


@pytest.mark.parametrize(("given", "kept"), [("priority", "priority"), ("standard", "default"), ("batch", None)])
def test_the_tier_is_one_of_the_vendors_words(given: str, kept: str | None) -> None:
    told = events_of(encoded([Start(service_tier=given), STOP, End()]))
    response = told[-1]["response"]
    assert isinstance(response, dict)
    assert response.get("service_tier") == kept
    assert response["model"] == "asked/model"
