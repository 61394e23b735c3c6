"""The machine between a decoder and an encoder: what it allows a stream."""

from __future__ import annotations

import pytest

from omniroute.domain import Quirks
from omniroute.translate import AnswerContext, find_dialects
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage

DIALECTS = find_dialects()
EVENT = b'{"choices":[{"index":0,"delta":{"content":"%s"}}]}'


def machine(client: str, max_read_bytes: int) -> Machine:
    near, far = DIALECTS[client].client, DIALECTS["openai_chat"].upstream
    assert near is not None
    assert far is not None
    return Machine(
        far.decoder(Quirks()),
        near.encoder(AnswerContext(attempt_id="a")),
        TagStage(think=False),
        choices=1,
        estimated_input=0,
        max_read_bytes=max_read_bytes,
    )


@pytest.mark.parametrize("client", ["anthropic", "gemini", "ollama", "openai_chat", "openai_responses"])
def test_an_answer_that_does_not_end_is_a_failure(client: str) -> None:
    event = EVENT % b"word"
    tested = machine(client, 10 * len(event))
    for _ in range(10):
        assert b"error" not in tested.event(b"", event).replace(b'"error":null', b"")

    assert b"does not end" in tested.event(b"", event)
    assert tested.done
    assert tested.failure is not None
    assert tested.failure.error_class == "too_large"
    assert tested.event(b"", event) + tested.finish() == b""
    assert not tested.lanes()
