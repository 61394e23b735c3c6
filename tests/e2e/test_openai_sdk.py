"""The vendor's own client, unchanged, against the whole gateway: what users run."""

from __future__ import annotations

import asyncio  # noqa: TID251 - most users of the asynchronous client run it under asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import httpx
import msgspec
import openai
import pytest
import trio
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from omniroute.mock import Mock, MockOptions, running
from tests.e2e import answers
from tests.e2e.standing import Row, Standing
from tests.fakes.upstream import Talk, scripted

Result = TypeVar("Result")

AT_ONCE = 32
TEXT = "What is  the weather\nin Paris, Zürich and 東京?"
SAID = [{"role": "user", "content": TEXT}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
IMAGE = "data:image/png;base64," + "iVBORw0KGgo" * 20_000


class House:
    """A provider of this test's own, behind the gateway, and the clients that ask for its models."""

    def __init__(
        self, gateway: Standing, mock: Mock, provider: str, asking: openai.AsyncOpenAI, client: openai.OpenAI
    ) -> None:
        self.gateway = gateway
        self.mock = mock
        self.provider = provider
        self.asking = asking
        """Under Trio; not for streams: it leaves asynchronous generators to the garbage collector, of which Trio warns."""
        self.client = client
        """In a thread."""

    def model(self, script: str = "echo") -> str:
        return f"{self.provider}/{script}"

    async def blocking(self, work: Callable[[openai.OpenAI], Result], *, key: str = "") -> Result:
        """Run ``work`` with the synchronous client, in a thread."""

        client = self.client.with_options(api_key=key) if key else self.client
        return await trio.to_thread.run_sync(work, client)

    async def chunks(self, **asked: object) -> list[ChatCompletionChunk]:
        return await self.blocking(lambda client: list(client.chat.completions.create(stream=True, **asked)))

    async def final(self, **asked: object) -> ChatCompletion:
        def run(client: openai.OpenAI) -> ChatCompletion:
            with client.chat.completions.stream(**asked) as stream:
                return stream.get_final_completion()

        return await self.blocking(run)

    async def rows(self, count: int = 1) -> list[Row]:
        return await self.gateway.rows(provider=self.provider, count=count)


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[openai.OpenAI]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture
async def house(gateway: Standing, client: openai.OpenAI) -> AsyncIterator[House]:
    unverified = httpx.AsyncClient(verify=False)
    async with (
        running(MockOptions(keep_requests=4)) as mock,
        openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, http_client=unverified) as asking,
    ):
        # without a list of models any id is passed on to the mock, whose scripts are in it
        provider = await gateway.connect(mock.base_url, models=[])
        yield House(gateway, mock, provider, asking, client)


async def test_plain(house: House) -> None:
    answer = await house.asking.chat.completions.create(model=house.model(), messages=SAID)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "echo"
    (row,) = await house.rows()
    assert (row.outcome, row.status, row.streamed, row.requested_model) == ("ok", 200, False, house.model())
    assert (row.usage["input_total"], row.usage["output_total"]) == (
        answer.usage.prompt_tokens, answer.usage.completion_tokens,
    )  # fmt: skip


async def test_plain_with_response_headers(house: House) -> None:
    raw = await house.asking.chat.completions.with_raw_response.create(model=house.model(), messages=SAID)
    assert raw.parse().choices[0].message.content == TEXT
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.headers["x-omniroute-provider"] == house.provider
    (row,) = await house.rows()
    assert row.request_id == raw.request_id


async def test_streamed(house: House) -> None:
    chunks = await house.chunks(model=house.model(), messages=SAID)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"
    (row,) = await house.rows()
    assert row.streamed
    assert row.usage["known"], "and is in the ledger all the same"
    assert row.usage["output_total"] == house.mock.counts.total.completion_tokens


async def test_streamed_with_usage(house: House) -> None:
    chunks = await house.chunks(model=house.model(), messages=SAID, stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    (row,) = await house.rows()
    assert chunks[-1].usage.completion_tokens == row.usage["output_total"]
    assert chunks[-1].usage.prompt_tokens == row.usage["input_total"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_tools_round_trip(house: House, *, streamed: bool) -> None:
    asked = {"model": house.model(), "messages": SAID, "tools": [TOOL]}
    answer = await (house.final(**asked) if streamed else house.asking.chat.completions.create(**asked))
    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, answer.choices[0].finish_reason) == ("weather", "tool_calls")
    assert msgspec.json.decode(call.function.arguments) == {"city": TEXT}
    message = {"role": "assistant", "tool_calls": [call.model_dump(exclude={"function": {"parsed_arguments"}})]}
    said = [*SAID, message, {"role": "tool", "tool_call_id": call.id, "content": "sunny all day"}]
    after = await house.asking.chat.completions.create(model=house.model(), messages=said, tools=[TOOL])
    assert after.choices[0].message.content == "sunny all day"


async def test_images_reach_the_provider(house: House) -> None:
    parts = [{"type": "text", "text": "a cat"}, {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}]
    said = [{"role": "user", "content": parts}]
    answer = await house.asking.chat.completions.create(model=house.model(), messages=said)
    assert answer.choices[0].message.content == "a cat"
    assert msgspec.json.decode(house.mock.requests[-1].body) == {"model": "echo", "messages": said}


@pytest.mark.parametrize("streamed", [True, False])
async def test_two_choices_with_logprobs(house: House, *, streamed: bool) -> None:
    asked = {"model": house.model(), "messages": SAID, "n": 2, "logprobs": True, "top_logprobs": 2}
    answer = await (house.final(**asked) if streamed else house.asking.chat.completions.create(**asked))
    assert [(choice.index, choice.message.content) for choice in answer.choices] == [(0, TEXT), (1, TEXT)]
    logprobs = answer.choices[1].logprobs.content
    assert "".join(token.token for token in logprobs) == TEXT
    assert len(logprobs[0].top_logprobs) == 2


async def test_reasoning_is_kept(house: House) -> None:
    chunks = await house.chunks(model=house.model("echo;reasoning=3"), messages=SAID)
    reasoning = [getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks]
    assert "".join(reasoning) == "mock thought mock"


async def test_many_at_once(house: House) -> None:
    """Half of them streamed."""
    said: dict[int, str] = {}

    async def ask(number: int) -> None:
        asked = {
            "model": house.model("echo;pace=5ms"),
            "messages": [{"role": "user", "content": f"this is number {number}"}],
        }
        answer = await (house.final(**asked) if number % 2 else house.asking.chat.completions.create(**asked))
        said[number] = answer.choices[0].message.content or ""

    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            nursery.start_soon(ask, number)
    assert said == {number: f"this is number {number}" for number in range(AT_ONCE)}
    rows = await house.rows(AT_ONCE)
    assert {row.outcome for row in rows} == {"ok"}
    assert sum(row.usage["output_total"] for row in rows) == house.mock.counts.total.completion_tokens


async def test_the_asynchronous_client_under_asyncio(house: House) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        stream = await client.chat.completions.create(
            model=house.model(), messages=[{"role": "user", "content": f"n {number}"}], stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def several() -> list[str]:
        async with openai.AsyncOpenAI(base_url=house.gateway.url, api_key=house.gateway.key, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(8)))

    said = await trio.to_thread.run_sync(lambda: asyncio.run(several()))
    assert said == [f"n {number}" for number in range(8)]


async def test_a_stream_closed_half_way(house: House) -> None:
    """The upstream's socket is closed within a second, and the ledger says who left."""

    async def half(talk: Talk) -> None:
        await talk.request()
        await talk.send(answers.STREAM_HEAD + answers.chunked(answers.ROLE, answers.HELLO))
        await talk.gone()

    def read_one(client: openai.OpenAI) -> str:
        with client.chat.completions.create(model=f"{provider}/m", messages=SAID, stream=True) as stream:
            return next(text for chunk in stream if (text := chunk.choices[0].delta.content))

    async with scripted(half) as peer:
        provider = await house.gateway.connect(peer.url())
        assert await house.blocking(read_one) == "Hello"
        with trio.fail_after(1):
            await peer.talks[0].ended.wait()
    (row,) = await house.gateway.rows(provider=provider)
    assert (row.outcome, row.status) == ("client_gone", 200)
    assert row.bytes_out == len(answers.ROLE + answers.HELLO)


async def test_a_request_cancelled_while_it_waits(house: House) -> None:
    with trio.move_on_after(0.1) as scope:
        await house.asking.chat.completions.create(model=house.model("echo;head-delay=20s"), messages=SAID)
    assert scope.cancelled_caught
    (row,) = await house.rows()
    assert (row.outcome, row.status) == ("client_gone", 0)
    with trio.fail_after(1):
        while house.mock.counts.connections_open:
            await trio.sleep(0.01)


async def test_models(house: House) -> None:
    await house.gateway.connect(
        house.mock.base_url, provider=house.provider, label="two", models=["a", "with/slashes:v1"]
    )
    listed = [model.id async for model in house.asking.models.list()]
    assert {f"{house.provider}/a", "demo/echo"} <= set(listed)
    assert listed == sorted(listed)
    for model_id in (f"{house.provider}/a", f"{house.provider}/with/slashes:v1"):
        assert (await house.asking.models.retrieve(model_id)).id == model_id
    with pytest.raises(openai.NotFoundError) as missing:
        await house.asking.models.retrieve(f"{house.provider}/no")
    assert missing.value.code == "model_not_found"


ERRORS = {
    "status=400": (openai.BadRequestError, 400, None),
    "status=401": (openai.AuthenticationError, 401, "invalid_api_key"),
    "status=403": (openai.PermissionDeniedError, 403, None),
    "status=404": (openai.NotFoundError, 404, "model_not_found"),
    "status=429;retry-after=3": (openai.RateLimitError, 429, "rate_limit_exceeded"),
    "status=500": (openai.InternalServerError, 500, None),
    "status=503": (openai.InternalServerError, 503, "overloaded"),
    "html": (openai.InternalServerError, 502, "bad_gateway"),
    "reset": (openai.InternalServerError, 502, "bad_gateway"),
    "error-first": (openai.InternalServerError, 502, None),
}


@pytest.mark.parametrize("script", ERRORS)
@pytest.mark.parametrize("streamed", [True, False])
async def test_errors_are_the_sdk_s_own(house: House, script: str, *, streamed: bool) -> None:
    wanted, status, code = ERRORS[script]
    asked = {"model": house.model(f"echo;{script}"), "messages": SAID}
    with pytest.raises(wanted) as caught:
        await (house.chunks(**asked) if streamed else house.asking.chat.completions.create(**asked))
    error = caught.value
    assert error.status_code == status
    assert code is None or error.code == code
    assert error.request_id == error.body["request_id"]
    assert error.response.headers.get("retry-after") == ("3" if "retry-after" in script else None)
    (row,) = await house.rows()
    assert (row.outcome, row.request_id) == ("upstream_error", error.request_id)


async def test_an_error_inside_a_stream_is_raised(house: House) -> None:
    with pytest.raises(openai.APIError, match="fail inside the stream"):
        await house.chunks(model=house.model("echo;error-event-after=3"), messages=SAID)


async def test_a_broken_stream_is_raised_too(house: House) -> None:
    with pytest.raises(openai.APIError, match=r"broke the connection|before it was complete") as caught:
        await house.chunks(model=house.model("echo;rst-after=4;pace=20ms"), messages=SAID)
    assert caught.value.code == "upstream_incomplete"


async def test_bad_requests(house: House) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        await house.asking.chat.completions.create(model=house.model(), messages=SAID, n=0)
    assert (bad.value.param, bad.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.NotFoundError) as missing:
        await house.asking.chat.completions.create(model="nobody-serves-this", messages=SAID)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    assert house.mock.counts.total.begun == 0


async def test_keys_that_are_refused(house: House) -> None:
    def ask(client: openai.OpenAI) -> None:
        client.chat.completions.create(model=house.model(), messages=SAID)

    for key in ("sk-or-not-a-key", house.gateway.key[:-1] + ("A" if house.gateway.key[-1] != "A" else "B")):
        with pytest.raises(openai.AuthenticationError) as refused:
            await house.blocking(ask, key=key)
        assert refused.value.code == "invalid_api_key"
        assert key not in refused.value.message
    limited = await house.gateway.create_key(allowed_models=["other/*"])
    with pytest.raises(openai.PermissionDeniedError) as forbidden:
        await house.blocking(ask, key=limited)
    assert forbidden.value.code == "model_not_allowed"


async def test_the_limit_of_a_key(house: House) -> None:
    key = await house.gateway.create_key(requests_per_minute=1)

    def ask(client: openai.OpenAI) -> str:
        return client.chat.completions.create(model=house.model(), messages=SAID).choices[0].message.content or ""

    assert await house.blocking(ask, key=key) == TEXT
    with pytest.raises(openai.RateLimitError) as limited:
        await house.blocking(ask, key=key)
    assert limited.value.code == "rate_limit_exceeded"
    assert 1 <= int(limited.value.response.headers["retry-after"]) <= 60
    assert house.mock.counts.total.begun == 1


@pytest.mark.parametrize(
    "base", ["/v1", "", "/v1/v1", "/v1/", "//v1"], ids=["proper", "no version", "version twice", "slash", "two slashes"]
)
async def test_forgiving_base_urls(house: House, base: str) -> None:
    asking = house.asking.with_options(base_url=house.gateway.root + base)
    answer = await asking.chat.completions.create(model=house.model(), messages=SAID)
    assert answer.choices[0].message.content == TEXT
    assert "demo/echo" in [model.id async for model in asking.models.list()]


KEY_FORMS: dict[str, Callable[[str], tuple[dict[str, str], str]]] = {
    "bearer": lambda key: ({"authorization": f"Bearer {key}"}, ""),
    "bearer in lower case": lambda key: ({"authorization": f"bearer {key}"}, ""),
    "x-api-key": lambda key: ({"x-api-key": key}, ""),
    "x-goog-api-key": lambda key: ({"x-goog-api-key": key}, ""),
    "query": lambda key: ({}, f"?key={key}"),
    "query among others": lambda key: ({}, f"?alt=sse&key={key}&x=1"),
}


@pytest.mark.parametrize("form", KEY_FORMS)
async def test_a_key_in_every_accepted_place(house: House, form: str) -> None:
    headers, query = KEY_FORMS[form](house.gateway.key)
    async with httpx.AsyncClient(base_url=house.gateway.url, verify=False) as http:
        answer = await http.post(
            f"/chat/completions{query}", headers=headers, json={"model": house.model(), "messages": SAID}
        )
        assert answer.json()["choices"][0]["message"]["content"] == TEXT
        assert (await http.get(f"/models{query}", headers=headers)).status_code == 200
    (request,) = house.mock.requests
    assert house.gateway.key not in f"{request}", "our key stays with us"


async def test_without_a_key(house: House) -> None:
    async with httpx.AsyncClient(base_url=house.gateway.url, verify=False) as http:
        for answer in (await http.post("/chat/completions", json={}), await http.get("/models")):
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("request_bytes", "status", "kind"),
    [
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "invalid_request_error"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431, "invalid_request_error"),
    ],
)
async def test_an_error_before_any_endpoint_has_the_shape_of_all_others(
    gateway: Standing, request_bytes: bytes, status: int, kind: str
) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
    async with stream:
        await stream.send_all(request_bytes)
        said = b"".join([part async for part in stream])
    assert said.startswith(b"HTTP/1.1 %d " % status)
    error = msgspec.json.decode(said.partition(b"\r\n\r\n")[2])["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert (error["type"], error["param"]) == (kind, None)
