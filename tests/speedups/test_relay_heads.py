"""Reading a head, and what every read operation shares."""

from __future__ import annotations

import pytest

from omniroute._speedups.status import BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, reset

HEAD = b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\nAccept: */*\r\n\r\n"


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.1 200 OK\n\n", b"\n\n", b"a\nb\r\n\r\n"])
def test_a_head_ends_at_its_first_blank_line(rig: Rig, head: bytes) -> None:
    link, peer = rig.pair()
    peer.send(head + b"body\n\n\r\n\r\n")
    assert rig.read_end(link, link.start_head(1000, 0.0)) is Status.OK
    assert link.result == head
    assert link.buffered() == len(b"body\n\n\r\n\r\n")
    assert link.received_bytes == len(head) + link.buffered()


def test_what_is_there_already_completes_at_once(rig: Rig) -> None:
    link, peer = rig.pair()
    peer.send(HEAD)
    assert link.start_head(1000, 0.0) is True
    assert (link.status, link.result) == (Status.OK, HEAD)
    assert rig.settle() == []


def test_a_parked_head_is_returned_exactly_once(rig: Rig) -> None:
    link, peer = rig.pair()
    assert link.start_head(1000, 0.0) is False
    assert rig.relay.parked() == 1
    assert rig.settle() == []
    peer.send(HEAD)
    assert rig.settle() == [link]
    assert (link.read_done, link.send_done) == (True, False)
    assert (link.status, link.result) == (Status.OK, HEAD)
    assert rig.relay.parked() == 0
    assert rig.settle() == rig.later(1000.0) == []


@pytest.mark.parametrize("crlfs", [0, 1, 2])
def test_leading_crlfs_are_skipped_however_they_arrive(rig: Rig, crlfs: int) -> None:
    for whole in (True, False):
        link, peer = rig.pair()
        data = b"\r\n" * crlfs + HEAD
        complete = link.start_head(len(HEAD), 0.0)
        for cut in range(len(data)):
            if whole:
                peer.send(data)
                break
            peer.send(data[cut : cut + 1])
            if cut < len(data) - 1:
                assert rig.settle() == []
        assert rig.read_end(link, complete) is Status.OK
        assert link.result == HEAD


def test_a_trickled_head_wakes_nobody_until_it_is_whole(rig: Rig) -> None:
    link, peer = rig.pair()
    complete = link.start_head(1000, 0.0)
    for byte in HEAD[:-1]:
        peer.send(bytes([byte]))
        assert rig.settle() == []
    peer.send(HEAD[-1:])
    assert rig.read_end(link, complete) is Status.OK
    assert link.result == HEAD


def test_pipelined_heads_come_out_one_by_one(rig: Rig) -> None:
    link, peer = rig.pair()
    peer.send(HEAD + b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + HEAD)
    assert rig.read_end(link, link.start_head(1000, 0.0)) is Status.OK
    assert link.result == HEAD
    assert not link.idle_and_clean
    assert link.start_head(1000, 0.0) is True
    assert link.result.startswith(b"POST")
    link.set_body(BODY_LENGTH, 3)
    assert link.start_body(10, 0.0) is True
    assert link.result == b"abc"
    assert link.start_head(1000, 0.0) is True
    assert link.result == HEAD
    link.set_body(BODY_NONE)
    assert link.idle_and_clean


def test_a_head_of_exactly_the_limit_is_read(rig: Rig) -> None:
    link, peer = rig.pair()
    peer.send(HEAD)
    assert rig.read_end(link, link.start_head(len(HEAD), 0.0)) is Status.OK


@pytest.mark.parametrize("extra", [b"", b"x" * 200])
def test_a_head_over_the_limit_is_too_large_whether_or_not_it_ends(rig: Rig, extra: bytes) -> None:
    link, peer = rig.pair()
    peer.send(HEAD[:-4] + extra + HEAD[-4:])
    assert rig.read_end(link, link.start_head(len(HEAD) - 1, 0.0)) is Status.TOO_LARGE
    assert link.result == b""
    assert str(len(HEAD) - 1) in link.detail


def test_too_large_as_soon_as_the_limit_is_passed(rig: Rig) -> None:
    link, peer = rig.pair()
    complete = link.start_head(64, 0.0)
    peer.send(b"x" * 64)
    assert not complete
    assert rig.settle() == []
    peer.send(b"x")
    assert rig.read_end(link, complete) is Status.TOO_LARGE


def test_a_close_between_messages_is_closed(rig: Rig) -> None:
    link, peer = rig.pair()
    complete = link.start_head(1000, 0.0)
    peer.close()
    assert rig.read_end(link, complete) is Status.CLOSED
    assert link.gone
    assert link.start_head(1000, 0.0) is True
    assert link.status is Status.CLOSED


def test_a_close_inside_a_head_is_truncated_at_every_byte(rig: Rig) -> None:
    for cut in range(1, len(HEAD)):
        link, peer = rig.pair()
        peer.send(HEAD[:cut])
        complete = link.start_head(1000, 0.0)
        peer.close()
        assert rig.read_end(link, complete) is Status.TRUNCATED, cut
        link.close()


def test_a_head_before_the_close_is_still_read(rig: Rig) -> None:
    link, peer = rig.pair()
    peer.send(HEAD)
    peer.close()
    rig.settle()
    assert rig.read_end(link, link.start_head(1000, 0.0)) is Status.OK
    assert link.result == HEAD


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200"])
def test_a_reset_is_a_reset(rig: Rig, sent: bytes) -> None:
    link, peer = rig.tcp_pair()
    peer.send(sent)
    complete = link.start_head(1000, 0.0)
    reset(peer)
    assert rig.read_end(link, complete) is Status.RESET
    assert link.gone
    assert link.detail


def test_two_reads_at_once_are_a_defect(rig: Rig) -> None:
    link, _ = rig.pair()
    link.set_body(BODY_UNTIL_EOF)
    link.start_head(1000, 0.0)
    sink, _ = rig.pair()
    for start in (
        lambda: link.start_head(1000, 0.0),
        lambda: link.start_body(1000, 0.0),
        lambda: link.start_piece(0.0),
        lambda: link.start_pump(sink, None),
        lambda: link.set_body(BODY_NONE),
    ):
        with pytest.raises(RuntimeError):
            start()
    assert rig.relay.parked() == 1


def test_a_closed_link_ends_everything_at_once(rig: Rig) -> None:
    link, _ = rig.pair()
    sink, _ = rig.pair()
    link.set_body(BODY_UNTIL_EOF)
    link.close()
    assert link.start_head(1000, 0.0) is True
    assert link.status is Status.RESET
    assert link.start_pump(sink, None) is True
    assert link.status is Status.RESET
    assert link.start_send((b"x",), 0.0) is True
    assert link.send_status is Status.RESET
    assert not link.idle_and_clean


def test_idle_and_clean_is_what_a_pool_needs(rig: Rig) -> None:
    link, peer = rig.pair()
    assert link.idle_and_clean
    link.start_head(1000, 0.0)
    assert not link.idle_and_clean
    link.cancel()
    assert link.idle_and_clean
    peer.send(b"HTTP/1.1 408 ")
    rig.settle()
    assert not link.idle_and_clean
    assert not link.gone

    other, other_peer = rig.pair()
    other_peer.close()
    rig.settle()
    assert other.gone
    assert not other.idle_and_clean


def test_a_body_not_read_to_its_end_is_not_clean(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_LENGTH, 4)
    assert not link.idle_and_clean
    peer.send(b"half")
    assert rig.read_end(link, link.start_body(100, 0.0)) is Status.OK
    assert link.idle_and_clean


def test_an_idle_link_with_something_unread_does_not_spin(rig: Rig) -> None:
    link, peer = rig.pair()
    peer.send(b"x" * 5000)
    rig.settle()
    peer.close()
    rig.settle()
    assert not rig.ready()
    assert link.gone


def test_the_body_of_a_head_is_not_complete_before_it_is_declared(rig: Rig) -> None:
    link, peer = rig.pair()
    link.set_body(BODY_NONE)
    assert link.body_complete
    peer.send(HEAD)
    assert rig.read_end(link, link.start_head(1000, 0.0)) is Status.OK
    assert not link.body_complete
    link.set_body(BODY_LENGTH, 0)
    assert link.body_complete
