"""What a dialect can say, it says and reads as the same: requests, whole answers, streams, however they are cut."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import stream_py
from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, ChatResponse
from omniroute.translate.dialect import Dialect
from omniroute.translate.events import Close, Delta, End, StreamEvent
from omniroute.translate.fold import Folder, unfold
from omniroute.translate.notes import Notes
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage
from tests.speedups.twins import maybe_compiled
from tests.translate import bad_requests, recordings, sayable, vectors
from tests.translate.sayable import DIALECTS, plain_answer, plain_request

HALVES = [half for half in (stream_py, maybe_compiled("stream")) if half is not None]
QUIRKS = Quirks(reasoning_echo="optional")
"""Reasoning of earlier turns goes back where the dialect has a place for it."""


def dialect(name: str) -> Dialect:
    vectors.near_side(name)
    vectors.far_side(name)
    return vectors.dialects()[name]


# -- requests ----------------------------------------------------------------------------------------------------------
def sent_and_read(name: str, request: ChatRequest) -> ChatRequest:
    """``request`` as an upstream of the dialect would read it."""
    notes = Notes()
    outgoing = vectors.far_side(name).write_request(request, QUIRKS, notes)
    assert not notes.warnings(), notes.warnings()
    near, body = vectors.near_side(name), b"".join(outgoing.body)
    path = f"/v1beta{outgoing.path}" if name == "gemini" else bad_requests.asked(name, body).path
    path, _, query = path.partition("?")
    asked = vectors.Request(path, query.encode(), {b"content-type": b"application/json"}, body)
    return near.read_request(asked, near.peek(asked))


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=60)
@given(data=st.data())
def test_a_request_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    request = data.draw(sayable.requests(name))
    again = sent_and_read(name, request)
    assert plain_request(again) == plain_request(request)
    assert plain_request(sent_and_read(name, again)) == plain_request(request)


# -- whole answers -----------------------------------------------------------------------------------------------------
def told_and_read(name: str, response: ChatResponse) -> ChatResponse:
    """``response`` as a client of the dialect would read it."""
    body = vectors.near_side(name).write_answer(response, recordings.context())
    return vectors.far_side(name).read_answer(body, Quirks())


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=60)
@given(data=st.data())
def test_an_answer_is_read_as_it_was_written(name: str, data: st.DataObject) -> None:
    response = data.draw(sayable.answers(name))
    again = told_and_read(name, response)
    assert plain_answer(again) == plain_answer(response)
    assert plain_answer(told_and_read(name, again)) == plain_answer(response)


# -- streams -----------------------------------------------------------------------------------------------------------
@st.composite
def pieces(draw: st.DrawFn, response: ChatResponse) -> list[StreamEvent]:
    """The events of an answer; its texts in as many deltas as the dice want, also inside an escape's neighbourhood."""
    found: list[StreamEvent] = []
    for event in (*unfold(response), End()):
        if not isinstance(event, Delta):
            found.append(event)
            continue
        text = msgspec.json.decode(b'"' + event.text + b'"', type=str)
        cuts = sorted(set(draw(st.lists(st.integers(1, max(1, len(text) - 1)), max_size=3))))
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            if text[start:end]:
                found.append(Delta(event.choice, event.block, msgspec.json.encode(text[start:end])[1:-1]))
    return found


def heard(name: str, body: bytes, half: object, sizes: list[int], *, lanes: bool) -> ChatResponse:
    """What a stream of the dialect says, fed in reads of ``sizes`` in turn."""
    far, folder = vectors.far_side(name), Folder()
    machine = Machine(far.decoder(Quirks()), folder, TagStage(think=False), choices=1, estimated_input=0)
    core = half.StreamCore(machine, framing=far.framing, shapes=far.shapes, lanes=lanes)  # type: ignore[attr-defined]
    at = turn = 0
    while at < len(body):
        core.feed(body[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    core.finish()
    assert machine.failure is None
    return msgspec.structs.replace(folder.response(), usage=machine.usage)


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_stream_says_what_the_answer_says_however_it_is_cut(name: str, data: st.DataObject) -> None:
    response = data.draw(sayable.answers(name))
    encoder = vectors.near_side(name).encoder(recordings.context())
    body = b"".join(map(encoder.encode, data.draw(pieces(response))))
    vectors.checked(vectors.near_side(name), name, body)
    sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=4))
    for half in HALVES:
        for lanes in (True, False):
            for cut in (sizes, [len(body)]):
                assert plain_answer(heard(name, body, half, cut, lanes=lanes)) == plain_answer(response)


@pytest.mark.parametrize("client", DIALECTS)
@pytest.mark.parametrize("upstream", DIALECTS)
@settings(max_examples=8)
@given(data=st.data())
def test_both_halves_say_the_same_to_every_client(upstream: str, client: str, data: st.DataObject) -> None:
    response = data.draw(sayable.answers(upstream))
    speaker, far = vectors.near_side(upstream).encoder(recordings.context()), vectors.far_side(upstream)
    body = b"".join(map(speaker.encode, data.draw(pieces(response))))
    size = data.draw(st.integers(1, 300))
    outputs = set()
    for half in HALVES:
        for lanes in (True, False):
            machine = recordings.machine_of(dialect(upstream), dialect(client), Quirks())
            core = half.StreamCore(machine, framing=far.framing, shapes=far.shapes, lanes=lanes)
            outputs.add(b"".join(core.feed(body[at : at + size]) for at in range(0, len(body), size)) + core.finish())
    assert len(outputs) == 1
    vectors.checked(vectors.near_side(client), client, outputs.pop())


def test_the_deltas_drawn_are_the_text() -> None:
    # Of this file's own strategy: a piece that is lost there would be missed nowhere.
    response = sayable.answers("anthropic")

    @settings(max_examples=20)
    @given(data=st.data())
    def same(data: st.DataObject) -> None:
        answer, folder = data.draw(response), Folder()
        events = data.draw(pieces(answer))
        for event in events:
            folder.encode(event)
        assert plain_answer(folder.response()) == plain_answer(answer)
        assert sum(isinstance(event, Close) for event in events) >= 1

    same()
