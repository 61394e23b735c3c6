"""Errors in OpenAI's shape: every kind has its type, and what hides under HTTP 200 is found."""

import typing

import msgspec
import pytest

from omniroute.errors import (
    ClientError,
    Forbidden,
    GatewayFault,
    Kind,
    OmniRouteError,
    Overloaded,
    RateLimited,
    Unauthenticated,
    UnknownModel,
)
from omniroute.translate.dialects.openai_chat.errors import body_error, error_event
from omniroute.translate.openai_bodies import error_body, error_status


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ClientError("m", param="n"), "invalid_request_error", "bad_request"),
        (Unauthenticated("m"), "authentication_error", "invalid_api_key"),
        (Forbidden("m"), "permission_error", "permission_denied"),
        (UnknownModel("m"), "invalid_request_error", "model_not_found"),
        (RateLimited("m"), "rate_limit_error", "rate_limit_exceeded"),
        (Overloaded("m"), "server_error", "overloaded"),
        (GatewayFault("m"), "server_error", "internal_server_error"),
        (ClientError("m", code=""), "invalid_request_error", None),
    ],
)
def test_our_own_errors(error: OmniRouteError, kind: str, code: str | None) -> None:
    assert msgspec.json.decode(error_body(error, "req_1")) == {
        "error": {"message": "m", "type": kind, "param": error.param, "code": code, "request_id": "req_1"}
    }


@pytest.mark.parametrize("kind", typing.get_args(Kind))
def test_every_kind_has_a_type(kind: Kind) -> None:
    written = msgspec.json.decode(error_body(OmniRouteError("m", kind=kind), "r"))["error"]["type"]
    assert written.endswith("_error")


def test_a_status_of_anthropic_alone_is_said_as_others_do() -> None:
    assert error_status(OmniRouteError("m", status=529)) == 503
    assert error_status(OmniRouteError("m", status=402)) == 402


def test_event_is_one_data_line_without_an_end_mark() -> None:
    event = error_event(ClientError("two\nlines \u2028"), "r")
    assert event.startswith(b'data: {"error":')
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"message":"x"}}', b'{"message":"x"}'),
        (b'{"id":"c","error": "x" ,"choices":[]}', b'"x"'),
        (b'{"error":{"message":"x"},"choices":null,"user_id":"u"}', b'{"message":"x"}'),
        (b'{"object":"error","message":"x","code":40303}', b'{"object":"error","message":"x","code":40303}'),
        (b'{"error":null,"choices":[]}', None),
        (b'{"error":{"message":"x"},"choices":[{"message":{"content":"y"}}]}', None),
        (b'{"choices":[{"error":{"message":"x"}}]}', None),
        (b'{"object":"chat.completion","choices":[{}]}', None),
    ],
)
def test_error_under_http_200(body: bytes, error: bytes | None) -> None:
    assert body_error(body) == error


@pytest.mark.parametrize("body", [b"[]", b"<html>", b"", b'{"choices":[{}]'])
def test_what_is_not_an_object_is_neither(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|bytes|object|end"):
        body_error(body)
