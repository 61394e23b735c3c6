"""Links over TLS: handshaken sockets on our side, a peer driven without blocking on the other."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute._speedups.relay_py import Link
from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_UNTIL_EOF, Status
from tests.speedups.relay_rig import NOT_NOW, Rig, chunked, dechunked, drain, push, reset
from tests.speedups.translators import Events

CERTS = Path(__file__).parent.parent / "certs"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def contexts(version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server, client), which know each other."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTS / "localhost.pem", CERTS / "localhost.key")
    client = ssl.create_default_context(cafile=str(CERTS / "localhost.pem"))
    for context in (server, client):
        context.minimum_version = context.maximum_version = version
    return server, client


class Tls:
    """Makes TLS pairs for a rig."""

    def __init__(self, rig: Rig, version: ssl.TLSVersion) -> None:
        self.rig = rig
        self._server, self._client = contexts(version)

    def pair(self, *, we_serve: bool = False, tcp: bool = False) -> tuple[Link, ssl.SSLSocket]:
        """A link that is the client (an upstream's) or the server (a client's), and its peer; both handshaken."""
        if tcp:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                theirs = socket.create_connection(listener.getsockname())
                ours, _ = listener.accept()
        else:
            ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        server_sock, client_sock = (ours, theirs) if we_serve else (theirs, ours)
        server = self._server.wrap_socket(server_sock, server_side=True, do_handshake_on_connect=False)
        client = self._client.wrap_socket(client_sock, server_hostname="localhost", do_handshake_on_connect=False)
        waiting = [client, server]
        while waiting:
            for sock in list(waiting):
                with contextlib.suppress(*NOT_NOW):
                    sock.do_handshake()
                    waiting.remove(sock)
        mine, peer = (server, client) if we_serve else (client, server)
        self.rig.keep(peer)
        return self.rig.link(mine), peer


def say_goodbye(peer: ssl.SSLSocket) -> None:
    """close_notify, then FIN."""
    with contextlib.suppress(*NOT_NOW):
        peer.unwrap()
    peer.close()


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def tls(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Tls]:
    return Tls(rig, request.param)


@pytest.mark.parametrize("we_serve", [True, False])
def test_a_head_and_a_body(rig: Rig, tls: Tls, we_serve: bool) -> None:
    link, peer = tls.pair(we_serve=we_serve)
    assert link.start_head(1000, 0.0) is False
    assert rig.settle() == []  # session tickets are no bytes of ours
    assert link.received_bytes == 0
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    peer.send(head[:10])
    assert rig.settle() == []
    peer.send(head[10:] + b"hel")
    assert rig.settle() == [link]
    assert (link.status, link.result) == (Status.OK, head)
    link.set_body(BODY_LENGTH, 5)
    complete = link.start_body(100, 0.0)
    peer.send(b"lo")
    assert rig.read_end(link, complete) is Status.OK
    assert link.result == b"hello"
    assert link.received_bytes == len(head) + 5
    assert rig.send_end(link, link.start_send((b"GET / ", b"HTTP/1.1\r\n\r\n"), 0.0)) is Status.OK
    assert drain(peer) == b"GET / HTTP/1.1\r\n\r\n"
    rig.settle()
    assert link.idle_and_clean


def test_a_large_body_in_records_that_arrive_in_one_read(rig: Rig, tls: Tls) -> None:
    body = bytes(range(256)) * 6000  # 1.5 MB
    link, peer = tls.pair()
    link.set_body(BODY_CHUNKED)
    complete = link.start_body(len(body), 0.0)
    wire = memoryview(chunked(body[:700_000], body[700_000:]))
    sent = 0
    while sent < len(wire):
        sent += push(peer, wire[sent:])
        complete = bool(rig.settle()) or complete
    assert rig.read_end(link, complete) is Status.OK
    assert link.result == body


def test_pieces_leave_nothing_behind_inside_the_tls_layer(rig: Rig, tls: Tls) -> None:
    body = bytes(range(256)) * 200
    link, peer = tls.pair()
    link.set_body(BODY_LENGTH, len(body))
    assert push(peer, body) == len(body)
    got = bytearray()
    while len(got) < len(body):
        assert rig.read_end(link, link.start_piece(0.0)) is Status.OK
        got += link.result
    assert bytes(got) == body
    assert link.body_complete


def test_a_large_send_to_a_peer_that_reads_late(rig: Rig, tls: Tls) -> None:
    body = bytes(range(256)) * 6000
    link, peer = tls.pair(we_serve=True)
    complete = link.start_send((b"head", body), 0.0)
    assert not complete
    got = bytearray()
    while not complete:
        got += drain(peer)
        complete = bool(rig.settle())
    assert link.send_status is Status.OK
    assert bytes(got + drain(peer)) == b"head" + body
    assert link.sent_bytes == len(body) + 4


def test_a_pump_from_tls_to_tls(rig: Rig, tls: Tls) -> None:
    rig.settle()
    source, upstream = tls.pair()
    sink, client = tls.pair(we_serve=True)
    source.set_body(BODY_CHUNKED)
    events = [b"data: " + b"%d" % number * 50 + b"\n\n" for number in range(3000)]
    wire = memoryview(chunked(*events))
    source.watch = sink
    complete = source.start_pump(sink, Events(), first=b"")
    sent = 0
    got = bytearray()
    while not complete:
        sent += push(upstream, wire[sent:])
        complete = bool(rig.settle())
        got += drain(client)
    assert source.status is Status.OK
    done = sink.start_send((source.result,), 0.0)
    while not done:
        done = bool(rig.settle())
        got += drain(client)
    got += drain(client)
    assert dechunked(bytes(got)) == b"".join(events) + b": bye\n\n"


def test_back_pressure_over_tls_resumes_what_the_tls_layer_holds(tls: Tls, rig: Rig) -> None:
    small = rig.another(write_bound_bytes=16 * 1024)
    tls.rig = small
    source, upstream = tls.pair()
    source.set_body(BODY_LENGTH, 1_000_000)
    sink, client = small.pair(buffer_bytes=4096)
    complete = source.start_pump(sink, None, chunked=False)
    body = memoryview(bytes(range(250)) * 4000)
    sent = 0
    while (more := push(upstream, body[sent:])) or small.ready():
        sent += more
        assert small.settle() == []
        assert small.relay.buffered_bytes() <= 16 * 1024 + 2 * 64 * 1024
    assert sent < len(body)
    got = bytearray()
    while not complete:
        got += drain(client)
        sent += push(upstream, body[sent:])
        complete = bool(small.settle())
    done = sink.start_send((source.result,), 0.0)
    while not done:
        got += drain(client)
        done = bool(small.settle())
    assert bytes(got + drain(client)) == bytes(body)


def test_close_notify_between_messages_is_closed(rig: Rig, tls: Tls) -> None:
    link, peer = tls.pair()
    complete = link.start_head(100, 0.0)
    say_goodbye(peer)
    assert rig.read_end(link, complete) is Status.CLOSED
    assert link.gone


def test_a_cut_between_messages_is_closed_too(rig: Rig, tls: Tls) -> None:
    link, peer = tls.pair()
    complete = link.start_head(100, 0.0)
    peer.close()
    assert rig.read_end(link, complete) is Status.CLOSED


@pytest.mark.parametrize(("polite", "status"), [(True, Status.TRUNCATED), (False, Status.RESET)])
def test_an_end_inside_a_message(rig: Rig, tls: Tls, polite: bool, status: Status) -> None:
    for kind in (None, BODY_LENGTH, BODY_CHUNKED):
        link, peer = tls.pair()
        peer.send(b"5\r\nhe")
        if kind is None:
            complete = link.start_head(100, 0.0)
        else:
            link.set_body(kind, 10)
            complete = link.start_body(100, 0.0)
        (say_goodbye if polite else socket.socket.close)(peer)
        assert rig.read_end(link, complete) is status


@pytest.mark.parametrize(("polite", "status"), [(True, Status.OK), (False, Status.RESET)])
def test_until_eof_needs_a_close_notify(rig: Rig, tls: Tls, polite: bool, status: Status) -> None:
    link, peer = tls.pair()
    link.set_body(BODY_UNTIL_EOF)
    peer.send(b"hello")
    complete = link.start_body(100, 0.0)
    (say_goodbye if polite else socket.socket.close)(peer)
    assert rig.read_end(link, complete) is status
    assert link.result == (b"hello" if polite else b"")


def test_a_reset_inside_a_message_is_a_reset(rig: Rig, tls: Tls) -> None:
    link, peer = tls.pair(tcp=True)
    complete = link.start_head(100, 0.0)
    peer.send(b"HTTP/1.1 200")
    while not link.received_bytes:
        assert rig.ready(2.0)
        rig.settle()
    reset(peer)
    assert rig.read_end(link, complete) is Status.RESET


def test_bytes_that_are_not_tls_are_a_reset(rig: Rig, tls: Tls) -> None:
    link, peer = tls.pair()
    complete = link.start_head(100, 0.0)
    raw = socket.socket(fileno=peer.detach())
    raw.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert rig.read_end(link, complete) is Status.RESET
    assert link.detail
    raw.close()


@pytest.mark.parametrize("polite", [True, False])
def test_a_watched_tls_client_that_leaves_is_noticed(rig: Rig, tls: Tls, polite: bool) -> None:
    upstream_link, _ = rig.pair()
    client_link, client = tls.pair(we_serve=True)
    upstream_link.watch = client_link
    complete = upstream_link.start_head(100, 0.0)
    client.send(b"pipelined")
    assert rig.settle() == []
    (say_goodbye if polite else socket.socket.close)(client)
    assert rig.read_end(upstream_link, complete) is Status.WATCHED_GONE


def test_closing_says_goodbye_once_and_does_not_wait(rig: Rig, tls: Tls) -> None:
    link, peer = tls.pair()
    rig.settle()
    link.close()
    peer.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # then only close_notify reads as an end
    assert peer.recv(100) == b""


def test_an_idle_tls_link_whose_server_sent_tickets_is_still_clean(rig: Rig, tls: Tls) -> None:
    link, peer = tls.pair()
    rig.settle()
    assert link.idle_and_clean
    peer.send(b"late")
    rig.settle()
    assert not link.idle_and_clean
