"""Failures of an upstream of every dialect, as the `openai` package raises them: its own exception classes, its own fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import openai
import pytest

from tests.e2e.standing import Standing
from tests.e2e.upstreams import Upstream, connected

SAID = [{"role": "user", "content": "one two three four five six seven eight"}]
OUR_FAULT = {"status=401", "status=403"}


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[openai.OpenAI]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture
def failing(upstream: Upstream) -> Upstream:
    """An upstream over a connection of this test's own: what fails may be held against a connection."""
    return upstream.fresh()


def chat(client: openai.OpenAI, model: str) -> None:
    client.chat.completions.create(model=model, messages=SAID)


def chat_streamed(client: openai.OpenAI, model: str) -> None:
    with client.chat.completions.create(model=model, messages=SAID, stream=True) as stream:
        list(stream)


def respond(client: openai.OpenAI, model: str) -> None:
    client.responses.create(model=model, input=SAID)


def respond_streamed(client: openai.OpenAI, model: str) -> None:
    with client.responses.create(model=model, input=SAID, stream=True) as stream:
        list(stream)


Ask = Callable[[openai.OpenAI, str], None]
ASKS: dict[str, Ask] = {
    "chat": chat, "chat streamed": chat_streamed, "responses": respond, "responses streamed": respond_streamed,
}  # fmt: skip

ERRORS: dict[str, tuple[type[openai.APIStatusError], int, str | None]] = {
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


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_before_the_answer(client: openai.OpenAI, failing: Upstream, ask: Ask) -> None:
    for script, (wanted, status, code) in ERRORS.items():
        with pytest.raises(wanted) as caught:
            ask(client, failing.model(f"echo;{script}"))
        error = caught.value
        if script == "error-first" and failing.dialect == "gemini":
            status = 500  # noqa: PLW2901 - the only dialect whose errors name a status inside
        assert error.status_code == status, script
        assert code is None or error.code == code, script
        assert isinstance(error.body, dict)
        assert set(error.body) == {"message", "type", "param", "code", "request_id"}, script
        assert error.request_id == error.body["request_id"]
        assert error.response.headers.get("retry-after") == ("3" if "retry-after" in script else None)


@pytest.mark.parametrize("script", ["error-event-after=3", "fin-after=4", "rst-after=4;pace=5ms"])
def test_inside_a_chat(client: openai.OpenAI, failing: Upstream, script: str) -> None:
    model = failing.model(f"echo;{script}")
    said = ""
    with (  # noqa: PT012 - what came before counts
        pytest.raises(openai.APIError) as caught,
        client.chat.completions.create(model=model, messages=SAID, stream=True) as stream,
    ):
        for chunk in stream:
            said += chunk.choices[0].delta.content or ""
            assert chunk.choices[0].finish_reason is None, "it must not look like a success"
    assert SAID[0]["content"].startswith(said)
    assert caught.value.body
    assert (caught.value.code == "upstream_incomplete") == (not script.startswith("error"))


@pytest.mark.parametrize("script", ["error-event-after=5", "fin-after=6", "rst-after=6;pace=5ms"])
def test_inside_a_response(client: openai.OpenAI, failing: Upstream, script: str) -> None:
    """Their service sends an `error` event and then the response that failed; the SDK passes both on.

    A stream that is passed on byte by byte ends in the event alone when it breaks: nobody has kept its numbers and items.
    """
    model = failing.model(f"echo;tokens=12;{script}")
    with client.responses.create(model=model, input=SAID, stream=True) as stream:
        events = list(stream)

    kinds = [event.type for event in events]
    assert "response.completed" not in kinds
    if failing.dialect == "openai_responses" and not script.startswith("error"):
        assert kinds[-1] == "error"
        assert events[-1].code == "upstream_incomplete"
        return
    assert kinds[-2:] == ["error", "response.failed"]
    failed = events[-1].response
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.message
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.parametrize("ask", [chat, respond], ids=["chat", "responses"])
def test_an_upstream_that_is_not_there(gateway: Standing, client: openai.OpenAI, upstream: Upstream, ask: Ask) -> None:
    nowhere = connected(gateway, "http://127.0.0.1:9", upstream.dialect)

    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, nowhere.model())

    assert caught.value.status_code == 502


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_key_that_is_none(client: openai.OpenAI, upstreams: dict[str, Upstream], ask: Ask) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(client.with_options(api_key="sk-or-not-a-key"), upstreams["anthropic"].model())

    assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_model_nobody_serves(client: openai.OpenAI, ask: Ask) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ask(client, "nobody-serves-this")

    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


@pytest.mark.slow  # the SDK waits half a second
@pytest.mark.parametrize("upstream", ["gemini"], indirect=True)
def test_retries_are_the_sdks(client: openai.OpenAI, failing: Upstream) -> None:
    """A second request after a failure that may pass: every other one fails."""
    before = failing.counts()
    for ask in (chat, chat_streamed):
        ask(client.with_options(max_retries=2), failing.model("echo;every=2;status=500"))

    assert failing.counts() - before in {3, 4}
