"""What is said of parameters, in the words of the dialect they came in."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.translate import ChatRequest, find_dialects
from omniroute.translate.fields import field, refuse_state
from omniroute.translate.notes import Unsupported
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
    refuse_state(read(dialect, path, body))
    with pytest.raises(Unsupported) as caught:
        refuse_state(read(dialect, path, body | {name: "x"}))
    assert caught.value.param == name
