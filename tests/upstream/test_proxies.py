"""Tunnels: both handshakes as bytes, then through small real proxies."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Secret, Timeouts
from omniroute.errors import UpstreamError
from omniroute.upstream.origin import Proxy
from omniroute.upstream.proxies import HttpConnect, ProxyError, Socks5
from tests.fakes.upstream import Peer, Talk, scripted
from tests.upstream.rig import Rig, connection, running

OPEN = Proxy("http", "p", 1)
LOCKED = Proxy("http", "p", 1, Secret("user"), Secret("hunter2"))


def connect(proxy: Proxy = OPEN, host: str = "h.test", port: int = 443) -> HttpConnect:
    return HttpConnect(proxy, host, port, head_bytes=1000)


# -- HTTP CONNECT, as bytes


def test_connect_names_the_target_and_authenticates() -> None:
    assert connect().greeting() == b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\n\r\n"
    assert connect(host="2001:db8::1").greeting().startswith(b"CONNECT [2001:db8::1]:443 ")
    expected = base64.b64encode(b"user:hunter2")
    assert b"\r\nProxy-Authorization: Basic " + expected + b"\r\n" in connect(LOCKED).greeting()


@given(st.integers(0, 60))
def test_a_2xx_opens_the_tunnel_however_it_is_cut(cut: int) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\n"
    tunnel = connect()
    for piece in (answer[:cut], answer[cut:]):
        if piece:
            assert tunnel.feed(piece) == b""
    assert tunnel.done


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n", "status 302"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
        (b"\x05\x00\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nsurprise", "before it was asked"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, "longer"),
        (b"", "closed"),
    ],
)
def test_what_opens_no_tunnel(answer: bytes, text: str) -> None:
    with pytest.raises(ProxyError, match=text) as caught:
        connect(LOCKED).feed(answer)
    assert "hunter2" not in str(caught.value)


# -- SOCKS5, as bytes

NAME = b"\x05\x01\x00\x03\x06h.test\x01\xbb"
GRANTED = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def socks(proxy: Proxy = OPEN, host: str = "h.test") -> Socks5:
    return Socks5(proxy, host, 443)


def converse(tunnel: Socks5, data: bytes, step: int) -> list[bytes]:
    said = [tunnel.greeting()]
    for start in range(0, len(data), step):
        answer = tunnel.feed(data[start : start + step])
        if answer:
            said.append(answer)
    return said


@pytest.mark.parametrize(
    "granted",
    [GRANTED, b"\x05\x00\x00\x04" + bytes(18), b"\x05\x00\x00\x03\x03abc\x00\x00"],
    ids=["IPv4", "IPv6", "name"],
)
def test_socks_without_authentication(granted: bytes) -> None:
    tunnel = socks()
    assert converse(tunnel, b"\x05\x00" + granted, 1) == [b"\x05\x01\x00", NAME]
    assert tunnel.done


def test_socks_with_authentication_chosen_by_the_proxy() -> None:
    tunnel = socks(LOCKED)
    assert converse(tunnel, b"\x05\x02\x01\x00" + GRANTED, 2) == [
        b"\x05\x02\x00\x02",
        b"\x01\x04user\x07hunter2",
        NAME,
    ]
    assert tunnel.done
    tunnel = socks(LOCKED)
    assert converse(tunnel, b"\x05\x00" + GRANTED, 2) == [b"\x05\x02\x00\x02", NAME]
    assert tunnel.done


@pytest.mark.parametrize(
    ("host", "address"),
    [("10.1.2.3", b"\x01\x0a\x01\x02\x03"), ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01")],
)
def test_socks_sends_addresses_as_such(host: str, address: bytes) -> None:
    assert converse(socks(host=host), b"\x05\x00", 2)[1] == b"\x05\x01\x00" + address + b"\x01\xbb"


@pytest.mark.parametrize(
    ("proxy", "data", "text"),
    [
        (OPEN, b"\x05\xff", "none of our"),
        (OPEN, b"\x05\x02", "none of our"),
        (OPEN, b"HTTP/1.1 400", "not speak SOCKS5"),
        (LOCKED, b"\x05\x02\x01\x01", "other credentials"),
        (OPEN, b"\x05\x00\x05\x02\x00\x01" + bytes(6), "rules"),
        (OPEN, b"\x05\x00\x05\x05\x00\x01" + bytes(6), "refused"),
        (OPEN, b"\x05\x00\x05\x63\x00\x01" + bytes(6), "reply 99"),
        (OPEN, b"\x05\x00\x04\x00\x00\x01" + bytes(6), "not speak SOCKS5"),
        (OPEN, b"\x05\x00\x05\x00\x00\x09" + bytes(6), "unknown kind"),
        (OPEN, b"\x05\x00" + GRANTED + b"!!", "before it was asked"),
        (OPEN, b"\x05\x00" + GRANTED, "before it was asked"),
    ],
)
def test_what_socks_refuses(proxy: Proxy, data: bytes, text: str) -> None:
    tunnel = socks(proxy)
    with pytest.raises(ProxyError, match=text) as caught:
        converse(tunnel, data, 14 if data.endswith(b"!!") else 12 if data.endswith(GRANTED) else 2)
    assert "hunter2" not in str(caught.value)


def test_socks_limits_and_end() -> None:
    with pytest.raises(ProxyError, match="closed"):
        socks().feed(b"")
    with pytest.raises(ProxyError, match="255"):
        socks(Proxy("socks5", "p", 1, Secret("u" * 256), Secret("p"))).greeting()
    with pytest.raises(ProxyError, match="longer"):
        socks(host="h" * 256).feed(b"\x05\x00")


# -- through real ones


async def splice(talk: Talk, port: int) -> None:
    """Carry bytes both ways."""
    upstream = await trio.open_tcp_stream("127.0.0.1", port)

    async def copy(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream, scope: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some():
                await sink.send_all(data)
        except trio.BrokenResourceError:
            pass  # one side left; the tunnel ends
        scope.cancel()

    async with upstream, trio.open_nursery() as nursery:
        nursery.start_soon(copy, talk.stream, upstream, nursery.cancel_scope)
        nursery.start_soon(copy, upstream, talk.stream, nursery.cancel_scope)


Tunnels = Callable[[Peer], Callable[[Talk], Awaitable[None]]]


def http_proxy(peer: Peer) -> Callable[[Talk], Awaitable[None]]:
    async def script(talk: Talk) -> None:
        head = await talk.request()
        if b"Proxy-Authorization: Basic " + base64.b64encode(b"user:hunter2") not in head:
            await talk.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        assert head.startswith(b"CONNECT llm.test:%d HTTP/1.1\r\n" % peer.port)
        await talk.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await splice(talk, peer.port)

    return script


def socks_proxy(peer: Peer) -> Callable[[Talk], Awaitable[None]]:
    async def script(talk: Talk) -> None:
        assert await talk.stream.receive_some() in (b"\x05\x02\x00\x02", b"\x05\x01\x00")
        await talk.send(b"\x05\x02")
        credentials = await talk.stream.receive_some()
        if credentials != b"\x01\x04user\x07hunter2":
            await talk.send(b"\x01\x01")
            return
        await talk.send(b"\x01\x00")
        assert await talk.stream.receive_some() == b"\x05\x01\x00\x03\x08llm.test" + peer.port.to_bytes(2, "big")
        await talk.send(GRANTED)
        await splice(talk, peer.port)

    return script


async def serve(talk: Talk) -> None:
    await talk.serve()


@asynccontextmanager
async def tunnelled(kind: Tunnels) -> AsyncIterator[tuple[Rig, Peer, Peer]]:
    async with scripted(serve) as peer, scripted(kind(peer)) as proxy, running() as rig:
        yield rig, peer, proxy


@pytest.mark.parametrize(("scheme", "kind"), [("http", http_proxy), ("socks5", socks_proxy), ("socks5h", socks_proxy)])
async def test_calls_go_through_the_proxy_and_wires_are_kept(scheme: str, kind: Tunnels) -> None:
    async with tunnelled(kind) as (rig, peer, proxy):
        target = connection(peer.url(host="llm.test"), proxy=f"{scheme}://user:hunter2@127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert await rig.fetch(target) == b"ok"
        assert len(proxy.talks) == len(peer.talks) == 1
        assert b"\r\nHost: llm.test:%d\r\n" % peer.port in peer.talks[0].requests[0]
        assert rig.statistics().names == 0  # the target's name is the proxy's business


@pytest.mark.parametrize(("scheme", "kind"), [("http", http_proxy), ("socks5", socks_proxy)])
async def test_wrong_credentials_are_told_without_being_shown(scheme: str, kind: Tunnels) -> None:
    async with tunnelled(kind) as (rig, peer, proxy):
        target = connection(peer.url(host="llm.test"), proxy=f"{scheme}://user:wr0ng@127.0.0.1:{proxy.port}")
        with pytest.raises(UpstreamError) as caught:
            await rig.call(target)
        assert (caught.value.error_class, caught.value.scope) == ("proxy", "connection")
        assert "credentials" in caught.value.message
        assert "wr0ng" not in caught.value.message
        assert peer.talks == []


async def test_an_absent_a_stalling_and_a_forbidden_proxy() -> None:
    async def stall(talk: Talk) -> None:
        await talk.gone()

    async with scripted(stall) as proxy, running() as rig:
        url = f"http://127.0.0.1:{proxy.port}"
        slow = connection("https://llm.test", proxy=url, timeouts=Timeouts(connect_s=0.05))
        with pytest.raises(UpstreamError) as caught:
            await rig.call(slow)
        assert caught.value.error_class == "timeout_connect"
        assert "proxy" in caught.value.message
        with pytest.raises(UpstreamError) as caught:
            await rig.call(connection("https://llm.test", proxy=url, allow_private=False))
        assert caught.value.error_class == "egress_denied"
        with trio.move_on_after(0.02) as scope:
            await rig.call(connection("https://llm.test", proxy=url))
        assert scope.cancelled_caught
    async with running() as rig:
        with pytest.raises(UpstreamError) as caught:
            await rig.call(connection("https://llm.test", proxy=url))
        assert caught.value.error_class == "proxy"
        assert "refused" in caught.value.message
