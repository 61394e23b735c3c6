"""The `openai` package's Chat Completions, unchanged, in front of an upstream of every dialect: what is said and seen."""

from __future__ import annotations

import asyncio  # noqa: TID251 - most users of the asynchronous client run it under asyncio
from collections.abc import Iterator

import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.e2e.standing import Standing
from tests.e2e.upstreams import PIXEL, TEXT, Upstream, checked

SAID = [{"role": "user", "content": TEXT}]


@pytest.fixture(scope="module")
def client(gateway: Standing) -> Iterator[openai.OpenAI]:
    """One for all tests, as a program has: making one reads the system's certificates."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


def create(client: openai.OpenAI, upstream: Upstream, script: str = "echo", **asked: object) -> ChatCompletion:
    return checked(client.chat.completions.create(model=upstream.model(script), **{"messages": SAID, **asked}))


def chunks_of(
    client: openai.OpenAI, upstream: Upstream, script: str = "echo", **asked: object
) -> list[ChatCompletionChunk]:
    told = {"messages": SAID, **asked}
    with client.chat.completions.create(model=upstream.model(script), stream=True, **told) as stream:
        return [checked(chunk) for chunk in stream]


def test_whole(client: openai.OpenAI, upstream: Upstream) -> None:
    answer = create(client, upstream)

    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", TEXT, "stop")
    assert (answer.object, answer.id[:9]) == ("chat.completion", "chatcmpl-")
    assert answer.model == "echo"
    assert choice.message.tool_calls is None


def test_usage_is_the_upstreams(client: openai.OpenAI, upstream: Upstream) -> None:
    script = "echo;cached=3;reasoning=2"
    usage = create(client, upstream, script).usage
    chunks = chunks_of(client, upstream, script, stream_options={"include_usage": True})

    assert (usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0) == (
        0 if upstream.dialect == "ollama" else 3  # which has no such counter
    )
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert chunks[-1].choices == []
    assert chunks[-1].usage == usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_streamed(client: openai.OpenAI, upstream: Upstream) -> None:
    chunks = chunks_of(client, upstream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert {(chunk.id, chunk.model, chunk.object) for chunk in chunks} == {
        (chunks[0].id, "echo", "chat.completion.chunk")
    }
    assert all(chunk.usage is None for chunk in chunks), "it was not asked for"


def test_the_streaming_helper(client: openai.OpenAI, upstream: Upstream) -> None:
    with client.chat.completions.stream(model=upstream.model(), messages=SAID) as stream:
        events = list(stream)
        final = stream.get_final_completion()

    assert "".join(event.delta for event in events if event.type == "content.delta") == TEXT
    assert [event.content for event in events if event.type == "content.done"] == [TEXT]
    assert final.choices[0].message.content == TEXT
    assert final.choices[0].finish_reason == "stop"


def test_the_asynchronous_client(gateway: Standing, upstream: Upstream) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        said = [{"role": "user", "content": f"this is number {number}"}]
        if number % 2:
            answer = await client.chat.completions.create(model=upstream.model(), messages=said)
            return answer.choices[0].message.content or ""
        async with client.chat.completions.stream(model=upstream.model(), messages=said) as stream:
            return (await stream.get_final_completion()).choices[0].message.content or ""

    async def several() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(6)))

    assert asyncio.run(several()) == [f"this is number {number}" for number in range(6)]


def test_instructions_and_history(client: openai.OpenAI, upstream: Upstream) -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]},
    ]
    answer = create(client, upstream, messages=said)

    assert {*(answer.choices[0].message.content or "").split()} == {"three", "four"}
    sent = upstream.sent().text
    places = [sent.index(f'"{text}"') for text in ("one", "two")]
    assert places == sorted(places)
    assert all(text in sent for text in ("Be brief.", "Be kind.", "three", "four"))


SETTINGS = {"temperature": 0.25, "top_p": 0.5, "max_completion_tokens": 50, "stop": ["END"], "seed": 7}
SETTINGS_SENT: dict[str, dict[str, object]] = {
    "openai_chat": {"temperature": 0.25, "top_p": 0.5, "max_completion_tokens": 50, "stop": ["END"], "seed": 7},
    "openai_responses": {"temperature": 0.25, "top_p": 0.5, "max_output_tokens": 50},
    "anthropic": {"temperature": 0.25, "top_p": 0.5, "max_tokens": 50, "stop_sequences": ["END"]},
    "gemini": {"temperature": 0.25, "topP": 0.5, "maxOutputTokens": 50, "stopSequences": ["END"], "seed": 7},
    "ollama": {"temperature": 0.25, "top_p": 0.5, "num_predict": 50, "stop": ["END"], "seed": 7},
}
LOST = {"openai_responses": {"seed", "stop"}, "anthropic": {"seed"}}
HOMES = {"gemini": "generationConfig", "ollama": "options"}
"""Where an upstream looks for them, if not beside everything else."""


def test_settings_arrive_or_their_loss_is_told(client: openai.OpenAI, upstream: Upstream) -> None:
    raw = client.chat.completions.with_raw_response.create(model=upstream.model(), messages=SAID, **SETTINGS)

    body = upstream.sent().json
    home = HOMES.get(upstream.dialect)
    told = dict(body[home]) if home else body  # type: ignore[call-overload]  # the member is an object
    wanted = SETTINGS_SENT[upstream.dialect]
    assert {name: told.get(name) for name in wanted} == wanted
    lost = {name.strip() for name in raw.headers.get("x-omniroute-lossy", "").split(",")} - {""}
    assert lost == LOST.get(upstream.dialect, set())


def test_a_strict_request_is_refused_what_would_be_lost(client: openai.OpenAI, upstream: Upstream) -> None:
    asked = {**SETTINGS, "extra_headers": {"x-omniroute-strict": "true"}}
    if upstream.dialect not in LOST:
        assert create(client, upstream, **asked).choices[0].message.content == TEXT
        return
    before = upstream.counts()
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, upstream, **asked)
    assert refused.value.code == "unsupported_feature"
    assert all(name in refused.value.message for name in LOST[upstream.dialect])
    assert upstream.counts() == before


def test_several_choices(client: openai.OpenAI, upstream: Upstream) -> None:
    many = upstream.dialect in {"openai_chat", "gemini"}
    answer = create(client, upstream, n=2)
    chunks = chunks_of(client, upstream, n=2)

    assert [(choice.index, choice.message.content) for choice in answer.choices] == [(0, TEXT), (1, TEXT)][: 1 + many]
    for index in range(1 + many):
        deltas = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(deltas) == TEXT


def test_an_answer_that_is_too_long(client: openai.OpenAI, upstream: Upstream) -> None:
    answer = create(client, upstream, max_tokens=2)
    chunks = chunks_of(client, upstream, max_tokens=2)

    assert answer.choices[0].finish_reason == "length"
    assert TEXT.startswith(answer.choices[0].message.content or "-")
    assert chunks[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize("upstream", ["openai_chat", "openai_responses", "anthropic", "gemini"], indirect=True)
def test_a_filtered_answer(client: openai.OpenAI, upstream: Upstream) -> None:
    script = "echo;finish=content_filter"

    assert create(client, upstream, script).choices[0].finish_reason == "content_filter"
    assert chunks_of(client, upstream, script)[-1].choices[0].finish_reason == "content_filter"


def test_pictures_are_seen(client: openai.OpenAI, upstream: Upstream) -> None:
    parts = [
        {"type": "text", "text": "a dot"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = create(client, upstream, messages=[{"role": "user", "content": parts}])

    assert answer.choices[0].message.content == "a dot"
    assert answer.usage.prompt_tokens > 80, "the mock counts a picture as 85 tokens"
    assert upstream.sent().text.count(PIXEL) == 1


def test_documents_are_seen_where_they_can_be(client: openai.OpenAI, upstream: Upstream) -> None:
    data = "JVBERi0xLjQKJSVFT0YK"
    parts = [
        {"type": "text", "text": "read"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}},
    ]
    said = [{"role": "user", "content": parts}]
    if upstream.dialect == "ollama":
        with pytest.raises(openai.BadRequestError) as refused:
            create(client, upstream, messages=said)
        assert (refused.value.code, refused.value.param) == ("unsupported_content", "messages[0].content[1]")
        return
    assert create(client, upstream, messages=said).choices[0].message.content == "read"
    assert upstream.sent().text.count(data) == 1


def test_reasoning_is_shown(client: openai.OpenAI, upstream: Upstream) -> None:
    script = "echo;reasoning=3;signed"
    message = create(client, upstream, script, reasoning_effort="low", max_tokens=4000).choices[0].message
    chunks = chunks_of(client, upstream, script, reasoning_effort="low", max_tokens=4000)

    deltas = [getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks]
    assert message.content == TEXT
    assert message.reasoning_content == "mock thought mock"  # type: ignore[attr-defined]  # not OpenAI's own
    assert "".join(deltas) == "mock thought mock"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT


def test_an_answer_in_json(client: openai.OpenAI, upstream: Upstream) -> None:
    asked = {"response_format": {"type": "json_object"}}
    answer = create(client, upstream, 'echo;document={"a":1.50}', **asked)

    assert answer.choices[0].message.content == '{"a":1.50}'
    assert "json" in upstream.sent().text.lower()


def test_the_older_completions(client: openai.OpenAI, upstream: Upstream) -> None:
    asked = {"model": upstream.model(), "prompt": TEXT, "max_tokens": 50}
    answer = checked(client.completions.create(**asked))
    with client.completions.create(**asked, stream=True) as stream:
        # not checked: their type has no null finish reason, which their service streams all the same
        texts = [part.choices[0].text for part in stream]

    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (TEXT, "stop")
    assert answer.usage is not None
    assert "".join(texts) == TEXT


def test_what_the_upstream_is_not_told(client: openai.OpenAI, upstream: Upstream) -> None:
    """Neither the caller's key nor the SDK's own headers."""
    create(client, upstream, user="somebody")

    sent = upstream.sent()
    assert client.api_key not in msgspec.json.encode(sent).decode()
    assert not [name for name in sent.headers if name.startswith("x-stainless")]
