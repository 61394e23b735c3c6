"""The `anthropic` package, unchanged, against the whole gateway in front of every kind of upstream: what is said and seen."""

from __future__ import annotations

import asyncio  # noqa: TID251 - most users of the asynchronous client run it under asyncio
from collections.abc import Iterator

import anthropic
import msgspec
import pydantic
import pytest
import trio
from anthropic.types import Message

from tests.e2e.standing import Standing
from tests.e2e.upstreams import PIXEL, TEXT, Upstream, checked

SAID = [{"role": "user", "content": TEXT}]
PDF = "JVBERi0xLjQKJSVFT0YK"
WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


class Forecast(pydantic.BaseModel):
    """What is asked for as a document."""

    city: str
    days: list[int]


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[anthropic.Anthropic]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
        yield client


def create(client: anthropic.Anthropic, upstream: Upstream, script: str = "echo", **asked: object) -> Message:
    """A message, whole; or as the SDK's helper puts it together, if ``streamed``."""
    told = {"model": upstream.model(script), "messages": SAID, "max_tokens": 4000, **asked}
    if not told.pop("streamed", False):
        return checked(client.messages.create(**told))
    with client.messages.stream(**told) as stream:
        said = "".join(stream.text_stream)
        message = checked(stream.get_final_message())
    assert said == text_of(message)
    return message


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@WAYS
def test_a_message(client: anthropic.Anthropic, gateway: Standing, upstream: Upstream, *, streamed: bool) -> None:
    own = upstream.fresh()
    message = create(client, own, streamed=streamed)

    assert text_of(message) == TEXT
    assert (message.id[:4], message.role, message.stop_reason, message.model) == (
        "msg_", "assistant", "end_turn", "echo",
    )  # fmt: skip
    (row,) = trio.run(lambda: gateway.rows(provider=own.provider))
    assert (row.outcome, row.status, row.streamed) == ("ok", 200, streamed)
    assert (row.usage["input_total"], row.usage["output_total"]) == (
        message.usage.input_tokens, message.usage.output_tokens,
    )  # fmt: skip


def test_the_events_of_a_stream(client: anthropic.Anthropic, upstream: Upstream) -> None:
    with client.messages.create(
        model=upstream.model("echo;reasoning=2"), messages=SAID, max_tokens=4000, stream=True
    ) as stream:
        events = [checked(event) for event in stream]

    kinds = [event.type for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    starts = [event for event in events if event.type == "content_block_start"]
    stops = [event.index for event in events if event.type == "content_block_stop"]
    assert [event.index for event in starts] == stops == list(range(len(starts)))
    assert [event.content_block.type for event in starts] == ["thinking", "text"]
    assert all(event.usage.output_tokens for event in events if event.type == "message_delta")


def test_the_events_of_the_helper(client: anthropic.Anthropic, upstream: Upstream) -> None:
    with client.messages.stream(model=upstream.model(), messages=SAID, max_tokens=4000) as stream:
        events = list(stream)
        assert stream.get_final_text() == TEXT

    assert "".join(event.text for event in events if event.type == "text") == TEXT
    assert [event.content_block.text for event in events if event.type == "content_block_stop"] == [TEXT]


def test_the_asynchronous_client(gateway: Standing, upstream: Upstream) -> None:
    async def ask(client: anthropic.AsyncAnthropic, number: int) -> str:
        told = {"model": upstream.model(), "max_tokens": 99, "messages": [{"role": "user", "content": f"n {number}"}]}
        if number % 2:
            return text_of(await client.messages.create(**told))
        async with client.messages.stream(**told) as stream:
            said = "".join([text async for text in stream.text_stream])
            assert said == text_of(await stream.get_final_message())
            return said

    async def several() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(6)))

    assert asyncio.run(several()) == [f"n {number}" for number in range(6)]


def test_instructions_and_history(client: anthropic.Anthropic, upstream: Upstream) -> None:
    said = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
    ]
    system = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    message = create(client, upstream, messages=said, system=system)

    assert text_of(message) == "three"
    sent = upstream.sent().text
    places = [sent.index(f'"{text}"') for text in ("one", "two", "three")]
    assert places == sorted(places)
    assert "Be brief." in sent
    assert "Be kind." in sent


SETTINGS_SENT: dict[str, dict[str, object]] = {
    "openai_chat": {"temperature": 0.25, "top_p": 0.5, "max_tokens": 50, "stop": ["END"]},
    "openai_responses": {"temperature": 0.25, "top_p": 0.5, "max_output_tokens": 50},
    "anthropic": {"temperature": 0.25, "top_p": 0.5, "top_k": 9, "max_tokens": 50, "stop_sequences": ["END"]},
    "gemini": {"temperature": 0.25, "topP": 0.5, "topK": 9, "maxOutputTokens": 50, "stopSequences": ["END"]},
    "ollama": {"temperature": 0.25, "top_p": 0.5, "top_k": 9, "num_predict": 50, "stop": ["END"]},
}
LOST = {"openai_chat": {"top_k"}, "openai_responses": {"top_k", "stop_sequences"}}
HOMES = {"gemini": "generationConfig", "ollama": "options"}
"""Where an upstream looks for them, if not beside everything else."""


def test_settings_arrive_or_their_loss_is_told(client: anthropic.Anthropic, upstream: Upstream) -> None:
    asked = {"temperature": 0.25, "top_p": 0.5, "top_k": 9, "stop_sequences": ["END"]}
    raw = client.messages.with_raw_response.create(
        model=upstream.model(), messages=SAID, max_tokens=50, extra_body=asked
    )

    body = upstream.sent().json
    home = HOMES.get(upstream.dialect)
    told = dict(body[home]) if home else body  # type: ignore[call-overload]  # the member is an object
    wanted = SETTINGS_SENT[upstream.dialect]
    assert {name: told.get(name) for name in wanted} == wanted
    lost = {name.strip() for name in raw.headers.get("x-omniroute-lossy", "").split(",")} - {""}
    assert lost == LOST.get(upstream.dialect, set())


@WAYS
def test_an_answer_that_is_too_long(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    message = create(client, upstream, max_tokens=2, streamed=streamed)

    assert message.stop_reason == "max_tokens"
    assert TEXT.startswith(text_of(message))


@pytest.mark.parametrize("upstream", ["openai_chat", "openai_responses", "anthropic", "gemini"], indirect=True)
@WAYS
def test_a_refusal(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    assert create(client, upstream, "echo;finish=content_filter", streamed=streamed).stop_reason == "refusal"


def test_pictures_are_seen(client: anthropic.Anthropic, upstream: Upstream) -> None:
    content = [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ]
    message = create(client, upstream, messages=[{"role": "user", "content": content}])

    assert text_of(message) == "see"
    assert message.usage.input_tokens > 80, "the mock counts a picture as 85 tokens"
    assert upstream.sent().text.count(PIXEL) == 1


def test_pictures_in_results_are_seen(client: anthropic.Anthropic, upstream: Upstream) -> None:
    """Where results are texts alone, they follow in a message of the user."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    shown = [
        {"type": "text", "text": "a dot"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ]
    said = [
        *SAID,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": shown}]},
    ]
    message = create(client, upstream, messages=said, tools=[{"name": "look", "input_schema": {"type": "object"}}])

    assert message.content
    sent = upstream.sent().text
    assert "a dot" in sent
    assert sent.count(PIXEL) == 1


def test_documents_are_seen_where_they_can_be(client: anthropic.Anthropic, upstream: Upstream) -> None:
    content = [
        {"type": "text", "text": "read"},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
    ]
    said = [{"role": "user", "content": content}]
    if upstream.dialect == "ollama":
        with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\]\.content\[1\]|cannot be sent") as refused:
            create(client, upstream, messages=said)
        assert error_of(refused.value)["type"] == "invalid_request_error"
        return
    assert text_of(create(client, upstream, messages=said)) == "read"
    assert upstream.sent().text.count(PDF) == 1


def test_documents_of_text_are_read_everywhere(client: anthropic.Anthropic, upstream: Upstream) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "The sea is calm."}
    said = [{"role": "user", "content": [{"type": "document", "source": source}, {"type": "text", "text": "read"}]}]

    assert "read" in text_of(create(client, upstream, messages=said))
    assert upstream.sent().text.count("The sea is calm.") == 1


def test_the_cache_is_told(client: anthropic.Anthropic, upstream: Upstream) -> None:
    """What was read from a cache is no input of its own; marks go where they mean something."""
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    plain = create(client, upstream, system=system).usage
    for streamed in (False, True):
        usage = create(client, upstream, "echo;cached=3;cache-write=2", system=system, streamed=streamed).usage
        told = (usage.input_tokens, usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0)
        assert sum(told) == plain.input_tokens
        assert told[1:] == {"ollama": (0, 0), "anthropic": (3, 2)}.get(upstream.dialect, (3, 0))
    assert ("cache_control" in upstream.sent().text) == (upstream.dialect == "anthropic")


@WAYS
def test_an_answer_that_follows_a_schema(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    document = '{"city": "Zürich", "days": [1, 2]}'
    told = {"model": upstream.model(f"echo;document={document}"), "messages": SAID, "max_tokens": 4000}
    if streamed:
        with client.messages.stream(**told, output_format=Forecast) as stream:
            parsed = stream.get_final_message().parsed_output
    else:
        parsed = client.messages.parse(**told, output_format=Forecast).parsed_output

    assert parsed == Forecast(city="Zürich", days=[1, 2])
    assert all(f'"{name}"' in upstream.sent().text for name in Forecast.model_fields), "the upstream knew the schema"


def test_tokens_are_counted(client: anthropic.Anthropic, upstream: Upstream) -> None:
    tool = {"name": "look", "description": "Looks " * 20, "input_schema": {"type": "object"}}
    told = {"model": upstream.model(), "messages": SAID}

    plain = checked(client.messages.count_tokens(**told)).input_tokens
    more = client.messages.count_tokens(**told, system="Be brief.").input_tokens
    assert 5 < plain < more < plain + 10
    assert client.messages.count_tokens(**told, tools=[tool]).input_tokens >= plain


def test_models(client: anthropic.Anthropic, upstreams: dict[str, Upstream]) -> None:
    gateway = next(iter(upstreams.values())).gateway
    named = [upstreams[dialect].fresh(models=["a", "b/c:v1"]) for dialect in ("anthropic", "gemini")]
    listed = [checked(model) for model in client.models.list(limit=2)]

    ids = [model.id for model in listed]
    assert {f"{one.provider}/{name}" for one in named for name in ("a", "b/c:v1")} < set(ids)
    assert len(ids) == len(set(ids)), "the SDK turns the pages"
    assert {model.type for model in listed} == {"model"}
    for one in named:
        assert checked(client.models.retrieve(f"{one.provider}/b/c:v1")).id == f"{one.provider}/b/c:v1"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve(f"{gateway.key[:4]}/nothing")


def error_of(error: anthropic.APIStatusError) -> dict[str, object]:
    """The error a body holds, in Anthropic's shape."""
    body = msgspec.convert(error.body, dict[str, object])
    assert body["type"] == "error"
    assert body.get("request_id", error.request_id) == error.request_id, "an event inside a stream has none"
    return msgspec.convert(body["error"], dict[str, object])


OVERLOADED = anthropic._exceptions.OverloadedError  # noqa: SLF001 - they raise it without naming it in public
ERRORS: dict[str, tuple[type[anthropic.APIStatusError], int, str]] = {
    "status=400": (anthropic.BadRequestError, 400, "invalid_request_error"),
    "status=401": (anthropic.AuthenticationError, 401, "authentication_error"),
    "status=403": (anthropic.PermissionDeniedError, 403, "permission_error"),
    "status=404": (anthropic.NotFoundError, 404, "not_found_error"),
    "status=429;retry-after=7": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "status=500": (anthropic.InternalServerError, 500, "api_error"),
    "status=503": (OVERLOADED, 529, "overloaded_error"),
    "html": (anthropic.InternalServerError, 502, "api_error"),
    "reset": (anthropic.InternalServerError, 502, "api_error"),
}


@WAYS
def test_failures_before_the_answer(client: anthropic.Anthropic, upstream: Upstream, *, streamed: bool) -> None:
    failing = upstream.fresh()
    for script, (wanted, status, kind) in ERRORS.items():
        with pytest.raises(wanted) as caught:
            create(client, failing, f"echo;{script}", streamed=streamed)
        assert (caught.value.status_code, error_of(caught.value)["type"]) == (status, kind), script
        assert caught.value.request_id == caught.value.response.headers["request-id"]
        assert caught.value.response.headers.get("retry-after") == ("7" if "retry-after" in script else None)


@pytest.mark.parametrize("script", ["pace=5ms;error-event-after=20", "fin-after=20", "rst-after=20;pace=2ms"])
def test_failures_inside_the_answer(client: anthropic.Anthropic, upstream: Upstream, script: str) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        create(client, upstream.fresh(), f"echo;tokens=40;{script}", streamed=True)

    assert error_of(caught.value)["type"] == "api_error"


def test_what_the_gateway_refuses(client: anthropic.Anthropic, upstream: Upstream) -> None:
    before = upstream.counts()
    with pytest.raises(anthropic.BadRequestError, match="max_tokens") as bad:
        create(client, upstream, max_tokens=0)
    assert error_of(bad.value)["type"] == "invalid_request_error"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nobody-serves-this", messages=SAID, max_tokens=1)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        create(client.with_options(api_key="sk-or-not-a-key"), upstream)
    assert error_of(refused.value)["type"] == "authentication_error"
    assert upstream.counts() - before <= (upstream.dialect == "anthropic"), "its own vendor refuses it"
