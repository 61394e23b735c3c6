"""Responses that the gateway keeps, as the `openai` package asks for them, whatever the upstream speaks."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from openai.types.responses import Response

from tests.e2e.standing import Standing
from tests.e2e.upstreams import TEXT, Upstream, checked

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[openai.OpenAI]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


def respond(client: openai.OpenAI, upstream: Upstream, script: str = "echo", **asked: object) -> Response:
    streamed = bool(asked.pop("streamed", False))
    told = {"model": upstream.model(script), "input": TEXT, **asked}
    if not streamed:
        return checked(client.responses.create(**told))
    with client.responses.stream(**told) as stream:
        return stream.get_final_response()


@WAYS
def test_a_conversation_that_goes_on(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    first = respond(client, upstream, input="one", instructions="Be brief.", streamed=streamed)
    second = respond(client, upstream, input="two", previous_response_id=first.id, streamed=streamed)
    third = respond(client, upstream, input="three", previous_response_id=second.id, streamed=streamed)

    assert (first.output_text, second.output_text, third.output_text) == ("one", "two", "three")
    if upstream.dialect != "openai_responses":  # whose own words pass, and to it this was a request of its own
        assert third.previous_response_id == second.id
    sent = upstream.sent().text
    assert [sent.count(f'"{said}"') for said in ("one", "two", "three")] == [2, 2, 1]
    assert "Be brief." not in sent, "instructions are of one request"


@WAYS
def test_a_tool_loop_that_the_gateway_remembers(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    """Reasoning goes back too, where its maker demands it."""
    script = "echo;reasoning=2;signed"
    asked = {
        "tools": [WEATHER],
        "reasoning": {"effort": "low", "summary": "auto"},
        "max_output_tokens": 4000,
        "include": ["reasoning.encrypted_content"],
    }
    first = respond(client, upstream, script, streamed=streamed, **asked)
    (call,) = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "mild"}
    last = respond(client, upstream, script, streamed=streamed, input=[result], previous_response_id=first.id, **asked)

    assert last.output_text == "mild"


@WAYS
def test_what_is_kept_can_be_fetched_and_deleted(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    first = respond(client, upstream, input="one", streamed=streamed)
    made = respond(client, upstream, input="two", previous_response_id=first.id, streamed=streamed)

    kept = checked(client.responses.retrieve(made.id))
    assert (kept.id, kept.output_text, kept.status, kept.usage) == (made.id, "two", "completed", made.usage)
    items = list(client.responses.input_items.list(made.id, order="asc"))
    assert [item.type for item in items] == ["message", "message", "message"]
    assert [item.content[0].text for item in items] == ["one", "one", "two"]
    newest = client.responses.input_items.list(made.id, limit=1)
    assert newest.has_more
    assert newest.data[0].id == items[-1].id
    assert [item.id for item in newest] == [item.id for item in reversed(items)], "the SDK turns the pages"

    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError) as gone:
        client.responses.retrieve(made.id)
    assert gone.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as lost:
        respond(client, upstream, previous_response_id=made.id)
    assert (lost.value.param, lost.value.code) == ("previous_response_id", "previous_response_not_found")
    assert made.id in lost.value.message


def test_what_is_not_to_be_kept_is_not(client: openai.OpenAI, upstream: Upstream) -> None:
    made = respond(client, upstream, store=False)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list(made.id)


def test_another_key_sees_none_of_it(gateway: Standing, client: openai.OpenAI, upstream: Upstream) -> None:
    import trio  # noqa: PLC0415

    made = respond(client, upstream)
    other = client.with_options(api_key=trio.run(gateway.create_key))

    with pytest.raises(openai.NotFoundError):
        other.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        other.responses.delete(made.id)
    with pytest.raises(openai.BadRequestError):
        respond(other, upstream, previous_response_id=made.id)
    assert client.responses.retrieve(made.id).id == made.id


def test_an_item_that_is_referred_to(client: openai.OpenAI, upstream: Upstream) -> None:
    first = respond(client, upstream, input="pelican")
    reference = {"type": "item_reference", "id": first.output[0].id}
    said = [reference, {"role": "user", "content": "two"}]
    second = respond(client, upstream, input=said, previous_response_id=first.id)

    assert second.output_text == "two"
    assert upstream.sent().text.count("pelican") == 3


@pytest.mark.parametrize("upstream", ["openai_chat", "anthropic", "gemini", "ollama"], indirect=True)
@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ],
    ids=["background", "conversation", "prompt"],
)
def test_what_needs_a_vendors_state_is_refused(
    client: openai.OpenAI, upstream: Upstream, asked: dict[str, object], param: str
) -> None:
    before = upstream.counts()
    with pytest.raises(openai.BadRequestError) as refused:
        respond(client, upstream, **asked)

    assert (refused.value.param, refused.value.code) == (param, "unsupported_feature")
    assert upstream.counts() == before


def test_hosted_tools_are_refused(client: openai.OpenAI, upstream: Upstream) -> None:
    if upstream.dialect == "openai_responses":
        assert respond(client, upstream, tools=[{"type": "web_search"}]).output_text == TEXT
        return
    with pytest.raises(openai.BadRequestError) as refused:
        respond(client, upstream, tools=[WEATHER, {"type": "web_search"}])
    assert (refused.value.param, refused.value.code) == ("tools[1]", "unsupported_feature")
