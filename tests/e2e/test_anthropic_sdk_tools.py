"""The `anthropic` package's tools and thinking, in front of an upstream of every dialect."""

from __future__ import annotations

import asyncio  # noqa: TID251 - most users of the asynchronous client run it under asyncio
from collections.abc import Iterator

import anthropic
import msgspec
import pytest
from anthropic.types import Message, ToolUseBlock

from tests.e2e.standing import Standing
from tests.e2e.upstreams import TEXT, Upstream, checked

SAID = [{"role": "user", "content": TEXT}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}
ARGUMENTS = '{"city": "Zürich 東京", "days": 1.50}'
ROUNDS = 4
"""A loop that takes longer does not end."""
WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[anthropic.Anthropic]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
        yield client


def ask(client: anthropic.Anthropic, *, streamed: bool, **asked: object) -> Message:
    if not streamed:
        return checked(client.messages.create(max_tokens=4000, **asked))
    with client.messages.stream(max_tokens=4000, **asked) as stream:
        return checked(stream.get_final_message())


def calls_of(message: Message) -> list[ToolUseBlock]:
    return [block for block in message.content if block.type == "tool_use"]


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def run(
    client: anthropic.Anthropic, *, streamed: bool, **asked: object
) -> tuple[list[Message], list[dict[str, object]]]:
    """A program's loop: call what is asked for, until there is a final text. The messages, and the conversation."""
    said: list[dict[str, object]] = [*SAID]
    messages = []
    for _ in range(ROUNDS):
        message = ask(client, streamed=streamed, messages=said, **asked)
        messages.append(message)
        if message.stop_reason != "tool_use":
            return messages, said
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": f"{call.name} says so"}
            for call in reversed(calls_of(message))  # by id, in any order
        ]
        said.append({"role": "assistant", "content": [block.to_dict(mode="json") for block in message.content]})
        said.append({"role": "user", "content": results})
    raise AssertionError("no final text")


@WAYS
def test_a_loop_until_there_is_a_text(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    messages, _ = run(client, streamed=streamed, model=upstream.model(), tools=[WEATHER])

    (call,) = calls_of(messages[0])
    assert (call.name, call.input) == ("weather", {"city": TEXT})
    assert (text_of(messages[-1]), messages[-1].stop_reason) == ("weather says so", "end_turn")


@WAYS
def test_calls_at_once(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    model = upstream.model(f"echo;calls=3;preamble=2;arguments={ARGUMENTS}")
    messages, _ = run(client, streamed=streamed, model=model, tools=[WEATHER, CLOCK])

    calls = calls_of(messages[0])
    assert TEXT.startswith(text_of(messages[0]))
    assert [block.type for block in messages[0].content] == ["text", "tool_use", "tool_use", "tool_use"]
    assert [call.name for call in calls] == ["weather", "clock", "weather"]
    assert len({call.id for call in calls}) == 3
    assert [call.input for call in calls] == [msgspec.json.decode(ARGUMENTS)] * 3
    assert text_of(messages[-1])
    sent = upstream.sent().text
    assert sent.count("says so") == 3
    if upstream.dialect != "anthropic":  # to which results go in the client's own order
        assert sent.index("weather says so") < sent.index("clock says so")


@WAYS
def test_thinking_goes_back_unchanged(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    """The mock refuses signatures it did not make, and calls without the ones it demands."""
    asked = {"tools": [WEATHER], "thinking": {"type": "enabled", "budget_tokens": 2000}}
    messages, said = run(client, streamed=streamed, model=upstream.model("echo;reasoning=3;signed"), **asked)

    thoughts = [block for block in messages[0].content if block.type == "thinking" and block.thinking]
    assert "".join(block.thinking for block in thoughts) == "mock thought mock"
    assert messages[0].content[-1].type == "tool_use"
    assert text_of(messages[-1]) == "weather says so"
    sent = upstream.sent().text
    assert "omr1:" not in sent
    if upstream.dialect in SIGNED:
        mark = SIGNED[upstream.dialect]
        assert mark in msgspec.json.encode(said).decode(), "the client holds what the upstream made"
        assert f'"{mark}"' in sent, "and the upstream gets it as it was"


SIGNED = {
    "openai_responses": "bW9jay1lbmNyeXB0ZWQ=",
    "anthropic": "bW9jay1zaWduYXR1cmU=",
    "gemini": "bW9jay1zaWduYXR1cmU=",
}
"""What the mock signs with."""


@pytest.mark.parametrize("upstream", SIGNED, indirect=True)
@WAYS
def test_thinking_that_is_hidden(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    asked = {"tools": [WEATHER], "thinking": {"type": "enabled", "budget_tokens": 2000}}
    messages, _ = run(client, streamed=streamed, model=upstream.model("echo;reasoning=3;redacted"), **asked)

    assert "mock thought" not in messages[0].to_json()
    assert text_of(messages[-1]) == "weather says so"


def test_thinking_moves_on_to_another_vendor(client: anthropic.Anthropic, upstreams: dict[str, Upstream]) -> None:
    """A conversation that changes its upstream in the middle: what one signed is not shown to the others."""
    asked = {"tools": [WEATHER], "thinking": {"type": "enabled", "budget_tokens": 2000}}
    for first in upstreams.values():
        message = ask(client, streamed=True, model=first.model("echo;reasoning=3;signed"), messages=SAID, **asked)
        (call,) = calls_of(message)
        said = [
            *SAID,
            {"role": "assistant", "content": [block.to_dict(mode="json") for block in message.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "mild"}]},
        ]
        for second in upstreams.values():
            last = ask(client, streamed=False, model=second.model("echo;signed"), messages=said, **asked)
            assert text_of(last) == "mild", (first.dialect, second.dialect)


CHOICES = {
    "openai_chat": '"tool_choice":{"type":"function","function":{"name":"clock"}}',
    "openai_responses": '"tool_choice":{"type":"function","name":"clock"}',
    "anthropic": '"tool_choice":{"type":"tool","name":"clock"',
    "gemini": '"allowedFunctionNames":["clock"]',
}


def test_a_tool_that_is_named_is_called(client: anthropic.Anthropic, upstream: Upstream) -> None:
    asked = {"tool_choice": {"type": "tool", "name": "clock"}, "tools": [WEATHER, CLOCK], "max_tokens": 4000}
    raw = client.messages.with_raw_response.create(model=upstream.model(), messages=SAID, **asked)

    if upstream.dialect == "ollama":  # it cannot be made to
        assert raw.headers["x-omniroute-lossy"] == "tool_choice"
        return
    (call,) = calls_of(raw.parse())
    assert call.name == "clock"
    assert CHOICES[upstream.dialect] in upstream.sent().text


@WAYS
def test_the_tool_runner(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    asked = []

    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Its name.
        """
        asked.append(city)
        return f"rain in {city}"

    runner = client.beta.messages.tool_runner(
        model=upstream.model('echo;arguments={"city": "Zürich"}'),
        max_tokens=4000, messages=SAID, tools=[weather], stream=streamed,
    )  # fmt: skip
    message = runner.until_done()

    assert asked == ["Zürich"]
    assert "rain in Zürich" in "".join(block.text for block in message.content if block.type == "text")
    assert "The weather of a city." in upstream.sent().text


def test_the_asynchronous_tool_runner(gateway: Standing, upstream: Upstream) -> None:
    asked = []

    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        if len(asked) == 1:
            raise ValueError("no such city")
        return f"rain in {city}"

    async def work() -> str:
        async with anthropic.AsyncAnthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
            runner = client.beta.messages.tool_runner(
                model=upstream.model('echo;calls=2;arguments={"city": "Bern"}'),
                max_tokens=4000, messages=SAID, tools=[weather],
            )  # fmt: skip
            message = await runner.until_done()
            return "".join(block.text for block in message.content if block.type == "text")

    said = asyncio.run(work())

    assert asked == ["Bern", "Bern"]
    assert "Bern" in said
    assert "no such city" in upstream.sent().text, "a tool's failure is told"


def test_a_failed_tool(client: anthropic.Anthropic, upstream: Upstream) -> None:
    message = ask(client, streamed=False, model=upstream.model(), messages=SAID, tools=[WEATHER])
    (call,) = calls_of(message)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "no such city", "is_error": True}
    said = [*SAID, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]

    assert "no such city" in text_of(
        ask(client, streamed=False, model=upstream.model(), messages=said, tools=[WEATHER])
    )


def test_tools_of_anthropics_own(client: anthropic.Anthropic, upstream: Upstream) -> None:
    """Left out where others remain; alone they are refused, since the model would make up what it was to look up."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    told = {"model": upstream.model(), "messages": SAID, "max_tokens": 4000}
    raw = client.messages.with_raw_response.create(**told, tools=[search, WEATHER])
    assert [call.name for call in calls_of(raw.parse())] == ["weather"]
    if upstream.dialect == "anthropic":
        assert "web_search_20250305" in upstream.sent().text
        return
    assert raw.headers["x-omniroute-lossy"] == "tools[0]"
    with pytest.raises(anthropic.BadRequestError, match=r"tools\[0\]"):
        client.messages.create(**told, tools=[search])
