"""What the writer of an answer is told."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from omniroute.domain import Target
from omniroute.pipeline.context import context_of
from omniroute.pipeline.encode import encode
from omniroute.pipeline.recollection import Recollection
from omniroute.pipeline.values import Plan, Request, Served
from omniroute.translate import AnswerContext
from tests.pipeline.house import DOORS, caller, connection, incoming, snapshot
from tests.pipeline.speech import ASKS

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0KGgoA" * 20_000}}


def told(near: str, far: str, **more: object) -> AnswerContext:
    path, query, body = ASKS[near].request(stream=True, **more)
    asked = incoming(body, path=path, query=query, received_at=trio.current_time())
    target = Target(connection(dialect=far), "m")
    request = Request(
        asked, DOORS[near], DOORS[near].client.peek(asked), snapshot(), caller(), Plan((target,)), Recollection(float)
    )
    served = Served(target, 1, "att_1", trio.current_time(), 1.7e9)
    return context_of(request, served, encode(request, target, "att_1"))


async def test_a_translated_answer_knows_its_request_and_what_time_it_is(
    mock_clock: trio.testing.MockClock,
) -> None:
    context = told("openai_chat", "anthropic", stream_options={"include_usage": True})
    assert (context.attempt_id, context.request_id, context.model) == ("att_1", "req_1", "m")
    assert (context.created_epoch_s, context.include_usage, context.choices) == (1_700_000_000, True, 1)
    assert context.request is not None
    assert context.request.model == "acme/m"  # as the client wrote it
    mock_clock.jump(1.5)
    assert context.elapsed_ns() == pytest.approx(1.5e9)


async def test_bytes_that_pass_need_no_more_than_names() -> None:
    context = told("anthropic", "anthropic")
    assert (context.request, context.request_id) == (None, "req_1")


async def test_a_picture_is_not_counted_by_its_length() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]}]
    assert 0 < told("openai_chat", "anthropic", messages=messages).estimated_input_tokens < 10_000
    assert 0 < told("openai_chat", "anthropic").estimated_input_tokens < 100
