"""The vendors' own clients, unchanged, against the whole gateway in front of an upstream of each dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anthropic
import ollama
import openai
import pytest
import trio
from google import genai

from tests.e2e.standing import Standing
from tests.fakes.upstream import Talk, scripted
from tests.pipeline.speech import ANSWERS, TEXT, USER

pytestmark = pytest.mark.slow  # four SDKs are imported and set up

Says = Callable[[Standing, str], str]
"""Asks one model one thing; the text of the answer."""


async def speak(talk: Talk) -> None:
    """Answer in the dialect of the path that is asked for."""
    while True:
        head, _, body = (await talk.request()).partition(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode().removeprefix("/v1")
        streams = b'"stream":true' in body or "stream" in path
        said = next(a for a in ANSWERS.values() if path == (a.stream_path if streams else a.path))
        payload = said.stream if streams else said.whole
        kind = said.content_type if streams else b"application/json"
        length = len(payload)
        await talk.send(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, length) + payload)


@asynccontextmanager
async def upstreams(gateway: Standing) -> AsyncIterator[Mapping[str, str]]:
    """A provider of each dialect; their names by dialect."""
    async with scripted(speak) as peer:
        yield {name: await gateway.connect(peer.url() + "/v1", dialect=name) for name in ANSWERS}


def chat(gateway: Standing, model: str) -> str:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        whole = client.chat.completions.create(model=model, messages=[USER])
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 3)
        with client.chat.completions.stream(
            model=model, messages=[USER], stream_options={"include_usage": True}
        ) as stream:
            final = stream.get_final_completion()
        assert (final.usage.prompt_tokens, final.choices[0].finish_reason) == (7, "stop")
        assert final.choices[0].message.content == whole.choices[0].message.content
        return whole.choices[0].message.content


def responses(gateway: Standing, model: str) -> str:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        whole = client.responses.create(model=model, input="Say hi")
        assert (whole.status, whole.usage.input_tokens, whole.usage.output_tokens) == ("completed", 7, 3)
        with client.responses.stream(model=model, input="Say hi") as stream:
            final = stream.get_final_response()
        assert final.output_text == whole.output_text
        return whole.output_text


def completions(gateway: Standing, model: str) -> str:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        whole = client.completions.create(model=model, prompt="Say hi")
        parts = [
            chunk.choices[0].text for chunk in client.completions.create(model=model, prompt="Say hi", stream=True)
        ]
        assert "".join(parts) == whole.choices[0].text
        return whole.choices[0].text


def messages(gateway: Standing, model: str) -> str:
    with anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
        whole = client.messages.create(model=model, max_tokens=64, messages=[USER])
        assert (whole.usage.input_tokens, whole.usage.output_tokens, whole.stop_reason) == (7, 3, "end_turn")
        assert whole._request_id.startswith("req_")  # noqa: SLF001 - how the SDK's users get it
        with client.messages.stream(model=model, max_tokens=64, messages=[USER]) as stream:
            final = stream.get_final_message()
        assert (final.usage.output_tokens, final.content[0].text) == (3, whole.content[0].text)
        return whole.content[0].text


def gemini(version: str) -> Says:
    def generate(gateway: Standing, model: str) -> str:
        options = genai.types.HttpOptions(base_url=gateway.root, api_version=version)
        with genai.Client(api_key=gateway.key, http_options=options) as client:
            whole = client.models.generate_content(model=model, contents="Say hi")
            assert (whole.usage_metadata.prompt_token_count, whole.usage_metadata.candidates_token_count) == (7, 3)
            stream = client.models.generate_content_stream(model=model, contents="Say hi")
            assert "".join(chunk.text or "" for chunk in stream) == whole.text
        return whole.text

    return generate


def ollama_chat(gateway: Standing, model: str) -> str:
    with ollama.Client(host=gateway.root, headers={"authorization": f"Bearer {gateway.key}"}) as client:
        whole = client.chat(model=model, messages=[USER])
        assert (whole.prompt_eval_count, whole.eval_count, whole.done_reason) == (7, 3, "stop")
        parts = [part.message.content for part in client.chat(model=model, messages=[USER], stream=True)]
        assert "".join(parts) == whole.message.content
        return whole.message.content


CLIENTS: dict[str, Says] = {
    "openai_chat": chat,
    "openai_responses": responses,
    "openai_completions": completions,
    "anthropic": messages,
    "gemini v1beta": gemini("v1beta"),
    "gemini v1": gemini("v1"),
    "ollama": ollama_chat,
}


@pytest.mark.parametrize("says", CLIENTS.values(), ids=CLIENTS)
async def test_every_client_talks_to_every_upstream(gateway: Standing, says: Says) -> None:
    async with upstreams(gateway) as providers:
        for dialect, provider in providers.items():
            text = await trio.to_thread.run_sync(says, gateway, f"{provider}/m")
            assert text == TEXT, dialect
            rows = await gateway.rows(provider=provider, count=2)
            assert sorted((row.outcome, row.streamed) for row in rows) == [("ok", False), ("ok", True)]
            assert all((row.usage["input_total"], row.usage["output_total"]) == (7, 3) for row in rows)


async def test_every_client_is_told_of_an_unknown_model_in_its_own_words(gateway: Standing) -> None:
    errors = (openai.NotFoundError, anthropic.NotFoundError, genai.errors.ClientError, ollama.ResponseError)
    for name, says in CLIENTS.items():
        with pytest.raises(errors, match="No active connection serves") as caught:
            await trio.to_thread.run_sync(says, gateway, "nobody/m")
        assert "404" in repr(caught.value) or getattr(caught.value, "status_code", 404) == 404, name


async def test_every_client_lists_the_models_it_can_call(gateway: Standing) -> None:
    provider = await gateway.connect("http://127.0.0.1:9/v1")

    def google(version: str) -> genai.Client:
        options = genai.types.HttpOptions(base_url=gateway.root, api_version=version)
        return genai.Client(api_key=gateway.key, http_options=options)

    def listed() -> list[list[str]]:
        with (
            openai.OpenAI(base_url=gateway.url, api_key=gateway.key) as gpt,
            anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key) as claude,
            google("v1") as new,
            google("v1beta") as beta,
            ollama.Client(host=gateway.root, headers={"authorization": f"Bearer {gateway.key}"}) as local,
        ):
            return [
                [model.id for model in gpt.models.list()],
                [model.id for model in claude.models.list()],
                [model.name.removeprefix("models/") for model in new.models.list()],
                [model.name.removeprefix("models/") for model in beta.models.list()],
                [model.model for model in local.list().models],
            ]

    for names in await trio.to_thread.run_sync(listed):
        assert f"{provider}/m" in names
