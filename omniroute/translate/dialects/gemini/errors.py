"""Errors in Google's shape, written (translation.md §6.4, §14.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from omniroute.errors import Kind, OmniRouteError
from omniroute.translate.dialects.gemini.words import JSON_ARRAY

# By kind alone: the status decides the word, not the upstream's own.
_STATUSES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "invalid_request": "INVALID_ARGUMENT",
        "unsupported": "INVALID_ARGUMENT",
        "context_length": "INVALID_ARGUMENT",
        "content_filter": "INVALID_ARGUMENT",
        "authentication": "UNAUTHENTICATED",
        "billing": "PERMISSION_DENIED",
        "permission": "PERMISSION_DENIED",
        "not_found": "NOT_FOUND",
        "conflict": "ABORTED",
        "too_large": "INVALID_ARGUMENT",
        "rate_limit": "RESOURCE_EXHAUSTED",
        "quota": "RESOURCE_EXHAUSTED",
        "server": "INTERNAL",
        "upstream_incomplete": "INTERNAL",
        "overloaded": "UNAVAILABLE",
        "timeout": "DEADLINE_EXCEEDED",
    }
)
_CODES: Final = {402: 403, 502: 500, 529: 503}
"""HTTP statuses Google has no word for."""
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"


class RetryInfo(msgspec.Struct, frozen=True):
    """When to come back."""

    kind: str = msgspec.field(name="@type")
    retry_delay: str = msgspec.field(name="retryDelay")


class ErrorObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """``error`` of a body."""

    code: int
    message: str
    status: str
    details: list[RetryInfo] = []


class ErrorBody(msgspec.Struct, frozen=True):
    """A whole error body, an event of a stream, or an element of an array."""

    error: ErrorObject


def error_status(error: OmniRouteError) -> int:
    """The HTTP status."""
    return _CODES.get(error.status, error.status)


def error_body(error: OmniRouteError, request_id: str) -> bytes:
    """The body that goes with it. Google's has no place for ``request_id``: the header says it."""
    del request_id
    details = []
    if error.retry_after_s is not None:
        details.append(RetryInfo(_RETRY_INFO, f"{math.ceil(error.retry_after_s)}s"))
    return msgspec.json.encode(
        ErrorBody(ErrorObject(error_status(error), error.message, _STATUSES[error.kind], details))
    )


def error_event(error: OmniRouteError, request_id: str) -> bytes:
    """The same as the last event of a stream that had begun."""
    return b"data: " + error_body(error, request_id) + b"\r\n\r\n"


def error_event_of(error: OmniRouteError, request_id: str, variant: str) -> bytes:
    """The same as the last element of an array that had begun, where the stream is one."""
    if variant == JSON_ARRAY:
        return b"," + error_body(error, request_id) + b"]"
    return error_event(error, request_id)
