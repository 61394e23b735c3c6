"""The vendor's own client reads the mock: the proof that its bytes are right."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
import trio
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from omniroute.mock import running

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
SAID = [{"role": "user", "content": "What is  the weather\nin Paris?"}]


@pytest.fixture
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    async with running() as mock, openai.AsyncOpenAI(base_url=mock.base_url, api_key="x", max_retries=0) as client:
        yield client


class Streamed:
    """The synchronous client in a thread: the asynchronous one leaves generators to the collector, Trio warns."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    async def chunks(self, **asked: object) -> list[ChatCompletionChunk]:
        return await trio.to_thread.run_sync(lambda: list(self._client.chat.completions.create(stream=True, **asked)))

    def _final(self, asked: dict[str, object]) -> ChatCompletion:
        with self._client.chat.completions.stream(**asked) as stream:
            return stream.get_final_completion()

    async def final(self, **asked: object) -> ChatCompletion:
        return await trio.to_thread.run_sync(self._final, asked)


@pytest.fixture
async def streamed() -> AsyncIterator[Streamed]:
    async with running() as mock:
        with openai.OpenAI(base_url=mock.base_url, api_key="x", max_retries=0) as client:
            yield Streamed(client)


async def test_plain(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="mock/echo", messages=SAID)
    assert answer.choices[0].message.content == SAID[0]["content"]
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 6)
    assert answer.model == "mock/echo"


async def test_stream_with_usage(streamed: Streamed) -> None:
    chunks = await streamed.chunks(model="echo", messages=SAID, stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == SAID[0]["content"]
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [6]
    assert chunks[-1].choices == []


async def test_stream_without_usage_has_none(streamed: Streamed) -> None:
    chunks = await streamed.chunks(model="echo", messages=SAID)
    assert len(chunks) == 8
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_tools_round_trip(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="echo", messages=SAID, tools=[TOOL])
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, answer.choices[0].finish_reason) == ("weather", "tool_calls")
    assert call.function.arguments == '{"city":"What is  the weather\\nin Paris?","days":1}'
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny all day"}
    said = [*SAID, answer.choices[0].message.model_dump(), result]
    answer = await sdk.chat.completions.create(model="echo", messages=said, tools=[TOOL])
    assert answer.choices[0].message.content == "sunny all day"


async def test_streamed_tools(streamed: Streamed) -> None:
    final = await streamed.final(model="echo", messages=SAID, tools=[TOOL])
    call = final.choices[0].message.tool_calls[0]
    assert call.function.arguments == '{"city":"What is  the weather\\nin Paris?","days":1}'


async def test_tool_choice(sdk: openai.AsyncOpenAI) -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}
    named = {"type": "function", "function": {"name": "other"}}
    answer = await sdk.chat.completions.create(model="echo", messages=SAID, tools=[TOOL, other], tool_choice=named)
    assert answer.choices[0].message.tool_calls[0].function.name == "other"
    answer = await sdk.chat.completions.create(model="echo", messages=SAID, tools=[TOOL], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None


async def test_images_choices_and_logprobs(sdk: openai.AsyncOpenAI) -> None:
    content = [
        {"type": "text", "text": "a cat"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    answer = await sdk.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": content}], n=2, logprobs=True, top_logprobs=2
    )
    assert [choice.message.content for choice in answer.choices] == ["a cat", "a cat"]
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert [token.token for token in answer.choices[1].logprobs.content] == ["a", " cat"]
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2 + 85, 4)


async def test_streamed_choices_and_logprobs(streamed: Streamed) -> None:
    final = await streamed.final(model="echo", messages=SAID, n=2, logprobs=True)
    assert [choice.message.content for choice in final.choices] == [SAID[0]["content"]] * 2
    assert len(final.choices[1].logprobs.content) == 6


async def test_length_reasoning_cached_and_finish(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="echo;cached=4;reasoning=3", messages=SAID, max_tokens=2)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("What is", "length")
    assert answer.choices[0].message.reasoning_content == "mock thought mock"
    assert answer.usage.completion_tokens_details.reasoning_tokens == 3
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    answer = await sdk.chat.completions.create(model="echo;finish=content_filter", messages=SAID)
    assert answer.choices[0].finish_reason == "content_filter"
    answer = await sdk.chat.completions.create(model="echo;no-usage", messages=SAID)
    assert answer.usage is None


async def test_errors_are_the_sdk_s_own(sdk: openai.AsyncOpenAI, streamed: Streamed) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        await sdk.chat.completions.create(model="limited", messages=SAID)
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "3")
    with pytest.raises(openai.AuthenticationError):
        await sdk.chat.completions.create(model="denied", messages=SAID)
    with pytest.raises(openai.APIError, match="fail inside the stream"):
        await streamed.chunks(model="echo;error-event-after=2", messages=SAID)


async def test_models(sdk: openai.AsyncOpenAI) -> None:
    assert "echo" in [model.id async for model in sdk.models.list()]


async def test_many_at_once(sdk: openai.AsyncOpenAI) -> None:
    answers = []

    async def ask(number: int) -> None:
        answer = await sdk.chat.completions.create(model="echo", messages=[{"role": "user", "content": f"n {number}"}])
        answers.append(answer.choices[0].message.content)

    async with trio.open_nursery() as nursery:
        for number in range(16):
            nursery.start_soon(ask, number)
    assert sorted(answers) == sorted(f"n {number}" for number in range(16))
