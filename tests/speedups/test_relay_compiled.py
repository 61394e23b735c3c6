"""What only the compiled relay has: compiled translators, edge-triggered bookkeeping, memory of its own."""

from __future__ import annotations

import gc
import importlib
import socket
import sys
import weakref
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute._speedups import tap_py
from omniroute._speedups.relay_py import Link
from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, chunked, dechunked, drain, open_fds, push

relay_c = pytest.importorskip("omniroute._speedups.relay_c", reason="relay_c is not built")


@pytest.fixture
def rig() -> Iterator[Rig]:
    before = open_fds()
    rig = Rig(relay_c)
    yield rig
    rig.close()
    assert open_fds() == before


class Calling:
    """A plain translator that calls back into the relay while it is turning."""

    overflow = finished = done = False

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self.calls = 0

    def feed(self, data: bytes) -> bytes:
        self.calls += 1
        self._callback()
        return data

    def finish(self) -> bytes:
        return b""


# -- compiled translators ----------------------------------------------------------------------------------------------
EVENTS = [
    b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    b": comment\n\n",
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
    b"data: [DONE]\n\n",
]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), count=st.integers(1, len(EVENTS)), hide_usage=st.booleans())
def test_a_compiled_tap_forwards_what_the_plain_one_does(
    rig: Rig, data: st.DataObject, count: int, hide_usage: bool
) -> None:
    tap_c = pytest.importorskip("omniroute._speedups.tap_c", reason="tap_c is not built")
    body = b"".join(EVENTS[:count])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=4)))
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    wire = chunked(*parts)
    splits = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=4)))
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    tap = tap_c.SseTap(hide_usage=hide_usage)
    complete = source.start_pump(sink, tap, first=b"HEAD")
    for start, end in zip([0, *splits], [*splits, len(wire)], strict=True):
        push(upstream, wire[start:end])
        complete = complete or bool(rig.settle())
    assert complete
    assert source.status is Status.OK
    assert sink.start_send((source.result,), 0.0)
    plain = tap_py.SseTap(hide_usage=hide_usage)
    expected = plain.feed(body)
    expected += b"" if plain.done else plain.finish()
    got = drain(client)
    assert got.startswith(b"HEAD")
    assert dechunked(got[4:]) == expected
    assert (tap.usage, tap.model, tap.done, tap.finished) == (plain.usage, plain.model, plain.done, plain.finished)
    for link, peer in ((source, upstream), (sink, client)):
        link.close()
        peer.close()


def test_a_compiled_translator_that_overflows_ends_its_pump(rig: Rig) -> None:
    tap_c = pytest.importorskip("omniroute._speedups.tap_c", reason="tap_c is not built")
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    complete = source.start_pump(sink, tap_c.SseTap(max_event_bytes=64))
    push(upstream, chunked(b"data: 1\n\n" + b"data: " + b"x" * 200)[:-5])
    assert rig.read_end(source, complete) is Status.TOO_LARGE
    assert drain(client) == b"9\r\ndata: 1\n\n\r\n"


def test_a_translator_without_a_kernel_is_a_malformed_pump(rig: Rig) -> None:
    base = importlib.import_module("omniroute._speedups.translator_c").Translator
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    complete = source.start_pump(sink, base())
    push(upstream, chunked(b"data: 1\n\n"))
    assert rig.read_end(source, complete) is Status.MALFORMED
    assert "TypeError" in source.detail


# -- Python code inside a turn -----------------------------------------------------------------------------------------
def test_a_link_closed_by_a_callback_gets_no_event_and_its_slot_neither(rig: Rig) -> None:
    """Both ends have an event in one epoll batch; the first closes the second, and a new link takes its place."""
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    victim, victim_peer = rig.pair()
    rig.settle()
    assert victim.start_head(100, 0.0) is False
    successors: list[Link] = []

    def replace() -> None:
        victim.close()
        link, _ = rig.pair()
        successors.append(link)
        assert link.start_head(100, 0.0) is False

    source.start_pump(sink, Calling(replace))
    push(upstream, b"1\r\na\r\n")
    push(victim_peer, b"GET / HTTP/1.1\r\n\r\n")
    assert rig.settle() == []
    assert (victim.status, victim.fileno()) == (Status.CANCELLED, -1)
    assert [link.received_bytes for link in successors] == [0]
    assert not successors[0].gone


@pytest.mark.parametrize("closed", ["source", "sink", "relay"])
def test_what_a_translator_closes_under_its_own_pump(rig: Rig, closed: str) -> None:
    other = rig.another()
    source, upstream = other.body_link(BODY_CHUNKED)
    sink, client = other.pair()
    closes = {"source": source.close, "sink": sink.close, "relay": other.relay.close}
    translator = Calling(closes[closed])
    source.start_pump(sink, translator)
    push(upstream, b"1\r\na\r\n1\r\nb\r\n")
    returned = other.turn()
    assert translator.calls == 1
    assert drain(client) == b""
    assert returned == ([source] if closed == "sink" else [])
    assert source.status is (Status.SINK_BROKEN if closed == "sink" else Status.CANCELLED)


def test_an_operation_started_by_a_translator_is_tried_at_the_next_turn(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, client = rig.pair()
    other, other_peer = rig.pair()
    push(other_peer, b"GET / HTTP/1.1\r\n\r\nrest")
    started: list[bool] = []
    source.start_pump(sink, Calling(lambda: started.append(other.start_head(100, 0.0))))
    push(upstream, b"1\r\na\r\n")
    assert rig.settle() == [other]
    assert started == [False]
    assert (other.result, other.buffered()) == (b"GET / HTTP/1.1\r\n\r\n", 4)
    assert drain(client) == b"1\r\na\r\n"


def test_turning_inside_a_turn_is_a_defect_of_that_translator_alone(rig: Rig) -> None:
    source, upstream = rig.body_link(BODY_CHUNKED)
    sink, _ = rig.pair()
    complete = source.start_pump(sink, Calling(rig.turn))
    push(upstream, b"1\r\na\r\n")
    assert rig.read_end(source, complete) is Status.MALFORMED
    assert "RuntimeError" in source.detail


# -- fairness ----------------------------------------------------------------------------------------------------------
def test_one_link_moves_a_bounded_share_of_a_turn(rig: Rig) -> None:
    source, upstream = rig.tcp_pair()
    sink, client = rig.tcp_pair()
    for sock in (upstream, client):
        sock.setblocking(False)
    source.set_body(BODY_UNTIL_EOF)
    assert source.start_pump(sink, None, chunked=False) is False
    total = sent = push(upstream, bytes(4 << 20))
    assert total > 2 * relay_c.TURN_BYTES
    got = len(drain(client))
    turns = 0
    while got < total:
        assert rig.ready(2.0)
        before = source.received_bytes
        rig.turn()
        # an event and the ready list may each give it a share
        assert source.received_bytes - before <= 2 * relay_c.TURN_BYTES
        got += len(drain(client))
        turns += 1
    assert turns >= total // (2 * relay_c.TURN_BYTES)
    assert sent == source.forwarded_bytes


# -- memory ------------------------------------------------------------------------------------------------------------
def test_an_idle_link_is_small(rig: Rig) -> None:
    link, _ = rig.pair()
    assert sys.getsizeof(link) < 1024
    rig.settle()
    assert rig.relay.buffered_bytes() == 0


def test_a_liars_content_length_allocates_no_more_than_the_stated_bound(rig: Rig) -> None:
    link, peer = rig.body_link(BODY_LENGTH, 1 << 40)
    push(peer, b"x" * 1000)
    assert link.start_body(1 << 41, 0.0) is False
    rig.settle()
    assert rig.relay.buffered_bytes() <= 1 << 20
    link.cancel()
    assert rig.relay.buffered_bytes() == 0


def test_a_large_body_arrives_whole_through_a_growing_buffer(rig: Rig) -> None:
    payload = bytes(range(256)) * (12 << 10)  # 3 MiB
    link, peer = rig.body_link(BODY_LENGTH, len(payload))
    complete = link.start_body(len(payload), 0.0)
    sent = 0
    while not complete:
        sent += push(peer, memoryview(payload)[sent:] if sent < len(payload) else b"")
        complete = bool(rig.settle())
    assert link.result == payload
    push(peer, b"!")
    rig.settle()
    assert not link.idle_and_clean


class Wire(relay_c.Link):  # type: ignore[misc, name-defined]  # the checker sees the plain twin only
    """A Python subclass, as the Trio glue has one."""


def wire(rig: Rig) -> tuple[Wire, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    link = Wire(ours)
    rig.relay.add(link)
    return link, theirs


def test_cycles_through_closed_links_are_collected(rig: Rig) -> None:
    def tangle() -> list[weakref.ref[Wire]]:
        (one, one_peer), (two, two_peer) = wire(rig), wire(rig)
        one.watch, two.watch = two, one
        one.waiter, two.send_waiter = (one, two), [two]
        one.start_head(100, 0.0)
        two.start_head(100, 0.0)
        one.cancel()
        for closed in (one, two, one_peer, two_peer):
            closed.close()
        return [weakref.ref(one), weakref.ref(two)]

    left = tangle()
    gc.collect()
    assert [ref() for ref in left] == [None, None]


def test_a_relay_dropped_with_its_links_open_frees_everything() -> None:
    before = open_fds()
    dropped = Rig(relay_c)
    link, peer = wire(dropped)
    link.start_head(100, 0.0)
    sock = link.sock
    left = weakref.ref(link)
    del dropped, link
    gc.collect()
    assert left() is None
    sock.close()
    peer.close()
    assert open_fds() == before


def test_nothing_accumulates_over_many_short_messages(rig: Rig) -> None:
    """Allocated blocks after 50 and after 550 exchanges are the same, but for what the interpreter itself caches."""
    blocks = []
    for done in range(1, 551):
        (link, peer), (sink, client) = wire(rig), wire(rig)
        push(peer, b"HTTP/1.1 200 OK\r\n\r\n" + chunked(b"data: x\n\n"))
        assert link.start_head(1000, 0.0)
        link.set_body(BODY_CHUNKED)
        assert link.start_pump(sink, Calling(lambda: None), first=b"HEAD")
        assert sink.start_send((link.result, bytearray(b"z" * 10), memoryview(b"tail")), 0.0)
        assert len(drain(client)) > 20
        for closed in (link, sink, peer, client):
            closed.close()
        if done in {50, 550}:
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    assert blocks[1] - blocks[0] < 100
