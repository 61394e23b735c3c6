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

Strategy = st.SearchStrategy[object]


def item(kind: str | None, **members: Strategy) -> Strategy:
    known: dict[str, Strategy] = {} if kind is None else {"type": st.just(kind)}
    return st.fixed_dictionaries(known | members)


words: Strategy = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=6)
ids: Strategy = st.sampled_from(["c1", "c2", "c3"])
urls: Strategy = st.sampled_from(["https://e.com/a.png", "data:image/png;base64,aGk=", "data:,x"])
heard = st.one_of(
    item("input_text", text=words),
    item("input_image", image_url=urls),
    item("input_image", file_id=words),
    item("input_file", file_data=st.just("aGk="), filename=words),
    item("input_file", file_url=st.just("https://e.com/a.pdf")),
    item("input_audio", input_audio=item(None, data=st.just("aGk="), format=st.just("mp3"))),
)
said = st.one_of(item("output_text", text=words, annotations=st.just([])), item("refusal", refusal=words))
signed: Strategy = st.sampled_from(
    ["", "gAAA", "omr1:gemini:U0lH", "omr1:anthropic:SIG", "omr1:anthropic-redacted:D", "omr1:"]
)
items = st.one_of(
    item(None, role=st.just("user"), content=words | st.lists(heard, min_size=1, max_size=3)),
    item("message", role=st.sampled_from(["system", "developer"]), content=words),
    item("message", role=st.just("assistant"), content=words | st.lists(said, max_size=3)),
    item("reasoning", id=words, summary=st.lists(item(None, text=words), max_size=2), encrypted_content=signed),
    item("function_call", call_id=ids, name=words, arguments=words),
    item("custom_tool_call", call_id=ids, name=words, input=words),
    item("function_call_output", call_id=ids, output=words | st.lists(heard, max_size=2)),
    item("custom_tool_call_output", call_id=ids, output=words),
    item("web_search_call", id=words),
    item("mcp_approval_response", approval_request_id=words),
)
tools = st.one_of(
    item("function", name=words, parameters=st.just({"type": "object"}), strict=st.none() | st.booleans()),
    item("custom", name=words, format=st.just({"type": "text"})),
    item("web_search"),
)
choices: Strategy = st.sampled_from(["auto", "none", "required"]) | item("function", name=words)
bodies: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"model": words, "input": words | st.lists(items, min_size=1, max_size=6)},
    optional={
        "instructions": words,
        "tools": st.lists(tools, max_size=3),
        "tool_choice": choices,
        "reasoning": item(None, effort=st.sampled_from(["none", "low", "of_tomorrow"]), summary=st.just("auto")),
        "text": item(None, format=item("json_schema", name=words, schema=st.just({}))),
        "include": st.just(["message.output_text.logprobs"]),
        "temperature": st.floats(0, 2),
        "max_output_tokens": st.integers(1, 10**6),
        "metadata": st.just({"a": "b"}),
        "store": st.booleans(),
        "of_tomorrow": words,
    },
)
junk: Strategy = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def sent(body: object) -> dict[str, object] | ClientError:
    """What an upstream gets for a client's ``body``, or what the client is told."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    try:
        outgoing = UPSTREAM.write_request(read_body(raw), Quirks(), Notes())
    except ClientError as error:
        return error
    found = msgspec.json.decode(b"".join(outgoing.body))
    assert isinstance(found, dict)
    return found


def places(value: object) -> list[tuple[object, object]]:
    """Every member and entry of ``value``: container and key."""
    found: list[tuple[object, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return found
    for key, part in inner:
        found += [(value, key), *places(part)]
    return found


@settings(max_examples=40, deadline=None)
@given(bodies)
def test_a_request_as_it_should_be_is_carried(body: dict[str, object]) -> None:
    outcome = sent(body)
    if isinstance(outcome, ClientError):
        # Reasoning alone, or results that no call asked for, leave nothing to say.
        assert outcome.message.startswith("The conversation in 'input' is empty")
        return
    assert outcome["store"] is False
    again = sent(outcome)
    assert again == outcome, "what was written is written again as something else"


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(bodies, st.integers(0, 10**6), junk)
def test_with_anything_in_any_place_it_is_carried_or_refused(body: dict[str, object], at: int, noise: object) -> None:
    changed = msgspec.json.decode(msgspec.json.encode(body))
    container, key = (spots := places(changed))[at % len(spots)]
    container[key] = noise  # type: ignore[index]
    outcome = sent(changed)
    assert not isinstance(outcome, ClientError) or (outcome.status == 400 and outcome.message)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_bytes_in_the_middle_of_a_request_are_refused_at_most(noise: bytes, at: int) -> None:
    body = b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]}'
    outcome = sent(body[:at] + noise + body[at:])
    assert not isinstance(outcome, ClientError) or outcome.status == 400
