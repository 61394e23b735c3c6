"""Through the core, with and without lanes and however it is cut, a stream gives the same bytes."""

from collections.abc import Sequence

import pytest

from omniroute._speedups import StreamCore
from omniroute.domain import Quirks
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_chat import DIALECT
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage
from tests.translate.dialects.openai_chat.chunks import DONE, call, chunk

USAGE = {"prompt_tokens": 3, "completion_tokens": 5}
FORM = {"format": "anthropic-claude-v1", "index": 0}


def thought(text: str) -> dict[str, object]:
    return {"content": "", "reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text} | FORM]}


def part(text: str) -> dict[str, object]:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}], "closed": False}]}


STREAMS = {
    "text": [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in ("a", "é😀", "\n", "<omniModel>x</omniModel>", "<b", "")), chunk(None, "stop"), DONE],
    "text with usage in each": [*(chunk({"content": text}, usage=usage) for text, usage in (("a", USAGE), ("b", None), ("c", USAGE), ("d", None))), chunk(None, "stop"), DONE],
    "deepseek": [*(chunk({"content": None, "reasoning_content": text}) for text in "hmm"), *(chunk({"content": text, "reasoning_content": None}) for text in "abc"), chunk({"content": ""}, "stop", usage=USAGE), DONE],
    "reasoning": [*(chunk({"content": "", "reasoning": text, "channel": "analysis"}) for text in "hmm"), chunk({"reasoning_content": "x"}), chunk({"content": "a"}, "stop"), DONE],
    "details": [*(chunk(thought(text)) for text in "hmm"), chunk({"reasoning": "x"}), chunk({"content": "a"}), chunk({"content": "b"}, "stop"), DONE],
    "mistral": [*(chunk(part(text), p="abc") for text in "hmm"), chunk({"content": "a"}, p="a"), chunk({"content": "b"}, "stop", p="a"), DONE],
    "refusal": [*(chunk({"refusal": text}) for text in "nono"), chunk(None, "stop"), DONE],
    "calls": [chunk(call(0, "f", id="c1")), *(chunk(call(0, "", text)) for text in ('{"a"', ":", "1}")), chunk(call(1, "g", "{", id="c2")), chunk(call(0, "", " ")), chunk(call(None, "", " ")), chunk(call(1, "", "}", id="")), chunk(None, "tool_calls"), DONE],
    "choices": [chunk({"content": text}, index=index) for text in "abc" for index in (0, 1)] + [chunk(None, "stop", index=1), chunk({"content": "d"}), chunk(None, "stop"), DONE],
    "broken": [chunk({"content": "a"}), chunk({"content": "b"}), b'{"error":{"message":"x"}}'],
    "cut": [chunk({"content": "a"}), chunk({"content": "b"})],
}  # fmt: skip


def through(pieces: Sequence[bytes], *, lanes: bool, choices: int = 2) -> tuple[bytes, bytes, int]:
    assert DIALECT.upstream is not None
    assert DIALECT.client is not None
    context = AnswerContext(attempt_id="a", choices=choices, created_epoch_s=1)
    machine = Machine(
        DIALECT.upstream.decoder(Quirks()),
        DIALECT.client.encoder(context),
        TagStage(think=False),
        choices=choices,
        estimated_input=1,
    )
    core = StreamCore(machine, framing="sse", shapes=DIALECT.upstream.shapes, lanes=lanes)
    out = b"".join(core.feed(piece) for piece in pieces) + core.finish()
    return out, repr((machine.usage, machine.finishes, machine.content)).encode(), core.events


def framed(data: Sequence[bytes]) -> bytes:
    return b"".join(b"data: " + one + b"\n\n" for one in data)


@pytest.mark.parametrize("name", STREAMS)
def test_lanes_and_cuts_change_nothing(name: str) -> None:
    body = framed(STREAMS[name])
    expected = through([body], lanes=False)
    assert through([body], lanes=True) == expected
    for cut in range(1, len(body), 97):
        assert through([body[:cut], body[cut:]], lanes=True) == expected
    assert through([body[at : at + 1] for at in range(len(body))], lanes=True) == expected


@pytest.mark.parametrize(
    ("name", "cold"),
    [
        ("text", 6),
        ("deepseek", 4),
        ("reasoning", 4),
        ("details", 5),
        ("mistral", 4),
        ("refusal", 3),
        ("calls", 7),
        ("text with usage in each", 3),
    ],
)
def test_most_events_of_a_stream_need_no_python(name: str, cold: int) -> None:
    """``cold`` events reach the decoder: what begins or ends something, a text in which a tag may begin, and (for a client
    of this dialect) reasoning that is written twice."""
    assert DIALECT.upstream is not None
    assert DIALECT.client is not None
    seen: list[bytes] = []
    inner = DIALECT.upstream.decoder(Quirks())

    class Counting:
        hot = inner.hot
        caught = inner.caught
        finish = inner.finish

        ending = 0

        def decode(self, kind: bytes, data: bytes) -> object:
            seen.append(data)
            return inner.decode(kind, data)

    context = AnswerContext(attempt_id="a", choices=1)
    machine = Machine(Counting(), DIALECT.client.encoder(context), TagStage(think=False), choices=1, estimated_input=1)  # type: ignore[arg-type]
    core = StreamCore(machine, framing="sse", shapes=DIALECT.upstream.shapes)
    core.feed(framed(STREAMS[name]))
    core.finish()
    assert len(seen) == cold, seen
