"""What real providers answered, in each client's dialect: nothing that can be said is lost, however the bytes are cut."""

from __future__ import annotations

import functools

import msgspec
import pytest

from omniroute._speedups import StreamCore
from omniroute.domain import Quirks
from omniroute.errors import ClientError, OmniRouteError
from omniroute.translate.dialect import Dialect, Peeked
from omniroute.translate.notes import Notes, Unsupported
from omniroute.translate.pairing import Pair
from omniroute.translate.upstream_errors import read_error
from tests.translate import recordings, vectors
from tests.translate.matching import parse
from tests.translate.recordings import CLIENTS, Recording, Sayings


def upstream_of(recording: Recording) -> Dialect:
    vectors.far_side(recording.ours)
    return vectors.dialects()[recording.ours]


def clients() -> list[Dialect]:
    return [dialect for name in CLIENTS if (dialect := vectors.dialects().get(name)) and dialect.client]


def events_of(body: bytes, framing: str) -> list[tuple[bytes, bytes]]:
    """The events of a recorded stream."""
    recorder = vectors.Recorder()
    core = StreamCore(recorder, framing=framing, shapes=())
    core.feed(body)
    core.finish()
    return [((name or "").encode(), data.encode()) for name, data in recorder.events]


def choices_in(said: Sayings) -> int:
    return max(1, len(said.choices))


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_stream_says_the_same_in_every_dialect(recording: Recording) -> None:
    upstream = upstream_of(recording)
    assert upstream.upstream is not None
    for body in recording.streams():
        events = events_of(body, upstream.upstream.framing)
        said = recordings.said_by(upstream, events, recording.quirks)
        assert said.choices or said.failure, "nothing was understood"
        for client in clients():
            assert client.client is not None
            machine = recordings.machine_of(upstream, client, recording.quirks, choices=choices_in(said))
            output = b"".join(machine.event(*event) for event in events if not machine.done) + machine.finish()
            vectors.checked(client.client, client.name, output)
            again = recordings.said_by(client, vectors.split(client.name, output), Quirks())
            assert_same(again, said, client.name, recording)


def assert_same(again: Sayings, said: Sayings, client: str, recording: Recording) -> None:
    expected = recordings.in_words_of(client, said)
    again = recordings.in_words_of(client, again)
    if not said.usage_known:  # dialects that demand numbers were told an estimate
        again = msgspec.structs.replace(again, usage=expected.usage, usage_known=False)
    assert again == expected, f"{recording.file} for a client of {client}"


@pytest.mark.parametrize("recording", recordings.params("body"))
def test_a_whole_answer_says_the_same_in_every_dialect(recording: Recording) -> None:
    upstream = upstream_of(recording)
    assert upstream.upstream is not None
    body = recording.body()
    said = recordings.sayings(upstream.upstream.read_answer(body, recording.quirks))
    assert said.choices
    for client in clients():
        pair = Pair(client, upstream)
        answer = pair.answer(body, recordings.context(choices=choices_in(said)), recording.quirks, passed=False)
        assert client.upstream is not None
        again = recordings.sayings(client.upstream.read_answer(answer.body, Quirks()))
        assert_same(again, said, client.name, recording)


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_stream_folded_into_a_body_says_the_same(recording: Recording) -> None:
    upstream = upstream_of(recording)
    assert upstream.upstream is not None
    for body in recording.streams():
        said = recordings.said_by(upstream, events_of(body, upstream.upstream.framing), recording.quirks)
        if said.failure:
            continue
        for client in clients():
            context = recordings.context(choices=choices_in(said))
            answer = Pair(client, upstream).answer(body, context, recording.quirks, passed=False)
            assert client.upstream is not None
            again = recordings.sayings(client.upstream.read_answer(answer.body, Quirks()))
            assert_same(again, said, client.name, recording)


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_bytes_pass_unchanged_and_the_same_is_known_of_them(recording: Recording) -> None:
    upstream = upstream_of(recording)
    assert upstream.upstream is not None
    pair = Pair(upstream, upstream)
    for body in recording.streams():
        said = recordings.said_by(upstream, events_of(body, upstream.upstream.framing), recording.quirks)
        peeked = Peeked(model="m", stream=True, include_usage=True, choices=choices_in(said))
        for size in (len(body), 777, 1):
            core, observer = pair.core(
                recordings.context(), peeked, recording.quirks, passed=True, max_event_bytes=1 << 24
            )
            assert b"".join(core.feed(body[at : at + size]) for at in range(0, len(body), size)) + core.finish() == body
            usage = observer.usage
            assert (usage.input_total, usage.cache_read, usage.output_total, usage.reasoning) == said.usage
            assert (observer.failure.message if observer.failure else "") == said.failure


def outputs(recording: Recording, pieces: list[bytes], *, lanes: bool) -> list[bytes]:
    """The streams of all clients for an upstream's body that comes in ``pieces``."""
    upstream = upstream_of(recording)
    assert upstream.upstream is not None
    found = []
    for client in clients():
        machine = recordings.machine_of(upstream, client, recording.quirks)
        core = StreamCore(machine, framing=upstream.upstream.framing, shapes=upstream.upstream.shapes, lanes=lanes)
        found.append(b"".join(map(core.feed, pieces)) + core.finish())
    return found


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_stream_is_the_same_with_lanes_and_without(recording: Recording) -> None:
    for body in recording.streams():
        assert outputs(recording, [body], lanes=True) == outputs(recording, [body], lanes=False)


@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_stream_is_the_same_byte_by_byte(recording: Recording) -> None:
    for body in recording.streams():
        whole = outputs(recording, [body], lanes=True)
        assert outputs(recording, [body[at : at + 1] for at in range(len(body))], lanes=True) == whole


@pytest.mark.slow
@pytest.mark.parametrize("recording", recordings.params("stream"))
def test_a_stream_is_the_same_cut_in_two_anywhere(recording: Recording) -> None:
    for body in recording.streams():
        whole = outputs(recording, [body], lanes=True)
        step = max(1, len(body) // 40)
        for at in range(1, len(body), step):
            assert outputs(recording, [body[:at], body[at:]], lanes=True) == whole, at


@pytest.mark.parametrize("recording", recordings.params("error"))
def test_an_error_is_told_in_every_dialect(recording: Recording) -> None:
    status = recording.http_status or 400
    error = read_error(status, [], recording.body())
    for client in clients():
        assert client.client is not None
        assert client.client.error_status(error) >= 400
        body = parse(client.client.error_body(error, "req_1"))
        assert isinstance(body, dict)
        told = body["error"]
        assert error.message in (told, told["message"] if isinstance(told, dict) else None)


@pytest.mark.parametrize("recording", recordings.params("request"))
def test_a_recorded_request_can_be_written_for_every_upstream_or_is_refused(recording: Recording) -> None:
    near = vectors.near_side(recording.ours)
    request = recordings.request_of(recording)
    peeked = near.peek(request)
    canonical = vectors.or_refusal(lambda: near.read_request(request, peeked))
    if isinstance(canonical, OmniRouteError):
        assert isinstance(canonical, Unsupported), canonical.message
        return
    for client in clients():
        if client.upstream is not None:
            write = functools.partial(client.upstream.write_request, canonical, Quirks(), Notes())
            outgoing = vectors.or_refusal(write)
            if isinstance(outgoing, OmniRouteError):
                assert isinstance(outgoing, ClientError)
                assert outgoing.param, outgoing.message
            else:
                assert isinstance(parse(b"".join(outgoing.body)), dict)
