"""Counting tokens."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.translate.notes import Notes
from tests.translate.dialects.gemini.speech import far, near, read, says


def test_the_whole_request_is_counted() -> None:
    counting = far().counting
    assert counting is not None
    canonical = read(
        says(
            {"text": "x"},
            systemInstruction={"role": "user", "parts": [{"text": "S"}]},
            tools=[{"functionDeclarations": [{"name": "f"}]}],
        )
    )
    outgoing = counting.write_request(msgspec.structs.replace(canonical, model="gemini-x"), Quirks(), Notes())
    assert outgoing.path == "/models/gemini-x:countTokens"
    assert msgspec.json.decode(b"".join(outgoing.body)) == {
        "generateContentRequest": {
            "model": "models/gemini-x",
            "contents": [{"role": "user", "parts": [{"text": "x"}]}],
            "systemInstruction": {"role": "user", "parts": [{"text": "S"}]},
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        }
    }


def test_answers_of_both_sides() -> None:
    counting, write = far().counting, near().write_count
    assert counting is not None
    assert write is not None
    assert counting.read_answer(write(31, False)) == counting.read_answer(write(31, True)) == 31
    assert counting.read_answer(b'{"totalTokens": 5, "promptTokensDetails": []}') == 5


@pytest.mark.parametrize("body", [b"", b"{}", b'{"totalTokens":"x"}', b'{"totalTokens":-1}', b'{"error":{}}'])
def test_what_is_no_count(body: bytes) -> None:
    counting = far().counting
    assert counting is not None
    with pytest.raises(ValueError, match=r".+"):
        counting.read_answer(body)
