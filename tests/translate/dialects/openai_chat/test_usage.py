"""Token counts of every vendor that speaks the dialect, and of those that get it wrong."""

from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import SseTap
from omniroute.domain import Usage
from omniroute.translate.dialects.openai_chat.usage import usage_of, usage_of_body
from omniroute.translate.openai_bodies import write_usage

RECORDED: Final = Path(__file__).parents[5] / "shared" / "fixtures" / "recorded"


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (
            b'{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,'
            b'"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":4,"audio_tokens":2},'
            b'"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":1}}',
            Usage(20, 5, 4, 0, 9, 3, 2, 1, known=True),
        ),
        (b'{"prompt_tokens":3,"completion_tokens":5}', Usage(3, output_total=5, known=True)),
        (
            b'{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5}',
            Usage(9, 4, output_total=1, known=True),
        ),
        (
            b'{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":0},"prompt_cache_hit_tokens":4}',
            Usage(9, 0, known=True),
        ),
        (b'{"prompt_tokens":9,"cache_read_input_tokens":4}', Usage(9, 4, known=True)),
        (b'{"input_tokens":9,"output_tokens":1}', Usage(9, output_total=1, known=True)),
        (
            b'{"prompt_tokens":10,"completion_tokens":4,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":6}}',
            Usage(10, output_total=10, reasoning=6, known=True),
        ),
        (
            b'{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}',
            Usage(43, output_total=10, reasoning=10, known=True),
        ),
        (b'{"prompt_tokens":3,"total_tokens":8}', Usage(3, output_total=5, known=True)),
        (b'{"completion_tokens":3,"total_tokens":8}', Usage(5, output_total=3, known=True)),
        (b'{"total_tokens":8}', Usage(8, known=True)),
        (b'{"prompt_tokens":"3","completion_tokens":5.0}', Usage(3, output_total=5, known=True)),
        (b'{"prompt_tokens":3,"prompt_tokens_details":null}', Usage(3, known=True)),
        (b'{"prompt_tokens":null,"completion_tokens":5}', Usage(output_total=5, known=True)),
        (b'{"prompt_tokens":-3,"completion_tokens":5}', Usage(output_total=5, known=True)),
        (b'{"prompt_tokens":true,"completion_tokens":"many"}', Usage()),
        (b'{"prompt_tokens":1e400,"completion_tokens":"nan"}', Usage()),
        (b'{"prompt_tokens":1e30,"completion_tokens":"inf"}', Usage(10**12, known=True)),
        (
            b'{"prompt_tokens":2,"prompt_tokens_details":{"cached_tokens":9,"cache_write_tokens":9}}',
            Usage(2, 2, known=True),
        ),
        (b'{"prompt_tokens":0,"completion_tokens":0}', Usage(known=True)),
        (b"{}", Usage()),
        (b"null", Usage()),
        (b"[]", Usage()),
        (b"", Usage()),
        (b'{"prompt_tokens":', Usage()),
        (b"\xff", Usage()),
    ],
)  # fmt: skip
def test_counts(raw: bytes, usage: Usage) -> None:
    assert usage_of(raw) == usage


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"usage":{"prompt_tokens":3,"completion_tokens":5},"choices":[]}', Usage(3, output_total=5, known=True)),
        (b'{"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":5}}}', Usage(3, output_total=5, known=True)),
        (b'{"usage":null,"x_groq":{"usage":{"prompt_tokens":3}}}', Usage(3, known=True)),
        (b'{"x_groq":{}}', Usage()),
        (b'{"x_groq":1}', Usage()),
        (b'{"usage":null}', Usage()),
        (b'{"choices":[{"usage":{"prompt_tokens":3}}]}', Usage()),
        (b"<html>", Usage()),
        (b"", Usage()),
    ],
)
def test_counts_of_a_body(body: bytes, usage: Usage) -> None:
    assert usage_of_body(body) == usage


@pytest.mark.skipif(not RECORDED.exists(), reason="../shared/fixtures is not beside the repository")
@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("deepseek/tool-no-args-cache-stream.sse", Usage(496, 384, output_total=31, known=True)),
        ("deepseek/reasoner-stream.sse", Usage(6, output_total=212, reasoning=198, known=True)),
        ("openrouter/mid-stream-error-stream.sse", Usage(43, output_total=10, reasoning=10, known=True)),
        ("openai-chat/n2-choices-stream.sse", Usage(26, output_total=104, known=True)),
        ("openai-chat/refusal-body.json", Usage(65, output_total=13, known=True)),
        ("provider/mistral-tool-stream.sse", Usage(159, 128, output_total=28, known=True)),
    ],
)
def test_counts_of_recordings(name: str, usage: Usage) -> None:
    data = (RECORDED / name).read_bytes()
    if name.endswith(".json"):
        assert usage_of_body(data) == usage
        return
    tap = SseTap()
    tap.feed(data)
    assert usage_of(tap.usage) == usage


counts = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
NAMES: Final = (
    "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens", "audio_tokens",
    "cache_write_tokens", "prompt_cache_hit_tokens", "input_tokens", "output_tokens",
)  # fmt: skip
objects = st.dictionaries(st.sampled_from(NAMES), counts, max_size=6)


@given(objects, objects | counts, objects | counts)
def test_parts_are_never_more_than_their_whole(usage: dict[str, object], inputs: object, outputs: object) -> None:
    raw = msgspec.json.encode(usage | {"prompt_tokens_details": inputs, "completion_tokens_details": outputs})
    read = usage_of(raw)
    assert 0 <= read.cache_read + read.cache_write_5m <= read.input_total
    assert 0 <= read.reasoning <= read.output_total
    assert 0 <= read.audio_in <= read.input_total
    assert 0 <= read.audio_out <= read.output_total
    assert read.known or read == Usage()
    assert max(read.input_total, read.output_total) <= 2 * 10**12


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        (Usage(3, output_total=5, known=True), {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}),
        (
            Usage(3, output_total=5),
            {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8, "estimated": True},
        ),
        (
            Usage(20, 5, 3, 1, 9, 3, 2, 1, known=True),
            {
                "prompt_tokens": 20,
                "completion_tokens": 9,
                "total_tokens": 29,
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 4, "audio_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 1},
            },
        ),
    ],
)
def test_what_is_written(usage: Usage, written: dict[str, object]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(write_usage(usage))) == written
