"""Lines of Ollama servers as stream events, whatever a server may send."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Quirks, Usage
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.canonical import Image, Inline
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
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.stream import Hot
from tests.translate.dialects.ollama.asking import PNG

assert DIALECT.upstream is not None
decoder = DIALECT.upstream.decoder

DONE = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
COUNTED = DONE | {"prompt_eval_count": 3, "eval_count": 5}
ENDED = [
    Report(Usage(input_total=3, output_total=5, known=True)),
    Finish(0, FinishReason(reason="stop", raw="stop")),
    End(),
]


def line(**message: object) -> dict[str, object]:
    return {
        "model": "m",
        "created_at": "2026-03-24T10:00:00.123456789Z",
        "message": {"role": "assistant"} | message,
        "done": False,
    }


def decoded(*lines: object, finish: bool = True) -> list[StreamEvent]:
    reader = decoder(Quirks())
    found: list[StreamEvent] = []
    for one in lines:
        found.extend(reader.decode(b"", one if isinstance(one, bytes) else msgspec.json.encode(one)))
    return [*found, *(reader.finish() if finish else ())]


def test_thinking_then_text() -> None:
    events = decoded(line(content="", thinking="h"), line(content="", thinking="m"), line(content="A<b"), COUNTED)
    assert events == [
        Start(model="m", created_epoch_s=1774346400),
        Open(block=0, kind="reasoning"),
        Delta(0, 0, b"h"),
        Delta(0, 0, b"m"),
        Close(0, 0),
        Open(block=1, kind="text"),
        Delta(0, 1, b"A<b"),
        Close(0, 1),
        *ENDED,
    ]


def test_escapes_stay_as_they_came() -> None:
    events = decoded(b'{"message":{"content":"\\u003cb\\u003e \\ud83d"},"done":false}')
    assert Delta(0, 0, b"\\u003cb\\u003e \\ud83d") in events  # half a pair, which most readers of JSON refuse


def test_bytes_that_are_no_text_are_replaced() -> None:
    events = decoded(b'{"message":{"content":"a\xffb"},"done":false}')
    assert Delta(0, 0, "a\ufffdb".encode()) in events


def test_calls_come_whole_and_are_counted_by_us() -> None:
    calls = [
        {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 'é"', "n": 2}}},
        {"function": {"index": 0, "name": "g"}},
        {"function": {"name": "h", "arguments": '{"x": 1}'}},
        {"function": {"arguments": {}}},
        {"function": {"name": ""}},
        {"id": "c5"},
        "nothing",
    ]
    events = decoded(line(content="so"), line(content="", tool_calls=calls), COUNTED)
    assert events[3:] == [
        Close(0, 0),
        Open(block=1, kind="tool", call_id="c1", name="f"),
        Delta(0, 1, b'{\\"a\\":\\"\xc3\xa9\\\\\\"\\",\\"n\\":2}'),
        Close(0, 1),
        Open(block=2, kind="tool", name="g"),
        Delta(0, 2, b"{}"),
        Close(0, 2),
        Open(block=3, kind="tool", name="h"),
        Delta(0, 3, b'{\\"x\\": 1}'),
        Close(0, 3),
        ENDED[0],
        Finish(0, FinishReason(reason="tool", raw="stop")),
        End(),
    ]


def test_everything_in_the_last_line() -> None:
    last = COUNTED | {"message": {"role": "assistant", "content": "Hi", "thinking": "h"}}
    kinds = [type(event) for event in decoded(last)]
    assert kinds == [Start, Open, Delta, Close, Open, Delta, Close, Report, Finish, End]


def test_generate() -> None:
    events = decoded(
        {"model": "m", "response": "", "thinking": "h", "done": False},
        {"model": "m", "response": "Hi", "done": True, "image": PNG},
    )
    assert Delta(0, 0, b"h") in events
    assert Delta(0, 1, b"Hi") in events
    assert Whole(block=2, value=Image(source=Inline("image/png", PNG))) in events
    assert events[-2] == Finish(0, FinishReason(reason="stop"))


def test_probabilities_in_chats_form() -> None:
    token = {"token": "H", "logprob": -0.50, "bytes": [72]}
    raw = b'{"message":{"content":"H"},"logprobs":[{"token":"H","logprob":-0.50,"top_logprobs":[{"token":"H","logprob":-0.50}]}]}'
    (found,) = [event for event in decoded(raw) if isinstance(event, Probabilities)]
    assert (
        found.content == b'[{"token":"H","logprob":-0.50,"bytes":null,"top_logprobs":[{"token":"H","logprob":-0.50}]}]'
    )
    (found,) = [
        event for event in decoded(line(content="H") | {"logprobs": [token]}) if isinstance(event, Probabilities)
    ]
    assert msgspec.json.decode(found.content) == [token | {"top_logprobs": []}]
    assert not [event for event in decoded(line(content="H") | {"logprobs": [5]}) if isinstance(event, Probabilities)]


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_eval_count": 3, "eval_count": 5}, Usage(input_total=3, output_total=5, known=True)),
        ({"eval_count": 5}, Usage(output_total=5)),  # servers leave out a prompt they had in their cache
        ({}, Usage()),
        ({"prompt_eval_count": "3", "eval_count": -5}, Usage()),
        ({"prompt_eval_count": 10**30}, Usage()),
    ],
)
def test_usage(told: dict[str, object], usage: Usage) -> None:
    assert Report(usage) in decoded(
        b"".join(
            [
                msgspec.json.encode(DONE)[:-1],
                b"".join(
                    b',"%b":%b' % (name.encode(), (str(value) if isinstance(value, int) else f'"{value}"').encode())
                    for name, value in told.items()
                ),
                b"}",
            ]
        )
    )


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ("length", FinishReason(reason="length", raw="length")),
        ("load", FinishReason(reason="stop", raw="load")),
        ("odd", FinishReason(reason="stop", raw="odd", unknown=True)),
        (None, FinishReason(reason="stop")),
    ],
)
def test_reasons(raw: object, finish: FinishReason) -> None:
    assert Finish(0, finish) in decoded(COUNTED | {"done_reason": raw})


def test_an_error_line_ends_it() -> None:
    *_, last = decoded(line(content="par"), {"error": "it broke"}, line(content="tial"), COUNTED)
    assert isinstance(last, Failure)
    assert last.error.message == "it broke"


@pytest.mark.parametrize("lines", [(), (line(content="par"),), (b"[]", b"5", b"{")])
def test_a_stream_without_its_last_line_is_cut(lines: Iterable[object]) -> None:
    *_, last = decoded(*lines)
    assert isinstance(last, Failure)
    assert (last.error.kind, last.error.code) == ("upstream_incomplete", "upstream_stream_incomplete")


def test_nothing_follows_the_end() -> None:
    assert decoded(COUNTED, line(content="more"), COUNTED) == decoded(COUNTED)


def test_what_is_hot() -> None:
    reader = decoder(Quirks())

    def after(one: object) -> list[Hot]:
        list(reader.decode(b"", msgspec.json.encode(one)))
        return list(reader.hot())

    assert list(reader.hot()) == []
    assert after(line(content="", thinking="h")) == [Hot(1, 0, 0, 0)]
    assert after(line(content="t")) == [Hot(0, 0, 0, 1)]
    assert after(line(content="", tool_calls=[{"function": {"name": "f"}}])) == []
    assert after(line(content="t")) == [Hot(0, 0, 0, 3)]
    assert after(COUNTED) == []
    reader = decoder(Quirks())
    assert after({"response": "t", "done": False}) == [Hot(2, 0, 0, 0)]
    assert after({"response": "", "thinking": "t", "done": False}) == [Hot(3, 0, 0, 1)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "arguments", "function", "id", "content", "thinking", "tool_calls", "images"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
TOP = st.sampled_from(
    ["model", "message", "response", "thinking", "done", "done_reason", "created_at", "logprobs", "image", "eval_count"]
)


@given(st.lists(st.dictionaries(TOP, JSON, max_size=5) | st.binary(max_size=20), max_size=5))
def test_whatever_comes_the_order_of_events_holds(lines: list[object]) -> None:
    events = decoded(*lines)
    assert isinstance(events[-1], End | Failure)
    assert sum(isinstance(event, End | Failure) for event in events) == 1
    opened: set[int] = set()
    for event in events:
        match event:
            case Open():
                assert event.kind != "tool" or event.name
                opened.add(event.block)
            case Close():
                opened.remove(event.block)
            case Delta():
                assert event.block in opened
                assert event.text
            case Finish():
                assert not opened
            case _:
                pass
