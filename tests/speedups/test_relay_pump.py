"""The pump: a body from one link to another, what it forwards and how it ends."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator

import pytest

from omniroute._speedups.relay_py import Translator
from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, chunked, dechunked, drain, push, reset
from tests.speedups.translators import Events, Raises, Upper

EVENTS = [b"data: one\n\n", b"data: two\ndata: 2\n\n", b": comment\n\n", b"data: three\n\n"]
BODY = b"".join(EVENTS)


def test_raw_bytes_are_forwarded_as_they_come(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, client = rig.pair()
    complete = source.start_pump(sink, None, chunked=False)
    assert not complete
    upstream.send(b"one")
    assert rig.settle() == []
    assert drain(client) == b"one"
    upstream.send(b"two")
    assert rig.settle() == []
    assert drain(client) == b"two"
    upstream.close()
    assert rig.read_end(source, complete) is Status.OK
    assert source.result == b""
    assert source.body_complete
    assert source.forwarded_bytes == 6
    assert rig.relay.parked() == 0


def test_chunked_output_is_framed_once_per_read_and_the_head_goes_first(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    upstream.send(b"3\r\none\r\n3\r\ntwo\r\n")
    complete = source.start_pump(sink, None, first=b"HTTP/1.1 200 OK\r\n\r\n")
    rig.settle()
    assert not complete
    assert drain(client) == b"HTTP/1.1 200 OK\r\n\r\n6\r\nonetwo\r\n"
    upstream.send(b"0\r\n\r\n")
    assert rig.read_end(source, complete) is Status.OK
    assert source.result == b"0\r\n\r\n"
    assert drain(client) == b""
    assert source.idle_and_clean


def test_the_tail_holds_the_last_output_and_is_not_sent(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    complete = source.start_pump(sink, Events())
    upstream.send(b"b\r\ndata: one\n\n\r\n")
    rig.settle()
    assert drain(client) == b"b\r\ndata: one\n\n\r\n"
    upstream.send(b"b\r\ndata: two\n\n\r\n0\r\n\r\n")
    assert rig.read_end(source, complete) is Status.OK
    assert source.result == b"12\r\ndata: two\n\n: bye\n\n\r\n0\r\n\r\n"
    assert drain(client) == b""
    assert source.forwarded_bytes == 11


@pytest.mark.parametrize(("framed", "tail"), [(True, b"5\r\nhello\r\n0\r\n\r\n"), (False, b"hello")])
def test_a_body_that_is_there_whole_is_all_tail(rig: Rig, framed: bool, tail: bytes) -> None:
    source, upstream = rig.body_link(BODY_LENGTH, 5)
    sink, client = rig.pair()
    upstream.send(b"hello")
    assert rig.read_end(source, source.start_pump(sink, None, first=b"head ", chunked=framed)) is Status.OK
    assert source.result == tail
    rig.settle()
    assert drain(client) == b"head "
    assert (source.forwarded_bytes, source.first_forward_at) == (0, 0.0)


@pytest.mark.parametrize(("framed", "tail"), [(True, b"0\r\n\r\n"), (False, b"")])
def test_an_empty_body_is_complete_at_once(rig: Rig, framed: bool, tail: bytes) -> None:
    source, _ = rig.body_link(BODY_NONE)
    sink, client = rig.pair()
    assert source.start_pump(sink, None, first=b"head", chunked=framed) is True
    assert (source.status, source.result) == (Status.OK, tail)
    rig.settle()
    assert drain(client) == b"head"


def test_the_tail_goes_out_behind_what_was_queued(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=8 << 20)
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair(buffer_bytes=4096)
    complete = source.start_pump(sink, None)
    payload = b"x" * 150_000
    assert push(upstream, b"%x\r\n%b\r\n" % (len(payload), payload)) > len(payload)
    rig.settle()
    upstream.send(b"4\r\ntail\r\n0\r\n\r\n")
    assert rig.read_end(source, complete) is Status.OK
    assert sink.start_send((source.result,), 0.0) is False
    got = bytearray()
    sent = False
    while not sent:
        got += drain(client)
        sent = sink in rig.settle()
    assert (sink.send_done, sink.read_done, sink.send_status) == (True, False, Status.OK)
    got += drain(client)
    assert dechunked(bytes(got)) == payload + b"tail"


def pump_cut(rig: Rig, cut: int, make: Callable[[], Translator | None]) -> bytes:
    """What the client gets, framing removed, when the upstream's bytes come in two reads."""
    wire = chunked(*EVENTS)
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    upstream.send(wire[:cut])
    complete = source.start_pump(sink, make())
    complete = bool(rig.settle()) or complete
    upstream.send(wire[cut:])
    assert rig.read_end(source, complete) is Status.OK
    assert source.idle_and_clean
    assert rig.send_end(sink, sink.start_send((source.result,), 0.0)) is Status.OK
    got = drain(client)
    for end in (source, sink, upstream, client):
        end.close()
    return dechunked(got)


@pytest.mark.parametrize(
    ("make", "expected"),
    [(lambda: None, BODY), (Events, BODY + b": bye\n\n"), (Upper, BODY.upper() + b": bye\n\n")],
    ids=["raw", "identity", "translated"],
)
def test_recut_at_every_byte_the_client_gets_the_same(
    rig: Rig, make: Callable[[], Translator | None], expected: bytes
) -> None:
    for cut in range(len(chunked(*EVENTS)) + 1):
        assert pump_cut(rig, cut, make) == expected, cut


def test_byte_by_byte_only_whole_events_are_forwarded(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    complete = source.start_pump(sink, Events(), chunked=False)
    forwarded: list[bytes] = []
    for byte in chunked(BODY)[:-1]:
        upstream.send(bytes([byte]))
        assert rig.settle() == []
        forwarded += [data] if (data := drain(client)) else []
    upstream.send(b"\n")
    assert rig.read_end(source, complete) is Status.OK
    assert forwarded == EVENTS
    assert source.result == b": bye\n\n"


def test_the_end_mark_ends_at_once_whatever_follows(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    complete = source.start_pump(sink, Events())
    upstream.send(b"e\r\ndata: [DONE]\n\n\r\n")
    assert rig.read_end(source, complete) is Status.OK
    assert source.result == b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    assert not source.body_complete
    assert drain(client) == b""
    upstream.send(b"0\r\n\r\n")
    assert rig.read_end(source, source.start_body(100, 0.0)) is Status.OK
    assert source.body_complete
    assert source.idle_and_clean


def test_a_translator_that_is_done_already_ends_at_once(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    translator = Events()
    translator.feed(b"data: [DONE]\n\n")
    assert source.start_pump(sink, translator, first=b"held") is True
    assert (source.status, source.result) == (Status.OK, b"0\r\n\r\n")
    rig.settle()
    assert drain(client) == b"held"


@pytest.mark.parametrize(
    ("ending", "status"), [(b"", Status.TRUNCATED), (b"3\r\nabc", Status.TRUNCATED), (b"zz\r\n", Status.MALFORMED)]
)
def test_after_a_broken_end_what_went_out_is_whole(rig: Rig, ending: bytes, status: Status) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    upstream.send(b"f\r\ndata: one\n\ndata\r\n" + ending)
    complete = source.start_pump(sink, Events())
    upstream.close()
    assert rig.read_end(source, complete) is status
    assert source.result == b""
    assert source.detail
    rig.settle()
    assert drain(client) == b"b\r\ndata: one\n\n\r\n"
    error = b"data: error\n\n"
    assert rig.send_end(sink, sink.start_send((chunked(error),), 0.0)) is Status.OK
    assert dechunked(drain(client)) == error


def test_a_reset_upstream_is_a_reset(rig: Rig) -> None:
    source, upstream = rig.tcp_pair()
    source.set_body(BODY_CHUNKED)
    sink, client = rig.pair()
    complete = source.start_pump(sink, None)
    upstream.send(b"3\r\nabc\r\n")
    while not (got := drain(client)):
        assert rig.ready(2.0)
        rig.settle()
    assert got == b"3\r\nabc\r\n"
    reset(upstream)
    assert rig.read_end(source, complete) is Status.RESET


@pytest.mark.parametrize("framed", [True, False])
def test_a_reset_sink_is_a_broken_sink(rig: Rig, framed: bool) -> None:
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, client = rig.tcp_pair()
    complete = source.start_pump(sink, None, chunked=framed)
    reset(client)
    for _ in range(100):
        if complete:
            break
        upstream.send(b"x" * 100)
        rig.ready(0.05)
        complete = source in rig.settle()
    assert complete
    assert source.status is Status.SINK_BROKEN
    assert sink.gone
    assert rig.relay.parked() == 0


@pytest.mark.parametrize("at_finish", [False, True])
def test_a_translator_that_raises_ends_its_own_pump_alone(rig: Rig, at_finish: bool) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    other, other_upstream = rig.body_link(BODY_CHUNKED)
    other_sink, other_client = rig.pair()
    complete = source.start_pump(sink, Raises(at_finish=at_finish))
    other.start_pump(other_sink, Raises())
    upstream.send(b"b\r\ndata: one\n\n\r\n")
    rig.settle()
    upstream.send(chunked(b"well\n\n") if at_finish else chunked(b"boom\n\n"))
    other_upstream.send(chunked(b"data: well\n\n"))
    returned = rig.settle()
    assert set(returned) == {source, other}
    assert not complete
    assert (source.status, source.result) == (Status.MALFORMED, b"")
    assert "boom" not in source.detail
    assert "secret" not in source.detail
    assert ("KeyError" if at_finish else "ValueError") in source.detail
    assert drain(client) == b"b\r\ndata: one\n\n\r\n"
    assert other.status is Status.OK
    assert drain(other_client) == b""
    assert dechunked(other.result) == b"data: well\n\n: bye\n\n"


def test_an_event_over_the_translators_bound_is_too_large(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    complete = source.start_pump(sink, Events())
    upstream.send(b"a\r\noverflow\n\n\r\n")
    assert rig.read_end(source, complete) is Status.TOO_LARGE
    assert source.result == b""


def test_the_times_of_the_first_and_last_forward(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    source.start_pump(sink, None, first=b"head")
    rig.settle()
    assert (source.first_forward_at, source.last_forward_at) == (0.0, 0.0)
    for at in (1001.0, 1002.5):
        rig.now = at
        upstream.send(b"1\r\nx\r\n")
        rig.settle()
    assert (source.first_forward_at, source.last_forward_at) == (1001.0, 1002.5)
    upstream.send(b"0\r\n\r\n")
    assert rig.settle() == [source]
    source.set_body(BODY_NONE)
    assert source.start_pump(sink, None) is True
    assert (source.first_forward_at, source.forwarded_bytes) == (0.0, 0)


def test_both_directions_at_once(rig: Rig) -> None:
    left, client = rig.pair()
    right, server = rig.pair()
    for link in (left, right):
        link.set_body(BODY_UNTIL_EOF)
    left.start_pump(right, None, chunked=False)
    right.start_pump(left, None, chunked=False)
    up = bytes(range(256)) * 4096  # 1 MiB
    down = up[::-1]
    sent_up = sent_down = 0
    got_up, got_down = bytearray(), bytearray()
    while len(got_up) < len(up) or len(got_down) < len(down):
        sent_up += push(client, memoryview(up)[sent_up:])
        sent_down += push(server, memoryview(down)[sent_down:])
        assert rig.settle() == []
        got_up += drain(server)
        got_down += drain(client)
    assert (bytes(got_up) == up, bytes(got_down) == down) == (True, True)
    server.close()
    assert rig.settle() == [right]
    assert (right.status, right.result, right.forwarded_bytes) == (Status.OK, b"", len(down))
    left.cancel()
    assert rig.relay.parked() == 0


def test_two_pumps_into_one_sink_are_a_defect(rig: Rig) -> None:
    one, _ = rig.body_link(BODY_CHUNKED)
    two, _ = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    one.start_pump(sink, None)
    with pytest.raises(RuntimeError):
        two.start_pump(sink, None)
    assert rig.relay.parked() == 1


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """500 links and their peers are 1,000 descriptors: about what a login shell allows in all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_500_links_at_once(rig: Rig) -> None:
    streams = []
    for number in range(250):
        source, upstream = rig.body_link(BODY_CHUNKED)
        sink, client = rig.pair()
        source.start_pump(sink, Events())
        streams.append((number, source, upstream, client))
    assert (rig.relay.links(), rig.relay.parked()) == (500, 250)
    for turn in range(3):
        for number, _, upstream, _ in streams:
            upstream.send(b"f\r\ndata: %04d %02d\n\n\r\n" % (number, turn))
        assert rig.settle() == []
    for _, _, upstream, _ in streams:
        upstream.send(b"0\r\n\r\n")
    returned = rig.settle()
    assert len(returned) == 250
    assert set(returned) == {source for _, source, _, _ in streams}
    for number, source, _, client in streams:
        assert source.status is Status.OK
        body = dechunked(drain(client) + source.result)
        assert body == b"".join(b"data: %04d %02d\n\n" % (number, turn) for turn in range(3)) + b": bye\n\n"
