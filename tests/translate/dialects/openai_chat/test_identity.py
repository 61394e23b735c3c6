"""The dialect on both sides: nothing but the fields we own changes, and what we asked for is hidden again."""

import base64
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Quirks
from omniroute.translate.dialects.openai_chat.identity import IDENTITY
from omniroute.translate.dialects.openai_chat.peek import peek
from tests.translate.dialects.openai_chat.asking import Asking

CASES: Final = Path(__file__).parents[5] / "shared" / "spec" / "translation_cases.json"
MESSAGES: Final = b'"messages":[{"role":"user","content":"hi"}]'


def body(*members: bytes) -> bytes:
    return b"{" + b",".join((b'"model":"m"', *members, MESSAGES)) + b"}"


def encoded(data: bytes, model: str = "m", quirks: Quirks | None = None) -> bytes:
    parts = IDENTITY.encode_request(data, peek(Asking(data)), model=model, quirks=quirks or Quirks())
    return b"".join(parts)


def test_nothing_changes_that_need_not() -> None:
    for data in (body(), body(b'"stream":true', b'"stream_options":{"include_usage":true}')):
        (part,) = IDENTITY.encode_request(data, peek(Asking(data)), model="m", quirks=Quirks())
        assert part is data


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"stream":true,X}', b'{"stream_options":{"include_usage":true},"stream":true,X}'),
        (b' { "stream":true,X}', b' {"stream_options":{"include_usage":true}, "stream":true,X}'),
        (b'{"stream":true,"stream_options": null ,X}', b'{"stream":true,"stream_options": {"include_usage":true} ,X}'),
        (b'{"stream":true,"stream_options":{ },X}', b'{"stream":true,"stream_options":{"include_usage":true },X}'),
        (
            b'{"stream":true,"stream_options":{"include_obfuscation":false},X}',
            b'{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},X}',
        ),
        (
            b'{"stream":true,"stream_options":{"a":1 , "include_usage" : false},X}',
            b'{"stream":true,"stream_options":{"a":1 , "include_usage" : true},X}',
        ),
        (
            b'{"stream":true,"stream_options":{"include_usage":null},X}',
            b'{"stream":true,"stream_options":{"include_usage":true},X}',
        ),
    ],
)
def test_usage_is_asked_for_in_a_stream(before: bytes, after: bytes) -> None:
    rest = b'"model":"m",' + MESSAGES
    assert encoded(before.replace(b"X", rest)) == after.replace(b"X", rest)


def test_model_is_replaced_in_place() -> None:
    data = b'{"stream":true, "x":[{"model":"m"}], "model" :  "m" , "seed":12345678901234567890,' + MESSAGES + b"}"
    assert encoded(data, 'o/"p"\n\u00e9') == data.replace(
        b'"model" :  "m"', b'"model" :  "o/\\"p\\"\\n\xc3\xa9"'
    ).replace(b"{", b'{"stream_options":{"include_usage":true},', 1)


@pytest.mark.skipif(not CASES.exists(), reason="../shared/spec is not beside the repository")
def test_passthrough_vector() -> None:
    cases = {case["name"]: case for case in msgspec.json.decode(CASES.read_bytes())["cases"]}
    case = cases["passthrough/request-model-replaced-in-place"]
    data = base64.b64decode(case["input"]["body_base64"])
    expected = base64.b64decode(case["expected"]["body_base64"])
    assert encoded(data, case["context"]["upstream_model"]) == expected.replace(
        b"{", b'{"stream_options":{"include_usage":true},', 1
    )


members = st.dictionaries(
    st.sampled_from(["temperature", "tools", "x", "user", "é"]),
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=3),
    max_size=5,
)
options = st.none() | st.dictionaries(
    st.sampled_from(["include_usage", "include_obfuscation"]), st.booleans(), max_size=2
)


@given(members, st.booleans(), options, st.text(min_size=1, max_size=8).filter(str.isprintable), st.booleans())
def test_only_owned_fields_differ(
    extra: dict[str, object], stream: bool, stream_options: dict[str, bool] | None, model: str, has_options: bool
) -> None:
    document = extra | {"model": "alias", "messages": [], "stream": stream}
    if has_options:
        document["stream_options"] = stream_options
    written = msgspec.json.decode(encoded(msgspec.json.encode(document), model))
    expected = document | {"model": model}
    if stream:
        expected["stream_options"] = ((stream_options if has_options else None) or {}) | {"include_usage": True}
    assert written == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b'{"role": "assistant","content":"a"}',
            b'{"reasoning_content":" ","role": "assistant","content":"a"}',
        ),
        (
            b'{"role":"assistant","content": null,"tool_calls":[]}',
            b'{"reasoning_content":" ","role":"assistant","content": "","tool_calls":[]}',
        ),
        (
            b'{"role":"assistant","reasoning_content":null,"content":"a"}',
            b'{"role":"assistant","reasoning_content":" ","content":"a"}',
        ),
        (
            b'{"role":"assistant","reasoning_content":"","content":"a"}',
            b'{"role":"assistant","reasoning_content":" ","content":"a"}',
        ),
        (
            b'{"role":"assistant","reasoning_content":"so","content":"a"}',
            b'{"role":"assistant","reasoning_content":"so","content":"a"}',
        ),
        (b'{"role":"user","content":null}', b'{"role":"user","content":null}'),
        (b'"nonsense"', b'"nonsense"'),
    ],
)
def test_reasoning_is_filled_in_for_those_who_refuse_its_lack(before: bytes, after: bytes) -> None:
    data = b'{"model":"m","messages":[{"role":"user","content":"x"}, %b ],"n":1}'
    assert encoded(data % before, quirks=Quirks(reasoning_echo="required")) == data % after
    assert encoded(data % before, quirks=Quirks(reasoning_echo="optional")) == data % before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"role":"assistant", "content":"a","reasoning_content":"so"}', b'{"role":"assistant","content":"a"}'),
        (b'{"reasoning":"so","role":"assistant","content":"a\\u00e9"}', b'{"role":"assistant","content":"a\\u00e9"}'),
        (
            b'{"role":"assistant","reasoning_details":[{"a":1}],"x":1.0,"extra_content":{}}',
            b'{"role":"assistant","x":1.0}',
        ),
        (
            b'{"role":"assistant","tool_calls":[{"id":"c","extra_content":{"g":1},"function":{"arguments":"{}"}},{"id":"d"}]}',
            b'{"role":"assistant","tool_calls":[{"id":"c","function":{"arguments":"{}"}},{"id":"d"}]}',
        ),
    ],
)
def test_what_others_add_is_left_out_for_those_who_refuse_it(before: bytes, after: bytes) -> None:
    data = b'{"model":"m" ,"messages":[{"role":"user", "content":"x"}, %b ],"n":1}'
    assert encoded(data % before, quirks=Quirks(plain_messages=True)) == data % after
    assert encoded(data % before, "other", Quirks(plain_messages=True)) == (data % after).replace(b'"m"', b'"other"')
    assert encoded(data % before) == data % before
    streams = b'{"stream":true,"stream_options":{},' + (data % before)[1:]
    asked = b'{"stream":true,"stream_options":{"include_usage":true},' + (data % after)[1:]
    assert encoded(streams, quirks=Quirks(plain_messages=True)) == asked


@pytest.mark.parametrize(
    "message",
    [
        b'{"role":"user","content":"x","reasoning_content":"mine"}',
        b'{"role": "assistant","content":"say \\"reasoning_content\\": 1"}',
        b'{"role": "assistant","content":{"reasoning":1}}',
        b'{"role": "assistant","tool_calls":["extra_content"]}',
        b'{"role": "assistant","tool_calls":"extra_content"}',
        b'["reasoning"]',
        b'"reasoning"',
    ],
)
def test_nothing_else_is_left_out(message: bytes) -> None:
    data = b'{"model":"m","messages":[%b]}' % message
    assert encoded(data, quirks=Quirks(plain_messages=True)) == data
    assert encoded(b'{"model":"m","reasoning":{},"messages":[]}', quirks=Quirks(plain_messages=True)).endswith(b"[]}")


@pytest.mark.parametrize(
    ("data", "hidden"),
    [
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', True),
        (b'{"choices": [ ],"usage": {"prompt_tokens":1},"error":null}', True),
        (b'{"choices":[],"usage":null}', False),
        (b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}', False),
        (b'{"choices":[],"usage":{"prompt_tokens":1},"error":{"message":"x"}}', False),
        (b'{"choices":[],"prompt_filter_results":[]}', False),
        (b"[DONE]", False),
        (b'{"usage":', False),
    ],
)
def test_the_usage_chunk_is_hidden_from_who_has_not_asked_for_it(data: bytes, hidden: bool) -> None:
    assert IDENTITY.hide is not None
    plain, asking = (
        peek(Asking(body(b'"stream":true,"stream_options":{"include_usage":%b}' % flag)))
        for flag in (b"false", b"true")
    )
    assert IDENTITY.hide(data, plain) is hidden
    assert not IDENTITY.hide(data, asking)


def test_counts_of_a_whole_answer() -> None:
    whole = b'{"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}'
    usage = IDENTITY.usage_of_body(whole)
    assert (usage.input_total, usage.output_total, usage.known) == (3, 5, True)
    assert not IDENTITY.usage_of_body(b'{"choices":[{}]}').known
    assert not IDENTITY.usage_of_body(b"<html>").known
