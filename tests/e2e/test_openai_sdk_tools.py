"""The `openai` package's Chat Completions with tools and schemas, in front of an upstream of every dialect."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletion, ParsedChatCompletion

from tests.e2e.standing import Standing
from tests.e2e.upstreams import TEXT, Upstream, checked

SAID = [{"role": "user", "content": TEXT}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
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


def ask(client: openai.OpenAI, *, streamed: bool, **asked: object) -> ChatCompletion:
    """A completion, as a whole or as the SDK's helper puts it together."""
    if not streamed:
        return checked(client.chat.completions.create(**asked))
    with client.chat.completions.stream(**asked) as stream:
        return stream.get_final_completion()


def as_said(answer: ChatCompletion) -> dict[str, object]:
    """The message, as programs put it into the next request: whole, what the gateway added to it included."""
    message = answer.choices[0].message
    told = message.model_dump(exclude_none=True, exclude={"parsed": True, "tool_calls": {"__all__": {"index": True}}})
    for call in told.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
    return told


def run(client: openai.OpenAI, *, streamed: bool, **asked: object) -> tuple[list[ChatCompletion], list[object]]:
    """A program's loop: call what is asked for, until there is a final text. The answers, and the conversation."""
    said, answers = list(SAID), []
    for _ in range(ROUNDS):
        answer = ask(client, streamed=streamed, messages=said, **asked)
        answers.append(answer)
        calls = answer.choices[0].message.tool_calls
        if not calls:
            return answers, said
        said.append(as_said(answer))
        said += [
            {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} says so"}
            for call in reversed(calls)  # by id, in any order
        ]
    raise AssertionError("no final text")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_loop_until_there_is_a_text(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    answers, said = run(client, streamed=streamed, model=upstream.model(), tools=[WEATHER])

    first, last = answers
    (call,) = first.choices[0].message.tool_calls or ()
    assert (call.function.name, first.choices[0].finish_reason) == ("weather", "tool_calls")
    assert msgspec.json.decode(call.function.arguments) == {"city": TEXT}
    assert (last.choices[0].message.content, last.choices[0].finish_reason) == ("weather says so", "stop")
    assert len(said) == 3


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_calls_at_once(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    model = upstream.model(f"echo;calls=3;preamble=2;arguments={ARGUMENTS}")
    answers, _ = run(client, streamed=streamed, model=model, tools=[WEATHER, CLOCK])

    message = answers[0].choices[0].message
    calls = message.tool_calls or []
    assert message.content
    assert TEXT.startswith(message.content)
    assert [call.function.name for call in calls] == ["weather", "clock", "weather"]
    assert len({call.id for call in calls}) == 3
    assert [msgspec.json.decode(call.function.arguments) for call in calls] == [msgspec.json.decode(ARGUMENTS)] * 3
    assert all("1.50" in call.function.arguments for call in calls), "numbers are not spelled anew"
    assert answers[-1].choices[0].message.content
    sent = upstream.sent().text
    assert sent.count("1.50") == 3 + (upstream.dialect != "gemini"), "in the model's name too, where the body has it"
    assert sent.index("weather says so") < sent.index("clock says so")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_reasoning_goes_back_with_the_calls(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    """The mock refuses signatures it did not make, and calls without the ones it demands."""
    asked = {"reasoning_effort": "low", "max_tokens": 4000, "tools": [WEATHER]}
    answers, said = run(client, streamed=streamed, model=upstream.model("echo;reasoning=3;signed"), **asked)

    assert answers[0].choices[0].message.reasoning_content == "mock thought mock"  # type: ignore[attr-defined]
    assert answers[-1].choices[0].message.content == "weather says so"
    shown, sent = msgspec.json.encode(said).decode(), upstream.sent().text
    for signature in signatures(said):
        assert signature in shown
        assert signature in sent


def test_reasoning_moves_on_to_another_vendor(client: openai.OpenAI, upstreams: dict[str, Upstream]) -> None:
    """A conversation that changes its upstream in the middle: what one signed is not shown to the others."""
    asked = {"tools": [WEATHER], "reasoning_effort": "low", "max_tokens": 4000}
    for first in upstreams.values():
        model = first.model("echo;reasoning=3;signed")
        message = as_said(ask(client, streamed=True, model=model, messages=SAID, **asked))
        (call,) = message["tool_calls"]  # type: ignore[misc]  # a list of dicts
        said = [*SAID, message, {"role": "tool", "tool_call_id": call["id"], "content": "mild"}]
        for second in upstreams.values():
            last = ask(client, streamed=False, model=second.model("echo;signed"), messages=said, **asked)
            assert last.choices[0].message.content == "mild", (first.dialect, second.dialect)
        strict = upstreams["openai_chat"].fresh(quirks={"plain_messages": True})
        last = ask(client, streamed=True, model=strict.model(), messages=said, **asked)
        assert last.choices[0].message.content == "mild"
        assert not {"reasoning_content", "reasoning_details", "extra_content"} & set(strict.sent().text.split('"'))


def signatures(said: list[object]) -> set[str]:
    """Signatures and ciphers anywhere in what the client got and says again."""
    found = set()

    def look(value: object) -> None:
        if isinstance(value, dict):
            found.update(
                value[name] for name in ("signature", "data", "thought_signature") if isinstance(value.get(name), str)
            )
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(said)
    return found


CHOICES = {
    "openai_chat": '"tool_choice":{"type":"function","function":{"name":"clock"}}',
    "openai_responses": '"tool_choice":{"type":"function","name":"clock"}',
    "anthropic": '"tool_choice":{"type":"tool","name":"clock"',
    "gemini": '"allowedFunctionNames":["clock"]',
}


def test_a_tool_that_is_named_is_called(client: openai.OpenAI, upstream: Upstream) -> None:
    asked = {"tool_choice": {"type": "function", "function": {"name": "clock"}}, "tools": [WEATHER, CLOCK]}
    raw = client.chat.completions.with_raw_response.create(model=upstream.model(), messages=SAID, **asked)

    (call,) = raw.parse().choices[0].message.tool_calls or ()
    if upstream.dialect == "ollama":  # it cannot be made to
        assert raw.headers["x-omniroute-lossy"] == "tool_choice"
        return
    assert call.function.name == "clock"
    assert CHOICES[upstream.dialect] in upstream.sent().text


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_parsed_into_a_model(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    document = '{"city": "Zürich", "days": [1, 2], "wind": null}'
    asked = {"model": upstream.model(f"echo;document={document}"), "messages": SAID, "response_format": Forecast}
    answer: ParsedChatCompletion[Forecast]
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(**asked)

    assert answer.choices[0].message.parsed == Forecast(city="Zürich", days=[1, 2], wind=None)
    assert all(f'"{name}"' in upstream.sent().text for name in Forecast.model_fields), "the upstream knew the schema"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_arguments_parsed_into_a_model(client: openai.OpenAI, upstream: Upstream, *, streamed: bool) -> None:
    asked = {
        "model": upstream.model('echo;arguments={"city": "Zürich"}'),
        "messages": SAID,
        "tools": [openai.pydantic_function_tool(GetForecast)],
    }
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            kinds = [event.type for event in stream]
            answer = stream.get_final_completion()
        assert "tool_calls.function.arguments.done" in kinds
    else:
        answer = client.chat.completions.parse(**asked)

    (call,) = answer.choices[0].message.tool_calls or ()
    assert call.function.parsed_arguments == GetForecast(city="Zürich")
    assert "The forecast of a city." in upstream.sent().text


def test_a_tool_without_arguments(client: openai.OpenAI, upstream: Upstream) -> None:
    for streamed in (False, True):
        answer = ask(client, streamed=streamed, model=upstream.model(), messages=SAID, tools=[CLOCK])
        (call,) = answer.choices[0].message.tool_calls or ()
        assert call.function.arguments == "{}"


@pytest.mark.parametrize("upstream", ["gemini", "ollama"], indirect=True)
def test_calls_without_ids_get_some(client: openai.OpenAI, upstream: Upstream) -> None:
    """Older Gemini and Ollama servers send none; results go back to the right calls all the same."""
    for streamed in (False, True):
        answers, _ = run(client, streamed=streamed, model=upstream.model("echo;no-ids;calls=2"), tools=[WEATHER, CLOCK])
        calls = answers[0].choices[0].message.tool_calls or []
        assert len({call.id for call in calls if call.id}) == 2
        assert answers[-1].choices[0].message.content


def test_a_result_with_a_picture_or_parts(client: openai.OpenAI, upstream: Upstream) -> None:
    answer = ask(client, streamed=False, model=upstream.model(), messages=SAID, tools=[WEATHER])
    (call,) = answer.choices[0].message.tool_calls or ()
    result = {"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": "mild"}]}
    last = ask(
        client, streamed=False, model=upstream.model(), messages=[*SAID, as_said(answer), result], tools=[WEATHER]
    )

    assert last.choices[0].message.content == "mild"


@pytest.mark.parametrize("upstream", ["openai_responses", "anthropic", "gemini", "ollama"], indirect=True)
def test_the_older_functions(client: openai.OpenAI, upstream: Upstream) -> None:
    asked = {"model": upstream.model(), "functions": [WEATHER["function"]]}
    answer = ask(client, streamed=False, messages=SAID, **asked)
    message = answer.choices[0].message

    assert answer.choices[0].finish_reason == "function_call"
    assert message.function_call is not None
    assert message.function_call.name == "weather"
    said = [
        *SAID,
        {"role": "assistant", "content": None, "function_call": message.function_call.model_dump()},
        {"role": "function", "name": "weather", "content": "mild"},
    ]
    last = ask(client, streamed=False, messages=said, **asked)
    assert last.choices[0].message.content == "mild"
