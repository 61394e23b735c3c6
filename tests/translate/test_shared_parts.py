"""What several dialects share: bodies read, media, names, carriers, the shape of a conversation."""

from __future__ import annotations

import base64
import re
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate import carriers, conversation, media, naming, reading, thinking
from omniroute.translate.canonical import Inline, Link, Text, ToolCall, ToolResult, Turn
from omniroute.translate.carriers import Carried
from omniroute.translate.notes import Notes


# -- bodies ------------------------------------------------------------------------------------------------------
class Inner(msgspec.Struct):
    text: str


class Outer(msgspec.Struct):
    messages: list[Inner]


DECODER = msgspec.json.Decoder(Outer)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[{"text":"a"},{"text":1}]}', "messages[1].text"),
        (b'{"messages":[{}]}', "messages[0].text"),
        (b'{"messages":{}}', "messages"),
        (b"{}", "messages"),
        (b"[]", None),
        (b'{"messages":[{"text":"a"},{"x":"[,]","text":"ok \\ud83d\\ude00 \\ud800"}]}', "messages[1].text"),
        (b'{"messages":[{"text":"\xff"}]}', "messages[0].text"),
        (b'{"messages":[{"text":"\\\\ud800","more":["\\udc00"]}]}', "messages[0].more[0]"),
        (b'{"x":' + b"[" * 100_000, None),
        (b'{"messages":', None),
        (b'{"messages":[{"text":"a"}],"top_p":NaN}', "top_p"),
        (b'{"messages":[{"text":"a"},{"text":"b",}]}', "messages[1]"),
        (b'{"messages":[],"\\ud800":1}', None),
        (b'{"messages":[],"x":{"y":1,"\xff":1}}', "x"),
    ],
)
def test_a_wrong_body_names_its_field(body: bytes, param: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        reading.read_body(DECODER, body)

    assert caught.value.status == 400
    assert caught.value.param == param
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("spelled", [b"1", b"1.0", b"-0.50", b"1e2", b"1E+2"])
def test_numbers_keep_their_spelling(spelled: bytes) -> None:
    assert reading.number(spelled, "temperature") == spelled


@pytest.mark.parametrize("spelled", [b'"1"', b"true", b"[]", b"1e999", b"01", b"NaN", b"1" * 65, b"3"])
def test_what_is_no_number_in_range_is_refused(spelled: bytes) -> None:
    with pytest.raises(ClientError) as caught:
        reading.number(spelled, "temperature", low=0, high=2)

    assert caught.value.param == "temperature"


def test_null_is_absent_and_whole_numbers_are_whole() -> None:
    assert reading.number(b"null", "n") is None
    assert reading.integer(None, "n") is None
    assert reading.integer(b"12345678901234567", "seed") == b"12345678901234567"
    for wrong in (b"1.0", b"1e3", b"99999999999999999999"):
        with pytest.raises(ClientError):
            reading.integer(wrong, "seed")


def test_lists_and_schemas_are_bounded() -> None:
    assert reading.bounded(None, "stop", 2) == ()
    with pytest.raises(ClientError, match="at most 2"):
        reading.bounded(["a"] * 1_000_000, "stop", 2)
    with pytest.raises(ClientError, match="1048576"):
        reading.schema(b'{"a":"' + b"x" * 5_000_000 + b'"}', "tools[0].function.parameters")
    with pytest.raises(ClientError, match="object"):
        reading.schema(b"[1]", "tools[0].function.parameters")


# -- media -------------------------------------------------------------------------------------------------------
def test_urls_point_at_bytes_or_at_the_web() -> None:
    assert media.read_url("https://a.example/x.png", "u") == Link("https://a.example/x.png")
    assert media.read_url("data:image/PNG;charset=x;base64,aGk=", "u") == Inline("image/png", "aGk=")
    assert media.read_url("data:text/plain,a%20b", "u") == Inline("text/plain", base64.b64encode(b"a b").decode())


@pytest.mark.parametrize(
    "url", ["", "x.png", "javascript:1", "data:image/png;base64,", "data:image/png;base64,?", "data:x", "http://["]
)
def test_what_is_no_picture_is_refused(url: str) -> None:
    with pytest.raises(ClientError) as caught:
        media.read_url(url, "messages[0].content[1]")

    assert caught.value.param == "messages[0].content[1]"


@given(st.binary(min_size=1))
def test_url_safe_base64_becomes_standard(data: bytes) -> None:
    given_form = base64.urlsafe_b64encode(data).decode().rstrip("=")

    assert media.standard_base64(given_form) == base64.b64encode(data).decode()


def test_kinds_of_media_have_names() -> None:
    assert media.guess_media_type("https://a.example/p/x.webp?y=.gif", "image/jpeg") == "image/webp"
    assert media.guess_media_type("https://a.example/x", "image/jpeg") == "image/jpeg"
    assert media.audio_format("audio/mpeg") == "mp3"
    assert media.audio_media_type("wav") == "audio/wav"


# -- names -------------------------------------------------------------------------------------------------------
RULES = [
    naming.CHAT_ID, naming.RESPONSES_ID, naming.ANTHROPIC_ID, naming.MISTRAL_ID, naming.OPENAI_NAME,
    naming.ANTHROPIC_NAME, naming.GEMINI_NAME,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.pattern}-{rule.most}")
@given(names=st.lists(st.text(min_size=1, max_size=80), max_size=8))
def test_names_fit_differ_and_come_back(rule: naming.Rule, names: list[str]) -> None:
    renamer = naming.Renamer(rule, names)
    fitted = [renamer.fit(name) for name in names]

    for name, fit in zip(names, fitted, strict=True):
        assert len(fit) <= rule.most
        assert re.fullmatch(rule.pattern, fit)
        assert renamer.restored.get(fit, fit) == name
        assert renamer.fit(name) == fit
    assert len(set(fitted)) == len(set(names))


def test_a_name_that_fits_is_never_given_away() -> None:
    renamer = naming.Renamer(naming.OPENAI_NAME, ["a b", "a_b"])

    assert renamer.fit("a b") != "a_b"
    assert renamer.fit("a_b") == "a_b"


# -- carriers ----------------------------------------------------------------------------------------------------
@given(st.builds(Carried, st.sampled_from(["anthropic", "gemini", "openai_chat"]), st.text(), redacted=st.booleans()))
def test_a_carrier_brings_back_what_it_was_given(carried: Carried) -> None:
    assert carriers.unwrap(carriers.wrap(carried)) == carried


def test_a_responses_item_travels_with_its_id() -> None:
    carried = Carried("openai_responses", "enc:rypted", "rs_1")

    assert carriers.wrap(carried) == "omr1:openai-responses:rs_1:enc:rypted"
    assert carriers.unwrap(carriers.wrap(carried)) == carried
    assert carriers.unwrap("ErUBCkYIAxgC") is None


# -- conversation ------------------------------------------------------------------------------------------------
def call(call_id: str, name: str = "f") -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments="{}", at=f"call {call_id}")


def result(call_id: str, text: str, name: str = "") -> ToolResult:
    return ToolResult(call_id=call_id, name=name, blocks=(Text(text=text),), at=f"result {call_id}")


def user(*blocks: ToolResult | Text) -> Turn:
    return Turn(role="user", blocks=blocks)


def assistant(*blocks: ToolCall | Text) -> Turn:
    return Turn(role="assistant", blocks=blocks)


def said(turn: Turn) -> list[tuple[str, str]]:
    return [
        (block.call_id, block.blocks[0].text)
        for block in turn.blocks
        if isinstance(block, ToolResult) and isinstance(block.blocks[0], Text)
    ]


def test_results_find_their_calls_by_id_whatever_their_order() -> None:
    notes = Notes()
    turns = (assistant(call("1"), call("2")), user(Text(text="so?"), result("2", "b"), result("1", "a")))

    as_sent = conversation.paired(turns, notes)
    in_order = conversation.paired(turns, notes, in_call_order=True)

    assert said(as_sent[1]) == [("2", "b"), ("1", "a")]
    assert said(in_order[1]) == [("1", "a"), ("2", "b")]
    assert isinstance(as_sent[1].blocks[-1], Text)
    assert not notes.warnings()


def test_results_without_ids_go_by_name_and_order() -> None:
    turns = (
        assistant(call("", "f"), call("", "g"), call("", "f")),
        user(result("", "g1", "g"), result("", "f1", "f"), result("", "f2", "f")),
    )

    paired = conversation.paired(turns, Notes())

    calls = [block.call_id for block in paired[0].blocks if isinstance(block, ToolCall)]
    assert len(set(calls)) == 3
    assert said(paired[1]) == [(calls[1], "g1"), (calls[0], "f1"), (calls[2], "f2")]
    assert paired == conversation.paired(turns, Notes())


def test_calls_in_several_turns_are_answered_where_the_results_are() -> None:
    said_before, piece, last = assistant(Text(text="x")), assistant(call("1", "f")), assistant(Text(text=""))
    turns = (said_before, piece, assistant(call("", "g")), last, user(result("", "b", "g"), result("1", "a")))
    notes = Notes()

    paired = conversation.paired(turns, notes)

    assert [turn.role for turn in paired] == ["assistant", "assistant", "user"]
    assert paired[0] == said_before
    calls = [block.call_id for block in paired[1].blocks if isinstance(block, ToolCall)]
    assert said(paired[2]) == [(calls[1], "b"), ("1", "a")]
    assert not notes.warnings()


def test_what_has_no_partner_is_dropped_or_filled_and_said() -> None:
    notes = Notes()

    paired = conversation.paired((assistant(call("1"), call("2")), user(result("9", "x"), result("1", "a"))), notes)

    assert said(paired[1]) == [("1", "a"), ("2", conversation.NO_RESULT)]
    assert {(note.field, note.action) for note in notes.warnings()} == {
        ("result 9", "dropped"),
        ("call 2", "synthesised"),
    }


def test_a_call_nobody_ever_answered_is_answered_at_the_end_and_before_the_next_turn() -> None:
    last = conversation.paired((assistant(call("1")),), Notes())
    middle = conversation.paired((assistant(call("1")), user(Text(text="x")), assistant(Text(text="y"))), Notes())

    assert [turn.role for turn in last] == ["assistant", "user"]
    assert [turn.role for turn in middle] == ["assistant", "user", "assistant"]


def test_calls_and_results_spread_over_turns_are_gathered_and_other_turns_stay_as_they_are() -> None:
    notes = Notes()
    turns = (
        assistant(Text(text="a")),
        assistant(Text(text="b"), call("1")),
        assistant(call("2"), Text(text="c")),
        assistant(Text(text="d")),
        user(Text(text="e")),
        user(result("1", "x"), Text(text="f")),
        user(result("2", "y")),
        user(Text(text="g")),
    )

    paired = conversation.paired(turns, notes)

    assert not notes
    assert [turn.role for turn in paired] == ["assistant", "assistant", "user", "user", "user"]
    assert paired[0] == turns[0]
    assert [block.apart for block in paired[1].blocks if isinstance(block, Text)] == [False, False, True]
    assert [block.call_id for block in paired[1].blocks if isinstance(block, ToolCall)] == ["1", "2"]
    assert said(paired[2]) == [("1", "x"), ("2", "y")]
    assert [block.text for turn in paired[2:] for block in turn.blocks if isinstance(block, Text)] == ["e", "f", "g"]


def test_one_id_for_two_calls_of_a_turn_becomes_two() -> None:
    paired = conversation.paired((assistant(call("1"), call("1")), user(result("1", "a"))), Notes())

    ids = [block.call_id for block in paired[0].blocks if isinstance(block, ToolCall)]
    assert len(set(ids)) == 2
    assert [call_id for call_id, _ in said(paired[1])] == ids


@pytest.mark.slow
def test_pairing_and_merging_take_linear_time() -> None:
    began = time.process_time()
    ids = [str(number) for number in range(20_000)]
    calls = assistant(*map(call, ids))
    answers = user(*(result(call_id, call_id) for call_id in reversed(ids)))
    unnamed = user(*(result("", call_id, "f") for call_id in ids))
    many = (*(assistant(call(call_id)) for call_id in ids), *(user(result(call_id, "x")) for call_id in ids))

    assert said(conversation.paired((calls, answers), Notes())[1]) == [(one, one) for one in reversed(ids)]
    assert said(conversation.paired((calls, unnamed), Notes())[1]) == [(one, one) for one in ids]
    assert [len(turn.blocks) for turn in conversation.merged(many)] == [20_000, 20_000]
    assert time.process_time() - began < 2  # a quarter of it here; comparing each with each takes half a minute


def test_turns_are_merged_and_empty_ones_left_out() -> None:
    turns = (user(Text(text="a")), user(Text(text="b")), assistant(Text(text="")), user(Text(text=" ")))

    merged = conversation.merged(conversation.without_empty(turns, blank=True))

    assert merged == (user(Text(text="a"), Text(text="b")),)


# -- thinking ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("budget", "effort"), [(0, "low"), (2048, "low"), (2049, "medium"), (16384, "medium"), (16385, "high")]
)
def test_budgets_have_levels(budget: int, effort: str) -> None:
    assert thinking.effort_of(budget) == effort


def test_levels_have_budgets() -> None:
    quirks = Quirks(effort_budgets=(1, 2, 3))

    assert [thinking.budget_of(e, quirks) for e in ("minimal", "low", "medium", "high", "max", "new")] == [
        1,
        1,
        2,
        3,
        3,
        3,
    ]
