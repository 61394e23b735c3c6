"""Errors in the vendor's shape."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.errors import ClientError, Kind, OmniRouteError, UpstreamError
from tests.translate.dialects.openai_responses.said import CLIENT, parsed


def error(kind: Kind, code: str | None = None) -> OmniRouteError:
    return UpstreamError("boom", error_class="x", kind=kind, code=code)


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("invalid_request", "invalid_request_error"),
        ("unsupported", "invalid_request_error"),
        ("context_length", "invalid_request_error"),
        ("content_filter", "invalid_request_error"),
        ("authentication", "authentication_error"),
        ("billing", "billing_error"),
        ("permission", "permission_error"),
        ("not_found", "invalid_request_error"),
        ("conflict", "invalid_request_error"),
        ("too_large", "invalid_request_error"),
        ("rate_limit", "rate_limit_error"),
        ("quota", "rate_limit_error"),
        ("server", "server_error"),
        ("overloaded", "server_error"),
        ("timeout", "server_error"),
        ("upstream_incomplete", "server_error"),
    ],
)
def test_the_kind_decides_the_type(kind: Kind, type_: str) -> None:
    body = msgspec.json.decode(CLIENT.error_body(error(kind), "req_1"))
    assert body["error"]["type"] == type_


def test_a_body_says_everything_and_null_for_what_is_unknown() -> None:
    wrong = ClientError("Wrong.", param="input", code="invalid_value")
    assert CLIENT.error_status(wrong) == 400
    assert msgspec.json.decode(CLIENT.error_body(wrong, "req_1")) == {
        "error": {
            "message": "Wrong.",
            "type": "invalid_request_error",
            "param": "input",
            "code": "invalid_value",
            "request_id": "req_1",
        }
    }
    assert msgspec.json.decode(CLIENT.error_body(error("server", ""), "r"))["error"]["code"] is None


@pytest.mark.parametrize(
    ("kind", "code", "told"),
    [
        ("server", "bad_gateway", "server_error"),
        ("server", "upstream_error", "server_error"),
        ("quota", "insufficient_quota", "insufficient_quota"),
        ("rate_limit", "", "rate_limit_exceeded"),
        ("context_length", "", "invalid_prompt"),
    ],
)
def test_in_a_stream(kind: Kind, code: str, told: str) -> None:
    event = CLIENT.error_event(error(kind, code), "req_1")
    name, data = event.removesuffix(b"\n\n").split(b"\n")
    assert name == b"event: error"
    assert parsed(data.removeprefix(b"data: ")) == {
        "type": "error",
        "sequence_number": 0,
        "code": told,
        "message": "boom",
        "param": None,
    }
