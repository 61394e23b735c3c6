"""Requests as the gateway reads them, and bytes that pass."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.dialects.openai_responses import DIALECT
from omniroute.translate.dialects.openai_responses.usage import usage_of
from tests.translate.dialects.openai_responses.said import CLIENT, Request, events_of, names

assert DIALECT.identity is not None
IDENTITY = DIALECT.identity


def passed(body: bytes, model: str) -> bytes:
    peeked = CLIENT.peek(Request(body))
    return b"".join(IDENTITY.encode_request(body, peeked, model=model, quirks=Quirks()))


@pytest.mark.parametrize(
    ("body", "stream"),
    [
        (b'{"model":"m","input":"x"}', False),
        (b'{"model":"m","input":[],"stream":true}', True),
        (b'{"model":"m","stream":null,"previous_response_id":"resp_1"}', False),
    ],
)
def test_what_is_read_of_a_request(body: bytes, stream: bool) -> None:
    peeked = CLIENT.peek(Request(body))
    assert (peeked.model, peeked.stream, peeked.include_usage, peeked.choices) == ("m", stream, True, 1)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (b"", None, "invalid_json"),
        (b"[]", None, "invalid_json"),
        (b'{"input":"x"}', "model", "missing_required_parameter"),
        (b'{"model":5}', "model", "invalid_value"),
        (b'{"model":""}', "model", "invalid_value"),
        (b'{"model":"a\\nb"}', "model", "invalid_value"),
        (b'{"model":"a","model":"b"}', "model", "invalid_value"),
        (b'{"model":"m","input":5}', "input", "invalid_value"),
        (b'{"model":"m","stream":"yes"}', "stream", "invalid_value"),
        (b'{"model":"m","input":' + b"[" * 100_000, "input" + "[0]" * 7, "invalid_json"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, param: str | None, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        CLIENT.peek(Request(body))
    assert (caught.value.param, caught.value.code) == (param, code)


def test_only_the_model_is_patched() -> None:
    body = b'{ "of_tomorrow": 1e400, "mod\\u0065l" : "asked/m", "input":"x", "store": true }'
    assert passed(body, "asked/m") == body
    assert passed(body, "m") == body.replace(b'"asked/m"', b'"m"')
    assert IDENTITY.path(CLIENT.peek(Request(body)), "m") == "/responses"


REPEATED = b'"parallel_tool_calls":false,"tool_choice":"none","tools":[{"type":"web_search"}],"of_tomorrow":1.0'
WHOLE = (
    b'{"id":"resp_up","object":"response","created_at":5,"status":"completed","model":"m",' + REPEATED + b',"output":['
    b'{"type":"message","id":"msg_up","role":"assistant","status":"completed",'
    b'"content":[{"type":"output_text","text":"all","annotations":[]}]}],'
    b'"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"output_tokens":1,'
    b'"output_tokens_details":{"reasoning_tokens":0},"total_tokens":4}}'
)


def test_a_whole_response_becomes_the_stream_it_should_have_been() -> None:
    assert IDENTITY.unfold is not None
    stream = IDENTITY.unfold(WHOLE)
    assert stream is not None
    last = events_of(stream)[-1]["response"]
    assert {name: value for name, value in last.items() if value is not None} == msgspec.json.decode(WHOLE)  # type: ignore[attr-defined]
    assert REPEATED in stream


def test_a_whole_failure_becomes_a_stream_that_fails() -> None:
    assert IDENTITY.unfold is not None
    body = b'{"id":"resp_up","object":"response","status":"failed","output":[],"error":{"message":"boom"},' + REPEATED
    stream = IDENTITY.unfold(body + b"}")
    assert stream is not None
    assert names(events_of(stream))[-2:] == ["error", "failed"]


@pytest.mark.parametrize("body", [b"{}", b"[DONE]", b'{"object":"response"}', b'{"object":"response","output":[]'])
def test_anything_else_stays_what_it_is(body: bytes) -> None:
    assert IDENTITY.unfold is not None
    assert IDENTITY.unfold(body) is None


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (b'{"input_tokens":10,"output_tokens":5}', (10, 0, 5, 0, True)),
        (
            b'{"input_tokens":10,"input_tokens_details":{"cached_tokens":99},"output_tokens":5,'
            b'"output_tokens_details":{"reasoning_tokens":7}}',
            (10, 10, 5, 5, True),
        ),
        (b'{"prompt_tokens":3,"completion_tokens":4}', (3, 0, 4, 0, True)),
        (b'{"input_tokens":"many","output_tokens":-1}', (0, 0, 0, 0, False)),
        (b'{"input_tokens":1e300,"output_tokens":true}', (10**12, 0, 0, 0, True)),
        (b"null", (0, 0, 0, 0, False)),
        (b"[", (0, 0, 0, 0, False)),
    ],
)
def test_counts(usage: bytes, counts: tuple[int, int, int, int, bool]) -> None:
    found = usage_of(usage)
    assert (found.input_total, found.cache_read, found.output_total, found.reasoning, found.known) == counts
    body = b'{"output":[],"usage":' + usage + b"}"
    assert IDENTITY.usage_of_body(body).known == found.known
