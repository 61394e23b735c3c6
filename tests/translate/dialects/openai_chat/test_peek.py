"""What is read of a request before anything else, and what is refused and how."""

from typing import Final

import pytest

from omniroute.errors import ClientError
from omniroute.translate import Peeked
from omniroute.translate.dialects.openai_chat.peek import peek
from tests.translate.dialects.openai_chat.asking import Asking

MESSAGES: Final = b'"messages":[{"role":"user","content":"hi"}]'


def body(*members: bytes) -> bytes:
    return b"{" + b",".join((b'"model":"m"', *members, MESSAGES)) + b"}"


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
    assert facts(peek(Asking(data))) == expected


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
        peek(Asking(data))
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)
    assert says in caught.value.message
