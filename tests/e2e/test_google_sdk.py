"""The `google-genai` package, unchanged, in front of an upstream of every dialect."""

from __future__ import annotations

import asyncio  # noqa: TID251 - the asynchronous client knows no other
import base64
import enum
from collections.abc import Iterator, Mapping

import msgspec
import pydantic
import pytest
from google import genai
from google.genai import errors, types

from tests.e2e.standing import Standing
from tests.e2e.upstreams import PIXEL, TEXT, Upstream

WORDS = 9
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SIGNATURE = b"mock-signature"
"""What the mock signs as Gemini, decoded."""
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather of a city",
    parameters=types.Schema(
        type=types.Type.OBJECT,
        properties={
            "city": types.Schema(type=types.Type.STRING, description="Its name"),
            "days": types.Schema(type=types.Type.INTEGER, nullable=True),
        },
        required=["city"],
    ),
)
CLOCK = types.FunctionDeclaration(name="clock", parameters_json_schema={"type": "object", "properties": {}})


class City(pydantic.BaseModel):
    """What a structured answer is to be."""

    name: str
    inhabitants: int | None = None
    twins: list[str] = pydantic.Field(max_length=3)


class Mood(enum.Enum):
    SUNNY = "sunny"
    RAINY = "rainy"


def google(gateway: Standing, version: str | None = None) -> genai.Client:
    """A client at the gateway; without a version the SDK takes its own."""
    return genai.Client(
        api_key=gateway.key, http_options=types.HttpOptions(base_url=gateway.root, api_version=version, timeout=20_000)
    )


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[genai.Client]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with google(gateway) as client:
        yield client


@pytest.fixture(scope="module", params=["v1", "v1beta"])
def versioned(request: pytest.FixtureRequest, gateway: Standing) -> Iterator[genai.Client]:
    with google(gateway, str(request.param)) as client:
        yield client


Config = types.GenerateContentConfig


def generate(
    client: genai.Client, upstream: Upstream, script: str = "echo", *, contents: object = TEXT, **config: object
) -> types.GenerateContentResponse:
    return client.models.generate_content(
        model=upstream.model(script), contents=contents, config=Config(**config) if config else None
    )


def streamed(
    client: genai.Client, upstream: Upstream, script: str = "echo", *, contents: object = TEXT, **config: object
) -> list[types.GenerateContentResponse]:
    return list(
        client.models.generate_content_stream(
            model=upstream.model(script), contents=contents, config=Config(**config) if config else None
        )
    )


def parts_of(answers: list[types.GenerateContentResponse]) -> list[types.Part]:
    return [
        part
        for answer in answers
        for candidate in answer.candidates or ()
        for part in (candidate.content.parts if candidate.content else None) or ()
    ]


# -- what is said -------------------------------------------------------------------------------------------------------


def test_whole(versioned: genai.Client, upstream: Upstream) -> None:
    answer = generate(versioned, upstream)

    assert answer.text == TEXT
    (candidate,) = answer.candidates
    assert (candidate.content.role, candidate.finish_reason) == ("model", types.FinishReason.STOP)
    usage = answer.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (
        WORDS, WORDS, 2 * WORDS,
    )  # fmt: skip
    assert answer.response_id
    assert answer.model_version == "echo"


def test_streamed(versioned: genai.Client, upstream: Upstream) -> None:
    chunks = streamed(versioned, upstream)

    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert len(chunks) >= WORDS, "as it came, a word at a time"
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
    assert reasons[-1] is types.FinishReason.STOP
    assert not any(reasons[:-1])
    usage = chunks[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (WORDS, WORDS)
    assert len({chunk.response_id for chunk in chunks}) == 1


def test_the_asynchronous_client(gateway: Standing, upstream: Upstream) -> None:
    async def several() -> list[str]:
        client = google(gateway)
        async with client.aio as asking:

            async def ask(number: int) -> str:
                asked = {"model": upstream.model("echo;pace=2ms"), "contents": f"this is number {number}"}
                if number % 2:
                    return (await asking.models.generate_content(**asked)).text or ""
                stream = await asking.models.generate_content_stream(**asked)
                return "".join([chunk.text or "" async for chunk in stream])

            said = await asyncio.gather(*(ask(number) for number in range(8)))
        client.close()
        return list(said)

    assert asyncio.run(several()) == [f"this is number {number}" for number in range(8)]


def test_a_chat_keeps_its_history(client: genai.Client, upstream: Upstream) -> None:
    chat = client.chats.create(model=upstream.model(), config=Config(system_instruction="Be kind."))

    assert chat.send_message("the first").text == "the first"
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("the second")) == "the second"
    assert chat.send_message("the third").text == "the third"

    sent = upstream.sent().text
    assert "Be kind." in sent
    said = [sent.index(text) for text in ("the first", "the second", "the third")]
    assert said == sorted(said)
    assert [sent.count(text) for text in ("the first", "the third")] == [2, 1], "said and answered; said"
    history = chat.get_history()
    assert (history[0].role, history[-1].role) == ("user", "model")
    assert "".join(part.text or "" for content in history for part in content.parts or ()) == "".join(
        2 * f"the {number}" for number in ("first", "second", "third")
    )


SETTINGS: dict[str, object] = {
    "temperature": 0.25, "top_p": 0.5, "top_k": 20, "max_output_tokens": 50, "stop_sequences": ["END"],
    "system_instruction": "Be brief.",
}  # fmt: skip
SETTINGS_SENT: dict[str, dict[str, object]] = {
    "openai_chat": {"temperature": 0.25, "top_p": 0.5, "max_tokens": 50, "stop": ["END"]},
    "openai_responses": {"temperature": 0.25, "top_p": 0.5, "max_output_tokens": 50},
    "anthropic": {"temperature": 0.25, "top_p": 0.5, "top_k": 20, "max_tokens": 50, "stop_sequences": ["END"]},
    "gemini": {
        "generationConfig": {
            "temperature": 0.25, "topP": 0.5, "topK": 20.0, "maxOutputTokens": 50, "stopSequences": ["END"],
        },
    },
    "ollama": {
        "options": {"temperature": 0.25, "top_p": 0.5, "top_k": 20, "num_predict": 50, "stop": ["END"]},
    },
}  # fmt: skip


def test_settings_reach_the_upstream(client: genai.Client, upstream: Upstream) -> None:
    answer = generate(client, upstream, **SETTINGS)

    assert answer.text == TEXT
    sent = upstream.sent()
    assert {name: sent.json.get(name) for name in SETTINGS_SENT[upstream.dialect]} == SETTINGS_SENT[upstream.dialect]
    assert "Be brief." in sent.text


def test_the_limit_ends_the_answer(client: genai.Client, upstream: Upstream) -> None:
    for answers in (
        [generate(client, upstream, max_output_tokens=3)],
        streamed(client, upstream, max_output_tokens=3),
    ):
        assert answers[-1].candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
        assert answers[-1].usage_metadata.candidates_token_count == 3


# -- tools --------------------------------------------------------------------------------------------------------------


def test_functions_are_called_automatically(client: genai.Client, upstream: Upstream) -> None:
    asked: list[object] = []

    def get_weather(city: str, days: int) -> str:
        """The weather of a city.

        Args:
            city: Its name.
            days: How far ahead.
        """
        asked.append((city, days))
        return f"rain in {city}"

    def twin(city: str, days: int) -> dict[str, object]:
        """Its twin."""
        asked.append(city)
        return {"twin": "Bern", "degrees": 3.50}

    script = 'echo;calls=2;reasoning=2;arguments={"city": "Zürich", "days": 2}'
    answer = generate(client, upstream, script, tools=[get_weather, twin])

    assert asked == [("Zürich", 2), "Zürich"]
    assert "Bern" in (answer.text or "")
    assert len(answer.automatic_function_calling_history) >= 3

    asked.clear()
    chunks = streamed(client, upstream, script, tools=[get_weather, twin])
    assert asked == [("Zürich", 2), "Zürich"]
    assert "Bern" in "".join(chunk.text or "" for chunk in chunks)
    sent = upstream.sent().text
    assert sent.count("rain in Z") == 1
    assert sent.count("Bern") == 1
    assert "no result" not in sent, "the SDK has sent the turn back in pieces, a call in each"


def test_a_chat_calls_functions(client: genai.Client, upstream: Upstream) -> None:
    asked: list[str] = []

    def clock(zone: str) -> str:
        """The time somewhere."""
        asked.append(zone)
        return f"noon in {zone}"

    chat = client.chats.create(
        model=upstream.model('echo;reasoning=2;arguments={"zone": "UTC"}'), config=Config(tools=[clock])
    )

    assert "noon in UTC" in (chat.send_message("what time is it?").text or "")
    assert "noon in UTC" in "".join(chunk.text or "" for chunk in chat.send_message_stream("and now?"))
    assert asked == ["UTC", "UTC"]


@pytest.mark.parametrize("ids", ["", "no-ids;"])
@pytest.mark.parametrize("stream", [False, True])
def test_functions_are_called_by_hand(client: genai.Client, upstream: Upstream, ids: str, *, stream: bool) -> None:
    script = f'echo;{ids}calls=3;arguments={{"city": "Zürich \\"7\\"", "days": 2}}'
    ask = streamed if stream else lambda *args, **more: [generate(*args, **more)]
    tools = [types.Tool(function_declarations=[WEATHER, CLOCK])]
    parts = parts_of(ask(client, upstream, script, tools=tools))
    calls = [part.function_call for part in parts if part.function_call]

    assert [call.name for call in calls] == ["get_weather", "clock", "get_weather"]
    assert [call.args for call in calls] == [{"city": 'Zürich "7"', "days": 2}] * 3
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": f"r{n}"}))
        for n, call in enumerate(calls)
    ]
    if not ids:
        results.reverse()  # whoever has ids may answer in any order
    contents = [types.UserContent(TEXT), types.ModelContent(parts), types.Content(role="user", parts=results)]
    after = parts_of(ask(client, upstream, "echo", contents=contents, tools=tools))

    assert "".join(part.text or "" for part in after).strip()
    called, told = called_and_told(upstream)
    assert [name for _, name in called] == ["get_weather", "clock", "get_weather"]
    assert len(told) == 3
    if called[0][0]:
        assert len({one for one, _ in called}) == 3
        assert [told[one] for one, _ in called] == ["r0", "r1", "r2"]


def called_and_told(upstream: Upstream) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Of the history the upstream was sent last: id and name of each call, and the result for each id."""
    called: list[tuple[str, str]] = []
    told: dict[str, str] = {}
    for block in blocks_of(upstream.sent().json):
        match block:
            case {"type": "tool_use", "id": one, "name": name} | {
                "type": "function_call",
                "call_id": one,
                "name": name,
            }:
                called.append((one, name))
            case {"functionCall": {"name": name, **more}} | {"function": {"name": name}, **more}:
                called.append((more.get("id", ""), name))
            case (
                {"type": "tool_result", "tool_use_id": one, "content": result}
                | {"type": "function_call_output", "call_id": one, "output": result}
                | {"role": "tool", "tool_call_id": one, "content": result}
                | {"functionResponse": {"id": one, "response": {"output": result}}}
            ):
                told[one] = result
            case {"functionResponse": {"response": {"output": result}}}:
                told[f"without id {len(told)}"] = result
    return called, told


def blocks_of(sent: Mapping[str, object]) -> Iterator[object]:
    """Turns of a request in any dialect, and what they hold."""
    turns = sent.get("messages", sent.get("contents", sent.get("input")))
    assert isinstance(turns, list)
    for turn in turns:
        yield turn
        for name in ("content", "parts", "tool_calls"):
            held = turn.get(name)
            yield from held if isinstance(held, list) else ()


def test_a_function_that_must_be_called(client: genai.Client, upstream: Upstream) -> None:
    calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["clock"])
    answer = generate(
        client, upstream,
        tools=[types.Tool(function_declarations=[WEATHER, CLOCK])],
        tool_config=types.ToolConfig(function_calling_config=calling),
    )  # fmt: skip

    sent = upstream.sent().json
    wanted: dict[str, object] = {
        "openai_chat": {"type": "function", "function": {"name": "clock"}},
        "openai_responses": {"type": "function", "name": "clock"},
        "anthropic": {"type": "tool", "name": "clock"},
    }
    if upstream.dialect in wanted:
        assert sent["tool_choice"] == wanted[upstream.dialect]
    assert upstream.dialect == "ollama" or [call.name for call in answer.function_calls] == ["clock"]


def test_openapi_schemas_become_json_schemas(client: genai.Client, upstream: Upstream) -> None:
    generate(client, upstream, tools=[types.Tool(function_declarations=[WEATHER])])

    sent = upstream.sent().text.replace(" ", "")
    if upstream.dialect == "gemini":
        assert '"OBJECT"' in sent
    else:
        assert '"type":"object"' in sent
        assert '"type":["integer","null"]' in sent


# -- reasoning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_are_shown_apart(client: genai.Client, upstream: Upstream, *, stream: bool) -> None:
    ask = streamed if stream else lambda *args, **more: [generate(*args, **more)]
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    answers = ask(client, upstream, "echo;reasoning=3", max_output_tokens=8000, thinking_config=thinking)

    parts = parts_of(answers)
    assert "".join(part.text for part in parts if part.text and part.thought) == "mock thought mock"
    assert "".join(part.text for part in parts if part.text and not part.thought) == TEXT
    sent = upstream.sent().json
    asked: dict[str, tuple[str, object]] = {
        "openai_chat": ("reasoning_effort", "low"),
        "anthropic": ("thinking", {"type": "enabled", "budget_tokens": 2048}),
        "ollama": ("think", True),
    }
    if upstream.dialect in asked:
        name, value = asked[upstream.dialect]
        assert sent[name] == value
    usage = answers[-1].usage_metadata
    thoughts = usage.thoughts_token_count or 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count + thoughts
    assert thoughts == (0 if upstream.dialect in {"anthropic", "ollama"} else 3), "those two do not tell"


@pytest.mark.parametrize("stream", [False, True])
def test_a_signature_goes_home(client: genai.Client, upstream: Upstream, *, stream: bool) -> None:
    """The SDK returns parts as it got them. A vendor gets back what it has signed, and nothing else."""
    ask = streamed if stream else lambda *args, **more: [generate(*args, **more)]
    tools = [types.Tool(function_declarations=[WEATHER])]
    parts = parts_of(ask(client, upstream, "echo;reasoning=2;no-ids", tools=tools))
    signed = [part.thought_signature for part in parts if part.thought_signature]
    (call,) = [part.function_call for part in parts if part.function_call]
    told = types.Part.from_function_response(name=call.name, response={"output": "dry"})
    contents = [types.UserContent(TEXT), types.ModelContent(parts), types.Content(role="user", parts=[told])]
    after = ask(client, upstream, "echo", contents=contents, tools=tools)

    assert "".join(part.text or "" for part in parts_of(after)) == "dry"
    if upstream.dialect == "gemini":
        assert signed == [SIGNATURE]
        assert base64.b64encode(SIGNATURE).decode() in upstream.sent().text.replace("-", "+").replace("_", "/")
    assert "omr1:" not in upstream.sent().text


# -- files --------------------------------------------------------------------------------------------------------------


def test_pictures_are_seen(client: genai.Client, upstream: Upstream) -> None:
    picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    answer = generate(client, upstream, contents=["see", picture])

    assert answer.text == "see"
    assert answer.usage_metadata.prompt_token_count == 1 + 85
    assert PIXEL.rstrip("=")[:60] in upstream.sent().text


def test_documents_are_seen_where_they_can_be(client: genai.Client, upstream: Upstream) -> None:
    document = types.Part.from_bytes(data=PDF, mime_type="application/pdf")
    if upstream.dialect == "ollama":
        with pytest.raises(errors.ClientError, match=r"contents\[0\].parts\[1\]") as refused:
            generate(client, upstream, contents=["read", document])
        assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
        return
    assert generate(client, upstream, contents=["read", document]).text == "read"
    # Google's SDK writes URL-safe base64, which nobody else reads
    sent = upstream.sent().text
    assert base64.b64encode(PDF).decode() in (
        sent.replace("-", "+").replace("_", "/") if upstream.dialect == "gemini" else sent
    )


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "sound out": ({"response_modalities": ["AUDIO"]}, "generationConfig.responseModalities"),
    "a cache": ({"cached_content": "cachedContents/1"}, "cachedContent"),
    "video in": ({"contents": types.Part.from_bytes(data=b"AAAA", mime_type="video/mp4")}, "contents[0].parts[0]"),
    "video at a URL": (
        {"contents": types.Part.from_uri(file_uri="https://example.com/a.mp4", mime_type="video/mp4")},
        "contents[0].parts[0]",
    ),
}


@pytest.mark.parametrize(("asked", "names"), REFUSED.values(), ids=REFUSED)
def test_what_only_gemini_can_is_refused_by_name(
    client: genai.Client, upstream: Upstream, asked: dict[str, object], names: str
) -> None:
    if upstream.dialect == "gemini":
        assert generate(client, upstream, **asked).candidates
        return
    with pytest.raises(errors.ClientError) as refused:
        generate(client, upstream, **asked)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert names in (refused.value.message or "")


# -- structured answers -------------------------------------------------------------------------------------------------


def test_an_answer_of_a_pydantic_class(client: genai.Client, upstream: Upstream) -> None:
    script = 'echo;document={"name": "Zürich", "inhabitants": 447082, "twins": ["Kunming"]}'
    asked = {"response_mime_type": "application/json", "response_schema": City}
    whole = generate(client, upstream, script, **asked)

    assert whole.parsed == City(name="Zürich", inhabitants=447082, twins=["Kunming"])
    said = "".join(chunk.text or "" for chunk in streamed(client, upstream, script, **asked))
    assert City.model_validate_json(said) == whole.parsed
    made_up = generate(client, upstream, "echo", **asked)
    assert isinstance(made_up.parsed, City), "the mock answers what fits the schema that it was sent"


def test_an_answer_of_a_json_schema(client: genai.Client, upstream: Upstream) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    answer = generate(client, upstream, response_mime_type="application/json", response_json_schema=schema)

    assert msgspec.json.decode(answer.text or "") == {"n": 1}


def test_an_answer_in_a_list_and_an_enum(client: genai.Client, upstream: Upstream) -> None:
    script = 'echo;document=[{"name": "Bern", "twins": []}]'
    listed = generate(client, upstream, script, response_mime_type="application/json", response_schema=list[City])
    assert [city.name for city in listed.parsed] == ["Bern"]

    mood = generate(client, upstream, 'echo;document="sunny"', response_mime_type="text/x.enum", response_schema=Mood)
    assert "sunny" in (mood.text or "")


# -- counting and listing -----------------------------------------------------------------------------------------------


def test_tokens_are_counted(versioned: genai.Client, upstream: Upstream) -> None:
    counted = versioned.models.count_tokens(model=upstream.model(), contents=[TEXT, "one more"])

    if upstream.dialect in {"gemini", "anthropic"}:
        assert counted.total_tokens == WORDS + 2, "as the upstream counts: in words"
    else:
        assert 10 <= counted.total_tokens <= 40, "a tokenizer's"


def test_models_are_listed_and_got(gateway: Standing, versioned: genai.Client, upstream: Upstream) -> None:
    known = upstream.fresh(models=["echo", "with/slashes:8b"]).provider

    names = {model.name for model in versioned.models.list(config={"page_size": 7})}

    assert {f"models/{known}/echo", f"models/{known}/with/slashes:8b"} <= names
    one = versioned.models.get(model=f"{known}/with/slashes:8b")
    assert (one.name, "generateContent" in one.supported_actions) == (f"models/{known}/with/slashes:8b", True)
    with pytest.raises(errors.ClientError) as missing:
        versioned.models.get(model=f"{known}/none")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


# -- errors -------------------------------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[type[errors.APIError], int, str]] = {
    "status=400": (errors.ClientError, 400, "INVALID_ARGUMENT"),
    "status=401": (errors.ClientError, 401, "UNAUTHENTICATED"),
    "status=403": (errors.ClientError, 403, "PERMISSION_DENIED"),
    "status=404": (errors.ClientError, 404, "NOT_FOUND"),
    "status=429;retry-after=3": (errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    "status=500": (errors.ServerError, 500, "INTERNAL"),
    "status=503": (errors.ServerError, 503, "UNAVAILABLE"),
    "html": (errors.ServerError, 500, "INTERNAL"),
    "reset": (errors.ServerError, 500, "INTERNAL"),
    "error-first": (errors.ServerError, 500, "INTERNAL"),
}


@pytest.mark.parametrize("script", ERRORS)
def test_errors_are_the_sdks_own(client: genai.Client, upstream: Upstream, script: str) -> None:
    kind, code, status = ERRORS[script]
    peer = upstream.fresh()
    for ask in (generate, streamed):
        with pytest.raises(kind) as caught:
            ask(client, peer, f"echo;{script}")
        error = caught.value
        assert (error.code, error.status) == (code, status)
        assert error.message
        assert "request_id" not in (error.message or "")


@pytest.mark.parametrize(
    "script", ["error-event-after=9;tokens=20;pace=2ms", "rst-after=9;tokens=20;pace=5ms", "fin-after=9;tokens=20"]
)
def test_errors_inside_the_answer_are_raised(client: genai.Client, upstream: Upstream, script: str) -> None:
    stream = client.models.generate_content_stream(model=upstream.fresh().model(f"echo;{script}"), contents=TEXT)
    heard: list[types.GenerateContentResponse] = []
    with pytest.raises(errors.APIError) as caught:
        heard.extend(stream)

    assert heard
    assert caught.value.code in {500, 503, 504}
    assert not any(candidate.finish_reason for chunk in heard for candidate in chunk.candidates or ())


def test_bad_requests(client: genai.Client, upstream: Upstream) -> None:
    before = upstream.counts()
    with pytest.raises(errors.ClientError) as missing:
        client.models.generate_content(model="nobody-serves-this", contents=TEXT)
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError, match="candidateCount") as bad:
        generate(client, upstream, candidate_count=0)
    assert (bad.value.code, bad.value.status) == (400, "INVALID_ARGUMENT")
    assert upstream.counts() == before


def test_a_key_that_is_refused(gateway: Standing, upstream: Upstream) -> None:
    options = types.HttpOptions(base_url=gateway.root)
    with (
        genai.Client(api_key="sk-or-not-a-key", http_options=options) as client,
        pytest.raises(errors.ClientError) as refused,
    ):
        generate(client, upstream)
    assert (refused.value.code, refused.value.status) == (401, "UNAUTHENTICATED")
