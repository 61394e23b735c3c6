"""Whole answers: the fast path and the slow one say the same, and what is no JSON object is no answer."""

from pathlib import Path
from typing import Final

import pytest

from omniroute.domain import Usage
from omniroute.translate.dialects.openai_chat.answer import counts_of, read_failure
from omniroute.translate.dialects.openai_chat.errors import body_error
from omniroute.translate.dialects.openai_chat.usage import usage_of_body

RECORDED: Final = Path(__file__).parents[5] / "shared" / "fixtures" / "recorded"
PLAIN: Final = b'"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}'


@pytest.mark.parametrize(
    ("body", "error", "usage"),
    [
        (b'{"choices":[{}],%b}' % PLAIN, None, Usage(3, output_total=5, known=True)),
        (b'{"choices":[{}],"error":{"message":"x"},%b}' % PLAIN, None, Usage(3, output_total=5, known=True)),
        (
            b'{"choices":[],"error":{"message":"x"},%b}' % PLAIN,
            b'{"message":"x"}',
            Usage(3, output_total=5, known=True),
        ),
        (b'{"choices":[{}],"usage":{"prompt_tokens":"3"}}', None, Usage(3, known=True)),
        (b'{"choices":[{}]}', None, Usage()),
        (b'{"error":{"message":"x"}}', b'{"message":"x"}', Usage()),
    ],
)
def test_an_answer_is_read(body: bytes, error: bytes | None, usage: Usage) -> None:
    assert (read_failure(body), counts_of(body)) == (error, usage)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"choices":[{}],%b' % PLAIN, b'{"choices":[{}],%b}x' % PLAIN]
)
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError, match="at byte"):
        read_failure(body)
    assert not counts_of(body).known


@pytest.mark.skipif(not RECORDED.exists(), reason="../shared/fixtures is not beside the repository")
def test_every_recorded_body_is_read_as_the_slow_path_reads_it() -> None:
    bodies = [path.read_bytes() for path in sorted(RECORDED.rglob("*-body.json"))]
    assert len(bodies) > 5
    for body in bodies:
        assert (read_failure(body), counts_of(body)) == (body_error(body), usage_of_body(body))
