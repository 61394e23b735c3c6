"""Whole answers, read and written."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import (
    Candidate,
    ChatResponse,
    Citation,
    Finish,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from tests.translate.dialects.gemini.speech import chunk, context, far, near


def _read(body: bytes) -> ChatResponse:
    return far().read_answer(body, Quirks())


def _written(*blocks: object, finish: Finish | None = None, **more: object) -> dict[str, object]:
    response = ChatResponse(id="", model="", candidates=(), **more)  # type: ignore[arg-type]
    candidates = (Candidate(blocks=blocks, finish=finish or Finish(reason="stop")),)  # type: ignore[arg-type]
    body = near().write_answer(
        msgspec.structs.replace(response, candidates=candidates), context(estimated_input_tokens=7)
    )
    return msgspec.json.decode(body, type=dict[str, object])


def test_a_whole_answer_is_complete_without_a_reason() -> None:
    answer = _read(b'{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}')
    assert answer.candidates == (Candidate(blocks=(Text(text="x"),), finish=Finish(reason="stop")),)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"<html>", b'"x"', b'[{"candidates":[]}]'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        _read(body)


@pytest.mark.parametrize(
    "body", [b'{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}', b'{"candidates":[]}', b"{}"]
)
def test_an_answer_of_nothing_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        _read(body)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (chunk({"text": "x"}, finish="STOP"), None),
        (b'{"promptFeedback":{"blockReason":"SAFETY"}}', None),
        (b'{"usageMetadata":{}}', None),
        (b'{"error":{"code":400}}', b'{"code":400}'),
        (b' [ {"error":{"code":400}} ] ', b'{"code":400}'),
        (b'{"error":null,"candidates":[]}', None),
    ],
)
def test_errors_under_success_are_found(body: bytes, failure: bytes | None) -> None:
    assert far().read_failure(body) == failure


@pytest.mark.parametrize("body", [b"", b"{}", b'{"choices":[]}', b"[]", b"[1]", b'[{"candidates":[]}]', b"data: {}"])
def test_what_is_neither(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        far().read_failure(body)


def test_blocks_become_parts() -> None:
    body = _written(
        Reasoning(text="hm", signature="SIG", origin="anthropic"),
        Reasoning(text="hm", signature="U0lH", origin="gemini"),
        Reasoning(redacted=True, data="x", origin="anthropic"),
        Text(text="t", signature="U0lI", citations=(Citation(url="https://a.test"), Citation(url="https://a.test"))),
        ToolCall(call_id="c1", name="f", arguments='{"a": 1.0}', signature="U0lJ"),
        ToolCall(call_id="", name="g", arguments=""),
        Image(source=Inline("image/png", "AA-_")),
        Opaque(origin="openai_responses", raw=b"{}"),
        Refusal(text="no"),
        usage=Usage(input_total=5, output_total=3, known=True),
        finish=Finish(reason="tool"),
    )
    assert body == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "hm", "thought": True, "thoughtSignature": "U0lH"},
                        {"text": "t", "thoughtSignature": "U0lI"},
                        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1.0}}, "thoughtSignature": "U0lJ"},
                        {"functionCall": {"name": "g", "args": {}}},
                        {"inlineData": {"mimeType": "image/png", "data": "AA+/"}},
                        {"text": "no"},
                    ],
                },
                "finishReason": "STOP",
                "index": 0,
                "citationMetadata": {"citationSources": [{"uri": "https://a.test"}]},
            }
        ],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8},
        "modelVersion": "asked",
        "responseId": "a1",
    }


def test_counts_nobody_told_are_estimated_and_marked() -> None:
    assert _written(Text(text="12345678"))["usageMetadata"] == {
        "promptTokenCount": 7,
        "candidatesTokenCount": 2,
        "totalTokenCount": 9,
        "estimated": True,
    }


def test_an_empty_answer_has_no_parts() -> None:
    body = _written(finish=Finish(reason="filter", detail="because"))
    assert body["candidates"] == [
        {"content": {"role": "model"}, "finishReason": "SAFETY", "finishMessage": "because", "index": 0}
    ]


def test_an_answer_read_and_written_says_the_same() -> None:
    body = chunk(
        {"text": "hm", "thought": True, "thoughtSignature": "U0lH"},
        {"text": "x"},
        {"functionCall": {"id": "c", "name": "f", "args": {"n": 1.0}}, "thoughtSignature": "U0lI"},
        finish="MAX_TOKENS",
        usageMetadata={"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
    )
    again = near().write_answer(_read(body), context())
    assert msgspec.json.decode(again) == msgspec.json.decode(body)
