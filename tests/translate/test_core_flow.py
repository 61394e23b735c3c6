"""The end of a stream that broke off, where bytes pass: the error is a whole event, whatever came before it."""

from __future__ import annotations

import pytest

from omniroute.domain import Quirks
from omniroute.errors import UpstreamError
from omniroute.translate import AnswerContext, Flow, open_flow
from omniroute.translate.dialect import Peeked
from omniroute.translate.dialects.gemini import DIALECT as GEMINI
from omniroute.translate.dialects.ollama import DIALECT as OLLAMA
from omniroute.translate.dialects.openai_chat import DIALECT as CHAT
from omniroute.translate.pairing import Pair

GONE = UpstreamError("gone", error_class="truncated")
PIECES = {
    "openai_chat": (CHAT, b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}', b"\n\n"),
    "gemini": (GEMINI, b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}', b"\n\n"),
    "ollama": (OLLAMA, b'{"message":{"role":"assistant","content":"a"},"done":false}', b"\n"),
}


def passing(dialect: object) -> Flow:
    return open_flow(
        Pair(dialect, dialect),  # type: ignore[arg-type]  # of the table above
        AnswerContext(attempt_id="a1", request_id="r1"),
        Peeked("m", True, True, 1),
        Quirks(),
        passed=True,
        max_event_bytes=1 << 20,
    )


@pytest.mark.parametrize("name", PIECES)
def test_after_whole_events_the_error_is_the_next(name: str) -> None:
    dialect, event, end = PIECES[name]
    flow = passing(dialect)
    body = flow.look(event + end)
    rest = flow.look(b"")
    error = flow.fail(GONE, last=rest)

    assert (body, rest) == (event + end, b"")
    assert error.strip() == error.removesuffix(b"\r\n\r\n").removesuffix(b"\n\n").removesuffix(b"\n"), "no empty line"
    assert b"gone" in error
    assert flow.fail(GONE, last=body) == error


@pytest.mark.parametrize("name", PIECES)
def test_an_event_without_its_end_gets_it(name: str) -> None:
    dialect, event, end = PIECES[name]
    flow = passing(dialect)
    body = flow.look(event) + flow.look(b"")
    error = flow.fail(GONE, last=body)

    assert body == event
    assert error.startswith(end)
    assert not error.removeprefix(end).startswith(b"\n")
