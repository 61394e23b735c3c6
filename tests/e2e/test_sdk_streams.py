"""Streams of the vendors' SDKs in front of an upstream of every dialect: any text, in any pieces, and left half-way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import anthropic
import openai
import pytest

from tests.e2e.standing import Standing
from tests.e2e.upstreams import Upstream

ODD = (
    'quote " back\\slash / tab\there nl\nCRLF\r\n control \u0001 \x7f lines \u2028 \u2029 emoji 😀👩‍👩‍👧 bidi \u202e x '
    'é e\u0301 \ufeff </script> <think>x</think> data: [DONE] {"a":1} \\u0041 \\ud83d \\n'
)
"""What parsers, framers and escapers of anybody's might stumble over."""
LONG = " ".join(f"word{number}" for number in range(500))
PATIENCE_S = 5.0

SDKs = tuple[openai.OpenAI, anthropic.Anthropic]
Speak = Callable[[SDKs, str, str], Iterator[str]]


def chat(sdks: SDKs, model: str, text: str) -> Iterator[str]:
    said = [{"role": "user", "content": text}]
    with sdks[0].chat.completions.create(model=model, messages=said, stream=True) as stream:
        for chunk in stream:
            yield chunk.choices[0].delta.content or ""


def responses(sdks: SDKs, model: str, text: str) -> Iterator[str]:
    with sdks[0].responses.create(model=model, input=text, stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                yield event.delta


def messages(sdks: SDKs, model: str, text: str) -> Iterator[str]:
    said = [{"role": "user", "content": text}]
    with sdks[1].messages.stream(model=model, messages=said, max_tokens=8000) as stream:
        yield from stream.text_stream


SPEAK: dict[str, Speak] = {"chat": chat, "responses": responses, "messages": messages}
EACH = pytest.mark.parametrize("speak", SPEAK.values(), ids=SPEAK)


@pytest.fixture(scope="module")
def sdks(gateway: Standing) -> Iterator[SDKs]:
    """One client of each for all tests, as a program has."""
    with (
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as first,
        anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as second,
    ):
        yield first, second


@EACH
@pytest.mark.parametrize("script", ["echo;split=1", "echo;split=7;crlf;comments;interim;big-head=8KB"])
def test_any_text_in_any_pieces(sdks: SDKs, upstream: Upstream, speak: Speak, script: str) -> None:
    assert "".join(speak(sdks, upstream.model(script), ODD)) == ODD


@EACH
def test_a_long_answer(sdks: SDKs, upstream: Upstream, speak: Speak) -> None:
    assert "".join(speak(sdks, upstream.model(), LONG)) == LONG


@EACH
def test_a_stream_that_is_left(sdks: SDKs, upstream: Upstream, speak: Speak) -> None:
    """The upstream is left at once too: nobody pays for what nobody reads."""
    before = upstream.counts("gone")
    with closing(speak(sdks, upstream.model("echo;tokens=2000;pace=5ms"), "one two three")) as said:
        assert next(text for text in said if text)

    until = time.monotonic() + PATIENCE_S
    while upstream.counts("gone") == before:
        assert time.monotonic() < until, "the upstream is still answering"
        time.sleep(0.01)  # what is waited for happens in another process
