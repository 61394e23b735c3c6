"""Sends, and the back-pressure of a sink that does not read."""

from __future__ import annotations

import pytest

from omniroute._speedups.status import BODY_CHUNKED, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, dechunked, drain, push, reset
from tests.speedups.translators import Upper

BOUND = 64 * 1024
READ = 64 * 1024


@pytest.mark.parametrize(
    "parts",
    [(), (b"",), (b"one",), (b"head", b"", bytearray(b" body"), memoryview(b" tail")), tuple([b"ab"] * 3000)],
)
def test_parts_go_out_in_order_and_at_once(rig: Rig, parts: tuple[bytes, ...]) -> None:
    link, peer = rig.pair()
    assert link.start_send(parts, 0.0) is True
    assert link.send_status is Status.OK
    data = b"".join(parts)
    assert drain(peer) == data
    assert link.sent_bytes == len(data)
    assert link.idle_and_clean
    assert rig.settle() == []


def test_a_send_larger_than_the_kernel_takes_is_parked_and_returned_once(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    head, body = b"head" * 100, bytes(range(256)) * 4000
    assert link.start_send((head, body, b"end"), 0.0) is False
    assert rig.relay.parked() == 1
    assert not link.idle_and_clean
    assert rig.relay.buffered_bytes() <= len(head) + len(body) + 3
    got = bytearray()
    returned = []
    while not returned:
        got += drain(peer)
        returned = rig.settle()
    got += drain(peer)
    assert returned == [link]
    assert (link.send_done, link.read_done, link.send_status) == (True, False, Status.OK)
    assert bytes(got) == head + body + b"end"
    assert link.sent_bytes == len(got)
    assert rig.relay.buffered_bytes() == 0


def test_the_callers_buffer_is_free_once_the_send_is_parked(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    body = bytearray(b"x" * 300_000)
    complete = link.start_send((memoryview(body),), 0.0)
    assert not complete
    body[:] = b"y" * len(body)
    got = bytearray()
    while not complete:
        got += drain(peer)
        complete = bool(rig.settle())
    got += drain(peer)
    assert bytes(got) == b"x" * 300_000


def test_two_sends_at_once_are_a_defect(rig: Rig) -> None:
    link, _ = rig.pair(buffer_bytes=8192)
    assert link.start_send((b"x" * 300_000,), 0.0) is False
    with pytest.raises(RuntimeError):
        link.start_send((b"y",), 0.0)


def test_a_send_and_a_read_may_end_in_the_same_turn(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    assert link.start_send((b"x" * 20_000,), 0.0) is False
    assert link.start_head(100, 0.0) is False
    assert rig.relay.parked() == 2
    got = drain(peer)
    peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    read_done = send_done = 0
    while not (read_done and send_done):
        assert rig.ready()
        returned = rig.turn()
        assert returned in ([], [link])
        if returned:
            read_done += link.read_done
            send_done += link.send_done
        got += drain(peer)
    assert (read_done, send_done) == (1, 1)
    assert len(got + drain(peer)) == 20_000


def test_the_flags_of_one_return_do_not_linger_into_the_next(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    link.start_head(100, 0.0)
    peer.send(b"a\r\n\r\n")
    assert rig.settle() == [link]
    assert (link.read_done, link.send_done) == (True, False)
    complete = link.start_send((b"x" * 20_000,), 0.0)
    assert not complete
    while not complete:
        drain(peer)
        complete = bool(rig.settle())
    assert (link.read_done, link.send_done) == (False, True)


@pytest.mark.parametrize("parked", [True, False])
def test_a_send_to_a_peer_that_is_gone_is_a_reset(rig: Rig, parked: bool) -> None:
    link, peer = rig.tcp_pair()
    complete = False
    if parked:
        complete = link.start_send((b"x" * (16 << 20),), 0.0)
        assert not complete
    reset(peer)
    if not parked:
        while not link.gone:
            assert rig.ready(2.0)
            rig.settle()
        complete = link.start_send((b"x" * 100,), 0.0)
    assert rig.send_end(link, complete) is Status.RESET
    assert link.gone
    assert rig.relay.buffered_bytes() == 0


def test_a_response_is_read_although_the_request_could_not_be_sent(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    complete = link.start_send((b"x" * 300_000,), 0.0)
    drain(peer)
    peer.send(b"HTTP/1.1 413 Too Large\r\n\r\n")
    peer.close()
    assert rig.send_end(link, complete) is Status.RESET
    assert rig.read_end(link, link.start_head(1000, 0.0)) is Status.OK
    assert link.result.startswith(b"HTTP/1.1 413")


def test_a_send_past_its_deadline_is_torn(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    assert link.start_send((b"x" * 300_000,), rig.now + 5.0) is False
    assert rig.later(4.9) == []
    assert rig.later(0.2) == [link]
    assert (link.send_status, link.send_done) == (Status.DEADLINE, True)
    assert rig.relay.parked() == rig.relay.buffered_bytes() == 0
    assert link.start_send((b"another message",), 0.0) is True
    assert link.send_status is Status.RESET
    assert not link.idle_and_clean
    assert set(drain(peer)) == {ord("x")}


def test_a_cancelled_send_is_torn_and_never_returned(rig: Rig) -> None:
    link, peer = rig.pair(buffer_bytes=8192)
    assert link.start_send((b"x" * 300_000,), 0.0) is False
    link.cancel_send()
    assert link.send_status is Status.CANCELLED
    assert rig.relay.parked() == rig.relay.buffered_bytes() == 0
    drain(peer)
    assert rig.settle() == rig.later(1.0) == []
    assert link.start_send((b"another message",), 0.0) is True
    assert link.send_status is Status.RESET
    assert not link.idle_and_clean


def test_a_sink_that_does_not_read_stops_the_source_at_the_bound_and_nothing_is_lost(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=BOUND)
    source, upstream = rig.pair(buffer_bytes=16384)
    source.set_body(BODY_UNTIL_EOF)
    sink, client = rig.pair(buffer_bytes=16384)
    complete = source.start_pump(sink, None, first=b"", chunked=True)
    body = bytes(range(256)) * 8192  # 2 MiB
    pushed = 0
    while (more := push(upstream, memoryview(body)[pushed:])) or rig.ready():
        pushed += more
        assert rig.settle() == []
        assert rig.relay.buffered_bytes() <= BOUND + 2 * READ
    assert pushed <= BOUND + 2 * READ + 4 * 65536, "the kernel's own buffers are all that may be left"
    assert not complete
    got = bytearray()
    while pushed < len(body):
        got += drain(client)
        assert rig.settle() == []
        pushed += push(upstream, memoryview(body)[pushed:])
    upstream.close()
    while not complete:
        got += drain(client)
        complete = bool(rig.settle())
    assert source.status is Status.OK
    sent = sink.start_send((source.result,), 0.0)
    while not sent:
        got += drain(client)
        sent = bool(rig.settle())
    assert dechunked(bytes(got + drain(client))) == body


def test_back_pressure_holds_for_what_a_translator_makes(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=BOUND)
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair(buffer_bytes=8192)
    translator = Upper()
    complete = source.start_pump(sink, translator)
    event = b"data: " + b"x" * 1000 + b"\n\n"
    wire = memoryview((b"%x\r\n%b\r\n" % (len(event), event)) * 1000)
    pushed = 0
    while (more := push(upstream, wire[pushed:])) or rig.ready():
        pushed += more
        rig.settle()
    assert pushed < len(wire)
    assert translator.fed <= BOUND + 4 * READ
    got = bytearray()
    while pushed < len(wire):
        got += drain(client)
        rig.settle()
        pushed += push(upstream, wire[pushed:])
    upstream.send(b"0\r\n\r\n")
    while not complete:
        got += drain(client)
        complete = bool(rig.settle())
    sent = sink.start_send((source.result,), 0.0)
    while not sent:
        got += drain(client)
        sent = bool(rig.settle())
    assert dechunked(bytes(got + drain(client))) == event.upper() * 1000 + b": bye\n\n"


def test_after_a_failed_pump_an_error_follows_what_was_queued(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair(buffer_bytes=8192)
    complete = source.start_pump(sink, None)
    payload = b"x" * 100_000
    push(upstream, b"%x\r\n%b\r\n" % (len(payload), payload))
    rig.settle()
    upstream.close()
    assert rig.read_end(source, complete) is Status.TRUNCATED
    sent = sink.start_send((b"5\r\nerror\r\n0\r\n\r\n",), 0.0)
    assert not sent
    got = bytearray()
    while not sent:
        got += drain(client)
        sent = bool(rig.settle())
    assert dechunked(bytes(got + drain(client))) == payload + b"error"


def test_cancelling_a_pump_keeps_what_its_sink_was_given(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair(buffer_bytes=8192)
    source.start_pump(sink, None)
    payload = b"x" * 100_000
    push(upstream, b"%x\r\n%b\r\n" % (len(payload), payload))
    rig.settle()
    source.cancel()
    assert source.status is Status.CANCELLED
    source.close()
    got = bytearray()
    while more := drain(client):
        got += more
        assert rig.settle() == []
    assert dechunked(bytes(got) + b"0\r\n\r\n") == payload
