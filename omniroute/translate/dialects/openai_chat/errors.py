"""Errors in OpenAI's shape, written (translation.md §14.2), and found where a vendor hides one under HTTP 200."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.errors import Kind, OmniRouteError

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


class ErrorObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """``error`` of a body; ``param`` and ``code`` are null where unknown, never absent."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str = ""
    """Not in a stream: its head has said it."""


class ErrorBody(msgspec.Struct, frozen=True):
    """A whole error body, or the chunk of an in-band error."""

    error: ErrorObject


def error_status(error: OmniRouteError) -> int:
    """The HTTP status: as the error has it, but for Anthropic's own word for an overload."""
    return 503 if error.status == 529 else error.status


def error_body(error: OmniRouteError, request_id: str) -> bytes:
    """The body that goes with ``error.status``."""
    return msgspec.json.encode(
        ErrorBody(ErrorObject(error.message, _TYPES[error.kind], error.param, error.code or None, request_id))
    )


def error_event(error: OmniRouteError, _: str) -> bytes:
    """The same as the last event of a stream that had begun. No ``[DONE]`` follows: it must not look like a success."""
    return b"data: " + error_body(error, "") + b"\n\n"


def body_error(body: bytes) -> bytes | None:
    """The ``error`` of a body that came under HTTP 200 and holds nothing else of meaning, None if it is an answer.

    The result is JSON, for ``read_stream_error``. A body with choices is an answer even if it complains.
    Raises ValueError if the body is not one JSON object: then it is neither.
    """
    error, choices, kind = jsonspan.spans(body, (b"error", b"choices", b"object"))
    if choices is not None and not (
        body.startswith(b"null", choices[0]) or (body.startswith(b"[", choices[0]) and not _items(body, choices))
    ):
        return None
    if error is not None and not body.startswith(b"null", error[0]):
        return body[error[0] : error[1]]
    if kind is not None and body[kind[0] : kind[1]] == b'"error"':
        return body  # older vLLM: {"object":"error","message":...,"code":...}
    return None


def _items(body: bytes, span: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return jsonspan.item_spans(body[span[0] : span[1]])
