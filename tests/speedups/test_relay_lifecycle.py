"""Adding, cancelling, closing: nothing is left behind, in whatever state it happens."""

from __future__ import annotations

import contextlib
import random
import socket
from types import ModuleType

import pytest

from omniroute._speedups.relay_py import Link
from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, chunked, drain, open_fds, push
from tests.speedups.translators import Events

STATES = ["idle", "unread", "head", "half a head", "body", "half a body", "piece", "pump", "full pump", "send", "both"]


def park(rig: Rig, state: str) -> tuple[Link, Link]:
    """A link in ``state``, and the sink it may be pumping to."""
    link, peer = rig.pair(buffer_bytes=8192)
    sink, _ = rig.pair(buffer_bytes=8192)
    if state in {"unread", "half a head", "half a body"}:
        peer.send(b"7\r\nabc")
    if "head" in state or state == "both":
        assert link.start_head(1000, rig.now + 50.0) is False
    if state in {"send", "both"}:
        assert link.start_send((b"x" * 300_000,), 0.0) is False
    if "body" in state or state == "piece" or "pump" in state:
        link.set_body(BODY_CHUNKED if "body" in state else BODY_UNTIL_EOF)
        link.watch = sink
        starts = {"piece": lambda: link.start_piece(0.0), "body": lambda: link.start_body(1000, 0.0, 10.0)}
        pump = lambda: link.start_pump(sink, None, first=b"head", heartbeat_s=1.0)  # noqa: E731  # one of three
        assert starts.get(state.split()[-1], pump)() is False
    while state == "full pump" and (push(peer, b"x" * 65536) or rig.ready()):
        rig.settle()
    rig.settle()
    return link, sink


@pytest.mark.parametrize("how", ["cancel", "close", "relay.close"])
@pytest.mark.parametrize("state", STATES)
def test_nothing_is_left(rig: Rig, state: str, how: str) -> None:
    rig = rig.another(write_bound_bytes=32 * 1024)
    link, sink = park(rig, state)
    waits = state not in {"idle", "unread"}
    assert bool(rig.relay.parked()) == waits
    if how == "cancel":
        link.cancel()
        link.cancel_send()
    elif how == "close":
        link.close()
        link.close()
    else:
        rig.relay.close()
    assert rig.relay.parked() == 0
    if waits and state != "send":
        assert (link.status, link.result) == (Status.CANCELLED, b"")
    if state in {"send", "both"}:
        assert link.send_status is Status.CANCELLED
    if how != "relay.close":
        assert rig.settle() == []
        assert rig.later(1000.0) == []
        assert rig.relay.links() == (2 if how == "cancel" else 1)
        link.close()
        sink.close()
    assert link.fileno() == sink.fileno() == -1
    assert (rig.relay.links(), rig.relay.buffered_bytes()) == (0, 0)


def test_a_cancelled_read_can_be_started_again_and_loses_nothing(rig: Rig) -> None:
    link, peer = rig.pair()
    peer.send(b"GET / HT")
    assert link.start_head(1000, 0.0) is False
    rig.settle()
    link.cancel()
    peer.send(b"TP/1.1\r\n\r\n")
    assert rig.read_end(link, link.start_head(1000, 0.0)) is Status.OK
    assert link.result == b"GET / HTTP/1.1\r\n\r\n"


def test_closing_sends_the_peer_a_fin(rig: Rig) -> None:
    link, peer = rig.pair()
    link.start_head(1000, 0.0)
    link.close()
    assert peer.recv(10) == b""


def test_the_bound_on_links_is_kept_and_a_close_makes_room(rig: Rig) -> None:
    rig = rig.another(max_links=2)
    link, _ = rig.pair()
    rig.pair()
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        extra: Link = rig.twin.Link(ours)
        with pytest.raises(OverflowError):
            rig.relay.add(extra)
        assert rig.relay.links() == 2
        link.close()
        rig.relay.add(extra)
        assert rig.relay.links() == 2


def test_a_descriptor_the_selector_refuses_is_an_os_error(rig: Rig) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()
    with pytest.raises(OSError, match="descriptor"):
        rig.relay.add(rig.twin.Link(ours))
    assert rig.relay.links() == 0


def test_a_link_must_be_in_a_relay(rig: Rig) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        link: Link = rig.twin.Link(ours)
        with pytest.raises(RuntimeError):
            link.start_head(1000, 0.0)
        with pytest.raises(RuntimeError):
            link.start_send((b"x",), 0.0)
        link.close()
        assert link.fileno() == -1


def test_the_relays_descriptor_is_readable_only_while_there_is_something_to_do(rig: Rig) -> None:
    link, peer = rig.pair()
    rig.settle()
    assert not rig.ready()
    link.start_head(1000, 0.0)
    assert not rig.ready()
    peer.send(b"x")
    assert rig.ready(1.0)
    rig.settle()
    assert not rig.ready()


def test_an_empty_relay_turns_and_expires(twin: ModuleType) -> None:
    before = open_fds()
    relay = twin.Relay()
    assert relay.turn(1.0) == relay.expire(2.0) == []
    assert relay.links() == relay.parked() == relay.buffered_bytes() == 0
    relay.close()
    relay.close()
    assert open_fds() == before


class Chaos:
    """Random operations on a few links and peers, from one seed."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.dice = random.Random(seed)
        self.ends: list[tuple[Link, socket.socket]] = []
        self.ended = 0

    def step(self) -> None:
        if len(self.ends) < 4:
            self.ends.append(self.rig.pair(buffer_bytes=self.dice.choice([0, 4096])))
        link, peer = self.dice.choice(self.ends)
        sink, _ = self.dice.choice(self.ends)
        operations = [self._head, self._body, self._piece, self._pump, self._send, self._stop]
        do = self.dice.choice([*operations, self._talk, self._talk, self._listen])
        with contextlib.suppress(RuntimeError):  # two at once, or no body declared: refused, as it must be
            self.ended += bool(do(link, peer, sink))
        if self.dice.random() < (0.3 if link.gone else 0.01):
            link.close()
            peer.close()
        elif self.dice.random() < 0.01:
            peer.close()
        self._turn()
        self.ends = [(link, peer) for link, peer in self.ends if link.fileno() >= 0]

    def _turn(self) -> None:
        for returned in (self.rig.turn(), self.rig.later(0.05)):
            assert len(set(returned)) == len(returned)
            for link in returned:
                assert link.read_done or link.send_done
                assert link.fileno() >= 0
                self.ended += 1

    def _head(self, link: Link, _: socket.socket, sink: Link) -> bool:
        link.watch = self.dice.choice([None, sink])
        return link.start_head(100, self.rig.now + 1.0)

    def _declare(self, link: Link) -> None:
        if self.dice.random() < 0.7:
            link.set_body(self.dice.choice([BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF]), 40)

    def _body(self, link: Link, _: socket.socket, __: Link) -> bool:
        self._declare(link)
        return link.start_body(1000, self.rig.now + 1.0, 100.0)

    def _piece(self, link: Link, _: socket.socket, __: Link) -> bool:
        self._declare(link)
        return link.start_piece(self.rig.now + 1.0)

    def _pump(self, link: Link, _: socket.socket, sink: Link) -> bool:
        if sink is link:
            return False
        self._declare(link)
        link.watch = self.dice.choice([None, sink])
        return link.start_pump(
            sink, self.dice.choice([None, Events()]), idle_s=1.0, write_s=1.0, after_finish_s=0.5, heartbeat_s=0.2
        )

    def _send(self, link: Link, _: socket.socket, __: Link) -> bool:
        return link.start_send((b"x" * self.dice.choice([1, 1000, 100_000]),), self.rig.now + 0.5)

    def _talk(self, _: Link, peer: socket.socket, __: Link) -> None:
        if peer.fileno() >= 0:
            say = [b"a\r\n\r\n", b"\r\n", chunked(b"data: x\n\n"), b"5\r\nhel", b"data: finish\n\n", b"x" * 30_000]
            try:
                push(peer, self.dice.choice(say))
            except OSError:
                peer.close()

    def _listen(self, _: Link, peer: socket.socket, __: Link) -> None:
        if peer.fileno() >= 0:
            try:
                drain(peer)
            except OSError:
                peer.close()

    def _stop(self, link: Link, _: socket.socket, __: Link) -> None:
        if self.dice.random() < 0.5:
            link.cancel()
        else:
            link.cancel_send()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_1000_random_operations_nothing_is_left(rig: Rig, seed: int) -> None:
    before = open_fds()
    chaos = Chaos(rig, seed)
    for _ in range(1000):
        chaos.step()
        assert rig.relay.buffered_bytes() < 4 * 1024 * 1024
    assert chaos.ended > 150, "the dice did nothing"
    for link, peer in chaos.ends:
        link.close()
        peer.close()
    assert rig.turn() + rig.later(0.1) == []
    assert (rig.relay.parked(), rig.relay.links(), rig.relay.buffered_bytes()) == (0, 0, 0)
    assert open_fds() == before
