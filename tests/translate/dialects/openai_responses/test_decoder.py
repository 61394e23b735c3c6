"""Streams of upstreams, read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.domain import Quirks
from omniroute.translate import events
from omniroute.translate.canonical import Citation, Finish, Image, Inline, Opaque, Reasoning, ToolCall
from omniroute.translate.events import Close, Delta, End, Failure, Open, Sign, Start, StreamEvent, Whole
from omniroute.translate.fold import Folder
from omniroute.translate.jsontext import unescaped
from omniroute.translate.stream import Hot
from tests.translate.dialects.openai_responses.said import UPSTREAM, decoded

Event = dict[str, object]

CREATED: Event = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "m", "created_at": 5.0, "service_tier": "default"},
}
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 19,
}
COMPLETED: Event = {"type": "response.completed", "response": {"status": "completed", "usage": USAGE}}


def added(index: int, **item: object) -> Event:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, **item: object) -> Event:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind: str, index: int, text: str, **more: object) -> Event:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **more}


def whole(kind: str, index: int, **more: object) -> Event:
    return {"type": f"response.{kind}.done", "output_index": index, **more}


def blocks(*told: Event) -> list[object]:
    """What the events say, folded."""
    folder = Folder()
    for event in decoded(CREATED, *told, COMPLETED, end=False):
        folder.encode(event)
    candidates = folder.response().candidates
    return list(candidates[0].blocks) if candidates else []


def texts(*told: Event) -> list[str]:
    return [getattr(block, "text", "") for block in blocks(*told)]


def calls(*told: Event) -> list[tuple[str, str, str]]:
    found = [block for block in blocks(*told) if isinstance(block, ToolCall)]
    return [(call.call_id, call.name, call.arguments) for call in found]


def test_the_beginning_and_the_end() -> None:
    start, report, finish, end = decoded(CREATED, COMPLETED)
    assert start == Start(id="resp_1", model="m", created_epoch_s=5, service_tier="default")
    assert isinstance(report, events.Report)
    usage = report.usage
    assert (usage.input_total, usage.cache_read, usage.cache_write_5m) == (10, 4, 2)
    assert (usage.output_total, usage.reasoning, usage.known) == (9, 3, True)
    assert finish == events.Finish(0, Finish(reason="stop", raw="completed"))
    assert end == End()


def test_a_text_opens_with_its_first_delta() -> None:
    told = decoded(
        CREATED,
        added(0, type="message", id="msg_1", content=[], phase="commentary"),
        {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": {"type": "output_text"}},
        delta("output_text", 0, ""),
        delta("output_text", 0, 'a"b'),
        done(0, type="message", id="msg_1", content=[{"type": "output_text", "text": 'a"b'}]),
        end=False,
    )
    assert told[1:] == [
        Open(block=0, kind="text", item_id="msg_1", phase="commentary"),
        Delta(0, 0, b'a\\"b'),
        Close(0, 0),
    ]


@pytest.mark.parametrize("only", ["text", "part", "item", "response"])
def test_a_text_that_no_delta_told_is_taken_from_whatever_has_it(only: str) -> None:
    part = {"type": "output_text", "text": "all"}
    item = {"type": "message", "id": "msg_1", "content": [part if only in ("item", "response") else {}]}
    told: list[Event] = [CREATED]
    if only != "response":
        told.append(added(0, type="message", id="msg_1", content=[]))
    if only == "text":
        told.append(whole("output_text", 0, content_index=0, text="all"))
    if only in ("text", "part"):
        told.append(whole("content_part", 0, content_index=0, part=part))
    if only != "response":
        told.append(done(0, **item))
    output = [item] if only == "response" else []
    told.append({"type": "response.completed", "response": {"status": "completed", "output": output}})
    found = decoded(*told)
    assert [event.text for event in found if isinstance(event, Delta)] == [b"all"]
    assert sum(isinstance(event, Close) for event in found) == 1


def test_items_are_told_apart_by_their_place_not_their_id() -> None:
    assert calls(
        added(0, type="function_call", id="x1", call_id="c1", name="f", arguments=""),
        added(1, type="function_call", id="x2", call_id="c2", name="g", arguments=""),
        delta("function_call_arguments", 1, '{"b":', item_id="x3"),
        delta("function_call_arguments", 0, '{"a":1}', item_id="x4"),
        delta("function_call_arguments", 1, "2}", item_id="x5"),
        done(1, type="function_call", id="x6", call_id="c2", name="g", arguments='{"b":2}'),
        done(0, type="function_call", id="x7", call_id="c1", name="f", arguments='{"a":1}'),
    ) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


@pytest.mark.parametrize(
    "told",
    [
        [
            added(0, type="function_call", call_id="c1", name="f", arguments=""),
            whole("function_call_arguments", 0, arguments='{"a":1}'),
            done(0, type="function_call", call_id="c1", name="f", arguments='{"a":1}'),
        ],
        [
            added(0, type="function_call", call_id="c1", name="f", arguments=""),
            done(0, type="function_call", call_id="c1", name="f", arguments='{"a":1}'),
        ],
        [done(0, type="function_call", call_id="c1", name="f", arguments='{"a":1}')],
        [
            added(0, type="function_call", call_id="c1"),
            delta("function_call_arguments", 0, '{"a":'),
            delta("function_call_arguments", 0, "1}"),
            whole("function_call_arguments", 0, arguments='{"a":1}', name="f"),
        ],
        [
            delta("function_call_arguments", 0, '{"a":1}'),
            done(0, type="function_call", call_id="c1", name="f", arguments='{"a":1}'),
        ],
    ],
)
def test_a_call_in_every_way_servers_tell_it(told: list[Event]) -> None:
    assert calls(*told) == [("c1", "f", '{"a":1}')]


def test_a_call_nobody_named_is_none() -> None:
    told = decoded(
        CREATED,
        added(0, type="function_call", call_id="c1"),
        delta("function_call_arguments", 0, "{}"),
        done(0, type="function_call", call_id="c1", arguments="{}"),
        COMPLETED,
    )
    assert not [event for event in told if isinstance(event, Open | Delta)]
    assert [event.finish.reason for event in told if isinstance(event, events.Finish)] == ["stop"]


def test_custom_calls() -> None:
    (call,) = blocks(
        added(0, type="custom_tool_call", id="ctc_1", call_id="c1", name="sql", input=""),
        delta("custom_tool_call_input", 0, "SELECT "),
        delta("custom_tool_call_input", 0, "1"),
        done(0, type="custom_tool_call", id="ctc_1", call_id="c1", name="sql", input="SELECT 1"),
    )
    assert call == ToolCall(call_id="c1", name="sql", arguments="SELECT 1", custom=True, item_id="ctc_1")


def test_parts_of_a_summary_are_set_apart() -> None:
    (thought,) = blocks(
        added(0, type="reasoning", id="rs_1", summary=[]),
        delta("reasoning_summary_text", 0, "a", summary_index=0),
        whole("reasoning_summary_text", 0, summary_index=0, text="a"),
        delta("reasoning_summary_text", 0, "b", summary_index=1),
        delta("reasoning_text", 0, "the same in full", content_index=0),
        done(0, type="reasoning", id="rs_1", summary=[{"text": "a"}, {"text": "b"}], encrypted_content="gAAA"),
    )
    assert thought == Reasoning(text="a\n\nb", data="gAAA", origin="openai_responses", item_id="rs_1", summary=True)


def test_reasoning_in_full_and_reasoning_nobody_may_read() -> None:
    assert blocks(
        added(0, type="reasoning", id="rs_1", summary=[]),
        delta("reasoning_text", 0, "cot", content_index=0),
        done(0, type="reasoning", id="rs_1", summary=[], content=[{"type": "reasoning_text", "text": "cot"}]),
        added(1, type="reasoning", id="rs_2", summary=[]),
        done(1, type="reasoning", id="rs_2", summary=[], encrypted_content="gAAA"),
        added(2, type="reasoning", id="rs_3", summary=[]),
        done(2, type="reasoning", id="rs_3", summary=[]),
    ) == [
        Reasoning(text="cot", origin="openai_responses", item_id="rs_1"),
        Reasoning(data="gAAA", origin="openai_responses", item_id="rs_2", redacted=True),
    ]


def test_the_signature_comes_before_the_end_of_its_block() -> None:
    told = decoded(
        CREATED,
        added(0, type="reasoning", id="rs_1", summary=[], encrypted_content="early, and not all of it"),
        delta("reasoning_summary_text", 0, "s", summary_index=0),
        done(0, type="reasoning", id="rs_1", summary=[{"text": "s"}], encrypted_content="gAAA"),
        end=False,
    )
    assert told[-2:] == [Sign(block=0, data="gAAA", item_id="rs_1", origin="openai_responses"), Close(0, 0)]


def test_messages_are_set_apart_and_parts_of_one_are_not() -> None:
    told = decoded(
        CREATED,
        delta("output_text", 0, "a", content_index=0),
        delta("output_text", 0, "b", content_index=1),
        delta("refusal", 0, "no", content_index=2),
        delta("output_text", 1, "c", content_index=0),
        end=False,
    )
    opened = [(event.kind, event.apart) for event in told if isinstance(event, Open)]
    assert opened == [("text", False), ("text", False), ("refusal", False), ("text", True)]


def test_a_text_that_goes_on_after_something_else_goes_on_in_a_new_block() -> None:
    assert texts(
        delta("output_text", 0, "a"),
        added(1, type="function_call", call_id="c1", name="f"),
        delta("output_text", 0, "b"),
        whole("output_text", 0, text="ab"),
        done(1, type="function_call", call_id="c1", name="f", arguments=""),
    ) == ["a", "", "b"]


def test_sources_and_log_probabilities() -> None:
    web = {"type": "url_citation", "url": "https://e.com", "title": "T", "start_index": 0, "end_index": 3}
    logprob = [{"token": "See", "logprob": -0.5, "bytes": [1], "top_logprobs": []}]
    told = decoded(
        CREATED,
        delta("output_text", 0, "See", logprobs=logprob),
        delta("output_text", 0, "!", logprobs=[]),
        {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": web},
        whole("content_part", 0, content_index=0, part={"type": "output_text", "text": "See!", "annotations": [web]}),
        end=False,
    )
    raw = msgspec.json.encode(web)
    assert [event for event in told if isinstance(event, events.Cite)] == [
        events.Cite(0, 0, Citation(url="https://e.com", title="T", start=0, end=3, origin="openai_responses", raw=raw))
    ]
    (probable,) = (event for event in told if isinstance(event, events.Probabilities))
    assert msgspec.json.decode(probable.content) == logprob


def test_sources_that_only_the_part_has() -> None:
    web = {"type": "url_citation", "url": "https://e.com", "title": "T", "start_index": 0, "end_index": 3}
    told = decoded(
        CREATED,
        delta("output_text", 0, "See"),
        done(0, type="message", content=[{"type": "output_text", "text": "See", "annotations": [web]}]),
        end=False,
    )
    assert [type(event) for event in told[1:]] == [Open, Delta, events.Cite, Close]


def test_an_item_that_ends_without_a_kind_is_nothing() -> None:
    assert blocks(added(0, type="web_search_call", id="ws_1"), done(0, id="ws_1", status="completed")) == []


def test_items_of_the_vendors_own_tools_are_opaque_but_for_pictures() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    told = decoded(
        CREATED,
        added(0, type="web_search_call", id="ws_1"),
        {"type": "response.web_search_call.searching", "output_index": 0},
        {"type": "response.mcp_call_arguments.delta", "output_index": 0, "delta": "{"},
        done(0, **search),
        done(1, type="image_generation_call", id="ig_1", result="aGk=", output_format="webp"),
        COMPLETED,
    )
    assert [event.value for event in told if isinstance(event, Whole)] == [
        Opaque(origin="openai_responses", raw=msgspec.json.encode(search), kind="web_search_call"),
        Image(source=Inline("image/webp", "aGk=")),
    ]
    assert not [event for event in told if isinstance(event, Open)]


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "filter"),
        ({"status": "completed", "incomplete_details": None}, "stop"),
        ({}, "stop"),
    ],
)
def test_why_it_ended(response: Event, finish: str) -> None:
    (found,) = (
        event
        for event in decoded(CREATED, {"type": "response.completed", "response": response})
        if isinstance(event, events.Finish)
    )
    assert (found.finish.reason, found.finish.unknown) == (finish, False)


def test_an_end_nobody_knows_is_a_stop_and_reported() -> None:
    told = decoded({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "steered"}}})
    (found,) = (event for event in told if isinstance(event, events.Finish))
    assert (found.finish.reason, found.finish.raw, found.finish.unknown) == ("stop", "steered", True)


@pytest.mark.parametrize(
    "told",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "boom", "param": None},
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "boom"}},
        {"error": {"code": "rate_limit_exceeded", "message": "boom"}},
        {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "boom"}}},
    ],
)
def test_errors_in_every_shape_are_one_failure(told: Event) -> None:
    last = {"type": "response.failed", "response": {"status": "failed", "error": {"message": "again"}}}
    found = decoded(CREATED, told, last)
    (failure,) = (event for event in found if isinstance(event, Failure))
    assert found[-1] is failure
    assert (failure.error.kind, failure.error.message) == ("rate_limit", "boom")


@pytest.mark.parametrize("stage", ["failed", "cancelled"])
def test_a_failure_without_a_reason(stage: str) -> None:
    (_, failure) = decoded(CREATED, {"type": f"response.{stage}", "response": {"status": stage, "error": None}})
    assert isinstance(failure, Failure)
    assert stage in failure.error.message


def test_the_name_of_the_event_stands_in_for_a_missing_type() -> None:
    decoder = UPSTREAM.decoder(Quirks())
    assert list(decoder.decode(b"response.created", b'{"response":{"id":"resp_1"}}')) == [Start(id="resp_1")]


@pytest.mark.parametrize("told", [[], [CREATED], [CREATED, delta("output_text", 0, "x")], [b"[DONE]"]])
def test_a_stream_that_breaks_off_failed(told: list[Event]) -> None:
    found = decoded(*told)
    assert isinstance(found[-1], Failure)
    assert found[-1].error.code == "upstream_stream_incomplete"


def test_a_whole_response_in_place_of_a_stream() -> None:
    body = {
        "object": "response",
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "all"}]}],
        "usage": USAGE,
    }
    told = decoded(body)
    kinds = [type(event) for event in told]
    assert kinds == [Start, Open, Delta, Close, events.Report, events.Finish, End]


def test_what_is_hot_is_what_is_open() -> None:
    decoder = UPSTREAM.decoder(Quirks())

    def hot(*told: Event) -> list[Hot]:
        for event in told:
            list(decoder.decode(b"", msgspec.json.encode(event)))
        return list(decoder.hot())

    assert hot(CREATED, added(3, type="message", content=[])) == []
    assert hot(delta("output_text", 3, "x", content_index=1)) == [Hot(0, 1, 3, 0)]
    assert hot(added(4, type="function_call", call_id="c", name="f")) == [Hot(3, 0, 4, 1)]
    assert hot(delta("reasoning_summary_text", 5, "x", summary_index=2)) == [Hot(3, 0, 4, 1), Hot(1, 2, 5, 2)]
    assert hot(delta("reasoning_summary_text", 5, "x", summary_index=3)) == [Hot(3, 0, 4, 1), Hot(1, 3, 5, 2)]
    assert hot(delta("output_text", 6, "x", content_index=256)) == [Hot(3, 0, 4, 1)]
    assert hot(COMPLETED) == []


def test_what_a_lane_carried_is_not_said_again() -> None:
    decoder = UPSTREAM.decoder(Quirks())
    told: list[StreamEvent] = []
    for event in (CREATED, added(0, type="function_call", call_id="c", name="f", arguments="")):
        told += decoder.decode(b"", msgspec.json.encode(event))
    decoder.caught(0, 2, b"")
    last = done(0, type="function_call", call_id="c", name="f", arguments="{}")
    assert list(decoder.decode(b"", msgspec.json.encode(last))) == [Close(0, 0)]


# -- whatever it is --------------------------------------------------------------------------------------------------
KINDS = [
    "created", "in_progress", "queued", "completed", "incomplete", "failed", "output_item.added", "output_item.done",
    "content_part.added", "content_part.done", "output_text.delta", "output_text.done", "refusal.delta",
    "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_text.delta",
    "function_call_arguments.delta", "function_call_arguments.done", "custom_tool_call_input.delta",
    "output_text.annotation.added", "web_search_call.searching", "of_tomorrow",
]  # fmt: skip
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
parts = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["output_text", "refusal", "summary_text"]) | junk, "text": junk}
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "mcp_call"]) | junk,
        "id": junk,
        "call_id": junk,
        "name": st.just("f") | junk,
        "arguments": junk,
        "content": st.lists(parts | junk, max_size=2) | junk,
        "summary": st.lists(parts | junk, max_size=2) | junk,
        "encrypted_content": junk,
    },
)
told_events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS).map(lambda kind: f"response.{kind}")},
    optional={
        "output_index": st.integers(0, 3) | junk,
        "content_index": st.integers(0, 2) | junk,
        "summary_index": st.integers(0, 2) | junk,
        "delta": st.text(max_size=4) | junk,
        "text": st.text(max_size=4) | junk,
        "arguments": junk,
        "name": junk,
        "part": parts | junk,
        "item": fields | junk,
        "annotation": junk,
        "logprobs": junk,
        "response": st.fixed_dictionaries({}, optional={"output": st.lists(fields | junk, max_size=3), "usage": junk}),
        "error": junk,
    },
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(told_events | junk.map(lambda value: {"type": "error", "error": value}), max_size=12))
def test_whatever_comes_the_events_are_in_order(told: list[Event]) -> None:
    found = decoded(*[msgspec.json.encode(event) for event in told])
    assert_in_order(found)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_whatever_the_bytes_are_nothing_is_raised(told: list[bytes]) -> None:
    assert_in_order(decoded(*told))


def assert_in_order(found: Iterable[StreamEvent]) -> None:  # noqa: C901 - one case per event
    """As ``events`` says: one beginning, one end, blocks opened once and closed before the finish, none without a name."""
    opened: dict[int, bool] = {}
    ended = started = finished = False
    for event in found:
        assert not ended
        match event:
            case Start():
                assert not started
                started = True
            case Open():
                assert event.block == len(opened)
                assert event.kind != "tool" or event.name
                opened[event.block] = True
            case Whole():
                assert event.block == len(opened)
                opened[event.block] = False
            case Delta():
                assert opened[event.block]
                assert event.text
                assert unescaped(event.text)
            case Sign() | events.Cite() | events.Probabilities():
                assert opened[event.block]
            case Close():
                assert opened[event.block]
                opened[event.block] = False
            case events.Finish():
                assert not any(opened.values())
                assert not finished
                finished = True
            case End():
                assert finished
                ended = True
            case Failure():
                ended = True
            case events.Report():
                assert event.usage.known or event.usage.input_total == 0
    assert ended
