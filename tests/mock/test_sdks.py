"""The vendors' own clients talk to the mock: streams, tool loops, errors. OpenAI Chat has a file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anthropic
import ollama
import openai
import pydantic
import pytest
import trio
from google import genai
from google.genai import types

from omniroute.mock import Mock, running

Value = TypeVar("Value")
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Weather(pydantic.BaseModel):
    city: str
    days: int


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    async with running() as one:
        yield one


async def called(function: Callable[[], Value]) -> Value:
    """``function`` in a thread: the clients of most vendors block, or want another event loop."""
    with trio.fail_after(10):
        return await trio.to_thread.run_sync(function)


async def test_responses(mock: Mock) -> None:
    def talk() -> tuple[str, str, Weather | None, str]:
        with openai.OpenAI(base_url=mock.base_url, api_key="x", max_retries=0) as client:
            with client.responses.stream(model="echo;reasoning=2", input="one two") as stream:
                kinds = [event.type for event in stream]
                final = stream.get_final_response()
            assert kinds[0] == "response.created"
            assert "response.reasoning_summary_text.delta" in kinds
            parsed = client.responses.parse(model="echo", input="Paris", text_format=Weather).output_parsed
            call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
            result = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
            looped = client.responses.create(model="echo", input=[{"role": "user", "content": "x"}, call, result])
            return final.output_text, final.output[0].type, parsed, looped.output_text

    assert await called(talk) == ("one two", "reasoning", Weather(city="Paris", days=1), "sunny")


async def test_completions(mock: Mock) -> None:
    def talk() -> tuple[str, str]:
        with openai.OpenAI(base_url=mock.base_url, api_key="x", max_retries=0) as client:
            whole = client.completions.create(model="echo", prompt="one two", echo=True)
            chunks = client.completions.create(model="echo", prompt="one two", stream=True)
            return whole.choices[0].text, "".join(chunk.choices[0].text for chunk in chunks)

    assert await called(talk) == ("one twoone two", "one two")


async def test_anthropic(mock: Mock) -> None:
    def talk() -> tuple[str, str, str, int]:
        with anthropic.Anthropic(base_url=mock.root_url, api_key="x", max_retries=0) as client:
            asked = {"max_tokens": 50, "messages": [{"role": "user", "content": "one two"}]}
            with client.messages.stream(model="echo;reasoning=2", **asked) as stream:
                final = stream.get_final_message()
            assert final.content[0].signature
            tool = {"name": "weather", "input_schema": TOOL}
            first = client.messages.create(model="echo", tools=[tool], **asked)
            (use,) = first.content
            assert (first.stop_reason, use.input) == ("tool_use", {"city": "one two"})
            results = [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]
            turns = [
                *asked["messages"],
                {"role": "assistant", "content": first.content},
                {"role": "user", "content": results},
            ]
            second = client.messages.create(model="echo", max_tokens=50, tools=[tool], messages=turns)
            count = client.messages.count_tokens(model="echo", messages=asked["messages"])
            return final.content[0].thinking, final.content[1].text, second.content[0].text, count.input_tokens

    assert await called(talk) == ("mock thought", "one two", "sunny", 2)


async def test_anthropics_errors(mock: Mock) -> None:
    def talk() -> None:
        with anthropic.Anthropic(base_url=mock.root_url, api_key="x", max_retries=0) as client:
            client.messages.create(model="limited", max_tokens=5, messages=[{"role": "user", "content": "x"}])

    with pytest.raises(anthropic.RateLimitError, match="rate_limit_error"):
        await called(talk)


@pytest.mark.parametrize("version", ["v1beta", "v1"])
async def test_gemini(mock: Mock, version: str) -> None:
    def weather(city: str) -> str:
        return f"sunny in {city}"

    def talk() -> tuple[str, str, str, int, Weather]:
        options = types.HttpOptions(base_url=mock.root_url, api_version=version)
        with genai.Client(api_key="x", http_options=options) as client:
            streamed = client.models.generate_content_stream(model="echo", contents="one two")
            text = "".join(chunk.text or "" for chunk in streamed)
            whole = client.models.generate_content(model="echo;reasoning=2", contents="one two")
            looped = client.models.generate_content(
                model="echo", contents="Paris", config=types.GenerateContentConfig(tools=[weather])
            )
            count = client.models.count_tokens(model="echo", contents="a b c").total_tokens
            config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather)
            parsed = client.models.generate_content(model="echo", contents="Paris", config=config).parsed
            return text, whole.text, looped.text, count, parsed

    found = await called(talk)
    assert found == ("one two", "one two", "sunny in Paris", 3, Weather(city="Paris", days=1))


async def test_ollama(mock: Mock) -> None:
    def talk() -> tuple[str, str, str, str, list[str]]:
        client = ollama.Client(host=mock.root_url)
        asked = [{"role": "user", "content": "one two"}]
        lines = client.chat(model="echo;reasoning=1", messages=asked, stream=True)
        streamed = "".join((line.message.thinking or "") + line.message.content for line in lines)
        tool = {"type": "function", "function": {"name": "weather", "parameters": TOOL}}
        first = client.chat(model="echo", messages=asked, tools=[tool])
        (call,) = first.message.tool_calls
        turns = [*asked, first.message, {"role": "tool", "tool_name": call.function.name, "content": "sunny"}]
        second = client.chat(model="echo", messages=turns, tools=[tool])
        generated = client.generate(model="echo", prompt="one two")
        models = [model.model for model in client.list().models]
        client._client.close()  # noqa: SLF001 - it has no way of its own to close
        return streamed, str(call.function.arguments), second.message.content, generated.response, models[:1]

    assert await called(talk) == ("mockone two", "{'city': 'one two'}", "sunny", "one two", ["echo"])


async def test_ollamas_errors(mock: Mock) -> None:
    def talk() -> None:
        client = ollama.Client(host=mock.root_url)
        try:
            client.chat(model="down", messages=[{"role": "user", "content": "x"}])
        finally:
            client._client.close()  # noqa: SLF001 - it has no way of its own to close

    with pytest.raises(ollama.ResponseError, match="told to answer with 503"):
        await called(talk)
