"""The `ollama` package, unchanged, in front of an upstream of every dialect."""

from __future__ import annotations

import asyncio  # noqa: TID251 - the asynchronous client knows no other
import base64
from collections.abc import Callable, Iterator

import httpx
import msgspec
import ollama
import pydantic
import pytest

from tests.e2e.standing import Standing
from tests.e2e.upstreams import PIXEL, TEXT, Upstream

WORDS = 9
SAID = [{"role": "user", "content": TEXT}]


class City(pydantic.BaseModel):
    """What a structured answer is to be."""

    name: str
    inhabitants: int | None
    twins: list[str]


def get_weather(city: str, days: int) -> str:
    """The weather of a city.

    Args:
        city: Its name.
        days: How far ahead.
    """
    return f"rain in {city} for {days} days"


def clock() -> str:
    """The time."""
    return "noon"


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[ollama.Client]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    client = ollama.Client(host=gateway.root, headers={"authorization": f"Bearer {gateway.key}"}, timeout=20)
    yield client
    client._client.close()  # noqa: SLF001 - it has no way of its own to close


def chat(client: ollama.Client, upstream: Upstream, script: str = "echo", **asked: object) -> ollama.ChatResponse:
    return client.chat(model=upstream.model(script), **{"messages": SAID, **asked})


def lines(
    client: ollama.Client, upstream: Upstream, script: str = "echo", **asked: object
) -> list[ollama.ChatResponse]:
    return list(client.chat(model=upstream.model(script), stream=True, **{"messages": SAID, **asked}))


def whole_or_lines(
    client: ollama.Client, upstream: Upstream, script: str = "echo", *, stream: bool, **asked: object
) -> list[ollama.ChatResponse]:
    return lines(client, upstream, script, **asked) if stream else [chat(client, upstream, script, **asked)]


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


# -- what is said -------------------------------------------------------------------------------------------------------


@BOTH
def test_chat(client: ollama.Client, upstream: Upstream, stream: bool) -> None:
    answers = whole_or_lines(client, upstream, stream=stream)

    assert "".join(one.message.content or "" for one in answers) == TEXT
    assert {one.message.role for one in answers} == {"assistant"}
    assert {one.model for one in answers} == {"echo"}
    assert [one.done for one in answers] == [False] * (len(answers) - 1) + [True]
    assert len(answers) == 1 or len(answers) > WORDS, "as it came, a word at a time"
    last = answers[-1]
    assert (last.done_reason, last.prompt_eval_count, last.eval_count) == ("stop", WORDS, WORDS)
    assert last.total_duration > 0
    assert last.created_at


def test_the_asynchronous_client(gateway: Standing, upstream: Upstream) -> None:
    async def several() -> list[str]:
        asking = ollama.AsyncClient(host=gateway.root, headers={"authorization": f"Bearer {gateway.key}"})

        async def ask(number: int) -> str:
            said = [{"role": "user", "content": f"this is number {number}"}]
            model = upstream.model("echo;pace=2ms")
            if number % 2:
                return (await asking.chat(model=model, messages=said)).message.content or ""
            parts = await asking.chat(model=model, messages=said, stream=True)
            return "".join([part.message.content or "" async for part in parts])

        heard = await asyncio.gather(*(ask(number) for number in range(8)))
        await asking._client.aclose()  # noqa: SLF001 - it has no way of its own to close
        return list(heard)

    assert asyncio.run(several()) == [f"this is number {number}" for number in range(8)]


def test_history_and_options(client: ollama.Client, upstream: Upstream) -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "the first"},
        {"role": "assistant", "content": "the second"},
        {"role": "user", "content": "the third"},
    ]
    options = {"temperature": 0.25, "top_p": 0.5, "top_k": 20, "seed": 7, "stop": ["END"], "num_predict": 50}
    answer = chat(client, upstream, messages=said, options=options)

    assert answer.message.content == "the third"
    sent = upstream.sent()
    assert "Be brief." in sent.text
    assert sent.text.index("the first") < sent.text.index("the second") < sent.text.index("the third")
    flat = {**sent.json, **sent.json.get("options", {}), **sent.json.get("generationConfig", {})}
    limit = {"openai_chat": "max_tokens", "openai_responses": "max_output_tokens", "anthropic": "max_tokens"}
    assert flat["temperature"] == 0.25
    assert flat.get("top_p", flat.get("topP")) == 0.5
    assert flat[limit.get(upstream.dialect, "maxOutputTokens" if upstream.dialect == "gemini" else "num_predict")] == 50


@BOTH
def test_the_limit_ends_the_answer(client: ollama.Client, upstream: Upstream, stream: bool) -> None:
    last = whole_or_lines(client, upstream, stream=stream, options={"num_predict": 3})[-1]

    assert (last.done_reason, last.eval_count) == ("length", 3)


def test_no_limit_is_no_limit(client: ollama.Client, upstream: Upstream) -> None:
    answer = chat(client, upstream, options={"num_predict": -1})

    assert answer.message.content == TEXT


# -- tools --------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_loop_of_tools(client: ollama.Client, upstream: Upstream, stream: bool) -> None:
    """As the vendor's examples run it: functions as tools, results by the tool's name."""
    known: dict[str, Callable[..., str]] = {"get_weather": get_weather, "clock": clock}
    script = 'echo;calls=2;preamble=1;reasoning=2;arguments={"city": "Zürich \\"7\\"", "days": 2}'
    answers = whole_or_lines(client, upstream, script, stream=stream, tools=[get_weather, clock])
    calls = [call for one in answers for call in one.message.tool_calls or ()]

    assert [call.function.name for call in calls] == ["get_weather", "clock"]
    assert calls[0].function.arguments == {"city": 'Zürich "7"', "days": 2}
    assert answers[-1].done_reason == "stop"
    turn = ollama.Message(
        role="assistant",
        content="".join(one.message.content or "" for one in answers),
        thinking="".join(one.message.thinking or "" for one in answers) or None,
        tool_calls=calls,
    )
    results = [get_weather(**calls[0].function.arguments), known[calls[1].function.name]()]
    told = [
        {"role": "tool", "tool_name": call.function.name, "content": result}
        for call, result in zip(calls, results, strict=True)
    ]
    after = whole_or_lines(
        client, upstream, "echo", stream=stream, messages=[*SAID, turn, *told], tools=[get_weather, clock]
    )

    assert "".join(one.message.content or "" for one in after).endswith("noon")
    sent = upstream.sent().text
    assert sent.index("for 2 days") < sent.index('"noon"')
    assert "no result" not in sent


def test_results_by_name_find_their_calls(client: ollama.Client, upstream: Upstream) -> None:
    calls = [{"function": {"name": name, "arguments": {"n": n}}} for n, name in enumerate(("get_weather", "clock"), 1)]
    said = [
        *SAID,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_name": "clock", "content": "noon"},
        {"role": "tool", "tool_name": "get_weather", "content": "rain"},
    ]
    chat(client, upstream, messages=said, tools=[get_weather, clock])

    sent = upstream.sent().text.replace(" ", "")
    assert "noresult" not in sent
    if upstream.dialect in {"openai_chat", "openai_responses", "anthropic"}:
        body = upstream.sent().json
        turns = body.get("messages", body.get("input"))
        flat = msgspec.json.encode(turns).decode()
        first = flat.index('"get_weather"')
        assert first < flat.index('"clock"') < flat.index("noon")


# -- reasoning ----------------------------------------------------------------------------------------------------------


@BOTH
def test_thinking_is_shown_apart(client: ollama.Client, upstream: Upstream, stream: bool) -> None:
    answers = whole_or_lines(
        client, upstream, "echo;reasoning=3", stream=stream, think=True, options={"num_predict": 30_000}
    )

    assert "".join(one.message.thinking or "" for one in answers) == "mock thought mock"
    assert "".join(one.message.content or "" for one in answers) == TEXT
    sent = upstream.sent().json
    asked: dict[str, tuple[str, object]] = {
        "openai_chat": ("reasoning_effort", "medium"),
        "anthropic": ("thinking", {"type": "enabled", "budget_tokens": 10_240}),
        "ollama": ("think", True),
    }
    if upstream.dialect in asked:
        name, value = asked[upstream.dialect]
        assert sent[name] == value
    if upstream.dialect == "openai_responses":
        assert sent["reasoning"] == {"effort": "medium", "summary": "auto"}


def test_thinking_has_levels_and_can_be_off(client: ollama.Client, upstream: Upstream) -> None:
    assert chat(client, upstream, think="high").message.content == TEXT
    assert chat(client, upstream, think=False).message.thinking is None
    sent = upstream.sent().json
    off: dict[str, tuple[str, object]] = {
        "anthropic": ("thinking", {"type": "disabled"}),
        "ollama": ("think", False),
    }
    if upstream.dialect in off:
        name, value = off[upstream.dialect]
        assert sent[name] == value


# -- media and documents ------------------------------------------------------------------------------------------------


def test_pictures_are_seen(client: ollama.Client, upstream: Upstream) -> None:
    answer = chat(client, upstream, messages=[{"role": "user", "content": "see", "images": [base64.b64decode(PIXEL)]}])

    assert (answer.message.content, answer.prompt_eval_count) == ("see", 1 + 85)
    assert PIXEL in upstream.sent().text


@BOTH
def test_an_answer_that_follows_a_schema(client: ollama.Client, upstream: Upstream, stream: bool) -> None:
    script = 'echo;document={"name": "Zürich", "inhabitants": null, "twins": []}'
    answers = whole_or_lines(client, upstream, script, stream=stream, format=City.model_json_schema())

    said = "".join(one.message.content or "" for one in answers)
    assert City.model_validate_json(said) == City(name="Zürich", inhabitants=None, twins=[])
    made_up = chat(client, upstream, format=City.model_json_schema())
    City.model_validate_json(made_up.message.content or "")  # fits the schema that the mock was sent


def test_an_answer_in_json(client: ollama.Client, upstream: Upstream) -> None:
    chat(client, upstream, format="json")

    sent = upstream.sent()
    wanted = {
        "openai_chat": '"response_format":{"type":"json_object"}',
        "openai_responses": '"format":{"type":"json_object"}',
        "anthropic": "JSON object",
        "gemini": '"responseMimeType":"application/json"',
        "ollama": '"format":"json"',
    }
    assert wanted[upstream.dialect] in sent.text


# -- generate -----------------------------------------------------------------------------------------------------------


def test_generate(client: ollama.Client, upstream: Upstream) -> None:
    asked = {"model": upstream.model("echo;reasoning=2"), "prompt": TEXT, "system": "Be brief.", "think": True}
    whole = client.generate(**asked)

    assert (whole.response, whole.thinking, whole.done, whole.done_reason) == (TEXT, "mock thought", True, "stop")
    assert (whole.prompt_eval_count, whole.eval_count) == (WORDS + 2, WORDS + 2)
    assert "Be brief." in upstream.sent().text
    parts = list(client.generate(**asked, stream=True))
    assert "".join(part.response or "" for part in parts) == TEXT
    assert "".join(part.thinking or "" for part in parts) == "mock thought"
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].prompt_eval_count, parts[-1].eval_count) == (WORDS + 2, WORDS + 2)


def test_generate_sees_pictures_and_follows_schemas(client: ollama.Client, upstream: Upstream) -> None:
    seen = client.generate(model=upstream.model(), prompt="see", images=[PIXEL])
    assert (seen.response, seen.prompt_eval_count) == ("see", 1 + 85)
    made = client.generate(model=upstream.model(), prompt="make", format=City.model_json_schema())
    City.model_validate_json(made.response)


def test_generate_refuses_what_only_ollama_can(client: ollama.Client, upstream: Upstream) -> None:
    def ask() -> ollama.GenerateResponse:
        return client.generate(model=upstream.model(), prompt="x", raw=True)

    if upstream.dialect == "ollama":
        assert ask().response == "x"
        assert upstream.sent().json["raw"] is True
        return
    with pytest.raises(ollama.ResponseError, match="'raw'") as refused:
        ask()
    assert refused.value.status_code == 400


# -- listing ------------------------------------------------------------------------------------------------------------


def test_models_are_listed_and_shown(gateway: Standing, client: ollama.Client, upstream: Upstream) -> None:
    known = upstream.fresh(models=["echo", "with/slashes:8b"]).provider

    listed = {model.model: model for model in client.list().models}
    assert {f"{known}/echo", f"{known}/with/slashes:8b"} <= set(listed)
    assert listed[f"{known}/echo"].modified_at is not None
    shown = client.show(f"{known}/with/slashes:8b")
    assert "tools" in (shown.capabilities or ())
    assert shown.modelinfo
    assert client.ps().models == []
    with pytest.raises(ollama.ResponseError, match="not found") as missing:
        client.show(f"{known}/none")
    assert missing.value.status_code == 404
    version = httpx.get(f"{gateway.root}/api/version", headers={"authorization": f"Bearer {gateway.key}"})
    assert version.json()["version"].count(".") == 2


# -- errors -------------------------------------------------------------------------------------------------------------

ERRORS = {
    "status=400": 400,
    "status=401": 401,
    "status=403": 403,
    "status=404": 404,
    "status=429;retry-after=3": 429,
    "status=500": 500,
    "status=503": 503,
    "html": 502,
    "reset": 502,
    "error-first": 502,
}


@pytest.mark.parametrize("script", ERRORS)
def test_errors_are_the_sdks_own(client: ollama.Client, upstream: Upstream, script: str) -> None:
    peer = upstream.fresh()
    for ask in (chat, lines):
        with pytest.raises(ollama.ResponseError) as caught:
            ask(client, peer, f"echo;{script}")
        # Google writes the status into the error itself; nobody else tells one inside HTTP 200
        told = 500 if (script, upstream.dialect) == ("error-first", "gemini") else ERRORS[script]
        assert caught.value.status_code == told
        assert caught.value.error
        assert not caught.value.error.startswith("{"), "a sentence, not somebody's JSON"


@pytest.mark.parametrize(
    "script", ["error-event-after=9;tokens=20;pace=2ms", "rst-after=9;tokens=20;pace=5ms", "fin-after=9;tokens=20"]
)
def test_errors_inside_the_answer_are_raised(client: ollama.Client, upstream: Upstream, script: str) -> None:
    stream = client.chat(model=upstream.fresh().model(f"echo;{script}"), messages=SAID, stream=True)
    heard: list[ollama.ChatResponse] = []
    with pytest.raises(ollama.ResponseError) as caught:
        heard.extend(stream)

    assert heard
    assert not any(part.done for part in heard)
    assert caught.value.error


def test_bad_requests(client: ollama.Client, upstream: Upstream) -> None:
    before = upstream.counts()
    with pytest.raises(ollama.ResponseError, match="nobody-serves-this") as missing:
        client.chat(model="nobody-serves-this", messages=SAID)
    assert missing.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match=r"messages"):
        chat(client, upstream, messages=[])
    assert upstream.counts() == before


def test_a_key_that_is_refused(gateway: Standing, upstream: Upstream) -> None:
    client = ollama.Client(host=gateway.root, headers={"authorization": "Bearer sk-or-not-a-key"})
    with pytest.raises(ollama.ResponseError) as refused:
        chat(client, upstream)
    client._client.close()  # noqa: SLF001 - it has no way of its own to close
    assert refused.value.status_code == 401
