"""Streams whose bytes pass: what is noted of them, and the little that is changed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import ANY, TEXT, StreamCore
from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import Finish as Reason
from omniroute.translate.dialect import Identity, Part, Peeked
from omniroute.translate.events import Close, Delta, End, Failure, Finish, Open, Report, Start, StreamEvent
from omniroute.translate.observer import HELD_BYTES, Observer
from omniroute.translate.stream import Hot
from tests.translate.test_tagged_text import clean

TAG = b"<omniModel>openai/gpt-5</omniModel>"
SHAPES = ({"text": TEXT}, {"args": TEXT, "n": ANY})


class Line(msgspec.Struct):
    """An event of a dialect made up for these tests."""

    text: msgspec.Raw = msgspec.Raw(b'""')
    args: msgspec.Raw = msgspec.Raw(b'""')
    n: int | str = 0
    usage: int = 0
    end: str = ""
    error: str = ""
    model: str = ""


class Decoder:
    """Block 0 is text, block 1 arguments; ``end`` ends both and the stream."""

    ending = 0

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._ended = False
        self.carried: list[tuple[int, int, bytes]] = []

    def decode(self, name: bytes, data: bytes) -> Iterable[StreamEvent]:
        if data == b"[DONE]":
            self._ended = True
            return [End()]
        line = msgspec.json.decode(data, type=Line)
        out: list[StreamEvent] = [Start(model=line.model)] if line.model else []
        for block, raw in enumerate((line.text, line.args)):
            if len(bytes(raw)) > 2:
                if block not in self._open:
                    self._open.add(block)
                    out.append(Open(block=block, kind="tool" if block else "text"))
                out.append(Delta(0, block, bytes(raw)[1:-1]))
        if line.usage:
            out.append(Report(Usage(output_total=line.usage, known=True)))
        if line.error:
            self._ended = True
            out.append(Failure(UpstreamError(line.error, error_class="server")))
        if line.end:
            out += [Close(0, block) for block in sorted(self._open)]
            self._open.clear()
            out.append(Finish(0, Reason(reason="stop", raw=line.end)))
        return out

    def finish(self) -> Iterable[StreamEvent]:
        return () if self._ended else [Failure(UpstreamError("cut off", error_class="truncated"))]

    def hot(self) -> Iterable[Hot]:
        return [Hot(block, 0, 0, block) for block in self._open]

    def caught(self, block: int, deltas: int, stash: bytes) -> None:
        self.carried.append((block, deltas, stash))


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: object) -> tuple[Part, ...]:
    raise AssertionError("no request is made here")


def unfold(data: bytes) -> bytes | None:
    return b'data: {"text":"whole"}\n\ndata: [DONE]\n\n' if b'"whole":' in data else None


IDENTITY = Identity(
    encode_request=encode_request,
    path=lambda peeked, model: "/",
    hide=lambda data, peeked: b'"usage"' in data and not peeked.include_usage,
    unfold=unfold,
    usage_of_body=lambda body: Usage(),
)


def made(
    *, include_usage: bool = True, lanes: bool = True, framing: str = "sse"
) -> tuple[StreamCore, Observer, Decoder]:
    decoder = Decoder()
    observer = Observer(decoder, IDENTITY, Peeked(model="m", stream=True, include_usage=include_usage, choices=1))
    return StreamCore(observer, framing=framing, shapes=SHAPES, forward=True, lanes=lanes), observer, decoder


def sse(*data: bytes) -> bytes:
    return b"".join(b"data: " + item + b"\n\n" for item in data)


def texts(*pieces: bytes) -> bytes:
    return sse(*(b'{"text":"' + piece + b'"}' for piece in pieces))


END = sse(b'{"end":"fin"}', b"[DONE]")


def through(body: bytes, *, size: int | None = None, lanes: bool = True, include_usage: bool = True) -> bytes:
    core, _, _ = made(lanes=lanes, include_usage=include_usage)
    step = size or len(body) or 1
    return b"".join(core.feed(body[at : at + step]) for at in range(0, len(body), step)) + core.finish()


def test_bytes_pass_with_comments_names_and_padding() -> None:
    body = b': hello\r\n\r\nevent: x\r\ndata:{ "text" : "a < b <om" }   \r\nid: 7\r\n\r\n' + texts(b"c", b"d") + END
    assert through(body) == body
    assert through(body, size=1) == body


def test_what_went_by_is_known() -> None:
    core, observer, decoder = made()
    core.feed(sse(b'{"model":"m-1"}') + texts(b"a"))
    assert observer.content
    assert decoder.carried == []
    core.feed(texts(b"b", b"c") + sse(b'{"usage":7}', b'{"end":"fin"}', b"[DONE]"))
    assert core.finish() == b""
    assert decoder.carried == [(0, 2, b"")]
    assert (observer.model, observer.finish_reason, observer.usage.output_total) == ("m-1", "fin", 7)
    assert (observer.finished, observer.done, observer.failure) == (True, True, None)


def test_a_tag_is_cut_out_of_its_events() -> None:
    assert through(texts(b"a", b"b" + TAG + b"c", b"d") + END) == texts(b"a", b"bc", b"d") + END


def test_a_tag_over_several_events_is_cut_out_of_each() -> None:
    body = (
        sse(b'{"text":"a"}', b'{"n":1,"text":"b<omni"}', b'{"text":"Model>m</omni","n":2}', b'{"text":"Model>c"}') + END
    )
    expected = sse(b'{"text":"a"}', b'{"n":1,"text":"b"}', b'{"text":"","n":2}', b'{"text":"c"}') + END
    for lanes in (True, False):
        assert through(body, lanes=lanes) == expected
        assert through(body, size=1, lanes=lanes) == expected


def test_what_may_be_a_tag_waits_with_all_that_follows() -> None:
    core, _, _ = made()
    first, second = texts(b"a <om"), sse(b'{"args":"1"}') + b": ping\n\n"
    assert core.feed(first) == b""
    assert core.feed(sse(b'{"args":"1"}')) == b""
    assert core.feed(b": ping\n\n") == b": ping\n\n"  # a comment says nothing, so its place does not matter
    assert core.feed(texts(b"ega>")) == first + sse(b'{"args":"1"}') + texts(b"ega>")
    assert second.endswith(b": ping\n\n")


def test_half_a_tag_at_the_end_of_the_text_is_cut_and_a_bracket_is_not() -> None:
    assert through(texts(b"a<omniMo") + END) == texts(b"a") + END
    assert through(texts(b"a<") + END) == texts(b"a<") + END


def test_half_a_tag_at_a_cut_off_is_cut() -> None:
    core, observer, _ = made()
    assert core.feed(texts(b"a", b"b<omniModel>x")) == texts(b"a")
    assert core.finish() == texts(b"b")
    assert observer.failure is not None
    assert not observer.told


def test_a_failure_in_the_stream_is_passed_on_and_known() -> None:
    core, observer, _ = made()
    body = texts(b"a", b"b<om") + sse(b'{"error":"overloaded"}')
    assert core.feed(body) + core.finish() == body
    assert observer.failure is not None
    assert observer.failure.message == "overloaded"
    assert observer.told


def test_what_follows_a_failure_goes_on() -> None:
    core, observer, _ = made()
    body = texts(b"a") + sse(b'{"error":"overloaded"}', b'{"error":"the same again"}', b"[DONE]")
    assert b"".join(core.feed(body[at : at + 1]) for at in range(len(body))) + core.finish() == body
    assert observer.failure is not None
    assert observer.failure.message == "overloaded"
    assert observer.finished


def test_arguments_are_the_users() -> None:
    body = sse(b'{"args":"' + TAG + b'","n":"<omniModel>"}', b'{"args":"<omni"}', b'{"args":"Model>"}') + END
    assert through(body) == body


def test_what_was_not_asked_for_is_hidden() -> None:
    body = texts(b"a") + sse(b'{"usage":7}') + END
    assert through(body) == body
    assert through(body, include_usage=False) == texts(b"a") + END


def test_a_whole_answer_in_place_of_a_stream_becomes_one() -> None:
    assert through(b'{"whole":1,"text":"a"}') == b'data: {"text":"whole"}\n\ndata: [DONE]\n\n'
    later = texts(b"a") + sse(b'{"whole":1}') + END
    assert through(later) == later


def test_events_of_several_data_lines_are_written_anew_when_they_must() -> None:
    body = b'event: x\ndata: {"text":\ndata: "a' + TAG + b'"}\n\n' + END
    assert through(body) == b'event: x\ndata: {"text": "a"}\n\n' + END


def test_lines_of_ndjson_stay_lines() -> None:
    core, _, _ = made(framing="ndjson")
    assert core.feed(b'{"text":"a' + TAG + b'"}\r\n{"text":"b"}\n') == b'{"text":"a"}\r\n{"text":"b"}\n'


def test_what_is_held_is_bounded() -> None:
    core, _, _ = made()
    assert core.feed(texts(b"a <om")) == b""
    many = sse(b'{"args":"1"}') * (HELD_BYTES // 20)
    assert core.feed(many).startswith(texts(b"a <om"))


@pytest.mark.parametrize("lanes", [True, False])
@given(
    st.lists(
        st.lists(
            st.sampled_from(["<omniModel>", "</omniModel>", "<", "omni", "Model>", "x", "é", "\\", "</"]), max_size=4
        ).map("".join),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 40),
)
def test_the_text_that_arrives_is_the_clean_one(lanes: bool, pieces: list[str], size: int) -> None:
    escaped = [jsontext.escaped(piece) for piece in pieces]
    out = through(texts(*escaped) + END, lanes=lanes, size=size)
    lines = [msgspec.json.decode(line[6:], type=Line) for line in out.split(b"\n\n")[:-2]]
    said = b"".join(bytes(line.text)[1:-1] for line in lines)
    assert said == clean(*escaped)
