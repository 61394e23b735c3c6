"""Reading a body: framing removed, strictly."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, chunked, drain, push, reset

LIMIT = 10 * 1024 * 1024
ONE_RIG = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_all(rig: Rig, kind: int, length: int, wire: bytes, *, limit: int = LIMIT) -> tuple[Status, bytes, bool, bool]:
    """Status, payload, body_complete and idle_and_clean after ``wire`` came and the peer stayed."""
    link, peer = rig.body_link(kind, length)
    assert push(peer, wire) == len(wire)
    status = rig.read_end(link, link.start_body(limit, 0.0))
    rig.settle()
    outcome = status, link.result, link.body_complete, link.idle_and_clean
    link.close()
    peer.close()
    return outcome


def test_no_body_is_complete_at_once(rig: Rig) -> None:
    link, _ = rig.body_link(BODY_NONE)
    assert link.body_complete
    assert link.start_body(0, 0.0) is True
    assert (link.status, link.result) == (Status.OK, b"")
    link.set_body(BODY_LENGTH, 0)
    assert link.start_body(0, 0.0) is True
    assert (link.status, link.result) == (Status.OK, b"")


def test_exactly_the_declared_length_is_read(rig: Rig) -> None:
    assert read_all(rig, BODY_LENGTH, 5, b"hello") == (Status.OK, b"hello", True, True)


@pytest.mark.parametrize(("kind", "wire"), [(BODY_LENGTH, b"hello!"), (BODY_CHUNKED, chunked(b"hello") + b"!")])
def test_bytes_after_the_end_are_kept_and_not_clean(rig: Rig, kind: int, wire: bytes) -> None:
    assert read_all(rig, kind, 5, wire) == (Status.OK, b"hello", True, False)


def test_until_eof_ends_with_the_connection(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_UNTIL_EOF)
    peer.send(b"hel")
    complete = link.start_body(100, 0.0)
    rig.settle()
    peer.send(b"lo")
    assert rig.settle() == []
    assert not link.body_complete
    peer.close()
    assert rig.read_end(link, complete) is Status.OK
    assert link.result == b"hello"
    assert link.body_complete
    assert not link.idle_and_clean


def test_until_eof_and_a_reset_is_a_reset(rig: Rig) -> None:
    link, peer = rig.tcp_pair()
    link.set_body(BODY_UNTIL_EOF)
    peer.send(b"hel")
    complete = link.start_body(100, 0.0)
    rig.settle()
    reset(peer)
    assert rig.read_end(link, complete) is Status.RESET
    assert (link.result, link.body_complete) == (b"", False)


@pytest.mark.parametrize(
    "wire",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
        b"5;name=value\r\nhello\r\n0;last\r\n\r\n",
        b'5 ; a="b;c"\r\nhello\r\n0\r\n\r\n',
        b"5;" + b"x" * 4000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"X: " + b"y" * 16000 + b"\r\n\r\n",
    ],
)
def test_chunked_payload_comes_out_and_extensions_and_trailers_do_not(rig: Rig, wire: bytes) -> None:
    assert read_all(rig, BODY_CHUNKED, 0, wire) == (Status.OK, b"hello", True, True)
    upper = wire.replace(b"5", b"A", 1).replace(b"hello", b"hellohello")
    if wire.startswith(b"5\r\n"):
        assert read_all(rig, BODY_CHUNKED, 0, upper)[1] == b"hellohello"


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"\r\nhello\r\n", id="empty size"),
        pytest.param(b"xyz\r\nhello\r\n", id="not hexadecimal"),
        pytest.param(b"5g\r\nhello\r\n", id="not hexadecimal in the second digit"),
        pytest.param(b"0x5\r\nhello\r\n", id="prefix"),
        pytest.param(b"-5\r\nhello\r\n", id="sign"),
        pytest.param(b"+5\r\nhello\r\n", id="plus"),
        pytest.param(b" 5\r\nhello\r\n", id="leading blank"),
        pytest.param(b"5 \r\nhello\r\n", id="trailing blank"),
        pytest.param(b"5\nhello\r\n", id="bare LF after the size"),
        pytest.param(b"5\rhello\r\n", id="bare CR after the size"),
        pytest.param(b"5;a\nhello\r\n", id="bare LF after an extension"),
        pytest.param(b"5;a\rb\r\nhello\r\n", id="bare CR in an extension"),
        pytest.param(b"5;" + b"x" * 5000 + b"\r\nhello\r\n", id="extension too long"),
        pytest.param(b"5;" + b"x" * 5000, id="endless extension"),
        pytest.param(b"5\r\nhelloX\r\n0\r\n\r\n", id="no CRLF after the data"),
        pytest.param(b"5\r\nhello\n0\r\n\r\n", id="bare LF after the data"),
        pytest.param(b"5\r\nhello\rX", id="bare CR after the data"),
        pytest.param(b"00000000000000005\r\nhello\r\n0\r\n\r\n", id="17 digits"),
        pytest.param(b"0\r\nX: 1\n\r\n", id="bare LF in the trailers"),
        pytest.param(b"0\r\nX: " + b"y" * 17000 + b"\r\n\r\n", id="trailer too long"),
        pytest.param(b"0\r\n" + b"X: 1\r\n" * 3000 + b"\r\n", id="too many trailers"),
    ],
)
def test_chunked_strictness(rig: Rig, wire: bytes) -> None:
    status, result, complete, _ = read_all(rig, BODY_CHUNKED, 0, wire)
    assert (status, result, complete) == (Status.MALFORMED, b"", False)


def test_a_malformed_chunk_says_what_is_wrong_and_quotes_nothing(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_CHUNKED)
    peer.send(b"secret\r\n")
    assert rig.read_end(link, link.start_body(100, 0.0)) is Status.MALFORMED
    assert "hexadecimal" in link.detail
    assert "secret" not in link.detail


@pytest.mark.parametrize("size", [b"ffffffffffffffff", b"8000000000000000", b"7fffffffffffffff", b"7ffffffffffffff"])
def test_a_huge_chunk_size_neither_wraps_nor_reserves(rig: Rig, size: bytes) -> None:
    link, peer = rig.body_link(BODY_CHUNKED)
    peer.send(size + b"\r\nabc")
    complete = link.start_body(2, 0.0)
    assert rig.read_end(link, complete) in {Status.MALFORMED, Status.TOO_LARGE}
    assert rig.relay.buffered_bytes() < 1000


def test_a_declared_length_over_the_limit_fails_before_any_byte(rig: Rig) -> None:
    link, _ = rig.body_link(BODY_LENGTH, 11)
    assert link.start_body(10, 0.0) is True
    assert (link.status, link.result) == (Status.TOO_LARGE, b"")


@pytest.mark.parametrize("kind", [BODY_CHUNKED, BODY_UNTIL_EOF])
def test_an_undeclared_length_over_the_limit_fails_when_it_passes_it(rig: Rig, kind: int) -> None:
    wire = b"6\r\n123456\r\n5\r\n12345\r\n" if kind == BODY_CHUNKED else b"12345678901"
    assert read_all(rig, kind, 0, wire, limit=10)[0] is Status.TOO_LARGE


def test_a_body_of_exactly_the_limit_is_read(rig: Rig) -> None:
    assert read_all(rig, BODY_LENGTH, 10, b"1234567890", limit=10)[0] is Status.OK
    assert read_all(rig, BODY_CHUNKED, 0, chunked(b"12345", b"67890"), limit=10)[:2] == (Status.OK, b"1234567890")


@pytest.mark.parametrize(
    ("kind", "wire"),
    [(BODY_LENGTH, b"hello"), (BODY_CHUNKED, b"2;x\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n")],
)
def test_a_close_inside_a_body_is_truncated_at_every_byte(rig: Rig, kind: int, wire: bytes) -> None:
    for cut in range(len(wire)):
        for close_first in (True, False):
            link, peer = rig.body_link(kind, 5)
            peer.send(wire[:cut])
            if close_first:
                peer.close()
                rig.settle()
            complete = link.start_body(100, 0.0)
            peer.close()
            assert rig.read_end(link, complete) is Status.TRUNCATED, cut
            assert (link.result, link.body_complete) == (b"", False)
            link.close()


def test_a_large_body_passes_through_a_small_kernel_buffer(rig: Rig) -> None:
    body = bytes(range(256)) * 8192  # 2 MiB
    link, peer = rig.pair(buffer_bytes=16384)
    link.set_body(BODY_CHUNKED)
    wire = memoryview(chunked(body[:1_000_000], body[1_000_000:]))
    sent = 0
    complete = link.start_body(len(body), 0.0)
    while sent < len(wire):
        sent += push(peer, wire[sent:])
        complete = bool(rig.settle()) or complete
    assert complete
    assert (link.status, len(link.result), link.result == body) == (Status.OK, len(body), True)
    assert rig.relay.buffered_bytes() == 0


@ONE_RIG
@given(data=st.data(), parts=st.lists(st.binary(min_size=1, max_size=300), max_size=12), trailer=st.booleans())
def test_any_chunked_body_cut_anywhere_is_the_original(
    rig: Rig, data: st.DataObject, parts: list[bytes], trailer: bool
) -> None:
    wire = chunked(*parts)
    if trailer:
        wire = wire[:-2] + b"Digest: x\r\n\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=10)))
    link, peer = rig.body_link(BODY_CHUNKED)
    complete = link.start_body(LIMIT, 0.0)
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        peer.send(wire[start:end])
        complete = bool(rig.settle()) or complete
    assert rig.read_end(link, complete) is Status.OK
    assert link.result == b"".join(parts)
    assert link.idle_and_clean
    link.close()
    peer.close()


@ONE_RIG
@given(garbage=st.binary(max_size=200), prefix=st.sampled_from([b"", b"5\r\nhello\r\n", b"0\r\n", b"a;"]))
def test_garbage_is_a_status_and_never_an_exception(rig: Rig, garbage: bytes, prefix: bytes) -> None:
    link, peer = rig.body_link(BODY_CHUNKED)
    sink, sink_peer = rig.pair()
    peer.send(prefix + garbage)
    if len(garbage) % 2:
        link.start_body(100, 0.0)
    else:
        link.start_pump(sink, None)
    rig.settle()
    peer.close()
    rig.settle()
    assert rig.relay.parked() == 0
    assert link.status in {Status.OK, Status.MALFORMED, Status.TRUNCATED, Status.TOO_LARGE, Status.RESET}
    drain(sink_peer)
    for end in (link, sink, sink_peer):
        end.close()


def test_a_steady_trickle_moves_the_deadline(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_LENGTH, 1000)
    link.start_body(LIMIT, rig.now + 10.0, min_rate=10.0)
    for _ in range(20):  # 12 bytes/s, above 10
        peer.send(b"x" * 12)
        assert rig.settle() == []
        assert rig.later(1.0) == []
    assert rig.later(9.0) == []  # 240 bytes earned 24 s on top of the 10
    assert rig.later(6.0) == [link]
    assert link.status is Status.DEADLINE


def test_a_trickle_below_the_rate_ends_at_its_deadline(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_LENGTH, 1000)
    link.start_body(LIMIT, rig.now + 10.0, min_rate=10.0)
    ended_after_s = 0
    while not rig.later(1.0):
        ended_after_s += 1
        peer.send(b"x")
        assert rig.settle() == []
        assert ended_after_s < 20
    assert link.status is Status.DEADLINE
    assert ended_after_s in {10, 11}  # 10 bytes earned one second
