"""A client that leaves while its upstream works, and what else one link does to another."""

from __future__ import annotations

import pytest

from omniroute._speedups.relay_py import Link
from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import Rig, drain, push, reset
from tests.speedups.translators import Events

OPERATIONS = ["head", "body", "piece", "pump"]


def start(rig: Rig, what: str, link: Link, sink: Link) -> bool:
    if what == "head":
        return link.start_head(1000, 0.0)
    link.set_body(BODY_CHUNKED)
    if what == "body":
        return link.start_body(1000, 0.0)
    if what == "piece":
        return link.start_piece(0.0)
    return link.start_pump(sink, Events())


@pytest.mark.parametrize("what", OPERATIONS)
def test_the_watched_links_leaving_ends_what_waits(rig: Rig, what: str) -> None:
    upstream_link, _ = rig.pair()
    client_link, client = rig.pair()
    upstream_link.watch = client_link
    assert start(rig, what, upstream_link, client_link) is False
    assert rig.settle() == []
    client.close()
    assert rig.settle() == [upstream_link]
    assert (upstream_link.status, upstream_link.result) == (Status.WATCHED_GONE, b"")
    assert (client_link.gone, upstream_link.gone) == (True, False)
    assert rig.relay.parked() == 0


@pytest.mark.parametrize("what", OPERATIONS)
def test_a_watched_link_that_left_before_ends_it_at_once(rig: Rig, what: str) -> None:
    upstream_link, _ = rig.pair()
    client_link, client = rig.pair()
    client.close()
    rig.settle()
    upstream_link.watch = client_link
    assert start(rig, what, upstream_link, client_link) is True
    assert upstream_link.status in {Status.WATCHED_GONE, Status.SINK_BROKEN}
    assert rig.settle() == []


@pytest.mark.parametrize("what", OPERATIONS)
def test_a_fin_not_yet_told_ends_it_in_the_next_turn(rig: Rig, what: str) -> None:
    upstream_link, _ = rig.pair()
    client_link, client = rig.pair()
    client.close()
    upstream_link.watch = client_link
    if not start(rig, what, upstream_link, client_link):
        assert rig.settle() == [upstream_link]
    assert upstream_link.status is Status.WATCHED_GONE


def test_a_reset_of_the_watched_link_counts_as_leaving(rig: Rig) -> None:
    upstream_link, _ = rig.pair()
    client_link, client = rig.tcp_pair()
    upstream_link.watch = client_link
    complete = upstream_link.start_head(1000, 0.0)
    reset(client)
    assert rig.read_end(upstream_link, complete) is Status.WATCHED_GONE


def test_pipelined_bytes_are_not_leaving_and_are_kept(rig: Rig) -> None:
    upstream_link, upstream = rig.pair()
    client_link, client = rig.pair()
    upstream_link.watch = client_link
    assert upstream_link.start_head(1000, 0.0) is False
    client.send(b"GET /next HTTP/1.1\r\n\r\n")
    assert rig.settle() == []
    assert not client_link.gone
    upstream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert rig.settle() == [upstream_link]
    assert upstream_link.status is Status.OK
    assert rig.read_end(client_link, client_link.start_head(1000, 0.0)) is Status.OK
    assert client_link.result == b"GET /next HTTP/1.1\r\n\r\n"


def test_leaving_behind_pipelined_bytes_is_noticed(rig: Rig) -> None:
    upstream_link, _ = rig.pair()
    client_link, client = rig.pair()
    upstream_link.watch = client_link
    upstream_link.start_head(1000, 0.0)
    client.send(b"GET /next HTTP/1.1\r\n\r\n")
    assert rig.settle() == []
    client.close()
    assert rig.settle() == [upstream_link]
    assert upstream_link.status is Status.WATCHED_GONE


def test_a_pump_whose_sink_is_full_still_notices_its_client_leave(rig: Rig) -> None:
    rig = rig.another(write_bound_bytes=32 * 1024)
    source, upstream = rig.body_link(BODY_UNTIL_EOF)
    sink, client = rig.pair(buffer_bytes=8192)
    source.watch = sink
    source.start_pump(sink, None)
    while push(upstream, b"x" * 65536) or rig.ready():
        assert rig.settle() == []
    client.close()
    assert rig.settle() == [source]
    assert source.status in {Status.WATCHED_GONE, Status.SINK_BROKEN}


def test_several_may_watch_one(rig: Rig) -> None:
    client_link, client = rig.pair()
    waiting = []
    for _ in range(3):
        link, _ = rig.pair()
        link.watch = client_link
        link.start_head(1000, 0.0)
        waiting.append(link)
    waiting[0].cancel()
    client.close()
    returned = rig.settle()
    assert len(returned) == 2
    assert set(returned) == set(waiting[1:])
    assert [link.status for link in waiting] == [Status.CANCELLED, Status.WATCHED_GONE, Status.WATCHED_GONE]


def test_watching_ends_with_the_operation(rig: Rig) -> None:
    upstream_link, upstream = rig.pair()
    client_link, client = rig.pair()
    upstream_link.watch = client_link
    upstream_link.start_head(1000, 0.0)
    upstream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert rig.settle() == [upstream_link]
    upstream_link.watch = None
    upstream_link.start_head(1000, 0.0)
    client.close()
    assert rig.settle() == []
    assert upstream_link.gone is False
    assert rig.relay.parked() == 1


@pytest.mark.parametrize("what", OPERATIONS)
def test_closing_the_watched_link_ends_what_waits(rig: Rig, what: str) -> None:
    upstream_link, _ = rig.pair()
    client_link, _ = rig.pair()
    sink, _ = rig.pair()
    upstream_link.watch = client_link
    assert start(rig, what, upstream_link, sink) is False
    client_link.close()
    assert rig.relay.parked() == 1
    assert rig.turn() + rig.later(0.1) == [upstream_link]
    assert upstream_link.status is Status.WATCHED_GONE
    assert rig.relay.parked() == 0


def test_closing_a_pumps_sink_ends_the_pump(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_LENGTH, 10)
    sink, client = rig.pair()
    source.start_pump(sink, None)
    sink.close()
    assert rig.relay.parked() == 1
    assert rig.turn() + rig.later(0.1) == [source]
    assert source.status is Status.SINK_BROKEN
    assert drain(client) == b""


def test_a_closed_sink_is_a_broken_sink_at_once(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_LENGTH, 10)
    sink, _ = rig.pair()
    sink.close()
    assert source.start_pump(sink, None, first=b"head") is True
    assert source.status is Status.SINK_BROKEN


def test_cancelling_what_another_links_close_has_ended_takes_it_back(rig: Rig) -> None:
    source, _ = rig.body_link(BODY_LENGTH, 10)
    sink, _ = rig.pair()
    source.start_pump(sink, None)
    sink.close()
    source.cancel()
    assert source.status is Status.CANCELLED
    assert rig.turn() + rig.later(0.1) == []
    assert rig.relay.parked() == 0
