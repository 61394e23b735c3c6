"""Where both sides speak Anthropic's: what is read of a request, what is patched, and the client's other questions."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks, Usage
from omniroute.errors import ClientError, OmniRouteError, Overloaded, Unauthenticated, UnknownModel, UpstreamError
from omniroute.translate.dialect import Listed
from omniroute.translate.dialects.anthropic import DIALECT
from omniroute.translate.notes import Unsupported
from tests.translate.dialects.anthropic.wire import CLIENT, UPSTREAM, asked, parsed

assert DIALECT.identity is not None
IDENTITY = DIALECT.identity


def test_only_the_model_is_patched() -> None:
    body = b'{ "model" : "alias", "messages":[ {"role":"user","content":"\\u00e9"} ],"temperature":1.0, "new":[1 ] }'
    request = asked(body)
    peeked = CLIENT.peek(request)

    assert b"".join(IDENTITY.encode_request(body, peeked, model="alias", quirks=Quirks())) == body
    assert b"".join(IDENTITY.encode_request(body, peeked, model='a"b', quirks=Quirks())) == body.replace(
        b'"alias"', rb'"a\"b"'
    )
    assert IDENTITY.path(peeked, "x") == "/messages"


def test_what_is_read_along() -> None:
    peeked = CLIENT.peek(asked(b'{"model":"m","messages":[],"stream":true}'))

    assert (peeked.model, peeked.stream, peeked.include_usage, peeked.choices) == ("m", True, True, 1)
    counting = CLIENT.peek(asked(b'{"model":"m","messages":[],"stream":null}', path="/v1/messages/count_tokens/"))
    assert (counting.operation, IDENTITY.path(counting, "m")) == ("count", "/messages/count_tokens")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":1,"messages":[]}', "model"),
        (b'{"model":"","messages":[]}', "model"),
        (b'{"model":"a\\nb","messages":[]}', "model"),
        (b'{"model":"' + b"x" * 300 + b'","messages":[]}', "model"),
        (b'{"model":"m","messages":[],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[],"model":"n"}', "model"),
        (b"[]", None),
        (b"", None),
    ],
)
def test_what_is_wrong_is_named(body: bytes, param: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        CLIENT.peek(asked(body))

    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_thread_goes_to_whoever_keeps_threads() -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[],"thread":{"type":"create"}}'
    request = asked(body)
    peeked = CLIENT.peek(request)
    keeping = Quirks(anthropic_threads=True)

    assert b"".join(IDENTITY.encode_request(body, peeked, model="m", quirks=keeping)) == body
    with pytest.raises(Unsupported) as caught:
        IDENTITY.encode_request(body, peeked, model="m", quirks=Quirks())
    error = msgspec.json.decode(CLIENT.error_body(caught.value, ""))["error"]
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    with pytest.raises(Unsupported):
        CLIENT.read_request(request, peeked)


def test_no_thread_is_none() -> None:
    body = b'{"model":"m","max_tokens":1,"messages":[],"thread":null}'

    assert b"".join(IDENTITY.encode_request(body, CLIENT.peek(asked(body)), model="m", quirks=Quirks())) == body


def test_a_whole_answer_becomes_the_stream_it_should_have_been() -> None:
    body = (
        b'{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn",'
        b'"usage":{"input_tokens":3,"output_tokens":1}}'
    )
    assert IDENTITY.unfold is not None
    stream = IDENTITY.unfold(body)

    assert stream is not None
    events = parsed(stream)
    assert events[0]["message"]["id"] == "msg_1"  # type: ignore[index]
    assert events[-2]["usage"]["output_tokens"] == 1  # type: ignore[index]
    assert IDENTITY.unfold(b'{"type":"error"}') is None
    assert IDENTITY.unfold(b'{"type":"message"}') is None
    assert IDENTITY.unfold(b"[") is None


def test_the_counts_of_a_body_are_read_without_building_it() -> None:
    assert IDENTITY.usage_of_body(b'{"usage":{"input_tokens":1,"output_tokens":2}}') == Usage(
        1, output_total=2, known=True
    )
    assert IDENTITY.usage_of_body(b"{}") == IDENTITY.usage_of_body(b"[") == Usage()


MODELS = tuple(Listed(f"p/m{number}", 1_700_000_000, 200_000, 8192) for number in range(30))


def listing(query: bytes = b"") -> dict[str, object]:
    render = CLIENT.listings[0].render
    page: dict[str, object] = msgspec.json.decode(
        render(asked(b"", path="/v1/models", query=query, anthropic_version="2023-06-01"), MODELS)
    )
    return page


def test_the_first_page_of_models() -> None:
    page = listing()

    assert page["data"][0] == {  # type: ignore[index]
        "type": "model", "id": "p/m0", "display_name": "m0", "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active", "max_input_tokens": 200_000, "max_tokens": 8192,
    }  # fmt: skip
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("p/m0", "p/m19", True)


@pytest.mark.parametrize(
    ("query", "first", "last", "more"),
    [
        (b"limit=1000", "p/m0", "p/m29", False),
        (b"limit=5&after_id=p%2Fm4", "p/m5", "p/m9", True),
        (b"after_id=p/m24", "p/m25", "p/m29", False),
        (b"limit=5&before_id=p/m7", "p/m2", "p/m6", True),
        (b"limit=5&before_id=p/m3", "p/m0", "p/m2", False),
        (b"after_id=p/m29", None, None, False),
    ],
)
def test_pages(query: bytes, first: str | None, last: str | None, more: bool) -> None:
    page = listing(query)

    assert (page["first_id"], page["last_id"], page["has_more"]) == (first, last, more)


@pytest.mark.parametrize("query", [b"limit=0", b"limit=x", b"limit=99999", b"after_id=no", b"&".join([b"a=1"] * 20)])
def test_pages_that_are_none(query: bytes) -> None:
    with pytest.raises(ClientError):
        listing(query)


def test_one_model() -> None:
    one = CLIENT.listings[1]
    found = msgspec.json.decode(one.render(asked(b"", path="/v1/models/p/m3"), MODELS))

    assert found["id"] == "p/m3"
    with pytest.raises(UnknownModel):
        one.render(asked(b"", path="/v1/models/p/none"), MODELS)


def test_a_listing_is_claimed_by_its_header() -> None:
    assert CLIENT.listings[0].claims(asked(b"", anthropic_version="2023-06-01"))
    assert not CLIENT.listings[0].claims(asked(b""))


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ClientError("x"), 400, "invalid_request_error"),
        (Unauthenticated("x"), 401, "authentication_error"),
        (UnknownModel("x"), 404, "not_found_error"),
        (ClientError("x", status=413, kind="too_large"), 413, "request_too_large"),
        (Overloaded("x"), 529, "overloaded_error"),
        (UpstreamError("x", error_class="y"), 502, "api_error"),
        (UpstreamError("x", error_class="y", status=504, kind="timeout"), 504, "timeout_error"),
        (UpstreamError("x", error_class="y", status=429, kind="quota"), 429, "rate_limit_error"),
    ],
)
def test_errors(error: OmniRouteError, status: int, kind: str) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "x"}}

    assert CLIENT.error_status(error) == status
    assert msgspec.json.decode(CLIENT.error_body(error, "req_1")) == {**body, "request_id": "req_1"}
    assert CLIENT.error_event(error, "req_1") == b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"


def test_counts() -> None:
    assert CLIENT.write_count is not None
    assert UPSTREAM.counting is not None
    assert CLIENT.write_count(5, True) == b'{"input_tokens":5}'
    assert UPSTREAM.counting.read_answer(b'{"input_tokens":5,"x":1}') == 5
    for body in (b"{}", b"[", b'{"input_tokens":-1}', b'{"input_tokens":"5"}'):
        with pytest.raises(ValueError, match="not a count"):
            UPSTREAM.counting.read_answer(body)
