"""Whole answers as bytes: whether a body is one, and what it cost, without building it."""

from __future__ import annotations

from omniroute._speedups import chat
from omniroute.domain import Usage
from omniroute.translate.dialects.openai_chat.errors import body_error
from omniroute.translate.dialects.openai_chat.usage import usage_of_body


def read_failure(body: bytes) -> bytes | None:
    """The error that a body under a success status is (JSON), None for an answer.

    Raises ValueError if the body is not one JSON object: then it is neither.
    """
    return None if chat.scan_answer(body) is not None else body_error(body)


def scan_answer(body: bytes) -> tuple[bytes | None, Usage]:
    """Both at once."""
    counts = chat.scan_answer(body)
    return (None, Usage(*counts)) if counts is not None else (body_error(body), usage_of_body(body))


def counts_of(body: bytes) -> Usage:
    """Counts of a whole answer. Never raises: not ``known`` where none could be read."""
    counts = chat.scan_answer(body)
    return usage_of_body(body) if counts is None else Usage(*counts)
