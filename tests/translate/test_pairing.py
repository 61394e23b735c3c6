"""Which dialects can be paired, and which bytes pass."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.domain.quirks import PRESETS
from omniroute.errors import UpstreamError
from omniroute.translate import Notes, Pair, find_dialects
from omniroute.translate.canonical import ChatRequest
from omniroute.translate.dialect import AnswerContext, Peeked
from omniroute.translate.trial import Request

DIALECTS = find_dialects()
CHAT, ANTHROPIC, OLLAMA = DIALECTS["openai_chat"], DIALECTS["anthropic"], DIALECTS["ollama"]
CONTEXT = AnswerContext(attempt_id="a" * 32, created_epoch_s=1)
TAG = b"<omniModel>openai/gpt-5</omniModel>"
ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"%s"},"finish_reason":"%s"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4},"x":1}'
)
STREAM = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"%s"},'
    b'"finish_reason":null}]}\n\n'
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


def asked(body: bytes) -> Request:
    return Request("/v1/chat/completions", b"", {}, body)


def canonical() -> ChatRequest:
    request = asked(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
    assert CHAT.client is not None
    return CHAT.client.read_request(request, CHAT.client.peek(request))


def test_every_client_can_be_paired_with_every_upstream() -> None:
    clients = [dialect for dialect in DIALECTS.values() if dialect.client]
    upstreams = [dialect for dialect in DIALECTS.values() if dialect.upstream]
    assert len(upstreams) >= 5
    for client in clients:
        for upstream in upstreams:
            assert Pair(client, upstream).same == (client is upstream)


def test_a_dialect_without_an_upstream_side_is_refused() -> None:
    completions = DIALECTS["openai_completions"]
    with pytest.raises(ValueError, match="no way from anthropic to openai_completions"):
        Pair(ANTHROPIC, completions)


@pytest.mark.parametrize(
    ("body", "quirks", "passes"),
    [
        (b'{"model":"m"}', Quirks(), True),
        (b'{"model":"m"}', PRESETS["deepseek"], True),
        (b'{"model":"m","x":"omr1:gemini:U0lH"}', Quirks(), False),
        (b'{"model":"m"}', PRESETS["mistral"], False),
        (b'{"model":"m"}', Quirks(think_tags=True), False),
    ],
)
def test_bytes_pass_where_both_sides_speak_alike_and_nothing_of_ours_is_in_them(
    body: bytes, quirks: Quirks, passes: bool
) -> None:
    assert Pair(CHAT, CHAT).passes(body, quirks) == passes
    assert not Pair(CHAT, ANTHROPIC).passes(body, quirks)


def test_a_request_that_passes_is_not_read() -> None:
    body = b'{ "model":"alias", "messages":[], "x_unknown": 1.0 }'
    peeked = msgspec.structs.replace(CHAT.client.peek(asked(body)), include_usage=True) if CHAT.client else None
    assert peeked is not None

    def never() -> ChatRequest:
        raise AssertionError("a request that passes is not read")

    outgoing = Pair(CHAT, CHAT).request(asked(body), peeked, never, model="real", quirks=Quirks(), notes=Notes())
    assert b"".join(outgoing.body) == body.replace(b"alias", b"real")
    assert outgoing.path == "/chat/completions"


def test_any_other_is_written_anew() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    peeked = Peeked(model="m", stream=False, include_usage=False, choices=1)
    outgoing = Pair(CHAT, ANTHROPIC).request(
        asked(body), peeked, canonical, model="claude", quirks=Quirks(), notes=Notes()
    )
    assert msgspec.json.decode(b"".join(outgoing.body))["model"] == "claude"
    assert outgoing.path == "/messages"


def test_a_whole_answer_passes_without_tags_and_with_its_usage() -> None:
    answer = Pair(CHAT, CHAT).answer(ANSWER % (b"a" + TAG, b"stop"), CONTEXT, Quirks(), passed=True)
    assert answer.body == ANSWER % (b"a", b"stop")
    assert (answer.usage.input_total, answer.usage.output_total, answer.usage.known) == (3, 1, True)


def test_a_whole_answer_through_the_hub() -> None:
    answer = Pair(ANTHROPIC, CHAT).answer(ANSWER % (b"a" + TAG, b"stop"), CONTEXT, Quirks(), passed=False)
    assert msgspec.json.decode(answer.body)["content"] == [{"type": "text", "text": "a"}]
    assert (answer.usage.input_total, answer.usage.output_total, answer.usage.known) == (3, 1, True)


def test_think_text_of_a_whole_answer_becomes_reasoning_where_it_is_a_quirk() -> None:
    quirks = Quirks(think_tags=True)
    answer = Pair(OLLAMA, CHAT).answer(ANSWER % (b"<think>hm</think>a", b"stop"), CONTEXT, quirks, passed=False)
    message = msgspec.json.decode(answer.body)["message"]
    assert (message["thinking"], message["content"]) == ("hm", "a")


def test_a_stream_nobody_asked_for_becomes_an_answer() -> None:
    answer = Pair(ANTHROPIC, CHAT).answer(STREAM % (b"a" + TAG), CONTEXT, Quirks(), passed=False)
    assert msgspec.json.decode(answer.body)["content"] == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize("passed", [True, False])
def test_an_error_under_a_success_status_is_one(passed: bool) -> None:
    body = b'{"error":{"message":"slow down","type":"x","code":"rate_limit_exceeded"}}'
    with pytest.raises(UpstreamError, match="slow down"):
        Pair(CHAT if passed else ANTHROPIC, CHAT).answer(body, CONTEXT, Quirks(), passed=passed)


def test_an_error_in_a_stream_nobody_asked_for() -> None:
    body = STREAM.split(b"\n\n", 1)[0] % b"a" + b'\n\ndata: {"error":{"message":"slow down"}}\n\n'
    with pytest.raises(UpstreamError, match="slow down"):
        Pair(ANTHROPIC, CHAT).answer(body, CONTEXT, Quirks(), passed=False)


def test_an_end_that_is_an_error_is_one() -> None:
    with pytest.raises(UpstreamError, match="insufficient_system_resource"):
        Pair(ANTHROPIC, CHAT).answer(ANSWER % (b"", b"insufficient_system_resource"), CONTEXT, Quirks(), passed=False)


@pytest.mark.parametrize("body", [b"", b"<html>", b"hello", b"\xff", b"\x1f\x8b\x08\x00"])
def test_what_is_no_answer_at_all(body: bytes) -> None:
    for passed in (True, False):
        with pytest.raises(ValueError, match=r".*"):
            Pair(CHAT if passed else ANTHROPIC, CHAT).answer(body, CONTEXT, Quirks(), passed=passed)
