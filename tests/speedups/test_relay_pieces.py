"""Reading a body piece by piece: what a proxy of uploads does."""

from __future__ import annotations

import pytest

from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, chunked, push, reset

READ_BYTES = 64 * 1024


def test_a_piece_is_what_there_is_and_an_empty_one_is_the_end(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_CHUNKED)
    assert link.start_piece(0.0) is False
    peer.send(b"2\r\n")
    assert rig.settle() == []  # framing alone is not a piece
    peer.send(b"he")
    assert rig.settle() == [link]
    assert (link.status, link.result) == (Status.OK, b"he")
    peer.send(b"\r\n3\r\nllo\r\n0\r\n\r\n")
    assert rig.read_end(link, link.start_piece(0.0)) is Status.OK
    assert link.result == b"llo"
    assert rig.read_end(link, link.start_piece(0.0)) is Status.OK
    assert (link.result, link.body_complete) == (b"", True)
    assert link.start_piece(0.0) is True
    assert (link.status, link.result) == (Status.OK, b"")


def test_no_body_ends_at_once(rig: Rig) -> None:
    link, _ = rig.body_link(BODY_NONE)
    assert link.start_piece(0.0) is True
    assert (link.status, link.result) == (Status.OK, b"")


@pytest.mark.parametrize("kind", [BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_EOF])
def test_the_pieces_are_the_body_and_none_is_too_large(rig: Rig, kind: int) -> None:
    body = bytes(range(256)) * 2000
    link, peer = rig.body_link(kind, len(body))
    wire = memoryview(chunked(body[:300_000], body[300_000:]) if kind == BODY_CHUNKED else body)
    sent = 0
    got = bytearray()
    while True:
        sent += push(peer, wire[sent:])
        if sent == len(wire) and kind == BODY_UNTIL_EOF:
            peer.close()
            sent += 1
        assert rig.read_end(link, link.start_piece(0.0)) is Status.OK
        assert len(link.result) <= READ_BYTES
        if not link.result:
            break
        got += link.result
        if sent > len(wire):
            wire = memoryview(b"")
            sent = 0
            kind = BODY_NONE
    assert bytes(got) == body
    assert link.body_complete


def test_what_came_before_the_cut_is_given_first(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_LENGTH, 10)
    peer.send(b"hello")
    peer.close()
    assert rig.read_end(link, link.start_piece(0.0)) is Status.OK
    assert link.result == b"hello"
    assert rig.read_end(link, link.start_piece(0.0)) is Status.TRUNCATED
    assert (link.result, link.body_complete) == (b"", False)


def test_what_came_before_broken_framing_is_given_first(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_CHUNKED)
    peer.send(b"5\r\nhello\r\nzz\r\n")
    assert rig.read_end(link, link.start_piece(0.0)) is Status.OK
    assert link.result == b"hello"
    assert rig.read_end(link, link.start_piece(0.0)) is Status.MALFORMED
    assert link.result == b""


def test_a_reset_and_a_deadline(rig: Rig) -> None:
    link, peer = rig.tcp_pair()
    link.set_body(BODY_LENGTH, 10)
    assert link.start_piece(rig.now + 1.0) is False
    assert rig.later(0.5) == []
    assert rig.later(0.6) == [link]
    assert link.status is Status.DEADLINE
    complete = link.start_piece(0.0)
    reset(peer)
    assert rig.read_end(link, complete) is Status.RESET


@pytest.mark.parametrize("kind", [BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_EOF])
def test_a_piece_may_be_bounded_and_the_rest_is_there_for_the_next_read(rig: Rig, kind: int) -> None:
    body = bytes(range(256)) * 40
    link, peer = rig.body_link(kind, len(body))
    peer.sendall(chunked(body[:5000], body[5000:]) if kind == BODY_CHUNKED else body)
    got = bytearray()
    while len(got) < len(body):
        assert rig.read_end(link, link.start_piece(0.0, 700)) is Status.OK
        assert 0 < len(link.result) <= 700
        got += link.result
    assert got == body


@pytest.mark.parametrize("limit", [0, -1, READ_BYTES + 1])
def test_a_piece_of_no_possible_size_is_refused(rig: Rig, limit: int) -> None:
    link, _ = rig.body_link(BODY_LENGTH, 10)
    with pytest.raises(ValueError, match="a piece has"):
        link.start_piece(0.0, limit)
