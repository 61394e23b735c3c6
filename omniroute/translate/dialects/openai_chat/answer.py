"""Whole answers: whether a body is one, and what it cost."""

from __future__ import annotations

from omniroute._speedups import chat
from omniroute.domain import Usage
from omniroute.translate.dialects.openai_chat.errors import body_error
from omniroute.translate.dialects.openai_chat.usage import usage_of_body


def read_answer(body: bytes) -> tuple[bytes | None, Usage]:
    """The error that a body under HTTP 200 is (JSON, None for an answer), and the counts of its ``usage``.

    Raises ValueError if the body is not one JSON object: then it is neither.
    """
    counts = chat.scan_answer(body)
    if counts is not None:
        return None, Usage(*counts)
    return body_error(body), usage_of_body(body)
