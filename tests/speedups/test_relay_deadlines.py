"""Deadlines and heartbeats: time is an argument, so nothing here waits."""

from __future__ import annotations

import pytest

from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, drain, push
from tests.speedups.translators import Events

BEAT = b"e\r\n: keep-alive\n\n\r\n"


@pytest.mark.parametrize("what", ["head", "body", "piece"])
def test_a_read_ends_at_its_deadline_and_not_before(rig: Rig, what: str) -> None:
    link, peer = rig.body_link(BODY_LENGTH, 10)
    deadline_at = rig.now + 5.0
    start = {
        "head": lambda: link.start_head(100, deadline_at),
        "body": lambda: link.start_body(100, deadline_at),
        "piece": lambda: link.start_piece(deadline_at),
    }[what]
    assert start() is False
    if what != "piece":
        peer.send(b"abc")
        assert rig.settle() == []
    assert rig.later(4.99) == []
    assert rig.later(0.01) == [link]
    assert (link.status, link.result, link.read_done) == (Status.DEADLINE, b"", True)
    assert "deadline" in link.detail
    assert rig.relay.parked() == 0
    assert rig.later(100.0) == []


def test_no_deadline_never_ends(rig: Rig) -> None:
    link, _ = rig.body_link(BODY_LENGTH, 10)
    link.start_body(100, 0.0, min_rate=1.0)
    assert rig.later(1e9) == []


@pytest.mark.parametrize("held", [True, False])
def test_a_head_that_began_has_a_deadline_of_its_own(rig: Rig, held: bool) -> None:
    link, peer = rig.pair()
    if held:
        peer.send(b"GET /")
        rig.settle()
    assert link.start_head(1000, rig.now + 75.0, head_s=10.0) is False
    if not held:
        assert rig.later(70.0) == []
        peer.send(b"GET /")
        assert rig.settle() == []
    for byte in b" HTTP/1.":
        assert rig.later(1.0) == []
        peer.send(bytes([byte]))
        assert rig.settle() == []
    assert rig.later(1.9) == []
    assert rig.later(0.2) == [link]
    assert link.status is Status.DEADLINE


def test_an_idle_head_ends_at_the_first_deadline(rig: Rig) -> None:
    link, _ = rig.pair()
    assert link.start_head(1000, rig.now + 75.0, head_s=10.0) is False
    assert rig.later(74.9) == []
    assert rig.later(0.2) == [link]
    assert link.status is Status.DEADLINE


def test_several_overdue_are_returned_each_once(rig: Rig) -> None:
    links = [rig.pair()[0] for _ in range(5)]
    for link in links:
        link.start_head(100, rig.now + 1.0)
    returned = rig.later(2.0)
    assert len(returned) == 5
    assert set(returned) == set(links)


def test_a_read_and_a_send_overdue_at_once_are_one_return(rig: Rig) -> None:
    link, _ = rig.pair(buffer_bytes=8192)
    link.start_head(100, rig.now + 1.0)
    link.start_send((b"x" * 300_000,), rig.now + 1.0)
    assert rig.later(2.0) == [link]
    assert (link.read_done, link.send_done) == (True, True)
    assert (link.status, link.send_status) == (Status.DEADLINE, Status.DEADLINE)


def test_idle_counts_from_the_start_and_from_every_arrival(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    source.start_pump(sink, Events(), idle_s=5.0)
    assert rig.later(4.9) == []
    upstream.send(b"3\r\n: a\r\n")  # not a whole event: bytes count, not events
    assert rig.settle() == []
    assert rig.later(4.9) == []
    upstream.send(b"2\r\n\n\n\r\n")
    assert rig.settle() == []
    assert rig.later(4.9) == []
    assert rig.later(0.2) == [source]
    assert (source.status, source.result) == (Status.DEADLINE, b"")


def test_total_ends_a_busy_pump(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, _ = rig.pair()
    source.start_pump(sink, None, idle_s=5.0, total_at=rig.now + 10.0)
    for _ in range(3):
        upstream.send(b"x")
        assert rig.settle() == []
        assert rig.later(3.0) == []
    assert rig.later(1.0) == [source]
    assert source.status is Status.TOTAL_DEADLINE


def test_without_limits_a_pump_waits_for_ever(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    source.start_pump(sink, Events())
    assert rig.later(1e9) == []
    assert drain(client) == b""


def test_silence_after_the_finish_is_a_normal_end(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    source.start_pump(sink, Events(), idle_s=3.0, after_finish_s=5.0)
    upstream.send(b"e\r\ndata: finish\n\n\r\n")
    assert rig.settle() == []
    assert rig.later(4.9) == []  # after_finish_s takes the place of idle_s
    assert rig.later(0.2) == [source]
    assert source.status is Status.OK
    assert source.result == b"7\r\n: bye\n\n\r\n0\r\n\r\n"
    assert not source.body_complete
    assert drain(client) == b"e\r\ndata: finish\n\n\r\n"


def test_a_finish_before_the_pump_began_counts(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    translator = Events()
    translator.feed(b"data: finish\n\n")
    source.start_pump(sink, translator, idle_s=30.0, after_finish_s=5.0)
    assert rig.later(4.9) == []
    assert rig.later(0.2) == [source]
    assert source.status is Status.OK


def test_after_finish_turned_off_leaves_idle(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    source.start_pump(sink, Events(), idle_s=3.0, after_finish_s=0.0)
    upstream.send(b"e\r\ndata: finish\n\n\r\n")
    assert rig.settle() == []
    assert rig.later(3.1) == [source]
    assert source.status is Status.DEADLINE


def test_a_finished_stream_that_goes_on_is_not_cut(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    source.start_pump(sink, Events(), after_finish_s=5.0)
    upstream.send(b"e\r\ndata: finish\n\n\r\n")
    for _ in range(3):
        assert rig.settle() == []
        assert rig.later(4.0) == []
        upstream.send(b"d\r\ndata: usage\n\n\r\n")
    upstream.send(b"0\r\n\r\n")
    assert rig.settle() == [source]
    assert source.status is Status.OK


def test_heartbeats_come_between_events_and_only_in_silence(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    source.start_pump(sink, Events(), first=b"head", heartbeat_s=10.0)
    assert drain(client) == b"head"
    assert rig.later(9.9) == []
    assert drain(client) == b""
    rig.later(0.2)
    assert drain(client) == BEAT
    rig.later(9.0)
    assert drain(client) == b""
    rig.later(1.1)
    assert drain(client) == BEAT
    upstream.send(b"5\r\ndata:\r\n")  # half an event: the comment still goes between whole ones
    rig.settle()
    rig.later(10.1)
    assert drain(client) == BEAT
    rig.later(9.0)
    upstream.send(b"4\r\n x\n\n\r\n")
    rig.settle()
    assert drain(client) == b"9\r\ndata: x\n\n\r\n"
    rig.later(9.0)
    assert drain(client) == b""
    rig.later(1.1)
    assert drain(client) == BEAT
    assert source.forwarded_bytes == 9
    assert source.first_forward_at == source.last_forward_at == rig.now - 10.1


def test_a_heartbeat_of_ones_own_unframed(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    source.start_pump(sink, None, chunked=False, heartbeat_s=1.0, heartbeat=b"event: ping\n\n")
    rig.later(1.1)
    assert drain(client) == b"event: ping\n\n"


def test_no_heartbeat_unless_asked_for_and_it_does_not_keep_a_stall_alive(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    source.start_pump(sink, None, idle_s=30.0)
    rig.later(29.0)
    assert drain(client) == b""
    source.cancel()
    source.start_pump(sink, None, idle_s=30.0, heartbeat_s=10.0)
    for _ in range(2):
        assert rig.later(10.1) == []
    assert rig.later(10.1) == [source]
    assert source.status is Status.DEADLINE
    assert drain(client) == BEAT * 2


def test_a_sink_that_takes_nothing_for_write_s_has_stalled(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=32 * 1024)
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, client = rig.pair(buffer_bytes=8192)
    source.start_pump(sink, None, write_s=5.0, idle_s=1.0, heartbeat_s=0.5)
    while push(upstream, b"x" * 65536) or rig.ready():
        assert rig.settle() == []
    held = rig.relay.buffered_bytes()
    assert rig.later(4.9) == []  # the source's silence is our doing: idle_s does not count, no heartbeat is added
    assert rig.relay.buffered_bytes() == held
    assert drain(client)  # it took a little: the clock starts again
    assert rig.settle() == []
    assert rig.later(4.9) == []
    assert rig.later(0.2) == [source]
    assert source.status is Status.SINK_STALLED


def test_idle_counts_again_once_the_sink_has_room(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=32 * 1024)
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, client = rig.pair(buffer_bytes=8192)
    source.start_pump(sink, None, idle_s=5.0)
    while push(upstream, b"x" * 65536) or rig.ready():
        rig.settle()
    assert rig.later(60.0) == []
    while drain(client) or rig.ready():
        assert rig.settle() == []
    assert rig.later(4.9) == []
    assert rig.later(0.2) == [source]
    assert source.status is Status.DEADLINE
    assert sink.idle_and_clean


def test_a_waiting_sink_without_stall_limit_is_left_alone(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=32 * 1024)
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, _ = rig.pair(buffer_bytes=8192)
    source.start_pump(sink, None, total_at=rig.now + 1000.0)
    while push(upstream, b"x" * 65536) or rig.ready():
        rig.settle()
    assert rig.later(999.0) == []
    assert rig.later(2.0) == [source]
    assert source.status is Status.TOTAL_DEADLINE
