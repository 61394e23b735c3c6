"""What a request builds on that another vendor does not have is refused by name."""

from __future__ import annotations

import pytest

from omniroute.translate.canonical import ChatRequest
from omniroute.translate.fields import refuse_state
from omniroute.translate.notes import Unsupported

MODALITIES = "generationConfig.responseModalities"


def request(origin: str, name: str, raw: bytes) -> ChatRequest:
    return ChatRequest(origin=origin, model="m", turns=(), ext=((name, raw),))


@pytest.mark.parametrize(
    ("origin", "name", "raw"),
    [
        ("gemini", "cachedContent", b'"cachedContents/1"'),
        ("anthropic", "container", b'{"id":"c"}'),
        ("openai_responses", "background", b"true"),
        ("gemini", MODALITIES, b'["AUDIO"]'),
        ("gemini", MODALITIES, b'["TEXT","AUDIO"]'),
        ("gemini", MODALITIES, b'["IMAGE"]'),
    ],
)
def test_what_only_its_own_vendor_has_is_refused(origin: str, name: str, raw: bytes) -> None:
    with pytest.raises(Unsupported) as refused:
        refuse_state(request(origin, name, raw))
    assert refused.value.param == name


@pytest.mark.parametrize(
    ("origin", "name", "raw"),
    [
        ("openai_responses", "background", b"false"),
        ("openai_responses", "conversation", b"null"),
        ("anthropic", "cachedContent", b'"of nobody here"'),
        ("gemini", MODALITIES, b'["TEXT","IMAGE"]'),
        ("gemini", MODALITIES, b"[]"),
        ("ollama", MODALITIES, b'["AUDIO"]'),
    ],
)
def test_what_text_can_answer_is_not(origin: str, name: str, raw: bytes) -> None:
    refuse_state(request(origin, name, raw))
