"""Tags in streams, whole answers and bodies that pass."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from omniroute.domain import Usage
from omniroute.translate.canonical import Candidate, ChatResponse, Citation, Reasoning, Refusal, Text, ToolCall
from omniroute.translate.canonical import Finish as Reason
from omniroute.translate.events import (
    Cite,
    Close,
    Delta,
    End,
    Finish,
    Open,
    Probabilities,
    Sign,
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.tags import INTERNAL, TagStage, rewrite, strip_tags, strip_tags_of_response

TAG = b"<omniModel>openai/gpt-5</omniModel>"


def staged(events: Iterable[StreamEvent], *, think: bool = False) -> list[StreamEvent]:
    stage = TagStage(think=think)
    return [after for event in events for after in stage.apply(event)]


def text_block(*pieces: bytes, block: int = 0, choice: int = 0) -> list[StreamEvent]:
    return [
        Open(choice=choice, block=block, kind="text"),
        *(Delta(choice, block, piece) for piece in pieces),
        Close(choice, block),
    ]


def told(events: Iterable[StreamEvent]) -> list[tuple[str, bytes]]:
    """Kind and text of each block, in order of opening."""
    kinds: dict[int, str] = {}
    texts: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, Open):
            assert event.block == len(kinds), "blocks are numbered in the order in which they open"
            kinds[event.block], texts[event.block] = event.kind, b""
        elif isinstance(event, Delta):
            assert event.text
            texts[event.block] += event.text
        elif isinstance(event, Close):
            assert event.block in kinds
    return [(kinds[block], texts[block]) for block in kinds]


def test_a_tag_is_cut_across_deltas() -> None:
    events = [Start(), *text_block(b"a<omni", b"Model>x</omni", b"Model>b"), Finish(0, Reason(reason="stop")), End()]
    assert told(staged(events)) == [("text", b"ab")]
    assert [type(event) for event in staged(events)] == [Start, Open, Delta, Delta, Close, Finish, End]


def test_a_tag_is_cut_across_blocks() -> None:
    assert told(staged([*text_block(b"a<omniMo"), *text_block(b"del>x</omniModel>b", block=1)])) == [
        ("text", b"a"),
        ("text", b"b"),
    ]


def test_what_was_no_tag_after_all_is_said_in_the_next_block() -> None:
    assert told(staged([*text_block(b"a<omni"), *text_block(b"bus", block=1)])) == [
        ("text", b"a"),
        ("text", b"<omnibus"),
    ]


def test_half_a_tag_at_the_end_of_a_choice_is_dropped() -> None:
    events = [*text_block(b"a<omniModel>op"), Finish(0, Reason(reason="length")), *text_block(b"b", block=1)]
    assert told(staged(events)) == [("text", b"a"), ("text", b"b")]


def test_a_bracket_at_the_end_of_a_block_is_text() -> None:
    assert told(staged(text_block(b"a <"))) == [("text", b"a <")]


@pytest.mark.parametrize("kind", ["reasoning", "refusal"])
def test_reasoning_and_refusals_are_cleaned(kind: str) -> None:
    opening = Open(block=0, kind="reasoning" if kind == "reasoning" else "refusal")
    assert told(staged([opening, Delta(0, 0, b"a" + TAG + b"b"), Close(0, 0)])) == [(kind, b"ab")]


def test_tool_arguments_are_not_touched() -> None:
    arguments = b'{\\"a\\":\\"' + TAG + b'\\"}'
    stage = TagStage(think=True)
    out = [
        after
        for event in (Open(block=0, kind="tool", call_id="c", name="f"), Delta(0, 0, arguments))
        for after in stage.apply(event)
    ]
    assert told(out) == [("tool", arguments)]
    assert stage.tags(0) == ()


def test_choices_do_not_mix() -> None:
    events: list[StreamEvent] = [
        Open(choice=0, block=0, kind="text"),
        Open(choice=1, block=1, kind="text"),
        Delta(0, 0, b"a<omni"),
        Delta(1, 1, b"Model>b"),
        Delta(0, 0, b"Model>x</omniModel>c"),
        Close(0, 0),
        Close(1, 1),
    ]
    assert told(staged(events)) == [("text", b"ac"), ("text", b"Model>b")]


def test_whole_texts_are_cleaned() -> None:
    (event,) = staged([Whole(block=0, value=Text(text=f"a{TAG.decode()}", signature="S"))])
    assert event == Whole(block=0, value=Text(text="a", signature="S"))


def test_lanes_are_shut_while_a_tag_may_be_half_read() -> None:
    stage = TagStage(think=False)
    list(stage.apply(Open(block=0, kind="text")))
    assert stage.tags(0) == INTERNAL
    list(stage.apply(Delta(0, 0, b"a<omni")))
    assert stage.tags(0) is None
    list(stage.apply(Delta(0, 0, b"x")))
    assert stage.tags(0) == INTERNAL


# -- <think> -----------------------------------------------------------------------------------------------------------
def test_think_text_becomes_a_reasoning_block_before_the_text() -> None:
    events = text_block(b"<th", b"ink>a", b"b</thi", b"nk>\\n\\nC")
    assert told(staged(events, think=True)) == [("reasoning", b"ab"), ("text", b"C")]
    assert told(staged(events)) == [("text", b"<think>ab</think>\\n\\nC")]


def test_without_a_think_tag_the_text_stays_where_it_is() -> None:
    assert told(staged(text_block(b"Hi"), think=True)) == [("text", b"Hi")]
    assert told(staged(text_block(b"<th"), think=True)) == [("text", b"<th")]


def test_only_the_start_of_a_choice_is_looked_at() -> None:
    events = [*text_block(b"<think>a</think>b"), *text_block(b"<think>c</think>", block=1)]
    assert told(staged(events, think=True)) == [
        ("reasoning", b"a"),
        ("text", b"b"),
        ("text", b"<think>c</think>"),
    ]


def test_reasoning_that_does_not_end_is_reasoning() -> None:
    assert told(staged(text_block(b"<think>a"), think=True)) == [("reasoning", b"a")]


def test_an_answer_of_an_empty_thought_alone_has_no_block() -> None:
    assert staged(text_block(b"<think>\\n</think>"), think=True) == []


def test_later_blocks_are_numbered_after_the_one_put_in() -> None:
    events = [
        *text_block(b"<think>a</think>b"),
        Open(block=1, kind="tool", call_id="c", name="f"),
        Delta(0, 1, b"{}"),
        Close(0, 1),
        Whole(block=2, value=Text(text="x")),
    ]
    out = staged(events, think=True)
    assert told(out) == [("reasoning", b"a"), ("text", b"b"), ("tool", b"{}")]
    assert out[-1] == Whole(block=3, value=Text(text="x"))


def test_the_lane_follows_the_text_from_reasoning_on() -> None:
    stage = TagStage(think=True)
    assert list(stage.apply(Open(block=0, kind="text"))) == []
    assert stage.tags(0) is None
    list(stage.apply(Delta(0, 0, b"<think>a")))
    assert stage.tags(0) == (*INTERNAL, b"</think>")
    assert stage.block_of(0) == 0
    list(stage.apply(Delta(0, 0, b"</think>")))
    assert stage.tags(0) is None
    list(stage.apply(Delta(0, 0, b"b")))
    assert stage.tags(0) == INTERNAL
    assert stage.block_of(0) == 1


def test_what_belongs_to_the_text_waits_for_it() -> None:
    cite = Cite(0, 0, Citation(url="https://example.com"))
    sign = Sign(block=0, signature="S", origin="gemini")
    opening = Open(block=0, kind="text", phase="final_answer")
    out = staged([opening, Delta(0, 0, b"<think>a"), cite, sign, Delta(0, 0, b"</think>b"), Close(0, 0)], think=True)
    assert out == [
        Open(block=0, kind="reasoning"),
        Delta(0, 0, b"a"),
        Close(0, 0),
        Open(block=1, kind="text", phase="final_answer"),
        Cite(0, 1, Citation(url="https://example.com")),
        Sign(block=1, signature="S", origin="gemini"),
        Delta(0, 1, b"b"),
        Close(0, 1),
    ]
    out = staged([opening, Delta(0, 0, b"<think>a"), sign, Close(0, 0)], think=True)
    assert out[-3:] == [
        Open(block=1, kind="text", phase="final_answer"),
        Sign(block=1, signature="S", origin="gemini"),
        Close(0, 1),
    ]


def test_probabilities_of_what_is_no_text_any_more_are_dropped() -> None:
    probabilities = Probabilities(0, 0, b"[]")
    events = [
        Open(block=0, kind="text"),
        Delta(0, 0, b"<think>a"),
        probabilities,
        Delta(0, 0, b"</think>b"),
        probabilities,
    ]
    out = staged(events, think=True)
    assert [event for event in out if isinstance(event, Probabilities)] == [Probabilities(0, 1, b"[]")]


# -- whole answers -----------------------------------------------------------------------------------------------------
def answer(*blocks: Text | Reasoning | Refusal | ToolCall) -> ChatResponse:
    return ChatResponse(
        id="i",
        model="m",
        candidates=(Candidate(blocks=blocks, finish=Reason(reason="stop")),),
        usage=Usage(input_total=1, known=True),
        ext=(("x", b"1"),),
        origin="gemini",
    )


def test_a_whole_answer_is_cleaned_like_its_stream() -> None:
    tag = TAG.decode()
    call = ToolCall(call_id="c", name="f", arguments='{"a":"' + tag + '"}')
    stripped = strip_tags_of_response(
        answer(Reasoning(text=f"r{tag}"), Text(text=f"a{tag}b"), Refusal(text=tag + "n"), call), think=False
    )
    assert stripped == answer(Reasoning(text="r"), Text(text="ab"), Refusal(text="n"), call)


def test_think_text_of_a_whole_answer() -> None:
    response = answer(Text(text="<think>hm</think>\n\nA <b>"))
    assert strip_tags_of_response(response, think=True) == answer(Reasoning(text="hm"), Text(text="A <b>"))
    assert strip_tags_of_response(response, think=False) is response


def test_an_answer_without_tags_is_not_touched() -> None:
    response = answer(Text(text="a < b and <b>"))
    assert strip_tags_of_response(response, think=True) is response


# -- bodies that pass --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "stripped"),
    [
        (b'{"choices":[{"message":{"content":"a%sb"}}]}', b'{"choices":[{"message":{"content":"ab"}}]}'),
        (b'{"content":[{"type":"text","text":"%s"}]}', b'{"content":[{"type":"text","text":""}]}'),
        (b'{ "parts" : [ {"thought":true, "text":"a%s"} ] }', b'{ "parts" : [ {"thought":true, "text":"a"} ] }'),
        (b'{"message":{"thinking":"%s","content":"%s"}}', b'{"message":{"thinking":"","content":""}}'),
        (b'{"content":["a%s",{"text":"b%s"}]}', b'{"content":["a",{"text":"b"}]}'),
        (b'{"type":"response.output_text.delta","delta":"%s"}', b'{"type":"response.output_text.delta","delta":""}'),
        (b'{"response":"%sx","done":true}', b'{"response":"x","done":true}'),
    ],
)
def test_texts_in_a_body_are_cleaned(body: bytes, stripped: bytes) -> None:
    for tag in (TAG, b"\\u003comniModel\\u003em\\u003c\\/omniModel\\u003e"):
        assert strip_tags(body.replace(b"%s", tag)) == stripped


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{\\"text\\":\\"%s\\"}"}}]}}',
        b'{"content":[{"type":"tool_use","input":{"text":"%s","content":["%s"]}}]}',
        b'{"parts":[{"functionCall":{"args":{"content":[{"text":"%s"}]}}}]}',
        b'{"output":[{"type":"custom_tool_call","input":"%s"}]}',
        b'{"type":"response.function_call_arguments.delta","delta":"%s"}',
        b'{"type":"response.custom_tool_call_input.delta","delta":"%s"}',
        b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"%s"}}',
        b'{"model":"%s","%s":1,"content":"<omnibus>"}',
        b'{"content":"a","metadata":{"a":"%s"}}',
    ],
)
def test_nothing_else_in_a_body_is(body: bytes) -> None:
    body = body.replace(b"%s", TAG)
    assert strip_tags(body) == body


@pytest.mark.parametrize("body", [b'{"text":"<omni', b"<omniModel>", b'}]{"text":', b'{"text":<omn}', b""])
def test_what_is_no_json_does_no_harm(body: bytes) -> None:
    assert strip_tags(body) == body


def test_texts_are_replaced_in_order() -> None:
    body = b'{"text":"a","x":"a","content":"b","y":{"text":"a"}}'
    assert rewrite(body, [(b"a", b"1"), (b"a", b"2")]) == b'{"text":"1","x":"a","content":"b","y":{"text":"2"}}'
