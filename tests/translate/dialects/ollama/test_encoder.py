"""Stream events as Ollama's lines: the grammar, both endpoints, and lanes that change nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import ollama
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.canonical import Image, Inline, Link, Opaque, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.ollama import DIALECT
from omniroute.translate.events import (
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)
from tests.translate.dialects.ollama.asking import PNG

assert DIALECT.client is not None
CLIENT = DIALECT.client


class Clock:
    """A second passes whenever it is looked at."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1_000_000_000
        return self.now_ns


def context(**members: object) -> AnswerContext:
    return msgspec.structs.replace(
        AnswerContext(attempt_id="ab", created_epoch_s=1_700_000_000, model="asked", elapsed_ns=Clock()), **members
    )


def lines(events: Sequence[StreamEvent], **members: object) -> list[dict[str, object]]:
    """What the client reads, checked by the grammar and by the vendor's types."""
    encoder = CLIENT.encoder(context(**members))
    output = b"".join(encoder.encode(event) for event in events)
    checker = CLIENT.checker()
    found = []
    kind = ollama.GenerateResponse if members.get("variant") else ollama.ChatResponse
    for line in output.splitlines():
        checker.event(b"", line)
        found.append(msgspec.json.decode(line))
        # The type of the vendor's Python client does not take the strings that its servers write for images.
        if "error" not in found[-1] and "images" not in found[-1].get("message", {}):
            kind.model_validate(found[-1])
    checker.end()
    return found


FINISH = Finish(0, FinishReason(reason="stop"))
START = Start(id="x", model="m", usage=Usage(input_total=1))
TALK = [
    START,
    Open(block=0, kind="reasoning"),
    Delta(0, 0, b"h"),
    Sign(block=0, signature="s", origin="anthropic"),
    Close(0, 0),
    Open(block=1, kind="text"),
    Delta(0, 1, b"\\u003cHi \\ud83d\\ude00"),
    Close(0, 1),
    FINISH,
    Report(Usage(input_total=3, output_total=5, known=True)),
    End(),
]


def test_a_talk() -> None:
    thought, text, last = lines(TALK)
    frame = {"model": "m", "created_at": "2023-11-14T22:13:20Z", "done": False}
    assert thought == frame | {"message": {"role": "assistant", "content": "", "thinking": "h"}}
    assert text == frame | {"message": {"role": "assistant", "content": "<Hi \U0001f600"}}
    assert last == frame | {
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "total_duration": 2_000_000_000,
        "load_duration": 0,
        "prompt_eval_count": 3,
        "prompt_eval_duration": 1_000_000_000,
        "eval_count": 5,
        "eval_duration": 1_000_000_000,
    }


def test_an_estimate_is_marked() -> None:
    *_, last = lines([*TALK[:-2], Report(Usage(input_total=7, output_total=1)), End()])
    assert (last["prompt_eval_count"], last["eval_count"], last["estimated"]) == (7, 1, True)


def test_the_same_for_a_prompt() -> None:
    thought, text, last = lines(TALK, variant="generate")
    assert (thought["response"], thought["thinking"]) == ("", "h")
    assert (text["response"], last["response"], last["done_reason"]) == ("<Hi \U0001f600", "", "stop")
    assert not any("message" in line for line in (thought, text, last))


def test_calls_go_out_when_they_are_complete() -> None:
    found = lines(
        [
            START,
            Open(block=0, kind="tool", call_id="u1", name="up_f"),
            Open(block=1, kind="tool", name="g"),
            Delta(0, 0, b'{\\"a\\"'),
            Delta(0, 1, b"{broken"),
            Delta(0, 0, b": 1.50}"),
            Close(0, 1),
            Close(0, 0),
            Open(block=2, kind="tool", name="h", custom=True),
            Delta(0, 2, b"free text"),
            Close(0, 2),
            Finish(0, FinishReason(reason="tool")),
            End(),
        ],
        names={"up_f": "f"},
        call_ids={"u1": "c1"},
    )
    calls = [line["message"]["tool_calls"] for line in found[:-1]]
    assert calls == [
        [{"id": "call_ab_0", "function": {"index": 0, "name": "g", "arguments": {"_raw_arguments": "{broken"}}}],
        [{"id": "c1", "function": {"index": 1, "name": "f", "arguments": {"a": 1.5}}}],
        [{"id": "call_ab_2", "function": {"index": 2, "name": "h", "arguments": {"input": "free text"}}}],
    ]
    assert found[-1]["done_reason"] == "stop"


def test_arguments_keep_the_spelling_of_their_numbers() -> None:
    encoder = CLIENT.encoder(context())
    events = [
        Open(block=0, kind="tool", name="f"),
        Delta(0, 0, b'{\\"n\\": 1.50, \\"m\\": 9007199254740993}'),
        Close(0, 0),
    ]
    assert b'"arguments":{"n":1.50,"m":9007199254740993}' in b"".join(map(encoder.encode, events))


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("length", "length"),
        ("context_window", "length"),
        ("filter", "stop"),
        ("pause", "stop"),
        ("stop_sequence", "stop"),
    ],
)
def test_reasons(reason: str, word: str) -> None:
    assert lines([START, Finish(0, FinishReason(reason=reason)), End()])[-1]["done_reason"] == word  # type: ignore[arg-type]


def test_a_failure_is_the_last_line() -> None:
    error = UpstreamError("boom", error_class="server")
    assert lines([*TALK[:3], Failure(error)])[-1] == {"error": "boom"}


def test_other_choices_are_left_out() -> None:
    extra = [
        Open(choice=1, block=7, kind="text"),
        Delta(1, 7, b"no"),
        Close(1, 7),
        Finish(1, FinishReason(reason="length")),
    ]
    assert lines([*TALK[:7], *extra, *TALK[7:]]) == lines(TALK)


def test_pictures_refusals_and_what_nobody_could_read() -> None:
    found = lines(
        [
            START,
            Whole(block=0, value=Image(source=Inline("image/png", PNG))),
            Whole(block=1, value=Image(source=Link("https://e.x"))),
            Whole(block=2, value=Opaque(origin="anthropic", raw=b"{}")),
            Whole(block=3, value=Text(text='"q"')),
            Open(block=4, kind="refusal"),
            Delta(0, 4, b"no"),
            Probabilities(0, 4, b'[{"token":"n","logprob":-1}]'),
            Close(0, 4),
            FINISH,
            End(),
        ]
    )
    assert [line["message"] | {"logprobs": line.get("logprobs")} for line in found[:-1]] == [
        {"role": "assistant", "content": "", "images": [PNG], "logprobs": None},
        {"role": "assistant", "content": '"q"', "logprobs": None},
        {"role": "assistant", "content": "no", "logprobs": None},
        {"role": "assistant", "content": "", "logprobs": [{"token": "n", "logprob": -1}]},
    ]


def test_a_picture_for_a_prompt() -> None:
    found = lines(
        [START, Whole(block=0, value=Image(source=Inline("image/png", PNG))), FINISH, End()], variant="generate"
    )
    assert found[0]["image"] == PNG


def test_a_blank_line_between_texts_that_are_not_one() -> None:
    found = lines(
        [
            START,
            *(
                event
                for at, apart in enumerate((True, False, True))
                for event in (Open(block=at, kind="text", apart=apart), Delta(0, at, b"t"), Close(0, at))
            ),
            *(
                event
                for at in (3, 4)
                for event in (Open(block=at, kind="reasoning"), Delta(0, at, b"r"), Delta(0, at, b"s"), Close(0, at))
            ),
            FINISH,
            End(),
        ]
    )
    assert "".join(line["message"]["content"] for line in found) == "tt\n\nt"
    assert "".join(line["message"].get("thinking", "") for line in found) == "rs\n\nrs"


TEXTS = st.lists(st.sampled_from([b"a", b"\\n", b"\\u003c", b"\xc3\xa9", b"x" * 40]), min_size=1, max_size=6)


@given(TEXTS, st.sampled_from(["text", "reasoning", "refusal", "tool"]), st.sampled_from(["", "generate"]))
def test_a_frame_says_what_encode_says(texts: list[bytes], kind: str, variant: str) -> None:
    opened = Open(block=0, kind=kind, name="f")  # type: ignore[arg-type]
    slow, fast = (CLIENT.encoder(context(variant=variant)) for _ in range(2))
    plain = [slow.encode(START), slow.encode(opened), *(slow.encode(Delta(0, 0, text)) for text in texts)]
    framed = [fast.encode(START), fast.encode(opened)]
    assert (fast.frame(0) is None) is not (kind == "tool")
    framed.append(fast.encode(Delta(0, 0, texts[0])))
    frame = fast.frame(0)
    assert frame is not None
    for text in texts[1:]:
        if frame.keep:
            fast.caught(0, text)
        if not frame.silent:
            framed.append(frame.head + text + frame.tail)
    plain += [slow.encode(event) for event in (Close(0, 0), FINISH, End())]
    framed += [fast.encode(event) for event in (Close(0, 0), FINISH, End())]
    assert b"".join(framed) == b"".join(plain)
    assert fast.frame(0) is None
