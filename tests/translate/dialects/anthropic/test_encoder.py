"""A client's stream, written: one block at a time, none empty, the end when all is known (translation.md §13.3)."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Candidate,
    ChatResponse,
    Citation,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from omniroute.translate.dialect import AnswerContext
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
from tests.translate.dialects.anthropic.wire import CLIENT, CONTEXT, encode, ended, parsed

KNOWN = Usage(input_total=130, cache_read=100, cache_write_5m=20, output_total=9, reasoning=3, known=True)


def blocks(*events: StreamEvent, context: AnswerContext = CONTEXT) -> list[dict[str, object]]:
    """The blocks of a client's stream, each as its start with all its deltas put in."""
    out: list[dict[str, object]] = []
    for event in parsed(encode(ended(*events), context)):
        if event["type"] == "content_block_start":
            out.append(dict(event["content_block"]))  # type: ignore[call-overload]
        elif event["type"] == "content_block_delta":
            said = event["delta"]
            assert isinstance(said, dict)
            for name, value in said.items():
                if name == "citation":
                    out[-1].setdefault("citations", []).append(value)  # type: ignore[attr-defined]
                elif name != "type":
                    out[-1][name] = f"{out[-1].get(name, '')}{value}"
    return out


def text(block: int, said: bytes) -> tuple[StreamEvent, ...]:
    return (Open(block=block, kind="text"), Delta(0, block, said), Close(0, block))


def call(block: int, name: str = "f", **facts: object) -> Open:
    return msgspec.structs.replace(Open(block=block, kind="tool", call_id=f"c{block}", name=name), **facts)


def test_a_message_begins_and_ends_once() -> None:
    first, *_, last, stop = parsed(encode(ended(*text(0, b"hi"), Report(KNOWN))))

    assert first["message"] == {
        "type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 0, "output_tokens": 0},
    }  # fmt: skip
    assert last == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 3},
        },
    }  # fmt: skip
    assert stop == {"type": "message_stop"}


def test_ids_and_models_nobody_gave_are_made() -> None:
    encoder = CLIENT.encoder(CONTEXT)
    head = encoder.encode(Start(id="chatcmpl-1"))

    assert b'"id":"msg_a1"' in head
    assert b'"model":"asked"' in head


def test_an_estimate_is_marked_and_only_where_a_number_must_be() -> None:
    output = encode(ended(*text(0, b"hi"), Report(Usage(input_total=7, output_total=1))))

    assert b": usage is an estimate\n\nevent: message_delta" in output
    assert parsed(output)[-2]["usage"] == {"output_tokens": 1}


def test_the_end_waits_for_the_token_counts() -> None:
    encoder = CLIENT.encoder(CONTEXT)
    encoder.encode(Start())

    assert encoder.encode(ended(reason="length")[0]) == b""
    assert encoder.encode(Report(KNOWN)) == b""
    assert encoder.encode(End()).count(b"event: ") == 2


def test_nothing_is_written_for_blocks_that_say_nothing() -> None:
    assert blocks(Open(block=0, kind="text"), Close(0, 0), Open(block=1, kind="reasoning"), Close(0, 1)) == []
    assert blocks(Open(block=0, kind="text"), Cite(0, 0, Citation(url="https://e.com")), Close(0, 0)) == []


def test_other_choices_are_left_out() -> None:
    assert blocks(Open(choice=1, block=0, kind="text"), Delta(1, 0, b"x"), Close(1, 0), *text(1, b"y")) == [
        {"type": "text", "text": "y"}
    ]


def test_a_call_without_arguments_has_a_block() -> None:
    assert blocks(call(0), Close(0, 0)) == [{"type": "tool_use", "id": "c0", "name": "f", "input": {}}]


def test_names_and_ids_go_back_to_the_clients() -> None:
    context = msgspec.structs.replace(CONTEXT, names={"f": "f.x"}, call_ids={"c0": "call 0"})

    assert blocks(call(0), Close(0, 0), context=context)[0] == {
        "type": "tool_use", "id": "call 0", "name": "f.x", "input": {},
    }  # fmt: skip


def test_a_missing_id_is_made() -> None:
    assert blocks(call(0, call_id=""), Close(0, 0))[0]["id"] == "toolu_a1_0"


@pytest.mark.parametrize("upstream_id", ["functions.f:0", "x" * 300, "a b", "ü"])
def test_an_id_that_anthropic_would_refuse_is_replaced_by_the_same_one_each_time(upstream_id: str) -> None:
    ids = {str(blocks(call(0, call_id=upstream_id), Close(0, 0))[0]["id"]) for _ in range(2)}
    response = ChatResponse(
        id="", model="", candidates=(Candidate(blocks=(ToolCall(call_id=upstream_id, name="f", arguments=""),)),)
    )
    whole = msgspec.json.decode(CLIENT.write_answer(response, CONTEXT))

    assert ids == {whole["content"][0]["id"]}, "streamed or not"
    assert re.fullmatch("toolu_[a-zA-Z0-9]{18}", ids.pop())


def test_interleaved_calls_are_written_one_after_the_other() -> None:
    found = blocks(
        call(0), Delta(0, 0, rb"{\"a\""), call(1), Delta(0, 1, rb"{\"b\""), Delta(0, 0, rb":1}"), Delta(0, 1, rb":2}"),
        Close(0, 0), Close(0, 1),
    )  # fmt: skip

    assert [block["partial_json"] for block in found] == ['{"a":1}', '{"b":2}']


def test_a_call_that_opens_while_another_has_no_arguments_yet_waits() -> None:
    found = blocks(call(0), call(1), Delta(0, 1, b"{}"), Delta(0, 0, rb"{\"a\":\"}\"}"), Close(0, 0), Close(0, 1))

    assert [(block["id"], block["partial_json"]) for block in found] == [("c0", '{"a":"}"}'), ("c1", "{}")]


def test_text_waits_for_a_call_too() -> None:
    found = blocks(call(0), Delta(0, 0, b"{"), *text(1, b"x"), Delta(0, 0, b"}"), Close(0, 0), *text(2, b"y"))

    assert [block["type"] for block in found] == ["tool_use", "text", "text"]
    assert found[0]["partial_json"] == "{}"


def test_arguments_after_the_call_was_complete_are_dropped() -> None:
    found = blocks(call(0), Delta(0, 0, b"{}"), call(1), Delta(0, 0, b" more"), Close(0, 0), Close(0, 1))

    assert found[0]["partial_json"] == "{}"


def test_unfinished_calls_are_written_as_they_are_at_the_end() -> None:
    found = blocks(call(0), Delta(0, 0, b"{"), call(1), Delta(0, 1, b"["), Close(0, 1), Close(0, 0))

    assert [block["partial_json"] for block in found] == ["{", "["]


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omniroute.translate.dialects.anthropic.encoder.MAX_HELD_BYTES", 10)
    encoder = CLIENT.encoder(CONTEXT)
    encoder.encode(Start())
    out = encoder.encode(call(0)) + encoder.encode(call(1))
    assert b"c1" not in out

    assert b"c1" in encoder.encode(Delta(0, 1, b"[" * 11))


def test_text_that_goes_on_after_a_call_has_a_new_block() -> None:
    found = blocks(
        Open(block=0, kind="text"), Delta(0, 0, b"a"), call(1), Delta(0, 1, b"{}"), Delta(0, 0, b"b"), Close(0, 0),
        Close(0, 1),
    )  # fmt: skip

    assert [block.get("text") or block.get("partial_json") for block in found] == ["a", "{}", "b"]


@pytest.mark.parametrize(
    ("sign", "block"),
    [
        (Sign(block=0, signature="S", origin="anthropic"), {"thinking": "hm", "signature": "S"}),
        (Sign(block=0, signature="S", origin="gemini"), {"thinking": "hm", "signature": "omr1:gemini:S"}),
        (
            Sign(block=0, data="D", item_id="rs_1", origin="openai_responses"),
            {"thinking": "hm", "signature": "omr1:openai-responses:rs_1:D"},
        ),
    ],
)
def test_signatures_travel_before_the_stop(sign: Sign, block: dict[str, str]) -> None:
    found = blocks(Open(block=0, kind="reasoning"), sign, Delta(0, 0, b"hm"), Close(0, 0))

    assert found == [{"type": "thinking", **block}]


def test_thinking_that_is_only_signed_or_only_encrypted() -> None:
    assert blocks(Open(block=0, kind="reasoning"), Sign(block=0, signature="S", origin="anthropic"), Close(0, 0)) == [
        {"type": "thinking", "thinking": "", "signature": "S"}
    ]
    sign = Sign(block=0, data="D", item_id="rs_1", origin="openai_responses")
    assert blocks(Open(block=0, kind="reasoning"), sign, Close(0, 0)) == [
        {"type": "redacted_thinking", "data": "omr1:openai-responses:rs_1:D"}
    ]


def test_a_calls_signature_travels_in_a_block_before_it() -> None:
    found = blocks(call(0, signature="S", origin="gemini"), Close(0, 0))

    assert found[0] == {"type": "thinking", "thinking": "", "signature": "omr1:gemini:S"}
    assert found[1]["type"] == "tool_use"


def test_citations_stand_in_their_text() -> None:
    own = Citation(origin="anthropic", raw=b'{"type":"char_location","cited_text":"c"}')
    web = Citation(url="https://e.com", title="T", cited_text="c")
    found = blocks(
        Open(block=0, kind="text"), Cite(0, 0, own), Delta(0, 0, b"a"), Cite(0, 0, web), Cite(0, 0, Citation()),
        Probabilities(0, 0, b"[]"), Close(0, 0),
    )  # fmt: skip

    assert found[0]["citations"] == [
        {"type": "char_location", "cited_text": "c"},
        {
            "type": "web_search_result_location", "cited_text": "c", "encrypted_index": "", "title": "T",
            "url": "https://e.com",
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "block"),
    [
        (Text(text="a"), {"type": "text", "text": "a"}),
        (Text(text=""), None),
        (Reasoning(data="R", redacted=True, origin="anthropic"), {"type": "redacted_thinking", "data": "R"}),
        (Reasoning(text="hm"), {"type": "thinking", "thinking": "hm", "signature": ""}),
        (Reasoning(), None),
        (
            ToolCall(call_id="c", name="f", arguments="{}"),
            {"type": "tool_use", "id": "c", "name": "f", "input": {}, "partial_json": "{}"},
        ),
        (Opaque(origin="anthropic", raw=b'{"type":"x"}'), {"type": "x"}),
        (Opaque(origin="gemini", raw=b'{"type":"x"}'), None),
    ],
)
def test_blocks_in_one_piece(value: object, block: object) -> None:
    found = blocks(Whole(block=0, value=value))  # type: ignore[arg-type]

    assert found == ([] if block is None else [block])


def test_a_picture_of_the_models_is_told_of() -> None:
    (found,) = blocks(Whole(block=0, value=Image(source=Inline("image/png", "QUJD"))))

    assert "image/png" in str(found["text"])


def test_free_text_of_a_call_becomes_a_member() -> None:
    (found,) = blocks(call(0, custom=True), Delta(0, 0, rb"say \"x\""), Delta(0, 0, rb"\n\u00e9"), Close(0, 0))

    assert msgspec.json.decode(str(found["partial_json"])) == {"input": 'say "x"\n\u00e9'}


@pytest.mark.parametrize(
    ("events", "reason", "stop"),
    [
        ((), "stop", "end_turn"),
        ((call(0), Close(0, 0)), "stop", "tool_use"),
        ((call(0), Close(0, 0)), "length", "max_tokens"),
        ((Whole(block=0, value=Refusal(text="no")),), "stop", "refusal"),
        ((), "context_window", "model_context_window_exceeded"),
        ((), "pause", "pause_turn"),
        ((), "filter", "refusal"),
    ],
)
def test_why_it_ended(events: tuple[StreamEvent, ...], reason: str, stop: str) -> None:
    assert parsed(encode(ended(*events, reason=reason)))[-2]["delta"] == {"stop_reason": stop, "stop_sequence": None}


def test_a_filter_says_why() -> None:
    finish = msgspec.structs.replace(ended()[0].finish, reason="filter", detail="no", category="bio", raw="refusal")  # type: ignore[union-attr]

    assert parsed(encode((Finish(0, finish), End())))[-2]["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": "bio", "explanation": "no"},
    }


def test_nothing_follows_an_error() -> None:
    error = UpstreamError("slow down", error_class="x", kind="rate_limit")
    encoder = CLIENT.encoder(CONTEXT)
    out = encoder.encode(Start()) + encoder.encode(Failure(error)) + encoder.encode(End()) + encoder.encode(call(0))

    assert parsed(out)[-1] == {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}


def test_an_answer_that_ends_with_blocks_open_is_complete_all_the_same() -> None:
    found = blocks(call(0), Delta(0, 0, b"{"), call(1), Delta(0, 1, b"{}"))

    assert [(block["id"], block["partial_json"]) for block in found] == [("c0", "{"), ("c1", "{}")]


def test_a_tool_result_is_no_part_of_an_answer() -> None:
    assert blocks(Whole(block=0, value=ToolResult(call_id="c"))) == []


def test_long_arguments_are_read_in_pieces() -> None:
    piece = jsontext.escaped('"' + "x" * 70_000)
    found = blocks(
        call(0), Delta(0, 0, b"["), Delta(0, 0, piece), Delta(0, 0, rb"\\\\\"]"), call(1), Close(0, 0), Close(0, 1)
    )

    assert [block["id"] for block in found] == ["c0", "c1"]


_KINDS = st.sampled_from(["text", "reasoning", "tool", "refusal"])
_TEXTS = st.sampled_from([b"a", b"{", b"}", rb"\"", b"{}", rb"\\", b"[1]", rb"\u00e9"])


@st.composite
def _answers(draw: st.DrawFn) -> list[StreamEvent]:
    """Any order of events a decoder may give, its blocks side by side."""
    events: list[StreamEvent] = []
    alive: list[int] = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(_KINDS)
        events.append(Open(block=number, kind=kind, call_id=f"c{number}", name="f"))
        alive.append(number)
        for _ in range(draw(st.integers(0, 5))):
            if not alive:
                break
            block = draw(st.sampled_from(alive))
            if draw(st.booleans()) or draw(st.booleans()):
                events.append(Delta(0, block, draw(_TEXTS)))
            else:
                alive.remove(block)
                events.append(Close(0, block))
    return events + [Close(0, block) for block in alive]


@given(_answers())
def test_whatever_is_open_side_by_side_comes_out_in_order_and_whole(events: list[StreamEvent]) -> None:
    said = {
        event.block: b"".join(e.text for e in events if isinstance(e, Delta) and e.block == event.block)
        for event in events
        if isinstance(event, Open) and event.kind == "tool"
    }
    calls = [block for block in blocks(*events) if block["type"] == "tool_use"]

    assert [block["id"] for block in calls] == [f"c{number}" for number in said]
    for block, text_of in zip(calls, said.values(), strict=True):
        # A call that was complete when another block began may have lost what came after.
        whole = msgspec.json.decode(b'"' + text_of + b'"')
        assert whole.startswith(str(block.get("partial_json", "")))


@given(_answers())
def test_every_frame_writes_what_encode_writes(events: list[StreamEvent]) -> None:
    plain = encode(ended(*events))
    encoder = CLIENT.encoder(CONTEXT)
    out = encoder.encode(Start(id="msg_1", model="m"))
    for event in ended(*events):
        frame = encoder.frame(event.block) if isinstance(event, Delta) else None
        if frame is None or not isinstance(event, Delta):
            out += encoder.encode(event)
            continue
        out += frame.head + event.text + frame.tail
        if frame.keep:
            encoder.caught(event.block, event.text)

    assert out == plain
