"""Both halves of chat: what the fast paths read, what they leave to the slow path, and that neither ever differs."""

from types import ModuleType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omniroute._speedups import chat_py, jsonspan_py
from omniroute.domain import Usage
from omniroute.errors import ClientError
from omniroute.translate import Peeked
from omniroute.translate.dialects.openai_chat.errors import body_error
from omniroute.translate.dialects.openai_chat.peek import peek_any
from omniroute.translate.dialects.openai_chat.usage import usage_of_body
from tests.speedups.twins import maybe_compiled, twins

chat_c = maybe_compiled("chat")
HALVES = [half for half in (chat_py, chat_c) if half is not None]

TOTALS = b'"prompt_tokens":20,"completion_tokens":9,"total_tokens":29'


@pytest.fixture(params=twins("chat"))
def chat(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("data", "facts", "values"),
    [
        (b'{"model":"m","messages":[]}', ("m", False, False, 1), [b'"m"', None, None]),
        (
            b'\xef\xbb\xbf { "messages" : [1] , "mod\\u0065l" : "a /~" } ',
            ("a /~", False, False, 1), [b'"a /~"', None, None],
        ),
        (b'{"model":"m","messages":[],"stream":true,"n":99}', ("m", True, False, 99), [b'"m"', None, None]),
        (
            b'{"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}',
            ("m", True, True, 1), [b'"m"', b'{"include_usage":true}', b"true"],
        ),
        (
            b'{"stream_options":{ "include_usage"\n:\tfalse },"model":"m","messages":[],"stream":true}',
            ("m", True, False, 1), [b'"m"', b'{ "include_usage"\n:\tfalse }', b"false"],
        ),
        (b'{"stream_options":7,"model":"m","messages":[]}', ("m", False, False, 1), [b'"m"', None, None]),
        (
            b'{"stream_options":{},"model":"m","messages":[],"stream":false}',
            ("m", False, False, 1), [b'"m"', None, None],
        ),
        (
            b'{"model":"' + b"a" * 256 + b'","messages":[]}',
            ("a" * 256, False, False, 1), [b'"%b"' % (b"a" * 256), None, None],
        ),
    ],
)  # fmt: skip
def test_a_request_is_read(chat: ModuleType, data: bytes, facts: object, values: object) -> None:
    *found, spans = chat.scan_request(data)
    assert tuple(found) == facts
    assert [None if span is None else data[slice(*span)] for span in spans] == values
    assert Peeked(*found, spans) == peek_any(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"model":"m","messages":[]',
        b'{"model":"m","messages":[]}}',
        b'{"model":"m"}',
        b'{"messages":[]}',
        b'{"model":"m","messages":{}}',
        b'{"model":m,"messages":[]}',
        b'{"model":"","messages":[]}',
        b'{"model":"' + b"a" * 257 + b'","messages":[]}',
        b'{"model":"a\\/b","messages":[]}',
        b'{"model":"caf\xc3\xa9","messages":[]}',
        b'{"model":"a\x7f","messages":[]}',
        b'{"model":"a\tb","messages":[]}',
        b'{"model":"m","model":"m","messages":[]}',
        b'{"model":"m","messages":[],"messages":[]}',
        b'{"model":"m","messages":[],"stream":null}',
        b'{"model":"m","messages":[],"stream":truth}',
        b'{"model":"m","messages":[],"stream":false,"stream":false}',
        b'{"model":"m","messages":[],"n":0}',
        b'{"model":"m","messages":[],"n":01}',
        b'{"model":"m","messages":[],"n":1.0}',
        b'{"model":"m","messages":[],"n":100}',
        b'{"model":"m","messages":[],"n":1,"n":1}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":null}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":{}}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":1}}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_us\\u0061ge":true}}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true,"x":1}}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":{"x":1,"include_usage":true}}',
        b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true,"include_usage":true}}',
        b'{"model":"m","messages":[],"stream_options":{},"stream_options":{}}',
    ],
)
def test_a_request_is_left_to_the_slow_path(chat: ModuleType, data: bytes) -> None:
    assert chat.scan_request(data) is None


SMALL = b' {"model":"alias","x":1}'
LONG = b'{"model":"alias","x":"' + b"x" * chat_py.COPY_BYTES + b'"}'
LATE = b'{"x":"' + b"x" * chat_py.COPY_BYTES + b'","model":"alias"}'


@pytest.mark.parametrize("body", [SMALL, LONG, LATE], ids=["small", "long", "late"])
@pytest.mark.parametrize("model", [None, "", "m", "a b/", "m" * 300])
@pytest.mark.parametrize("inserted", [b"", b'"y":true,'])
def test_a_body_is_patched(chat: ModuleType, body: bytes, model: str | None, inserted: bytes) -> None:
    (span,) = jsonspan_py.spans(body, (b"model",))
    parts = chat.encode_body(body, None if model is None else span, model or "", inserted)
    expected = body.replace(b"{", b"{" + inserted, 1)
    if model is not None:
        expected = expected.replace(b'"alias"', b'"' + model.encode() + b'"')
    assert b"".join(parts) == expected
    assert all(map(len, parts))
    assert len(parts) == 1 or len(body) > chat_py.COPY_BYTES
    if model is None and not inserted:
        assert parts[0] is body
    elif len(body) > chat_py.COPY_BYTES:
        assert sum(len(part) for part in parts if isinstance(part, bytes)) < 1000 + len(inserted)


@pytest.mark.parametrize("model", ['"', "\\", "é", "\n", "\x7f", "\ud800", "a" * 40 + "\\"])
def test_a_name_that_needs_an_escape_is_left_to_the_slow_path(chat: ModuleType, model: str) -> None:
    assert chat.encode_body(SMALL, (10, 17), model, b"") is None


@pytest.mark.parametrize(
    ("body", "span", "inserted"),
    [
        (b"", None, b"x"),
        (b" ", None, b"x"),
        (b"[]", None, b"x"),
        (SMALL, (0, 7), b"x"),
        (SMALL, (10, len(SMALL) + 1), b""),
        (SMALL, (10, 9), b""),
        (SMALL, (-5, 9), b""),
    ],
)
def test_what_cannot_be_patched_is_left_to_the_slow_path(
    chat: ModuleType, body: bytes, span: tuple[int, int] | None, inserted: bytes
) -> None:
    assert chat.encode_body(body, span, "m", inserted) is None


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (TOTALS, (20, 0, 0, 0, 9, 0, 0, 0, True)),
        (
            TOTALS + b',"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":4,"audio_tokens":2}'
            b',"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":1,"accepted_prediction_tokens":0}',
            (20, 5, 4, 0, 9, 3, 2, 1, True),
        ),
        (
            TOTALS + b',"prompt_tokens_details":null, "completion_tokens_details" : { } ',
            (20, 0, 0, 0, 9, 0, 0, 0, True),
        ),
        (
            b' "queue_time":0.0123,"cost":-0,"is_byok":false,"x":null,"cost_details":{"a":1.5 , "b":null},' + TOTALS,
            (20, 0, 0, 0, 9, 0, 0, 0, True),
        ),
        (
            b'"prompt_tokens":999999999999,"completion_tokens":0,"total_tokens":999999999999',
            (999999999999, 0, 0, 0, 0, 0, 0, 0, True),
        ),
    ],
)  # fmt: skip
def test_an_answer_is_read(chat: ModuleType, usage: bytes, counts: tuple[int, ...]) -> None:
    body = b'\xef\xbb\xbf{"usage":null,"choices":[ {} ],"us\\u0061ge": {%b}}\n' % usage
    assert chat.scan_answer(body) == counts
    assert Usage(*counts) == usage_of_body(body)
    assert body_error(body) is None


@pytest.mark.parametrize(
    "usage",
    [
        b"",
        b'"prompt_tokens":20,"completion_tokens":9',
        b'"prompt_tokens":20,"completion_tokens":9,"total_tokens":30',
        b'"prompt_tokens":20,"completion_tokens":9.0,"total_tokens":29',
        b'"prompt_tokens":20,"completion_tokens":09,"total_tokens":29',
        b'"prompt_tokens":20,"completion_tokens":-9,"total_tokens":11',
        b'"prompt_tokens":20,"completion_tokens":null,"total_tokens":20',
        b'"prompt_tokens":1000000000000,"completion_tokens":0,"total_tokens":1000000000000',
        TOTALS + b',"total_tokens":29',
        TOTALS + b',"x":01',
        TOTALS + b',"x":1e3',
        TOTALS + b',"x":1.',
        TOTALS + b',"x":-',
        TOTALS + b',"x":.5',
        TOTALS + b',"x":truth',
        TOTALS + b',"x":"text"',
        TOTALS + b',"x":[]',
        TOTALS + b',"x\\n":1',
        TOTALS + b',"x\xff":1',
        TOTALS + b',"x":{"y":{}}',
        TOTALS + b',"x":{"y\xff":1}',
        TOTALS + b',"prompt_cache_hit_tokens":null',
        TOTALS + b',"cache_read_input_tokens":4',
        TOTALS + b',"cache_creation_input_tokens":4',
        TOTALS + b',"prompt_tokens_details":1',
        TOTALS + b',"prompt_tokens_details":{},"prompt_tokens_details":{}',
        TOTALS + b',"prompt_tokens_details":{"cached_tokens":null}',
        TOTALS + b',"prompt_tokens_details":{"cached_tokens":1,"cached_tokens":1}',
        TOTALS + b',"prompt_tokens_details":{"cached_tokens":12,"cache_write_tokens":9}',
        TOTALS + b',"prompt_tokens_details":{"audio_tokens":21}',
        TOTALS + b',"prompt_tokens_details":{"x":{}}',
        TOTALS + b',"completion_tokens_details":{"reasoning_tokens":10}',
        TOTALS + b',"completion_tokens_details":{"audio_tokens":10}',
        TOTALS + b',"completion_tokens_details":{"x\xff":10}',
    ],
)
def test_usage_is_left_to_the_slow_path(chat: ModuleType, usage: bytes) -> None:
    assert chat.scan_answer(b'{"choices":[{}],"usage":{%b}}' % usage) is None


@pytest.mark.parametrize(
    "frame",
    [
        b'{"usage":{%b}}',
        b'{"choices":null,"usage":{%b}}',
        b'{"choices":[ ],"usage":{%b}}',
        b'{"choices":[{}],"choices":[],"usage":{%b}}',
        b'{"choices":"[1]","usage":{%b}}',
        b'{"choices":[{}],"usage":{%b},"usage":null}',
        b'{"choices":[{}],"usage":[{%b}]}',
        b'{"choices":[{}],"usage":{%b}}x',
        b'{"choices":[{}],"usage":{%b}',
        b'{"choices":[{}],"x_groq":{"usage":{%b}}}',
        b'[{"choices":[{}],"usage":{%b}}]',
    ],
)
def test_what_is_no_plain_answer_is_left_to_the_slow_path(chat: ModuleType, frame: bytes) -> None:
    assert chat.scan_answer(b'{"choices":[{}],"usage":{%b}}' % TOTALS) is not None
    assert chat.scan_answer(frame % TOTALS) is None


# Documents around the border between the two paths: plain ones, mostly with one piece that may not be.
BLANKS = st.sampled_from([b"", b"", b"", b" ", b"\n\t"])
COUNTS = st.sampled_from([b"0", b"1", b"2", b"3"])
ODD = st.sampled_from(
    [b"null", b"true", b"nul", b"1.5", b"-0", b"01", b"1e2", b"-1", b"1000000000000", b'""', b'"\xff"', b"[]", b"{}"]
)


def document(members: st.SearchStrategy[list[bytes]]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda items, blank: b"{" + blank + (blank + b",").join(items) + b"}", members, BLANKS)


def member(names: list[bytes], values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda name, value, blank: b'"%b"%b:%b' % (name, blank, value), st.sampled_from(names), values, BLANKS
    )


def one_odd(plain: list[bytes], odd: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """``plain`` in any order, or that with an odd member more, or with one in place of another."""
    extended = st.builds(lambda extra: [*plain, extra], odd)
    replaced = st.builds(
        lambda at, extra: [*plain[:at], extra, *plain[at + 1 :]], st.sampled_from(range(len(plain))), odd
    )
    return (st.just(plain) | extended | replaced).flatmap(st.permutations)


OPTIONS = document(st.lists(member([b"include_usage", b"x"], st.sampled_from([b"true", b"false", b"1"])), max_size=2))
requests = document(
    one_odd(
        [b'"model":"gpt-4o"', b'"messages": [{"a":"}"}]', b'"stream":true', b'"stream_options":{"include_usage":true}'],
        member([b"model", b"mod\\u0065l", b"messages", b"stream", b"n", b"x"], COUNTS | ODD)
        | member([b"model"], st.sampled_from([b'"m"', b'"\\n"', b'"\x7f"', b'" "']))
        | member([b"stream_options"], OPTIONS | ODD)
        | st.just(b"1"),
    )
)

DETAIL_NAMES = [b"cached_tokens", b"cache_write_tokens", b"audio_tokens", b"reasoning_tokens", b"x"]
DETAILS = document(st.lists(member(DETAIL_NAMES, COUNTS), max_size=3))
ODD_DETAILS = document(one_odd([b'"audio_tokens":1'], member([*DETAIL_NAMES, b"x\xff", b"\\u0078"], ODD)))
USAGE_NAMES = [
    b"prompt_tokens", b"total_tokens", b"x", b"x\\u0061", b"x\xff", b"x\x01", b"prompt_cache_hit_tokens",
    b"prompt_tokens_details",
]  # fmt: skip
usages = (
    st.builds(
        lambda inputs, outputs: [
            b'"prompt_tokens":5', b'"completion_tokens":3', b'"total_tokens":8',
            b'"prompt_tokens_details":' + inputs, b'"completion_tokens_details":' + outputs,
        ],
        DETAILS | ODD_DETAILS,
        DETAILS,
    )
    .flatmap(lambda plain: one_odd(plain, member(USAGE_NAMES, COUNTS | ODD | DETAILS | ODD_DETAILS)))
    .map(lambda members: b"{" + b",".join(members) + b"}")
)  # fmt: skip
answers = st.builds(
    lambda choices, usage, end: b'{"choices":%b,"usage":%b%b' % (choices, usage, end),
    st.sampled_from([b"[{}]", b"[{}]", b"[ 1 ]", b"[]", b"null"]),
    usages,
    st.sampled_from([b"}", b"}", b"} ", b',"error":{"message":"x"}}', b',"usage":null}', b""]),
)


@settings(max_examples=60)
@given(requests | st.binary(max_size=20).map(lambda text: b'{"model":"' + text + b'","messages":[]}'))
@example(b'{"model":"m","messages":[],"stream":false,"stream_options":{')
def test_a_request_is_read_as_the_slow_path_reads_it(body: bytes) -> None:
    found = [half.scan_request(body) for half in HALVES]
    assert all(each == found[0] for each in found)
    try:
        expected = peek_any(body)
    except ClientError:
        expected = None
    if found[0] is not None:
        assert Peeked(*found[0]) == expected


@settings(max_examples=60)
@given(answers)
def test_an_answer_is_read_as_the_slow_path_reads_it(body: bytes) -> None:
    found = [half.scan_answer(body) for half in HALVES]
    assert all(each == found[0] for each in found)
    if found[0] is not None:
        assert body_error(body) is None
        assert usage_of_body(body) == Usage(*found[0])


@settings(max_examples=60)
@given(
    st.binary(max_size=40),
    st.integers(-2, 45),
    st.integers(-2, 45),
    st.text(max_size=5),
    st.sampled_from([b"", b'"y":1,']),
)
def test_a_patch_is_the_one_of_jsonspan(body: bytes, start: int, end: int, model: str, inserted: bytes) -> None:
    body = b" {" + body
    for half in HALVES:
        parts = half.encode_body(body, (start, end), model, inserted)
        if parts is not None:
            edits = ((2, 2, inserted),) if inserted else ()
            expected = jsonspan_py.patch(body, (*edits, (start, end, b'"' + model.encode() + b'"')))
            assert b"".join(parts) == b"".join(expected)
        else:
            assert start < (2 if inserted else 0) or end < start or end > len(body) or not model.isascii() or (
                any(mark in '"\\\x7f' or mark < " " for mark in model)
            )  # fmt: skip
