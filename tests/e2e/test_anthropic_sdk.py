"""The vendor's own client, unchanged, against the whole gateway in front of every kind of upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import msgspec
import pytest
import trio

from omniroute.mock import Mock, MockOptions, running
from tests.e2e.standing import Row, Standing

anthropic = pytest.importorskip("anthropic", reason="the vendor's SDK is not installed")

Result = TypeVar("Result")

UPSTREAMS = {"anthropic": "/v1", "openai_chat": "/v1", "openai_responses": "/v1", "gemini": "/v1beta", "ollama": ""}
"""Dialects, and what of the mock's URL belongs to a connection's."""
TEXT = "What is  the weather in Paris, Zürich and 東京?"
SAID = [{"role": "user", "content": TEXT}]
TOOL = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class House:
    """A provider of one dialect, behind the gateway, and the client that asks for its models."""

    def __init__(self, gateway: Standing, mock: Mock, provider: str, dialect: str, client: anthropic.Anthropic) -> None:
        self.gateway = gateway
        self.mock = mock
        self.provider = provider
        self.dialect = dialect
        self.client = client
        """In a thread: asynchronous generators of the SDK's are left to the garbage collector, of which Trio warns."""

    def model(self, script: str = "echo") -> str:
        return f"{self.provider}/{script}"

    async def run(self, work: Callable[[anthropic.Anthropic], Result]) -> Result:
        return await trio.to_thread.run_sync(work, self.client)

    async def create(self, script: str = "echo", **asked: object) -> anthropic.types.Message:
        told = {"messages": SAID, "max_tokens": 4000, **asked}
        return await self.run(lambda client: client.messages.create(model=self.model(script), **told))

    async def stream(self, script: str = "echo", **asked: object) -> anthropic.types.Message:
        told = {"messages": SAID, "max_tokens": 4000, **asked}

        def work(client: anthropic.Anthropic) -> anthropic.types.Message:
            with client.messages.stream(model=self.model(script), **told) as stream:
                said = "".join(stream.text_stream)
                message = stream.get_final_message()
            assert said == text_of(message)
            return message

        return await self.run(work)

    async def row(self) -> Row:
        (row,) = await self.gateway.rows(provider=self.provider)
        return row


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def answered(message: anthropic.types.Message, *, result: object = "10 C") -> list[object]:
    """The conversation after ``message``, as programs go on: with its own blocks, and a result for each call."""
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": result}
        for block in message.content
        if block.type == "tool_use"
    ]
    return [*SAID, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[anthropic.Anthropic]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture(params=UPSTREAMS)
async def house(request: pytest.FixtureRequest, gateway: Standing, client: anthropic.Anthropic) -> AsyncIterator[House]:
    dialect = str(request.param)
    async with running(MockOptions(keep_requests=4)) as mock:
        base_url = mock.base_url.removesuffix("/v1") + UPSTREAMS[dialect]
        provider = await gateway.connect(base_url, models=[], dialect=dialect)
        yield House(gateway, mock, provider, dialect, client)


async def test_plain(house: House) -> None:
    message = await house.create()

    assert text_of(message) == TEXT
    assert (message.id[:4], message.role, message.stop_reason) == ("msg_", "assistant", "end_turn")
    row = await house.row()
    assert (row.outcome, row.status, row.streamed) == ("ok", 200, False)
    assert (row.usage["input_total"], row.usage["output_total"]) == (
        message.usage.input_tokens, message.usage.output_tokens,
    )  # fmt: skip


async def test_streamed(house: House) -> None:
    message = await house.stream()

    assert text_of(message) == TEXT
    assert message.stop_reason == "end_turn"
    row = await house.row()
    assert row.streamed
    assert (row.usage["input_total"], row.usage["output_total"]) == (
        message.usage.input_tokens, message.usage.output_tokens,
    )  # fmt: skip


async def test_a_tool_loop(house: House) -> None:
    script = 'echo;calls=2;arguments={"city": "Zürich", "days": 1.50}'
    for ask in (house.create, house.stream):
        message = await ask(script, tools=[TOOL, CLOCK])
        calls = [block for block in message.content if block.type == "tool_use"]
        assert message.stop_reason == "tool_use"
        assert [call.name for call in calls] == ["weather", "clock"]
        assert len({call.id for call in calls}) == 2
        assert calls[0].input == {"city": "Zürich", "days": 1.5}

        last = await ask(script, messages=answered(message), tools=[TOOL, CLOCK])
        assert "10 C" in text_of(last)


async def test_the_sdks_tool_runner(house: House) -> None:
    asked = []

    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Its name.
        """
        asked.append(city)
        return f"rain in {city}"

    def work(client: anthropic.Anthropic) -> object:
        runner = client.beta.messages.tool_runner(
            model=house.model('echo;arguments={"city": "Paris"}'), max_tokens=4000, messages=SAID, tools=[weather]
        )
        return runner.until_done()

    message = await house.run(work)

    assert asked == ["Paris"]
    assert "rain in Paris" in "".join(block.text for block in message.content if block.type == "text")  # type: ignore[attr-defined]


async def test_reasoning_comes_back_to_whom_it_belongs(house: House) -> None:
    script = "echo;reasoning=3;signed"
    thinking = {"type": "enabled", "budget_tokens": 2000}
    message = await house.stream(script, tools=[TOOL], thinking=thinking)

    thoughts = [block for block in message.content if block.type == "thinking" and block.thinking]
    assert [len(block.thinking.split()) for block in thoughts] == [3]
    # The mock refuses signatures of somebody else's, and what it demands of its own.
    last = await house.stream(script, messages=answered(message), tools=[TOOL], thinking=thinking)
    assert "10 C" in text_of(last)


async def test_pictures_are_seen(house: House) -> None:
    content = [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ]
    message = await house.create(messages=[{"role": "user", "content": content}])

    assert text_of(message) == "see"
    assert message.usage.input_tokens > 80, "the mock counts a picture as 85 tokens"


async def test_an_answer_that_follows_a_schema(house: House) -> None:
    schema = {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": False,
    }  # fmt: skip
    message = await house.create(output_config={"format": {"type": "json_schema", "schema": schema}})

    assert set(msgspec.json.decode(text_of(message))) == {"city"}


async def test_tokens_are_counted(house: House) -> None:
    counted = await house.run(
        lambda client: client.messages.count_tokens(model=house.model(), messages=SAID, tools=[TOOL])
    )

    assert counted.input_tokens > 0


async def test_errors_before_the_answer_are_the_sdks_own(house: House) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        await house.create("echo;status=429;retry-after=7")

    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.request_id == caught.value.response.headers["request-id"]
    assert caught.value.body["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("script", ["echo;tokens=40;pace=5ms;error-event-after=20", "echo;tokens=40;fin-after=20"])
async def test_errors_inside_the_answer_are_raised(house: House, script: str) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        await house.stream(script)

    assert caught.value.body["error"]["type"] == "api_error"


async def test_the_models_are_anthropics_list(house: House) -> None:
    listed = await house.run(lambda client: list(client.models.list(limit=1)))

    assert {model.type for model in listed} == {"model"}
    one = await house.run(lambda client: client.models.retrieve(listed[0].id))
    assert one.id == listed[0].id


async def test_the_asynchronous_client(house: House) -> None:
    async def work() -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=house.gateway.root, api_key=house.gateway.key, max_retries=0) as client,
            client.messages.stream(model=house.model(), max_tokens=99, messages=SAID) as stream,
        ):
            return text_of(await stream.get_final_message())

    import asyncio  # noqa: PLC0415, TID251 - most users of the asynchronous client run it under asyncio

    assert await trio.to_thread.run_sync(lambda: asyncio.run(work())) == TEXT
