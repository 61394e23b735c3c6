"""Errors in streams and in a response that failed (translation.md §14.2); before the stream they are Chat's."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.errors import Kind, OmniRouteError
from omniroute.translate.dialects.openai_responses.frames import sse
from omniroute.translate.dialects.openai_responses.schema import ErrorDetail, ErrorEvent

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
