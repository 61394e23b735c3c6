"""Token counts in Google's words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Usage
from omniroute.translate.dialects.gemini.usage import MAX_TOKENS, usage_of, usage_of_body, written


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"promptTokenCount": 3, "totalTokenCount": 3}, Usage(input_total=3, known=True)),
        (
            {
                "promptTokenCount": 10,
                "cachedContentTokenCount": 8,
                "toolUsePromptTokenCount": 50,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 6,
                "totalTokenCount": 70,
            },
            Usage(input_total=60, cache_read=8, output_total=10, reasoning=6, known=True),
        ),
        ({"totalTokenCount": 9, "candidatesTokenCount": 4}, Usage(input_total=5, output_total=4, known=True)),
        ({"promptTokenCount": "12"}, Usage(input_total=12, known=True)),
        ({"promptTokenCount": 1, "cachedContentTokenCount": 5}, Usage(input_total=1, cache_read=1, known=True)),
        (
            {
                "promptTokenCount": 9,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 4}, {"modality": "TEXT", "tokenCount": 5}],
            },
            Usage(input_total=9, audio_in=4, known=True),
        ),
        ({"trafficType": "ON_DEMAND"}, Usage()),
        ({"promptTokenCount": -1, "candidatesTokenCount": True}, Usage()),
        ({"promptTokenCount": 10**30}, Usage(input_total=MAX_TOKENS, known=True)),
        (None, Usage()),
        ([], Usage()),
    ],
)
def test_reading(told: object, usage: Usage) -> None:
    raw = (
        str(told).replace("'", '"').encode()
        if isinstance(told, dict) and 10**30 in told.values()
        else msgspec.json.encode(told)
    )
    assert usage_of(raw) == usage
    assert usage_of_body(b'{"candidates":[],"usageMetadata":' + raw + b"}") == usage


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"usageMetadata":', b"\xff"])
def test_a_body_that_tells_nothing(body: bytes) -> None:
    assert usage_of_body(body) == Usage()


_tokens = st.integers(0, 10**6)


@given(_tokens, _tokens, _tokens, _tokens)
def test_what_is_written_is_read_again(prompt: int, cached: int, candidates: int, thoughts: int) -> None:
    usage = Usage(
        input_total=prompt + cached,
        cache_read=cached,
        output_total=candidates + thoughts,
        reasoning=thoughts,
        known=True,
    )
    assert usage_of(msgspec.json.encode(written(usage))) == usage
