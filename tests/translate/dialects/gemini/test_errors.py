"""Errors in Google's shape."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from omniroute.errors import ClientError, Kind, OmniRouteError, RateLimited
from tests.translate.dialects.gemini.speech import near


def _error(body: bytes) -> dict[str, object]:
    return msgspec.json.decode(body)["error"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("status", "kind", "code", "word"),
    [
        (400, "invalid_request", 400, "INVALID_ARGUMENT"),
        (401, "authentication", 401, "UNAUTHENTICATED"),
        (402, "billing", 403, "PERMISSION_DENIED"),
        (409, "conflict", 409, "ABORTED"),
        (413, "too_large", 413, "INVALID_ARGUMENT"),
        (429, "quota", 429, "RESOURCE_EXHAUSTED"),
        (502, "server", 500, "INTERNAL"),
        (529, "overloaded", 503, "UNAVAILABLE"),
        (504, "timeout", 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_status_and_word(status: int, kind: Kind, code: int, word: str) -> None:
    error = OmniRouteError("why", status=status, kind=kind)
    assert near().error_status(error) == code
    assert _error(near().error_body(error, "req")) == {"code": code, "message": "why", "status": word}


def test_every_kind_has_a_word() -> None:
    for kind in get_args(Kind):
        assert _error(near().error_body(OmniRouteError("x", kind=kind), "r"))["status"]


def test_when_to_come_back_is_a_detail() -> None:
    assert _error(near().error_body(RateLimited("slow", retry_after_s=16.2), "r"))["details"] == [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
    ]


def test_after_the_stream_began_it_is_the_last_event_or_element() -> None:
    client, error = near(), ClientError("x")
    assert client.error_event_of is not None
    body = client.error_body(error, "r")
    assert client.error_event(error, "r") == client.error_event_of(error, "r", "") == b"data: " + body + b"\r\n\r\n"
    array = b'[{"candidates":[]}' + client.error_event_of(error, "r", "json_array")
    assert msgspec.json.decode(array)[1] == msgspec.json.decode(body)
