"""Errors in Ollama's shape: the status, and a text (translation.md §14.2)."""

from __future__ import annotations

import msgspec

from omniroute.errors import OmniRouteError


class ErrorBody(msgspec.Struct, frozen=True):
    """A whole error body, or the last line of a stream that failed."""

    error: str


def error_status(error: OmniRouteError) -> int:
    """The error's own: Ollama gives no status a meaning of its own."""
    return error.status


def error_body(error: OmniRouteError, request_id: str) -> bytes:
    """The body that goes with it. There is no place for ``request_id``; it is in the head."""
    del request_id
    return msgspec.json.encode(ErrorBody(error.message))


def error_event(error: OmniRouteError, request_id: str) -> bytes:
    """The same as the last line of a stream that had begun. No ``done`` follows: it must not look like a success."""
    return error_body(error, request_id) + b"\n"
