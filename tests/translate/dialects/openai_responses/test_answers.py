"""Whole answers, read and written."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.domain import Quirks, Usage
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatResponse,
    Citation,
    Finish,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.events import End
from omniroute.translate.fold import unfold
from omniroute.translate.upstream_errors import read_stream_error
from tests.translate.dialects.openai_responses.said import (
    CLIENT,
    CONTEXT,
    RESPONSE,
    UPSTREAM,
    encoded,
    events_of,
)

USAGE = Usage(input_total=10, cache_read=4, cache_write_5m=2, output_total=9, reasoning=3, known=True)


def answer(*blocks: Block, finish: str = "stop", **more: object) -> ChatResponse:
    candidate = Candidate(blocks=blocks, finish=Finish(reason=finish))  # type: ignore[arg-type]
    return ChatResponse(id="resp_1", model="m", candidates=(candidate,), usage=USAGE, **more)  # type: ignore[arg-type]


def body_of(response: ChatResponse) -> dict[str, object]:
    body = msgspec.json.decode(CLIENT.write_answer(response, CONTEXT))
    RESPONSE.validate_python(body)
    assert isinstance(body, dict)
    return body


def test_an_answer_is_what_its_stream_ends_with() -> None:
    response = answer(
        Reasoning(text="hm", signature="SIG", origin="anthropic"),
        Text(text="See", citations=(Citation(url="https://e.com", title="T", start=0, end=3),)),
        Refusal(text="no"),
        ToolCall(call_id="c", name="f", arguments='{"a":1.0}'),
        finish="length",
    )
    (last,) = events_of(encoded([*unfold(response), End()]))[-1:]
    assert body_of(response) == last["response"]


def test_the_first_answer_is_the_one() -> None:
    response = msgspec.structs.replace(
        answer(Text(text="first")),
        candidates=(
            Candidate(blocks=(Text(text="first"),), finish=Finish(reason="stop")),
            Candidate(blocks=(Text(text="second"),), finish=Finish(reason="length"), index=1),
        ),
    )
    body = body_of(response)
    assert (body["status"], b"second" in msgspec.json.encode(body)) == ("completed", False)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"boom","code":"server_error"}}', "boom"),
        (b'{"status":"failed","output":[],"error":{"message":"boom","code":"server_error"}}', "boom"),
        (b'{"status":"failed","output":[],"error":null}', "The response came back failed, without a reason."),
        (b'{"status":"cancelled","output":[]}', "The response came back cancelled, without a reason."),
        (b'{"status":"queued","output":[]}', "The response came back queued, without a reason."),
        (b'{"object":"error","message":"boom","code":"server_error"}', "boom"),
    ],
)
def test_a_failure_under_a_success_status(body: bytes, message: str) -> None:
    failure = UPSTREAM.read_failure(body)
    assert failure is not None
    error = read_stream_error(failure)
    assert (error.message, error.status) == (message, 502)


@pytest.mark.parametrize("body", [b'{"status":"completed","output":[],"error":null}', b'{"output":[]}', b"{}"])
def test_an_answer_is_no_failure(body: bytes) -> None:
    assert UPSTREAM.read_failure(body) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"data: x", b'{"output":'])
def test_what_is_no_object_is_neither(body: bytes) -> None:
    with pytest.raises(ValueError, match="byte"):
        UPSTREAM.read_failure(body)


@pytest.mark.parametrize("body", [b"{}", b'{"output":null}', b'{"output":{}}', b"nonsense"])
def test_what_has_no_output_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="output"):
        UPSTREAM.read_answer(body, Quirks())


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
blocks = st.one_of(
    st.builds(Text, text=texts, phase=st.sampled_from(["", "commentary", "final_answer"]), apart=st.booleans()),
    st.builds(Refusal, text=texts),
    st.builds(
        ToolCall,
        call_id=st.text("abc", min_size=1, max_size=5),
        name=st.text("fgh", min_size=1, max_size=5),
        arguments=texts,
        custom=st.booleans(),
    ),
    st.builds(
        Reasoning,
        text=texts,
        data=st.just("") | texts,
        origin=st.just("openai_responses"),
        summary=st.booleans(),
    ),
    st.builds(Reasoning, data=texts, origin=st.just("openai_responses"), redacted=st.just(True)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(blocks, max_size=6))
def test_what_is_written_reads_the_same(said: list[Block]) -> None:
    response = answer(*said, finish="tool" if any(isinstance(block, ToolCall) for block in said) else "stop")
    body = CLIENT.write_answer(response, CONTEXT)
    RESPONSE.validate_json(body)
    found = UPSTREAM.read_answer(body, Quirks())
    assert [_said(block) for block in found.candidates[0].blocks] == [_said(block) for block in said]
    finish = found.candidates[0].finish
    assert finish is not None
    assert (finish.reason, found.usage) == (
        response.candidates[0].finish and response.candidates[0].finish.reason,
        USAGE,
    )


def _said(block: Block) -> object:
    """What counts of a block: not which ids its items were given."""
    match block:
        case Text():
            return (block.text, block.phase)
        case ToolCall():
            return (block.name, block.arguments, block.custom)
        case Reasoning():
            return (block.text, block.data, block.summary)
        case _:
            return block
