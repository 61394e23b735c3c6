"""Errors in the vendor's shape: as bodies, in streams, and in a response that failed (translation.md §14.2)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.errors import Kind, OmniRouteError
from omniroute.translate.dialects.openai_responses.frames import sse
from omniroute.translate.dialects.openai_responses.schema import ErrorDetail, ErrorEvent

# By kind alone: the status decides the type, not the upstream's own word for it.
_TYPES: Final[dict[Kind, str]] = {
    "invalid_request": "invalid_request_error",
    "unsupported": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "billing_error",
    "permission": "permission_error",
    "not_found": "invalid_request_error",
    "conflict": "invalid_request_error",
    "too_large": "invalid_request_error",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "server": "server_error",
    "overloaded": "server_error",
    "timeout": "server_error",
    "upstream_incomplete": "server_error",
}

# The vendor's types allow few codes in a response; these say whose fault it was.
_FAILED: Final[dict[Kind, str]] = {
    "rate_limit": "rate_limit_exceeded",
    "quota": "rate_limit_exceeded",
    "invalid_request": "invalid_prompt",
    "unsupported": "invalid_prompt",
    "context_length": "invalid_prompt",
    "content_filter": "invalid_prompt",
    "too_large": "invalid_prompt",
}
_OURS: Final = frozenset({"upstream_error", "bad_gateway", ""})
"""Codes that only say that nothing better was known."""


class ErrorObject(msgspec.Struct, frozen=True):
    """``error`` of a body; ``param`` and ``code`` are null where unknown, never absent."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str


class ErrorBody(msgspec.Struct, frozen=True):
    """A whole error body."""

    error: ErrorObject


def error_status(error: OmniRouteError) -> int:
    """The status a client sees."""
    return error.status


def error_body(error: OmniRouteError, request_id: str) -> bytes:
    """The body that goes with the status: before the stream it is Chat's."""
    return msgspec.json.encode(
        ErrorBody(ErrorObject(error.message, _TYPES[error.kind], error.param, error.code or None, request_id))
    )


def error_event(error: OmniRouteError, request_id: str) -> bytes:
    """The same as the last event of a stream that was passed on as it came, so whose numbers are not known."""
    del request_id  # the type has no place for it
    return sse(ErrorEvent("error", 0, event_code(error), error.message, error.param))


def event_code(error: OmniRouteError) -> str:
    """``code`` of an error event."""
    return _FAILED.get(error.kind, "server_error") if error.code in _OURS else error.code


def failed_detail(error: OmniRouteError) -> ErrorDetail:
    """``error`` of a response that failed."""
    return ErrorDetail(_FAILED.get(error.kind, "server_error"), error.message)


def read_failure(body: bytes) -> bytes | None:
    """The ``error`` that a body under a success status is, as JSON; None for an answer.

    A response that failed or was cancelled is an error; so is one that is not there yet: nobody asked for it to run in
    the background. Raises ValueError if the body is not one JSON object.
    """
    error, output, status, kind = jsonspan.spans(body, (b"error", b"output", b"status", b"object"))
    said = None if error is None else body[error[0] : error[1]]
    state = b"" if status is None else body[status[0] : status[1]].strip(b'"')
    if said is not None and said != b"null" and (output is None or state not in (b"completed", b"incomplete")):
        return said
    if state in (b"failed", b"cancelled", b"queued", b"in_progress") and output is not None:
        return msgspec.json.encode(
            {"message": f"The response came back {state.decode()}, without a reason.", "code": "server_error"}
        )
    if kind is not None and body[kind[0] : kind[1]] == b'"error"':
        return body
    return None
