"""Answers nobody has recorded: with our tags in them, with reasoning in their text, and broken in every way."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import StreamCore
from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate import jsontext
from omniroute.translate.canonical import Finish as Reason
from omniroute.translate.canonical import Reasoning, Text, ToolCall
from omniroute.translate.dialect import Dialect, Peeked
from omniroute.translate.events import Close, Delta, End, Finish, Open, Start, StreamEvent
from omniroute.translate.fold import Folder
from omniroute.translate.pairing import Pair
from omniroute.translate.vendor_json import decode_vendor
from tests.translate import recordings, vectors
from tests.translate.matching import parse
from tests.translate.recordings import CLIENTS, Recording
from tests.translate.test_tagged_text import clean

PIECES = ["<omniModel>", "</omniModel>", "<omni", "Model>", "</", "<", "x", "é", "\\", "\n", "😀", "<b>"]
ROUNDS = 6
"""Broken streams made of each recording."""
texts = st.lists(st.lists(st.sampled_from(PIECES), max_size=4).map("".join), min_size=1, max_size=6)


def dialect(name: str) -> Dialect:
    vectors.near_side(name)
    vectors.far_side(name)
    return vectors.dialects()[name]


def written(speaker: Dialect, events: Sequence[StreamEvent]) -> bytes:
    """The stream an upstream of the dialect would send."""
    assert speaker.client is not None
    encoder = speaker.client.encoder(recordings.context())
    return b"".join(map(encoder.encode, events))


def through(upstream: Dialect, client: Dialect, body: bytes, *, quirks: Quirks, size: int, lanes: bool) -> bytes:
    machine = recordings.machine_of(upstream, client, quirks)
    assert upstream.upstream is not None
    core = StreamCore(machine, framing=upstream.upstream.framing, shapes=upstream.upstream.shapes, lanes=lanes)
    return b"".join(core.feed(body[at : at + size]) for at in range(0, len(body), size)) + core.finish()


def understood(client: Dialect, output: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Text, reasoning and calls of a stream for a client, whose grammar it obeys."""
    assert client.client is not None
    assert client.upstream is not None
    vectors.checked(client.client, client.name, output)
    decoder, folder = client.upstream.decoder(Quirks()), Folder()
    for name, data in vectors.split(client.name, output):
        for event in decoder.decode(name, data):
            folder.encode(event)
    blocks = [block for candidate in folder.response().candidates for block in candidate.blocks]
    return (
        "".join(block.text for block in blocks if isinstance(block, Text)),
        "".join(block.text for block in blocks if isinstance(block, Reasoning)),
        [(block.name, block.arguments) for block in blocks if isinstance(block, ToolCall)],
    )


def saying(pieces: Sequence[bytes], arguments: bytes) -> list[StreamEvent]:
    """A text in pieces, and then a call."""
    said = [Delta(0, 0, piece) for piece in pieces if piece]
    return [
        Start(id="i", model="m"),
        *((Open(block=0, kind="text"), *said, Close(0, 0)) if said else ()),
        Open(block=1, kind="tool", call_id="call_1", name="f"),
        Delta(0, 1, arguments),
        Close(0, 1),
        Finish(0, Reason(reason="tool")),
        End(),
    ]


@pytest.mark.parametrize("name", CLIENTS)
@settings(max_examples=15, deadline=None)
@given(pieces=texts, client=st.sampled_from(CLIENTS), size=st.integers(1, 30))
def test_tags_reach_no_client_and_arguments_are_not_touched(
    name: str, pieces: list[str], client: str, size: int
) -> None:
    upstream, reader = dialect(name), dialect(client)
    escaped = [jsontext.escaped(piece) for piece in pieces]
    arguments = jsontext.escaped('{"a":"<omniModel>x</omniModel>"}')
    body = written(upstream, saying(escaped, arguments))
    outputs = {
        through(upstream, reader, body, quirks=Quirks(), size=step, lanes=lanes)
        for step in (len(body), size)
        for lanes in (True, False)
    }
    assert len(outputs) == 1
    text, _, calls = understood(reader, outputs.pop())
    assert text == jsontext.unescaped(clean(*escaped))
    assert calls == [("f", '{"a":"<omniModel>x</omniModel>"}')]


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_think_text_becomes_reasoning_in_every_pair(name: str, client: str) -> None:
    upstream, reader = dialect(name), dialect(client)
    pieces = [jsontext.escaped(char) for char in "<think>a <b> ü</think>\n\nC <d>"]
    for cut in (1, 4, len(pieces)):
        joined = [b"".join(pieces[at : at + cut]) for at in range(0, len(pieces), cut)]
        body = written(upstream, saying(joined, b"{}"))
        outputs = {
            through(upstream, reader, body, quirks=Quirks(think_tags=True), size=size, lanes=lanes)
            for size in (1, len(body))
            for lanes in (True, False)
        }
        assert len(outputs) == 1
        assert understood(reader, outputs.pop()) == ("C <d>", "a <b> ü", [("f", "{}")])


def mutated(body: bytes, dice: random.Random) -> bytes:
    """A recording as a broken upstream or network would give it."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(body) + 1)
        end = min(len(body), start + dice.choice([1, 1, 3, 20, 200]))
        match dice.randrange(6):
            case 0:
                body = body[:start] + body[end:]
            case 1:
                body = body[:start] + body[start:end] * 2 + body[end:]
            case 2:
                body = body[:start] + dice.randbytes(dice.randint(1, 3)) + body[end:]
            case 3:
                body = body[:start] + dice.choice([b"null", b"[]", b"{}", b'""', b"1e999", b"-1", b"true"]) + body[end:]
            case 4:
                body = body[:start]
            case _:
                blocks = body.split(b"\n\n") if b"\n\n" in body else body.split(b"\n")
                dice.shuffle(blocks)
                body = (b"\n\n" if b"\n\n" in body else b"\n").join(blocks)
    return body


def events_of(body: bytes, upstream: Dialect) -> list[bytes]:
    assert upstream.upstream is not None
    recorder = vectors.Recorder()
    core = StreamCore(recorder, framing=upstream.upstream.framing, shapes=())
    core.feed(body)
    core.finish()
    return recorder.data


def is_json(data: bytes) -> bool:
    try:
        decode_vendor(data)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_broken_stream_is_survived_and_no_call_invented(recording: Recording) -> None:
    upstream = dialect(recording.ours)
    dice = random.Random(recording.name)
    body = recording.streams()[0][:6000]
    for _ in range(ROUNDS):
        broken = mutated(body, dice)
        client = dialect(dice.choice(CLIENTS))
        size = dice.choice([1, 13, len(broken) + 1])
        # Lanes do not look into what they do not carry: what is no JSON there is only noticed by who reads it.
        lanes = dice.random() < 0.7 and all(map(is_json, events_of(broken, upstream)))
        output = through(upstream, client, broken, quirks=recording.quirks, size=size, lanes=lanes)
        whole = through(upstream, client, broken, quirks=recording.quirks, size=len(broken) + 1, lanes=False)
        assert output == whole, f"{client.name}, {size} bytes at a time: {broken!r}"
        _, _, calls = understood(client, output)
        said = broken.decode("utf-8", "replace")
        for called, _ in calls:
            assert jsontext.escaped(called).decode() in said or called in said, f"{called!r} was called by nobody"


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_broken_stream_passes_as_it_is(recording: Recording) -> None:
    upstream = dialect(recording.ours)
    assert upstream.upstream is not None
    pair = Pair(upstream, upstream)
    dice = random.Random(recording.name)
    body = recording.streams()[0][:6000]
    for _ in range(ROUNDS):
        broken = mutated(body, dice)
        peeked = Peeked(model="m", stream=True, include_usage=True, choices=1)
        core, observer = pair.core(recordings.context(), peeked, Quirks(), passed=True, max_event_bytes=1 << 20)
        size = dice.choice([1, 13, len(broken) + 1])
        out = b"".join(core.feed(broken[at : at + size]) for at in range(0, len(broken), size)) + core.finish()
        unfolds = broken.lstrip(b" \t\r\n").startswith(b"{")  # a document in place of a stream becomes one
        assert core.cut or core.done or unfolds or out == broken
        assert out == broken[: len(out)] or unfolds
        assert isinstance(observer.usage, Usage)


@pytest.mark.parametrize("recording", recordings.params("body"))
def test_a_broken_answer_is_an_answer_or_none(recording: Recording) -> None:
    upstream = dialect(recording.ours)
    dice = random.Random(recording.name)
    body = recording.body()
    for _ in range(ROUNDS * 4):
        broken = mutated(body, dice)
        client = dialect(dice.choice(CLIENTS))
        with contextlib.suppress(ValueError, UpstreamError):  # what the pipeline takes for a failed attempt
            answer = Pair(client, upstream).answer(broken, recordings.context(), recording.quirks, passed=False)
            assert isinstance(parse(answer.body), dict)
