"""What is said of parameters, in the words of the dialect they came in."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate import ChatRequest, find_dialects
from omniroute.translate.fields import field, refuse_foreign
from omniroute.translate.notes import Notes, Unsupported, UnsupportedContent
from omniroute.translate.trial import Request

DIALECTS = find_dialects()
HI = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
GEMINI = {"contents": [{"parts": [{"text": "hi"}]}]}


def read(dialect: str, path: str, body: dict[str, object]) -> ChatRequest:
    client = DIALECTS[dialect].client
    assert client is not None
    request = Request(path, b"", {}, msgspec.json.encode({"model": "m"} | body))
    return client.read_request(request, client.peek(request))


@pytest.mark.parametrize(
    ("dialect", "path", "body", "name", "words"),
    [
        ("openai_chat", "/v1/chat/completions", HI, "parallel", "parallel_tool_calls"),
        ("openai_completions", "/v1/completions", {"prompt": "hi"}, "presence", "presence_penalty"),
        ("openai_responses", "/v1/responses", {"input": "hi"}, "verbosity", "text.verbosity"),
        ("openai_responses", "/v1/responses", {"input": "hi"}, "choices", "n"),
        ("anthropic", "/v1/messages", HI, "user", "metadata"),
        ("gemini", "/v1beta/models/m:generateContent", GEMINI, "top_k", "generationConfig.topK"),
        ("ollama", "/api/chat", HI, "seed", "options.seed"),
    ],
)
def test_a_parameter_has_its_clients_name(
    dialect: str, path: str, body: dict[str, object], name: str, words: str
) -> None:
    request = read(dialect, path, body)
    assert field(request, name) == words
    assert field(request, "anything_else") == "anything_else"


@pytest.mark.parametrize(
    ("dialect", "path", "body", "name"),
    [
        ("gemini", "/v1beta/models/m:generateContent", GEMINI, "cachedContent"),
        ("anthropic", "/v1/messages", HI, "container"),
    ],
)
def test_what_only_the_clients_own_vendor_keeps_is_refused(
    dialect: str, path: str, body: dict[str, object], name: str
) -> None:
    refuse_foreign(read(dialect, path, body))
    with pytest.raises(Unsupported) as caught:
        refuse_foreign(read(dialect, path, body | {name: "x"}))
    assert caught.value.param == name


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses", "gemini", "ollama"])
def test_what_only_its_vendor_can_read_of_a_question_is_refused_by_name(target: str) -> None:
    upstream = DIALECTS[target].upstream
    assert upstream is not None
    asked = [{"type": "text", "text": "a"}, {"type": "wat"}]
    request = read("anthropic", "/v1/messages", HI | {"messages": [{"role": "user", "content": asked}]})
    with pytest.raises(UnsupportedContent, match="wat") as caught:
        upstream.write_request(request, Quirks(), Notes())
    assert caught.value.param == "messages[0].content[1]"


def test_results_of_the_vendors_own_tools_are_left_out_and_said() -> None:
    found = [{"type": "text", "text": "a"}, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]
    refuse_foreign(read("anthropic", "/v1/messages", HI | {"messages": [{"role": "user", "content": found}]}))


@pytest.mark.parametrize(
    ("dialect", "path", "part", "param"),
    [
        (
            "openai_chat", "/v1/chat/completions", {"type": "image_url", "image_url": {"url": "data:text/html;base64,PGI+"}},
            "messages[0].content[0].image_url.url",
        ),
        (
            "openai_responses", "/v1/responses", {"type": "input_image", "image_url": "data:text/html;base64,PGI+"},
            "input[0].content[0].image_url",
        ),
    ],
)  # fmt: skip
def test_a_picture_that_is_none_is_named(dialect: str, path: str, part: dict[str, object], param: str) -> None:
    said = [{"role": "user", "content": [part]}]
    with pytest.raises(ClientError, match="no picture") as caught:
        read(dialect, path, {"messages": said} if dialect == "openai_chat" else {"input": said})
    assert caught.value.param == param


MODALITIES = "generationConfig.responseModalities"


@pytest.mark.parametrize("raw", [b'["AUDIO"]', b'["TEXT","AUDIO"]', b'["IMAGE"]'])
def test_an_answer_that_is_no_text_is_refused(raw: bytes) -> None:
    with pytest.raises(Unsupported) as refused:
        refuse_foreign(ChatRequest(origin="x", model="m", ext=((MODALITIES, raw),), modalities_at=MODALITIES))
    assert refused.value.param == MODALITIES


@pytest.mark.parametrize(
    ("name", "raw", "modalities_at"),
    [
        ("background", b"false", ""),
        ("conversation", b"null", ""),
        ("cachedContent", b'"of nobody here"', ""),
        (MODALITIES, b'["TEXT","IMAGE"]', MODALITIES),
        (MODALITIES, b"[]", MODALITIES),
        (MODALITIES, b'["AUDIO"]', ""),
    ],
)
def test_what_text_can_answer_is_not(name: str, raw: bytes, modalities_at: str) -> None:
    elsewhere = frozenset({"background", "conversation"})
    refuse_foreign(
        ChatRequest(origin="x", model="m", ext=((name, raw),), elsewhere=elsewhere, modalities_at=modalities_at)
    )


def test_a_gemini_client_may_ask_for_sound() -> None:
    request = read(
        "gemini", "/v1beta/models/m:generateContent", GEMINI | {"generationConfig": {"responseModalities": ["AUDIO"]}}
    )
    with pytest.raises(Unsupported) as refused:
        refuse_foreign(request)
    assert refused.value.param == MODALITIES
