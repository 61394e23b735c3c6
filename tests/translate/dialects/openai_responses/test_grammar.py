"""The grammar: what it lets pass is in every test of streams; here is what it does not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from omniroute.translate.canonical import Finish
from omniroute.translate.dialect import GrammarError
from omniroute.translate.events import Close, Delta, End, Open, Start
from omniroute.translate.events import Finish as Finished
from tests.translate.dialects.openai_responses.said import CLIENT, encoded

Event = dict[str, object]
Stream = list[Event]

GOOD = encoded(
    [
        Start(id="resp_1", model="m"),
        Open(block=0, kind="reasoning"),
        Delta(0, 0, b"hm"),
        Close(0, 0),
        Open(block=1, kind="text"),
        Delta(0, 1, b"a"),
        Delta(0, 1, b"b"),
        Close(0, 1),
        Open(block=2, kind="tool", call_id="c", name="f"),
        Delta(0, 2, b"{}"),
        Close(0, 2),
        Finished(0, Finish(reason="tool")),
        End(),
    ]
)


def stream() -> Stream:
    datas = [block.split(b"\n")[1].removeprefix(b"data: ") for block in GOOD.split(b"\n\n")[:-1]]
    return [msgspec.json.decode(data) for data in datas]


def check(told: Stream) -> None:
    checker = CLIENT.checker()
    for event in told:
        checker.event(str(event["type"]).encode(), msgspec.json.encode(event))
    checker.end()


def numbered(told: Stream) -> Stream:
    return [{**event, "sequence_number": number} for number, event in enumerate(told)]


def at(told: Stream, kind: str, nth: int = 0) -> int:
    return [number for number, event in enumerate(told) if event["type"] == f"response.{kind}"][nth]


def item(told: Stream, kind: str, nth: int) -> Event:
    found = told[at(told, kind, nth)]["item"]
    assert isinstance(found, dict)
    return found


def without(kind: str, nth: int = 0) -> Callable[[Stream], Stream]:
    def cut(told: Stream) -> Stream:
        del told[at(told, kind, nth)]
        return numbered(told)

    return cut


def twice(kind: str, nth: int = 0) -> Callable[[Stream], Stream]:
    def repeat(told: Stream) -> Stream:
        place = at(told, kind, nth)
        return numbered([*told[: place + 1], told[place], *told[place + 1 :]])

    return repeat


def with_member(kind: str, name: str, value: object, nth: int = 0) -> Callable[[Stream], Stream]:
    def change(told: Stream) -> Stream:
        told[at(told, kind, nth)][name] = value
        return told

    return change


def with_item_member(kind: str, name: str, value: object, nth: int = 0) -> Callable[[Stream], Stream]:
    def change(told: Stream) -> Stream:
        item(told, kind, nth)[name] = value
        return told

    return change


def with_response_member(kind: str, name: str, value: object) -> Callable[[Stream], Stream]:
    def change(told: Stream) -> Stream:
        response = told[at(told, kind)]["response"]
        assert isinstance(response, dict)
        response[name] = value
        return told

    return change


def test_a_good_stream_passes() -> None:
    check(stream())


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda told: told[1:], id="no beginning"),
        pytest.param(lambda told: numbered(told[1:]), id="no created"),
        pytest.param(lambda told: told[:-1], id="no end"),
        pytest.param(lambda told: numbered([*told, told[-1]]), id="two ends"),
        pytest.param(lambda told: [*told[:3], *told[4:]], id="a gap in the numbers"),
        pytest.param(twice("in_progress"), id="two in_progress"),
        pytest.param(without("output_item.added"), id="an item that was not added"),
        pytest.param(twice("output_item.added"), id="an item added twice"),
        pytest.param(without("output_item.done", 1), id="an item that is not done"),
        pytest.param(twice("output_item.done", 1), id="an item done twice"),
        pytest.param(without("content_part.added"), id="a text without a part"),
        pytest.param(without("content_part.done"), id="a part that is not done"),
        pytest.param(twice("content_part.done"), id="a part done twice"),
        pytest.param(without("output_text.done"), id="a text that is not done"),
        pytest.param(twice("output_text.done"), id="a text done twice"),
        pytest.param(without("output_text.delta"), id="a delta is missing"),
        pytest.param(without("reasoning_summary_text.delta"), id="an empty summary"),
        pytest.param(without("function_call_arguments.done"), id="arguments that are not done"),
        pytest.param(with_member("output_text.delta", "item_id", "msg_x"), id="another item's id"),
        pytest.param(with_member("output_text.delta", "output_index", 9), id="an index nobody has"),
        pytest.param(with_member("output_text.delta", "delta", 5), id="a delta that is no text"),
        pytest.param(with_item_member("output_item.added", "name", "", 2), id="a call without a name"),
        pytest.param(with_item_member("output_item.added", "call_id", None, 2), id="a call without an id"),
        pytest.param(
            with_item_member("output_item.added", "arguments", "{}", 2), id="a call that begins with arguments"
        ),
        pytest.param(with_item_member("output_item.done", "content", [], 1), id="an empty message"),
        pytest.param(with_item_member("output_item.done", "summary", [], 0), id="empty reasoning"),
        pytest.param(with_item_member("output_item.done", "id", "x", 1), id="another item is done"),
        pytest.param(with_response_member("completed", "output", []), id="output is not the items"),
        pytest.param(with_response_member("completed", "id", "resp_2"), id="another response"),
        pytest.param(with_response_member("completed", "status", "incomplete"), id="a status of another event"),
        pytest.param(with_response_member("completed", "incomplete_details", {"reason": "x"}), id="complete, and not"),
        pytest.param(with_response_member("created", "status", "completed"), id="done at the beginning"),
        pytest.param(with_member("created", "type", "response.queued"), id="an event of another name"),
    ],
)
def test_a_broken_one_does_not(broken: Callable[[Stream], Stream]) -> None:
    with pytest.raises(GrammarError):
        check(broken(stream()))


def test_after_an_error_comes_only_the_failure() -> None:
    told = stream()[:4]
    error: Event = {"type": "error", "sequence_number": 4, "message": "boom"}
    failed: Event = {
        "type": "response.failed",
        "sequence_number": 5,
        "response": {"id": "resp_1", "status": "failed", "output": [], "error": {"message": "boom"}},
    }
    check([*told, error, failed])
    with pytest.raises(GrammarError):
        check(numbered([*told, error, stream()[4]]))
    with pytest.raises(GrammarError):
        check(numbered([*told, failed]))


@pytest.mark.parametrize("data", [b"", b"[]", b'{"type":"response.created","sequence_number":0,"response":1}'])
def test_what_is_no_event_breaks_it(data: bytes) -> None:
    with pytest.raises(GrammarError):
        CLIENT.checker().event(b"response.created", data)


def test_the_name_is_the_type() -> None:
    with pytest.raises(GrammarError):
        CLIENT.checker().event(b"response.in_progress", msgspec.json.encode(stream()[0]))


def test_a_pair_of_surrogates_cut_in_two_passes_and_is_whole_in_the_end() -> None:
    told = encoded(
        [
            Start(id="resp_1", model="m"),
            Open(block=0, kind="text"),
            Delta(0, 0, rb"\ud83d"),
            Delta(0, 0, rb"\ude00"),
            Close(0, 0),
            Finished(0, Finish(reason="stop")),
            End(),
        ]
    )
    checker = CLIENT.checker()
    blocks = [block.split(b"\n") for block in told.split(b"\n\n")[:-1]]
    for name, data in blocks:
        checker.event(name.removeprefix(b"event: "), data.removeprefix(b"data: "))
    checker.end()
    last = msgspec.json.decode(blocks[-1][1].removeprefix(b"data: "))
    assert last["response"]["output"][0]["content"][0]["text"] == "\U0001f600"
