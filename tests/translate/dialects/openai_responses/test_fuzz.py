"""Whatever a client sends: a request, or a 400 that names what is wrong."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.notes import Notes
from tests.translate.dialects.openai_responses.said import UPSTREAM, read_body

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
words = st.sampled_from(
    ["", "m", "c1", "f", "auto", "omr1:gemini:x", "omr1:", "https://e.com/a.png", "data:,x", "aGk="]
)


def some(**members: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=members)


parts = some(
    type=st.sampled_from(
        ["input_text", "output_text", "refusal", "input_image", "input_file", "input_audio", "summary_text", "hologram"]
    )
    | junk,
    text=words | junk,
    refusal=words | junk,
    image_url=words | junk,
    file_data=words | junk,
    file_url=words | junk,
    file_id=words | junk,
    input_audio=some(data=words, format=words) | junk,
    annotations=st.lists(junk, max_size=2),
)
items = some(
    type=st.sampled_from(
        [
            "message",
            "reasoning",
            "function_call",
            "function_call_output",
            "custom_tool_call",
            "custom_tool_call_output",
            "item_reference",
            "web_search_call",
            "mcp_approval_response",
        ]
    )
    | junk,
    role=st.sampled_from(["user", "assistant", "system", "developer"]) | junk,
    content=words | st.lists(parts | junk, max_size=3) | junk,
    output=words | st.lists(parts | junk, max_size=2) | junk,
    id=words | junk,
    call_id=words | junk,
    name=words | junk,
    arguments=words | junk,
    input=words | junk,
    summary=st.lists(parts, max_size=2) | junk,
    encrypted_content=words | junk,
)
tools = some(
    type=st.sampled_from(["function", "custom", "web_search", "mcp"]) | junk,
    name=words | junk,
    parameters=junk,
    format=junk,
    strict=junk,
)
bodies = some(
    input=words | st.lists(items | junk, max_size=5) | junk,
    instructions=words | junk,
    tools=st.lists(tools | junk, max_size=3) | junk,
    tool_choice=words | tools | junk,
    reasoning=some(effort=words | junk, summary=words | junk) | junk,
    text=some(format=some(type=st.sampled_from(["text", "json_object", "json_schema"]), schema=junk) | junk) | junk,
    include=st.lists(words, max_size=3) | junk,
    temperature=junk,
    max_output_tokens=junk,
    top_logprobs=junk,
    metadata=junk,
    store=junk,
    stream=st.booleans() | junk,
    background=junk,
    prompt=junk,
    of_tomorrow=junk,
)


def sent(body: bytes) -> bytes | ClientError:
    """What an upstream gets for a client's ``body``, or what the client is told."""
    try:
        outgoing = UPSTREAM.write_request(read_body(body), Quirks(), Notes())
    except ClientError as error:
        return error
    return b"".join(outgoing.body)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(bodies)
def test_a_request_is_read_and_written_or_refused(body: dict[str, object]) -> None:
    outcome = sent(msgspec.json.encode({"model": "m", **body}))
    if isinstance(outcome, ClientError):
        assert outcome.status == 400
        assert outcome.message
        return
    written = msgspec.json.decode(outcome)
    assert written["store"] is False
    assert written["input"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_bytes_in_the_middle_of_a_request_are_refused_at_most(noise: bytes, at: int) -> None:
    body = b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]}'
    outcome = sent(body[:at] + noise + body[at:])
    assert not isinstance(outcome, ClientError) or outcome.status == 400
