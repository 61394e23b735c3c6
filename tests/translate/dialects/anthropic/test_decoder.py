"""An upstream's stream, read: what vendors and relays really send (translation.md §13.1, §13.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Quirks, Usage
from omniroute.translate.canonical import Citation, Opaque, Reasoning, Refusal, Text, ToolCall
from omniroute.translate.events import Cite, Close, Delta, End, Failure, Finish, Open, Report, Sign, Start, Whole
from tests.translate.dialects.anthropic.wire import DELTA, START, STOP, UPSTREAM, folded, sse


def decode(*events: bytes, end: bool = True) -> list[object]:
    decoder = UPSTREAM.decoder(Quirks())
    found: list[object] = []
    for data in events:
        found += decoder.decode(b"", data)
    return found + (list(decoder.finish()) if end else [])


def start(block: bytes, index: int = 0) -> bytes:
    return b'{"type":"content_block_start","index":%d,"content_block":%s}' % (index, block)


def delta(body: bytes, index: int = 0) -> bytes:
    return b'{"type":"content_block_delta","index":%d,"delta":%s}' % (index, body)


def stop(index: int = 0) -> bytes:
    return b'{"type":"content_block_stop","index":%d}' % index


TEXT = start(b'{"type":"text","text":""}')
SAID = delta(b'{"type":"text_delta","text":"hi"}')


def test_a_text_is_opened_said_and_closed() -> None:
    assert decode(START, b'{"type":"ping"}', TEXT, SAID, stop(), DELTA, STOP) == [
        Start(id="msg_1", model="m", usage=Usage(input_total=3, output_total=1, known=True)),
        Open(block=0, kind="text", origin="anthropic"),
        Delta(0, 0, b"hi"),
        Close(0, 0),
        Report(Usage(input_total=3, output_total=5, known=True)),
        decode(START, DELTA)[2],
        End(),
    ]


def test_text_stays_escaped_and_halves_of_pairs_stay_halves() -> None:
    found = decode(START, TEXT, delta(rb'{"type":"text_delta","text":"a\n\ud83d"}'))

    assert Delta(0, 0, rb"a\n\ud83d") in found


@pytest.mark.parametrize("text", [b'"a\xffb"', rb'"a\qb"'])
def test_text_that_is_no_text_is_made_one(text: bytes) -> None:
    found = decode(START, TEXT, delta(b'{"type":"text_delta","text":' + text + b"}"))

    assert Delta(0, 0, "a\ufffdb".encode()) in found


def test_signature_and_redacted_thinking_keep_their_bytes() -> None:
    found = decode(
        START,
        start(b'{"type":"thinking","thinking":"","signature":""}'),
        delta(b'{"type":"signature_delta","signature":"SIG=="}'),
        stop(),
        start(b'{"type":"redacted_thinking","data":"RED=="}', 1),
        stop(1),
    )

    assert Sign(block=0, signature="SIG==", origin="anthropic") in found
    assert Whole(block=1, value=Reasoning(data="RED==", redacted=True, origin="anthropic")) in found


def test_arguments_in_the_start_count_if_none_follow() -> None:
    call = start(b'{"type":"tool_use","id":"t","name":"f","input":{"a": 1.0}}')

    assert Delta(0, 0, rb"{\"a\":1.0}") in decode(START, call, stop())
    said = decode(START, call, delta(b'{"type":"input_json_delta","partial_json":"{}"}'), stop())
    assert [event.text for event in said if isinstance(event, Delta)] == [b"{}"]


def test_a_call_without_a_name_is_no_call() -> None:
    found = decode(
        START,
        start(b'{"type":"tool_use","id":"t","input":{}}'),
        delta(b'{"type":"input_json_delta","partial_json":"{}"}'),
        stop(),
        DELTA,
        STOP,
    )

    assert not [event for event in found if isinstance(event, Open | Delta | Whole)]


def test_arguments_without_a_call_are_dropped() -> None:
    assert not [
        e for e in decode(START, delta(b'{"type":"input_json_delta","partial_json":"{}"}')) if isinstance(e, Delta)
    ]


def test_a_server_tool_is_given_whole_with_its_input() -> None:
    folder = folded(
        sse(
            START,
            start(b'{"type":"server_tool_use","id":"s","name":"web_search","input":{}}'),
            delta(rb'{"type":"input_json_delta","partial_json":"{\"q\":"}'),
            delta(rb'{"type":"input_json_delta","partial_json":" \"x\"}"}'),
            stop(),
            DELTA,
            STOP,
        )
    )

    assert folder.response().candidates[0].blocks == (
        Opaque(
            origin="anthropic",
            kind="server_tool_use",
            raw=b'{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":"x"}}',
        ),
    )


def test_an_unknown_block_is_kept_whole_with_its_content() -> None:
    found = decode(
        START, start(b'{"type":"compaction"}'), delta(b'{"type":"compaction_delta","content":"sum"}'), stop()
    )

    assert (
        Whole(
            block=0, value=Opaque(origin="anthropic", kind="compaction", raw=b'{"content":"sum","type":"compaction"}')
        )
        in found
    )


def test_a_restart_closes_what_was_open_and_replaces_the_counts() -> None:
    again = START.replace(b'"input_tokens":3', b'"input_tokens":9')
    found = decode(START, TEXT, SAID, again, TEXT, SAID, DELTA, STOP)

    assert len([event for event in found if isinstance(event, Start)]) == 1
    assert [event.block for event in found if isinstance(event, Open)] == [0, 1]
    assert [event.block for event in found if isinstance(event, Close)] == [0, 1]
    assert Report(Usage(input_total=9, output_total=5, known=True)) in found


def test_a_stop_reason_closes_an_unfinished_call() -> None:
    found = decode(
        START,
        start(b'{"type":"tool_use","id":"t","name":"f","input":{}}'),
        delta(b'{"type":"input_json_delta","partial_json":"{"}'),
        DELTA.replace(b"end_turn", b"max_tokens"),
        STOP,
    )

    assert [type(event) for event in found[-4:]] == [Report, Close, Finish, End]
    assert found[-2].finish.reason == "length"  # type: ignore[attr-defined]


def test_an_end_mark_without_a_reason_is_taken_for_a_normal_end_and_told() -> None:
    finish = decode(START, TEXT, SAID, stop(), STOP)[-2]

    assert isinstance(finish, Finish)
    assert (finish.finish.reason, finish.finish.unknown) == ("stop", True)


def test_an_end_without_reason_or_mark_is_a_failure() -> None:
    failure = decode(START, TEXT, SAID)[-1]

    assert isinstance(failure, Failure)
    assert failure.error.code == "upstream_stream_incomplete"


def test_an_end_after_the_reason_is_normal() -> None:
    assert decode(START, TEXT, SAID, DELTA)[-1] == End()


@pytest.mark.parametrize(
    "error",
    [
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        b'{"error":{"type":"overloaded_error","message":"Overloaded"}}',
        b'{"type":"error","message":"overloaded"}',
    ],
)
def test_an_error_ends_the_stream(error: bytes) -> None:
    failure = decode(START, TEXT, SAID, error, SAID)[-1]

    assert isinstance(failure, Failure)
    assert failure.error.message.lower() == "overloaded"


def test_an_error_after_the_reason_is_not_one() -> None:
    assert decode(START, DELTA, b'{"type":"error","error":{"type":"api_error","message":"x"}}', STOP)[-1] == End()


def test_text_of_a_relay_that_left_out_the_start_is_still_text() -> None:
    found = decode(SAID, DELTA, STOP)

    assert found[:3] == [Start(), Open(block=0, kind="text", origin="anthropic"), Delta(0, 0, b"hi")]


def test_a_whole_answer_in_place_of_a_stream_is_told_as_one() -> None:
    body = (
        b'{"id":"msg_9","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],'
        b'"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}'
    )
    found = decode(body)

    assert Delta(0, 0, b"hi") in found
    assert isinstance(found[-2], Finish)
    assert found[-1] == End()


def test_what_is_not_json_is_a_failure_and_what_is_no_object_is_ignored() -> None:
    assert decode(START, b"[DONE]", b"keep-alive", DELTA, STOP)[-1] == End()
    assert isinstance(decode(START, b'{"type":')[-1], Failure)


def test_an_answer_says_the_same_streamed_and_whole() -> None:
    folder = folded(
        sse(
            START,
            start(b'{"type":"thinking","thinking":"","signature":""}'),
            delta(b'{"type":"thinking_delta","thinking":"hm"}'),
            delta(b'{"type":"signature_delta","signature":"S"}'),
            stop(),
            start(b'{"type":"tool_use","id":"t","name":"f","input":{}}', 1),
            stop(1),
            DELTA,
            STOP,
        )
    )
    whole = UPSTREAM.read_answer(
        b'{"id":"msg_1","type":"message","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"S"},'
        b'{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"end_turn",'
        b'"usage":{"input_tokens":3,"output_tokens":5}}',
        Quirks(),
    )

    streamed = folder.response()
    assert streamed.usage == whole.usage
    assert streamed.candidates[0].finish == whole.candidates[0].finish
    thought, call = streamed.candidates[0].blocks
    assert thought == whole.candidates[0].blocks[0]
    assert isinstance(call, ToolCall)
    assert (call.call_id, call.name, call.arguments) == ("t", "f", "")


def test_what_a_relay_puts_into_the_start_is_said() -> None:
    cited = b'{"type":"char_location","cited_text":"c"}'
    found = decode(
        START,
        start(b'{"type":"text","text":"a","citations":[' + cited + b",7]}"),
        stop(),
        start(b'{"type":"thinking","thinking":"b","signature":"S"}', 1),
        stop(1),
    )

    assert Cite(0, 0, Citation(cited_text="c", origin="anthropic", raw=cited)) in found
    assert Delta(0, 0, b"a") in found
    assert Delta(0, 1, b"b") in found
    assert Sign(block=1, signature="S", origin="anthropic") in found


def test_a_vendors_own_block_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.translate.dialects.anthropic.decoder.MAX_HELD_BYTES", 50)
    found = decode(
        START,
        start(b'{"type":"server_tool_use","name":"w"}'),
        delta(b'{"type":"input_json_delta","partial_json":"' + b"1" * 60 + b'"}'),
        delta(b'{"type":"input_json_delta","partial_json":"{}"}'),
        stop(),
    )

    assert not [event for event in found if isinstance(event, Whole)]


def test_arguments_with_half_a_pair_in_the_start_stay_as_they_came() -> None:
    call = start(rb'{"type":"tool_use","id":"t","name":"f","input":{"a": "\ud83d"}}')

    assert Delta(0, 0, rb"{\"a\": \"\\ud83d\"}") in decode(START, call, stop())


def test_blocks_of_a_whole_answer_that_are_none() -> None:
    body = b'{"content":[{"type":"tool_use","id":"t","input":null},{"type":""},7,{"type":"x","y":"\\ud83d"}]}'

    assert UPSTREAM.read_answer(body, Quirks()).candidates[0].blocks == ()


_PIECES = st.sampled_from(
    [
        START, DELTA, STOP, TEXT, SAID, stop(), stop(1), b'{"type":"ping"}', b"{", b"{}", b'{"type":3}',
        start(b'{"type":"tool_use","id":"t","name":"f","input":{}}', 1), start(b"null"), start(b'{"type":null}'),
        delta(b'{"type":"input_json_delta","partial_json":"{"}', 1), delta(b"[]"), delta(b'{"type":"text_delta","text":7}'),
        b'{"type":"content_block_delta","index":"x","delta":{}}', b'{"type":"message_start"}',
        b'{"type":"message_delta"}', b'{"type":"message_delta","usage":[]}', b'{"type":"error"}',
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=12))
def test_whatever_comes_the_order_of_events_holds(pieces: list[bytes]) -> None:
    found = decode(*pieces)
    opened: set[int] = set()
    for number, event in enumerate(found):
        assert isinstance(event, Start) == (number == 0 and not isinstance(event, Failure))
        assert isinstance(event, End | Failure) == (number == len(found) - 1)
        if isinstance(event, Open):
            opened.add(event.block)
        elif isinstance(event, Delta):
            assert event.block in opened
            assert event.text
        elif isinstance(event, Close):
            opened.remove(event.block)
        elif isinstance(event, Finish):
            assert not opened


def test_kinds_of_blocks_are_those_of_the_hub() -> None:
    answer = UPSTREAM.read_answer(b'{"type":"message","content":[{"type":"text","text":"a"}]}', Quirks())

    assert answer.candidates[0].blocks == (Text(text="a"),)
    assert not any(isinstance(block, Refusal) for block in answer.candidates[0].blocks)
