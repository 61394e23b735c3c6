"""Whole answers, both ways."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks, Usage
from omniroute.translate.canonical import (
    Candidate,
    ChatResponse,
    Citation,
    Finish,
    Image,
    Inline,
    Link,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialects.anthropic.usage import counters, usage_of
from omniroute.translate.events import End
from omniroute.translate.fold import unfold
from tests.translate.dialects.anthropic.wire import CLIENT, CONTEXT, UPSTREAM, folded, parsed

BODY = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
    "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "c"}]},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ],
    "container": {"id": "c"},
    "usage": {
        "input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15}, "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 3},
    },
}  # fmt: skip


def read(body: object) -> ChatResponse:
    return UPSTREAM.read_answer(msgspec.json.encode(body), Quirks())


def write(*blocks: object, finish: Finish | None = None, **facts: object) -> dict[str, object]:
    response = ChatResponse(id="x", model="m", candidates=(Candidate(blocks=blocks, finish=finish),))  # type: ignore[arg-type]
    body: dict[str, object] = msgspec.json.decode(
        CLIENT.write_answer(msgspec.structs.replace(response, **facts), CONTEXT)
    )
    return body


def test_an_answer_is_understood() -> None:
    response = read(BODY)

    assert (response.id, response.model, response.origin) == ("msg_1", "m", "anthropic")
    assert response.candidates[0].blocks == (
        Reasoning(text="hm", signature="S", origin="anthropic"),
        Reasoning(data="R", redacted=True, origin="anthropic"),
        Text(
            text="a",
            citations=(
                Citation(cited_text="c", origin="anthropic", raw=b'{"type":"char_location","cited_text":"c"}'),
            ),
        ),
        Opaque(
            origin="anthropic", kind="server_tool_use",
            raw=b'{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":1}}',
        ),
        ToolCall(call_id="t", name="f", arguments='{"a":1}'),
    )  # fmt: skip
    assert response.usage == Usage(130, 100, 5, 15, 9, 3, 0, 0, True)


def test_an_answer_of_ones_own_is_the_same_after_the_hub() -> None:
    assert msgspec.json.decode(CLIENT.write_answer(read(BODY), CONTEXT)) == BODY


@pytest.mark.parametrize(
    ("told", "finish"),
    [
        ({"stop_reason": "end_turn"}, Finish(reason="stop", raw="end_turn")),
        (
            {"stop_reason": "stop_sequence", "stop_sequence": "X"},
            Finish(reason="stop_sequence", detail="X", raw="stop_sequence"),
        ),
        ({"stop_reason": "max_tokens"}, Finish(reason="length", raw="max_tokens")),
        (
            {"stop_reason": "refusal", "stop_details": {"category": "bio", "explanation": "no"}},
            Finish(reason="filter", detail="no", category="bio", raw="refusal"),
        ),
        ({"stop_reason": "brand_new"}, Finish(reason="stop", raw="brand_new", unknown=True)),
        ({"stop_reason": None}, Finish(reason="stop", unknown=True)),
    ],
)
def test_why_it_ended(told: dict[str, object], finish: Finish) -> None:
    assert read({"type": "message", "content": [], **told}).candidates[0].finish == finish


def test_a_call_decides_over_a_plain_end() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}

    assert read({"content": [call], "stop_reason": "end_turn"}).candidates[0].finish == Finish(
        reason="tool", raw="end_turn"
    )


@pytest.mark.parametrize("body", [b"[]", b"{}", b"text", b'{"content":null}'])
def test_what_is_no_answer_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        UPSTREAM.read_answer(body, Quirks())


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b'{"type":"message","content":[]}', None),
        (b'{"type":"error","error":{"message":"x"}}', b'{"message":"x"}'),
        (b'{"error":"x"}', b'"x"'),
        (b'{"type":"error","message":"x"}', b'{"type":"error","message":"x"}'),
    ],
)
def test_errors_under_a_good_status(body: bytes, failure: bytes | None) -> None:
    assert UPSTREAM.read_failure(body) == failure


@pytest.mark.parametrize("body", [b"{}", b'{"error":null}', b"event: x"])
def test_neither_an_answer_nor_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        UPSTREAM.read_failure(body)


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (Text(text=""), []),
        (Refusal(text="no"), [{"type": "text", "text": "no"}]),
        (Reasoning(text="hm"), [{"type": "thinking", "thinking": "hm", "signature": ""}]),
        (
            Reasoning(text="hm", data="D", item_id="rs", origin="openai_responses"),
            [{"type": "thinking", "thinking": "hm", "signature": "omr1:openai-responses:rs:D"}],
        ),
        (
            Reasoning(data="D", item_id="rs", origin="openai_responses"),
            [{"type": "redacted_thinking", "data": "omr1:openai-responses:rs:D"}],
        ),
        (Reasoning(), []),
        (
            ToolCall(call_id="", name="f", arguments="{bad", signature="G"),
            [
                {"type": "thinking", "thinking": "", "signature": "omr1:gemini:G"},
                {"type": "tool_use", "id": "toolu_a1_0", "name": "f", "input": {"_raw_arguments": "{bad"}},
            ],
        ),
        (
            ToolCall(call_id="c", name="f", arguments="say", custom=True),
            [{"type": "tool_use", "id": "c", "name": "f", "input": {"input": "say"}}],
        ),
        (Opaque(origin="gemini", raw=b"{}"), []),
    ],
)
def test_blocks_of_others(block: object, written: list[object]) -> None:
    assert write(block)["content"] == written


def test_a_picture_is_told_of() -> None:
    found = str(write(Image(source=Inline("image/png", "QQ==")), Image(source=Link("https://e.com/a")))["content"])

    assert "image/png" in found
    assert found.count("cannot carry") == 2


def test_names_come_back() -> None:
    response = ChatResponse(
        id="", model="", candidates=(Candidate(blocks=(ToolCall(call_id="c", name="f", arguments=""),)),)
    )
    context = msgspec.structs.replace(CONTEXT, names={"f": "f.x"}, call_ids={"c": "call 0"})
    body = msgspec.json.decode(CLIENT.write_answer(response, context))

    assert body["content"] == [{"type": "tool_use", "id": "call 0", "name": "f.x", "input": {}}]
    assert (body["id"], body["model"], body["stop_reason"]) == ("msg_a1", "asked", "tool_use")


def test_the_first_of_several_answers_is_told() -> None:
    candidates = (
        Candidate(blocks=(Text(text="b"),), index=1),
        Candidate(blocks=(Text(text="a"),), index=0, finish=Finish(reason="length")),
    )
    body = write(candidates=candidates)

    assert (body["content"], body["stop_reason"]) == ([{"type": "text", "text": "a"}], "max_tokens")
    assert write(candidates=())["content"] == []


def test_numbers_nobody_told_are_estimated_and_marked() -> None:
    context = msgspec.structs.replace(CONTEXT, estimated_input_tokens=7)
    response = ChatResponse(
        id="", model="", candidates=(Candidate(blocks=(Text(text="12345"), Opaque(origin="x", raw=b"{}"))),)
    )

    assert msgspec.json.decode(CLIENT.write_answer(response, context))["usage"] == {
        "input_tokens": 7, "output_tokens": 2, "estimated": True,
    }  # fmt: skip


def test_a_whole_answer_and_its_stream_say_the_same() -> None:
    encoder = CLIENT.encoder(CONTEXT)
    stream = b"".join(encoder.encode(event) for event in (*unfold(read(BODY)), End()))
    parsed(stream)
    told = folded(stream).response()

    assert told.candidates == read(BODY).candidates
    assert (told.usage.input_total, told.usage.output_total) == (130, 9)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (b'{"input_tokens":1.0,"output_tokens":2}', Usage(1, output_total=2, known=True)),
        (b'{"input_tokens":true,"output_tokens":-2}', Usage()),
        (b'{"output_tokens":5,"output_tokens_details":{"thinking_tokens":9}}', Usage(0, 0, 0, 0, 5, 5, known=True)),
        (b'{"input_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":3}}', Usage(4, 0, 0, 3, known=True)),
        (
            b'{"input_tokens":1,"cache_creation_input_tokens":2,"cache_creation":{"ephemeral_1h_input_tokens":3}}',
            Usage(3, 0, 0, 2, known=True),
        ),
        (b'{"input_tokens":1e300,"output_tokens":null}', Usage(10**12, known=True)),
        (b"[]", Usage()),
        (b"{", Usage()),
    ],
)
def test_counts_are_read_whatever_they_look_like(raw: bytes, usage: Usage) -> None:
    assert usage_of(counters(raw)) == usage
