"""Errors in Anthropic's shape, written (translation.md §14.2), and found where one hides under HTTP 200."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from omniroute._speedups import jsonspan
from omniroute.errors import Kind, OmniRouteError
from omniroute.translate.notes import Unsupported

OVERLOADED: Final = 529
THREAD: Final = "thread"

# By kind alone: the status decides the type, not the upstream's own word for it.
_TYPES: Final[dict[Kind, str]] = {
    "invalid_request": "invalid_request_error",
    "unsupported": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "billing_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "conflict": "invalid_request_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "server": "api_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
    "upstream_incomplete": "api_error",
}


class Details(msgspec.Struct, frozen=True):
    """What a client's SDK acts on."""

    error_code: str
    unsupported: tuple[str, ...]


class ErrorObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """``error`` of a body."""

    type: str
    message: str
    details: Details | None = None


_NO_THREADS: Final = Details("thread_unsupported_request", (THREAD,))


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole error body, or the data of an ``error`` event."""

    type: Literal["error"]
    error: ErrorObject
    request_id: str = ""


def no_threads() -> Unsupported:
    """The refusal of a message thread: the conversation is not kept here.

    SDKs know it, and send the whole conversation instead. Source: anthropic SDK 2.12, ``lib/threads/_thread_state.py``.
    """
    return Unsupported(
        f"'{THREAD}': the chosen model's provider keeps no message threads. Send the whole conversation instead.",
        param=THREAD,
    )


def error_status(error: OmniRouteError) -> int:
    """The HTTP status: 529 where others say 503, else the error's own."""
    return OVERLOADED if error.kind == "overloaded" else error.status


def error_body(error: OmniRouteError, request_id: str) -> bytes:
    """The body that goes with it."""
    details = _NO_THREADS if isinstance(error, Unsupported) and error.param == THREAD else None
    return msgspec.json.encode(ErrorBody("error", ErrorObject(_TYPES[error.kind], error.message, details), request_id))


def error_event(error: OmniRouteError, request_id: str) -> bytes:
    """The same as the last event of a stream that had begun; the request's id stands in the head."""
    del request_id
    return b"event: error\ndata: " + error_body(error, "") + b"\n\n"


def read_failure(body: bytes) -> bytes | None:
    """The ``error`` of a body that came under HTTP 200, as JSON; None if the body is an answer.

    Raises ValueError if it is not one JSON object, or neither an error nor a message.
    """
    kind, error, content, message = jsonspan.spans(body, (b"type", b"error", b"content", b"message"))
    if content is not None and body[content[0] : content[0] + 1] == b"[":
        return None
    if error is not None and not body.startswith(b"null", error[0]):
        return body[error[0] : error[1]]
    if kind is not None and body[kind[0] : kind[1]] == b'"error"' and message is not None:
        return body  # a relay that leaves the inner object out
    raise ValueError("neither a message nor an error")
