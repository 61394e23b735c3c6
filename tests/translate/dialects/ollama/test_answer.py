"""Whole answers of Ollama, read and written; and bytes that pass."""

from __future__ import annotations

import msgspec
import ollama
import pytest

from omniroute.domain import Quirks, Usage
from omniroute.translate.canonical import (
    Candidate,
    ChatResponse,
    Finish,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialect import AnswerContext
from tests.translate.dialects.ollama.asking import CLIENT, IDENTITY, PNG, UPSTREAM, Request

BODY = {
    "model": "m",
    "created_at": "2026-03-24T10:00:00Z",
    "message": {
        "role": "assistant",
        "content": "Hi",
        "thinking": "h",
        "images": [PNG],
        "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
    },
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 5,
}
CONTEXT = AnswerContext(attempt_id="ab", created_epoch_s=1_700_000_000, model="asked", elapsed_ns=lambda: 7_000_000)


def test_read() -> None:
    found = UPSTREAM.read_answer(msgspec.json.encode(BODY), Quirks())
    assert found == ChatResponse(
        id="",
        model="m",
        candidates=(
            Candidate(
                blocks=(
                    Reasoning(text="h"),
                    Text(text="Hi"),
                    Image(source=Inline("image/png", PNG)),
                    ToolCall(call_id="", name="f", arguments='{"a":1}'),
                ),
                finish=Finish(reason="tool", raw="stop"),
            ),
        ),
        usage=Usage(input_total=3, output_total=5, known=True),
        created_epoch_s=1774346400,
        origin="ollama",
    )


def test_read_a_completion() -> None:
    body = {"model": "m", "response": "Hi", "thinking": "h", "done": True, "context": [1]}
    (candidate,) = UPSTREAM.read_answer(msgspec.json.encode(body), Quirks()).candidates
    assert candidate.blocks == (Reasoning(text="h"), Text(text="Hi"))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":"model not found"}', b'"model not found"'),
        (b'{"error":{"message":"m"},"done":true}', b'{"message":"m"}'),
        (b'{"error":null,"message":{},"done":true}', None),
        (b'{"response":"x","done":true}', None),
    ],
)
def test_a_failure_in_the_form_of_a_success(body: bytes, error: bytes | None) -> None:
    assert UPSTREAM.read_failure(body) == error


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"{}", b'{"message":{},"done":false}', b'{"a":1}\n{"a":2}', b"[" * 100_000]
)
def test_what_is_neither(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not|neither"):
        UPSTREAM.read_failure(body)
    with pytest.raises(ValueError, match=r"not|neither"):
        UPSTREAM.read_answer(body, Quirks())


def test_write() -> None:
    blocks = (
        Reasoning(text="a", signature="s", origin="anthropic"),
        Reasoning(redacted=True, data="d", origin="anthropic"),
        Reasoning(text="b"),
        Text(text="Hi ", logprobs=b"[{}]"),
        Text(text="there"),
        Text(text="You", apart=True),
        Refusal(text="!"),
        Image(source=Inline("image/png", PNG)),
        Opaque(origin="gemini", raw=b"{}"),
        ToolCall(call_id="u1", name="up", arguments="{}"),
        ToolCall(call_id="", name="g", arguments="free", custom=True),
    )
    other = Candidate(blocks=(Text(text="other"),), index=1)
    response = ChatResponse(
        id="x",
        model="",
        candidates=(other, Candidate(blocks=blocks, finish=Finish(reason="length"))),
        usage=Usage(input_total=3, cache_read=1, output_total=5, known=True),
    )
    context = msgspec.structs.replace(CONTEXT, names={"up": "f"}, call_ids={"u1": "c1"})
    body = msgspec.json.decode(CLIENT.write_answer(response, context))
    # The vendor's servers write images as strings; the type of its Python client does not take its own servers' word.
    told = body | {"message": body["message"] | {"images": None}, "logprobs": None}
    ollama.ChatResponse.model_validate(told)
    assert body == {
        "model": "asked",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "Hi there\n\nYou!",
            "thinking": "a\n\nb",
            "images": [PNG],
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {}}},
                {"id": "call_ab_1", "function": {"index": 1, "name": "g", "arguments": {"input": "free"}}},
            ],
        },
        "done": True,
        "logprobs": [{}],
        "done_reason": "length",
        "total_duration": 7_000_000,
        "load_duration": 0,
        "prompt_eval_count": 3,
        "prompt_eval_duration": 0,
        "eval_count": 5,
        "eval_duration": 7_000_000,
    }


def test_counts_nobody_told_are_estimated_and_marked() -> None:
    told = msgspec.json.decode(
        CLIENT.write_answer(
            ChatResponse(id="", model="m", candidates=(Candidate(blocks=(Text(text="12345"),)),)),
            msgspec.structs.replace(CONTEXT, estimated_input_tokens=7),
        )
    )
    ollama.ChatResponse.model_validate(told)
    assert (told["prompt_eval_count"], told["eval_count"], told["estimated"]) == (7, 2, True)


def test_write_a_completion_of_nothing() -> None:
    body = CLIENT.write_answer(
        ChatResponse(id="", model="m", candidates=()), msgspec.structs.replace(CONTEXT, variant="generate")
    )
    told = msgspec.json.decode(body)
    ollama.GenerateResponse.model_validate(told)
    assert (told["response"], told["done_reason"], "message" in told) == ("", "stop", False)


def test_bytes_pass_but_for_the_models_name() -> None:
    body = b'{ "model" : "o/m", "messages": [], "options": {"temperature": 1.50} }'
    peeked = CLIENT.peek(Request(body))
    parts = IDENTITY.encode_request(body, peeked, model="m", quirks=Quirks())
    assert b"".join(parts) == body.replace(b'"o/m"', b'"m"')
    assert b"".join(IDENTITY.encode_request(body, peeked, model="o/m", quirks=Quirks())) == body
    assert IDENTITY.path(peeked, "m") == "/api/chat"
    assert IDENTITY.path(CLIENT.peek(Request(body, "/v1/api/generate")), "m") == "/api/generate"


def test_a_whole_answer_instead_of_a_stream_is_one_line() -> None:
    assert IDENTITY.unfold is not None
    pretty = msgspec.json.format(msgspec.json.encode(BODY), indent=2)
    assert IDENTITY.unfold(pretty) == msgspec.json.encode(BODY) + b"\n"
    assert IDENTITY.unfold(b'{"error":"x"}') is None
    assert IDENTITY.unfold(b"<html>") is None


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (msgspec.json.encode(BODY), Usage(input_total=3, output_total=5, known=True)),
        (b"<html>", Usage()),
        (b"{}", Usage()),
    ],
)
def test_usage_of_a_body(body: bytes, usage: Usage) -> None:
    assert IDENTITY.usage_of_body(body) == usage
