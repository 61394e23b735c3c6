"""Paths, queries and the members the gateway acts on."""

from __future__ import annotations

import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.dialects.gemini import DIALECT
from tests.translate.dialects.gemini.speech import BETA, near, request, says


@pytest.mark.parametrize(
    ("path", "model", "stream"),
    [
        (f"{BETA}gemini-2.5-flash:generateContent", "gemini-2.5-flash", False),
        ("/v1/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash", False),
        (f"{BETA}openai/gpt-4o:streamGenerateContent", "openai/gpt-4o", True),
        (f"{BETA}models/openai/gpt-4o:streamGenerateContent", "openai/gpt-4o", True),
        (f"{BETA}models/models/m:generateContent", "m", False),
        (f"{BETA}ollama/llama3:8b:generateContent", "ollama/llama3:8b", False),
    ],
)
def test_model_and_method_come_from_the_path(path: str, model: str, stream: bool) -> None:
    peeked = near().peek(request(says(), path))
    assert (peeked.model, peeked.stream, peeked.operation) == (model, stream, "chat")
    assert peeked.include_usage


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ("alt=sse", ""),
        ("key=k&alt=sse", ""),
        ("alt=SSE", ""),
        ("%24alt=sse", ""),
        ("", "json_array"),
        ("alt=json", "json_array"),
    ],
)
def test_a_stream_is_events_only_if_asked_for_as_such(query: str, variant: str) -> None:
    assert near().peek(request(says(), f"{BETA}m:streamGenerateContent", query)).variant == variant


def test_an_answer_in_one_piece_has_no_variant() -> None:
    assert near().peek(request(says())).variant == ""


@pytest.mark.parametrize(
    "path", [f"{BETA}m:embedContent", f"{BETA}m", f"{BETA}llama3:8b", "/v1/models/m:", f"{BETA}m:GenerateContent"]
)
def test_a_method_that_is_not_served_is_not_found(path: str) -> None:
    with pytest.raises(ClientError) as caught:
        near().peek(request(says(), path))
    assert near().error_status(caught.value) == 404
    assert b'"status":"NOT_FOUND"' in near().error_body(caught.value, "r")
    assert ":generateContent" in caught.value.message


@pytest.mark.parametrize(
    "path", [f"{BETA}:generateContent", f"{BETA}models/:generateContent", f"{BETA}a\nb:countTokens"]
)
def test_a_path_without_a_model_is_refused(path: str) -> None:
    with pytest.raises(ClientError) as caught:
        near().peek(request(says(), path))
    assert caught.value.param == "model"


@pytest.mark.parametrize("body", [{"contents": []}, {"generateContentRequest": {}}, {"generate_content_request": {}}])
def test_both_bodies_of_a_count_are_known(body: object) -> None:
    assert near().peek(request(body, f"{BETA}m:countTokens")).operation == "count"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"generateContentRequest": {}}, "contents"),
        ({"contents": "hello"}, "contents"),
        (b'{"contents":[],"contents":[]}', "contents"),
        (says(generationConfig={"candidateCount": 0}), "generationConfig.candidateCount"),
        (says(generation_config={"candidate_count": 257}), "generationConfig.candidateCount"),
        (says(generationConfig={"candidateCount": "two"}), "generationConfig.candidateCount"),
        (b"[1]", None),
        (b"not json", None),
        (b"", None),
    ],
)
def test_what_is_wrong_is_named(body: object, param: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        near().peek(request(body))
    assert caught.value.param == param
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("count", ["candidateCount", "candidate_count"])
def test_candidates_are_counted_in_either_spelling(name: str, count: str) -> None:
    assert near().peek(request(says(**{name: {count: 3}}))).choices == 3


def test_bytes_pass_to_the_path_of_the_upstreams_model() -> None:
    identity = DIALECT.identity
    assert identity is not None
    body = b'{ "contents": [ ], "x": 1.00 }'
    for query, path in (
        ("alt=sse", "/models/gemini-x:streamGenerateContent?alt=sse"),
        ("", "/models/gemini-x:streamGenerateContent"),
    ):
        peeked = near().peek(request(body, f"{BETA}alias:streamGenerateContent", query))
        assert identity.path(peeked, "gemini-x") == path
        assert identity.encode_request(body, peeked, model="gemini-x", quirks=Quirks()) == (body,)
    peeked = near().peek(request(body))
    assert identity.path(peeked, "tunedModels/a b") == "/tunedModels/a%20b:generateContent"


def test_a_model_in_the_body_follows_the_path() -> None:
    identity = DIALECT.identity
    assert identity is not None
    body = b'{"model":"models/alias","contents":[]}'
    parts = identity.encode_request(body, near().peek(request(body)), model="gemini-x", quirks=Quirks())
    assert b"".join(parts) == b'{"model":"models/gemini-x","contents":[]}'
