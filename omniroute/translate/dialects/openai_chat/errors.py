"""Errors in OpenAI's shape, written (translation.md §14.2), and found where a vendor hides one under HTTP 200."""

from __future__ import annotations

from omniroute._speedups import jsonspan
from omniroute.errors import OmniRouteError
from omniroute.translate.openai_bodies import error_body


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
