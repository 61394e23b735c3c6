"""The `openai` package's Responses, unchanged, in front of an upstream of every dialect: what is said and seen."""

from __future__ import annotations

import asyncio  # noqa: TID251 - most users of the asynchronous client run it under asyncio
from collections.abc import Iterator

import msgspec
import openai
import pydantic
import pytest
from openai.types.responses import Response, ResponseStreamEvent

from tests.e2e.standing import Standing
from tests.e2e.upstreams import PIXEL, TEXT, Upstream, checked

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}
ARGUMENTS = '{"city": "Zürich 東京", "days": 1.50}'
ROUNDS = 4
"""A loop that takes longer does not end."""


class Forecast(pydantic.BaseModel):
    """What is asked for as a document."""

    city: str
    days: list[int]
    wind: float | None


class GetForecast(pydantic.BaseModel):
    """The forecast of a city."""

    city: str


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[openai.OpenAI]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


def create(client: openai.OpenAI, upstream: Upstream, script: str = "echo", **asked: object) -> Response:
    return checked(client.responses.create(model=upstream.model(script), **{"input": TEXT, **asked}))


def events_of(
    client: openai.OpenAI, upstream: Upstream, script: str = "echo", **asked: object
) -> list[ResponseStreamEvent]:
    """A stream, each event of which has the type it says, and the number that is next."""
    with client.responses.create(model=upstream.model(script), stream=True, **{"input": TEXT, **asked}) as stream:
        events = [checked(event) for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    return events


def streamed_response(client: openai.OpenAI, upstream: Upstream, script: str = "echo", **asked: object) -> Response:
    """What the SDK's helper puts together out of the deltas; it must be what the last event says."""
    with client.responses.stream(model=upstream.model(script), **{"input": TEXT, **asked}) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert said == final.output_text
    return final


def test_whole(client: openai.OpenAI, upstream: Upstream) -> None:
    response = create(client, upstream, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5)

    assert response.output_text == TEXT
    assert (response.status, response.object, response.id[:5]) == ("completed", "response", "resp_")
    assert response.error is None
    assert response.incomplete_details is None
    assert (response.instructions, response.metadata, response.temperature) == ("Be brief.", {"a": "b"}, 0.5)
    (item,) = response.output
    assert (item.type, item.role, item.status, item.id[:4]) == ("message", "assistant", "completed", "msg_")
    assert "Be brief." in upstream.sent().text


def test_usage_is_the_upstreams(client: openai.OpenAI, upstream: Upstream) -> None:
    script = "echo;cached=3;reasoning=2"
    usage = create(client, upstream, script).usage
    last = events_of(client, upstream, script)[-1]

    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens_details.cached_tokens == (0 if upstream.dialect == "ollama" else 3)
    assert last.type == "response.completed"
    assert last.response.usage == usage


def test_streamed(client: openai.OpenAI, upstream: Upstream) -> None:
    events = events_of(client, upstream)

    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    (done,) = [event for event in events if event.type == "response.output_text.done"]
    (added,) = [event for event in events if event.type == "response.output_item.added"]
    (ended,) = [event for event in events if event.type == "response.output_item.done"]
    last = events[-1]
    assert done.text == TEXT
    assert added.item.id == ended.item.id == done.item_id
    assert last.type == "response.completed"
    assert last.response.output == [ended.item]
    assert last.response.output_text == TEXT
    assert {event.response.id for event in events if hasattr(event, "response")} == {last.response.id}


def test_the_streaming_helper(client: openai.OpenAI, upstream: Upstream) -> None:
    response = streamed_response(client, upstream)

    assert (response.output_text, response.status) == (TEXT, "completed")


def test_the_asynchronous_client(gateway: Standing, upstream: Upstream) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        if number % 2:
            return (await client.responses.create(model=upstream.model(), input=f"number {number}")).output_text
        async with client.responses.stream(model=upstream.model(), input=f"number {number}") as stream:
            return (await stream.get_final_response()).output_text

    async def several() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(6)))

    assert asyncio.run(several()) == [f"number {number}" for number in range(6)]


def test_an_answer_that_is_too_long(client: openai.OpenAI, upstream: Upstream) -> None:
    whole = create(client, upstream, max_output_tokens=2)
    last = events_of(client, upstream, max_output_tokens=2)[-1]

    assert last.type == "response.incomplete"
    for response in (whole, last.response):
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        assert TEXT.startswith(response.output_text)


def test_pictures_are_seen(client: openai.OpenAI, upstream: Upstream) -> None:
    content = [
        {"type": "input_text", "text": "a dot"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
    ]
    response = create(client, upstream, input=[{"role": "user", "content": content}])

    assert response.output_text == "a dot"
    assert response.usage is not None
    assert response.usage.input_tokens > 80, "the mock counts a picture as 85 tokens"
    assert upstream.sent().text.count(PIXEL) == 1


def run(
    client: openai.OpenAI, upstream: Upstream, script: str, *, streamed: bool, **asked: object
) -> tuple[list[Response], list[object]]:
    """A program's loop that keeps the conversation itself: output items go back as they came, each call with a result."""
    said: list[object] = [{"role": "user", "content": TEXT}]
    responses = []
    for _ in range(ROUNDS):
        ask = streamed_response if streamed else create
        response = ask(client, upstream, script, input=said, store=False, **asked)
        responses.append(response)
        calls = [item for item in response.output if item.type in {"function_call", "custom_tool_call"}]
        if not calls:
            return responses, said
        said += [item.to_dict(mode="json") for item in response.output]
        said += [
            {"type": f"{call.type}_output", "call_id": call.call_id, "output": f"{call.name} says so"} for call in calls
        ]
    raise AssertionError("no final text")


WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@WAYS
def test_a_loop_until_there_is_a_text(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    responses, _ = run(client, upstream, "echo", streamed=streamed, tools=[WEATHER])

    (call,) = responses[0].output
    assert call.type == "function_call"
    assert (call.name, call.status, msgspec.json.decode(call.arguments)) == ("weather", "completed", {"city": TEXT})
    assert responses[0].status == "completed"
    assert responses[-1].output_text == "weather says so"


@WAYS
def test_calls_at_once(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    script = f"echo;calls=3;preamble=2;arguments={ARGUMENTS}"
    responses, _ = run(client, upstream, script, streamed=streamed, tools=[WEATHER, CLOCK])

    message, *calls = responses[0].output
    assert message.type == "message"
    assert [call.type == "function_call" and call.name for call in calls] == ["weather", "clock", "weather"]
    assert len({call.call_id for call in calls if call.type == "function_call"}) == 3
    for call in calls:
        assert call.type == "function_call"
        assert msgspec.json.decode(call.arguments) == msgspec.json.decode(ARGUMENTS)
        assert "1.50" in call.arguments, "numbers are not spelled anew"
    assert responses[-1].output_text
    sent = upstream.sent().text
    assert sent.count("says so") == 3
    assert sent.count("1.50") == 3 + (upstream.dialect != "gemini"), "in the model's name too, where the body has it"


@WAYS
def test_reasoning_goes_back_with_the_calls(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    """The mock refuses signatures it did not make, and calls without the ones it demands."""
    asked = {
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "tools": [WEATHER],
        "max_output_tokens": 4000,
    }
    responses, said = run(client, upstream, "echo;reasoning=3;signed", streamed=streamed, **asked)

    thoughts = [item for item in responses[0].output if item.type == "reasoning"]
    shown = [part.text for item in thoughts for part in (item.summary or item.content or ())]
    assert "".join(shown) == "mock thought mock"
    assert [item.type for item in responses[0].output][-1] == "function_call"
    assert responses[-1].output_text == "weather says so"
    if upstream.dialect in SIGNED:
        mark = SIGNED[upstream.dialect]
        assert mark in msgspec.json.encode(said).decode(), "the client holds what the upstream made"
        assert f'"{mark}"' in upstream.sent().text, "and the upstream gets it as it was"
        assert "omr1:" not in upstream.sent().text


SIGNED = {
    "openai_responses": "bW9jay1lbmNyeXB0ZWQ=",
    "anthropic": "bW9jay1zaWduYXR1cmU=",
    "gemini": "bW9jay1zaWduYXR1cmU=",
}
"""What the mock signs with."""


@WAYS
def test_a_tool_that_takes_free_text(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    tool = {"type": "custom", "name": "shell", "description": "Runs a command"}
    script = 'echo;arguments={"input": "ls -l \\"a b\\""}' if upstream.dialect != "openai_responses" else "echo"
    if upstream.dialect != "openai_responses":
        responses, _ = run(client, upstream, script, streamed=streamed, tools=[tool])
        (call,) = responses[0].output
        assert call.type == "custom_tool_call"
        assert (call.name, call.input) == ("shell", 'ls -l "a b"')
        assert responses[-1].output_text == "shell says so"
        return
    (call,) = (streamed_response if streamed else create)(client, upstream, script, tools=[tool]).output
    assert call.type == "custom_tool_call"


@WAYS
def test_an_answer_parsed_into_a_model(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    document = '{"city": "Zürich", "days": [1, 2], "wind": null}'
    asked = {"model": upstream.model(f"echo;document={document}"), "input": TEXT, "text_format": Forecast}
    if streamed:
        with client.responses.stream(**asked) as stream:
            parsed = stream.get_final_response().output_parsed
    else:
        parsed = client.responses.parse(**asked).output_parsed

    assert parsed == Forecast(city="Zürich", days=[1, 2], wind=None)
    assert all(f'"{name}"' in upstream.sent().text for name in Forecast.model_fields), "the upstream knew the schema"


@WAYS
def test_arguments_parsed_into_a_model(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    asked = {
        "model": upstream.model('echo;arguments={"city": "Zürich"}'),
        "input": TEXT,
        "tools": [openai.pydantic_function_tool(GetForecast)["function"] | {"type": "function"}],
    }
    if streamed:
        with client.responses.stream(**asked) as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.parse(**asked)

    (call,) = response.output
    assert call.type == "function_call"
    assert msgspec.json.decode(call.arguments) == {"city": "Zürich"}
    assert "The forecast of a city." in upstream.sent().text


CHOICES = {
    "openai_chat": '"tool_choice":{"type":"function","function":{"name":"clock"}}',
    "openai_responses": '"tool_choice":{"type":"function","name":"clock"}',
    "anthropic": '"tool_choice":{"type":"tool","name":"clock"',
    "gemini": '"allowedFunctionNames":["clock"]',
}


def test_a_tool_that_is_named_is_called(client: openai.OpenAI, upstream: Upstream) -> None:
    asked = {"tool_choice": {"type": "function", "name": "clock"}, "tools": [WEATHER, CLOCK]}
    raw = client.responses.with_raw_response.create(model=upstream.model(), input=TEXT, **asked)

    if upstream.dialect == "ollama":  # it cannot be made to
        assert raw.headers["x-omniroute-lossy"] == "tool_choice"
        return
    (call,) = raw.parse().output
    assert call.type == "function_call"
    assert call.name == "clock"
    assert CHOICES[upstream.dialect] in upstream.sent().text


def test_reasoning_moves_on_to_another_vendor(client: openai.OpenAI, upstreams: dict[str, Upstream]) -> None:
    """A conversation that changes its upstream in the middle: what one made is not shown to those who would refuse it."""
    asked = {"reasoning": {"effort": "low", "summary": "auto"}, "tools": [WEATHER], "store": False}
    for first in upstreams.values():
        for script in ("echo;reasoning=3;signed", "echo;reasoning=3;redacted"):
            made = create(client, first, script, include=["reasoning.encrypted_content"], **asked)
            (call,) = [item for item in made.output if item.type == "function_call"]
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "mild"}
            said = [{"role": "user", "content": TEXT}, *[item.to_dict(mode="json") for item in made.output], result]
            for second in upstreams.values():
                last = create(client, second, "echo;signed", input=said, **asked)
                assert last.output_text == "mild", (first.dialect, second.dialect)
