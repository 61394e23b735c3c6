"""OpenAI Chat requests: what is read, what is refused and how, and that nothing but the fields we own changes."""

import base64
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.errors import ClientError
from omniroute.translate import Peeked, encode_request, peek

CASES: Final = Path(__file__).parents[5] / "shared" / "spec" / "translation_cases.json"
MESSAGES: Final = b'"messages":[{"role":"user","content":"hi"}]'


def body(*members: bytes) -> bytes:
    return b"{" + b",".join((b'"model":"m"', *members, MESSAGES)) + b"}"


def encoded(data: bytes, model: str = "m") -> bytes:
    return b"".join(encode_request(data, peek(data), model=model))


def facts(peeked: Peeked) -> tuple[str, bool, bool, int]:
    return peeked.model, peeked.stream, peeked.include_usage, peeked.choices


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (body(), ("m", False, False, 1)),
        (body(b'"stream":true', b'"n":3'), ("m", True, False, 3)),
        (body(b'"stream":null', b'"n":null'), ("m", False, False, 1)),
        (body(b'"stream":true', b'"stream_options":{"include_usage":true}'), ("m", True, True, 1)),
        (body(b'"stream":true', b'"stream_options":{"include_usage":false}'), ("m", True, False, 1)),
        (body(b'"stream":true', b'"stream_options":{"include_usage":null}'), ("m", True, False, 1)),
        (body(b'"stream":true', b'"stream_options":null'), ("m", True, False, 1)),
        (body(b'"stream_options":"ignored while not streaming"'), ("m", False, False, 1)),
        (b'\xef\xbb\xbf {"mod\\u0065l":"caf\\u00e9/\xc3\xa9","messages":[]}', ("café/é", False, False, 1)),
    ],
)
def test_what_is_read(data: bytes, expected: tuple[str, bool, bool, int]) -> None:
    assert facts(peek(data)) == expected


@pytest.mark.parametrize(
    ("data", "param", "code", "says"),
    [
        (b"", None, "invalid_json", "not a JSON object (expected an object at byte 0)"),
        (b"[]", None, "invalid_json", "not a JSON object"),
        (b'{"model":"m",}', None, "invalid_json", "expected a member name at byte 13"),
        (b"{" + MESSAGES + b"}", "model", "missing_required_parameter", "'model' is missing"),
        (b'{"model":"m"}', "messages", "missing_required_parameter", "'messages' is missing"),
        (b'{"model":"","messages":[]}', "model", "invalid_value", "1 to 256 printable characters"),
        (b'{"model":null,"messages":[]}', "model", "invalid_value", "1 to 256 printable characters"),
        (b'{"model":7,"messages":[]}', "model", "invalid_value", "'model' must be a string"),
        (b'{"model":"a\\r\\nX: y","messages":[]}', "model", "invalid_value", "printable"),
        (b'{"model":"' + b"a" * 257 + b'","messages":[]}', "model", "invalid_value", "1 to 256"),
        (b'{"model":"\xff","messages":[]}', "model", "invalid_value", "'model' must be a string"),
        (b'{"model":"m","messages":"hi"}', "messages", "invalid_value", "'messages' must be a list"),
        (body(b'"stream":1'), "stream", "invalid_value", "'stream' must be true or false"),
        (body(b'"stream":"true"'), "stream", "invalid_value", "'stream' must be true or false"),
        (body(b'"n":0'), "n", "invalid_value", "'n' must be a whole number from 1 to 256"),
        (body(b'"n":"2"'), "n", "invalid_value", "'n' must be a whole number from 1 to 256"),
        (body(b'"n":1.5'), "n", "invalid_value", "'n' must be a whole number from 1 to 256"),
        (body(b'"n":257'), "n", "invalid_value", "'n' must be a whole number from 1 to 256"),
        (body(b'"n":99999999999999999999999'), "n", "invalid_value", "'n' must be a whole number from 1 to 256"),
        (body(b'"n":true'), "n", "invalid_value", "'n' must be a whole number from 1 to 256"),
        (b'{"model":"a","model":"b","messages":[]}', "model", "invalid_value", "'model' is given more than once"),
        (b'{"model":"a","mod\\u0065l":"a","messages":[]}', "model", "invalid_value", "given more than once"),
        (body(MESSAGES), "messages", "invalid_value", "'messages' is given more than once"),
        (body(b'"stream":true', b'"stream":false'), "stream", "invalid_value", "'stream' is given more than once"),
        (
            body(b'"stream":true', b'"stream_options":{"include_usage":true,"include_usage":false}'),
            "stream_options.include_usage", "invalid_value", "given more than once",
        ),
        (body(b'"stream":true', b'"stream_options":true'), "stream_options", "invalid_value", "must be an object"),
        (
            body(b'"stream":true', b'"stream_options":{"include_usage":1}'),
            "stream_options.include_usage", "invalid_value", "must be true or false",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(data: bytes, param: str | None, code: str, says: str) -> None:
    with pytest.raises(ClientError) as caught:
        peek(data)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)
    assert says in caught.value.message


def test_nothing_changes_that_need_not() -> None:
    for data in (body(), body(b'"stream":true', b'"stream_options":{"include_usage":true}')):
        (part,) = encode_request(data, peek(data), model="m")
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
