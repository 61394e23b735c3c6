"""What is not the data plane's goes to control and back, streaming, with nothing of the client's posing as ours."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from omniroute.edge import EdgeOptions

from .house import Client, House, house

Script = Callable[[Client], Awaitable[None]]
"""What control does with one connection."""

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-by: control\r\n\r\nok"


@asynccontextmanager
async def control(path: Path, script: Script) -> AsyncIterator[None]:
    """A control that runs ``script`` for each connection; what it raises fails the test."""
    sock = trio.socket.socket(socket.AF_UNIX)
    await sock.bind(str(path))
    sock.listen(16)
    async with trio.open_nursery() as nursery:

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                await script(Client(stream))

        nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(sock)])
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def two(tmp_path: Path, script: Script, options: EdgeOptions | None = None) -> AsyncIterator[House]:
    """An edge with a scripted control behind it."""
    path = tmp_path / "control.sock"
    async with house(options, control_socket=str(path)) as place, control(path, script):
        yield place


async def request_of(client: Client) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    first, *lines = (await client.until(b"\r\n\r\n")).split(b"\r\n")
    pairs = []
    for line in lines:
        name, _, value = line.partition(b": ")
        pairs.append((name, value))
    return first, pairs


async def test_request_and_answer(tmp_path: Path) -> None:
    heads = []

    async def script(edge: Client) -> None:
        heads.append(await request_of(edge))
        await edge.send(OK.replace(b"x-by", b"connection: close\r\nkeep-alive: 5\r\nx-request-id: theirs\r\nx-by"))

    async with two(tmp_path, script) as place, place.client() as client:
        answer = await client.ask(
            b"GET /api/x%2F?a=%20 HTTP/1.1\r\nHost: gw:1\r\nX-A: 1\r\nX-A: 2\r\nConnection: keep-alive, X-Private\r\n"
            b"X-Private: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\nKeep-Alive: 5\r\nX-Request-Id: mine\r\n"
            b"X-OmniRoute-Peer: 10.0.0.1\r\nX_OmniRoute_Peer: 10.0.0.2\r\nCookie: s=1\r\n\r\n"
        )
        assert (answer.status, answer.body, answer.headers[b"x-by"]) == (200, b"ok", b"control")
        assert b"connection" not in answer.headers
        assert b"keep-alive" not in answer.headers
        request_id = answer.headers[b"x-request-id"]
        assert request_id.startswith(b"req_")
        first, pairs = heads[0]
        assert first == b"GET /api/x%2F?a=%20 HTTP/1.1"
        assert pairs == [
            (b"host", b"gw:1"),
            (b"x-a", b"1"),
            (b"x-a", b"2"),
            (b"cookie", b"s=1"),
            (b"x-omniroute-peer", b"127.0.0.1"),
            (b"x-request-id", request_id),
            (b"connection", b"close"),
        ]
        assert (
            await client.ask(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")
        ).status == 200  # the client's connection is kept


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", b"abcd"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b""),
    ],
)
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_framings_of_answers(tmp_path: Path, answer: bytes, expected: bytes, version: bytes) -> None:
    async def script(edge: Client) -> None:
        await request_of(edge)
        await edge.send(answer)

    async with two(tmp_path, script) as place, place.client() as client:
        got = await client.ask(b"GET / %b\r\nHost: gw\r\n\r\n" % version)
        assert got.body == expected
        if version == b"HTTP/1.0":
            assert b"transfer-encoding" not in got.headers
            assert await client.rest() == b""
        else:
            assert (await client.ask(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")).body == expected


async def test_head_keeps_the_length(tmp_path: Path) -> None:
    async def script(edge: Client) -> None:
        assert (await request_of(edge))[0] == b"HEAD /x HTTP/1.1"
        await edge.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")

    async with two(tmp_path, script) as place, place.client() as client:
        for _ in range(2):
            answer = await client.ask(b"HEAD /x HTTP/1.1\r\nHost: gw\r\n\r\n")
            assert (answer.status, answer.headers[b"content-length"]) == (200, b"1234")


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_stream_both_ways(tmp_path: Path, *, chunked: bool) -> None:
    """Control answers piece for piece while the request is still being sent, and no body limit applies."""

    async def script(edge: Client) -> None:
        _, pairs = await request_of(edge)
        framing = [pair for pair in pairs if pair[0] in {b"content-length", b"transfer-encoding"}]
        assert framing == [(b"transfer-encoding", b"chunked") if chunked else (b"content-length", b"300000")]
        await edge.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        got = 0
        for n in range(1, 4):
            if chunked:
                while got < n * 100_000:  # pieces may be re-cut on the way, never held back
                    size = int(await edge.until(b"\r\n"), 16)
                    await edge.exactly(size + 2)
                    got += size
            else:
                await edge.exactly(100_000)
            await edge.send(b"5\r\nthank\r\n")
        if chunked:
            assert await edge.until(b"0\r\n\r\n") == b""
        await edge.send(b"0\r\n\r\n")

    async with two(tmp_path, script, EdgeOptions(body_bytes=1000)) as place, place.client() as client:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 300000"
        await client.send(b"POST /import HTTP/1.1\r\nHost: gw\r\n" + framing + b"\r\n\r\n")
        piece = b"x" * 100_000
        for n in range(3):
            # the last piece is the pump's tail and goes out only with what follows it: nothing depends on it here
            await client.send(b"186a0\r\n%b\r\n" % piece if chunked else piece)
            if n == 0:
                assert b"200 OK" in await client.until(b"\r\n\r\n")
                assert await client.until(b"thank\r\n") == b"5\r\n"
        if chunked:
            await client.send(b"0\r\n\r\n")
        assert await client.until(b"0\r\n\r\n") == b"5\r\nthank\r\n5\r\nthank\r\n"
        await client.send(b"GET /v1/echo HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert (await client.answer()).status == 200


async def test_expect_continue_is_answered_here(tmp_path: Path) -> None:
    async def script(edge: Client) -> None:
        _, pairs = await request_of(edge)
        assert b"expect" not in dict(pairs)
        assert await edge.exactly(3) == b"abc"
        await edge.send(OK)

    async with two(tmp_path, script) as place, place.client() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.answer()).status == 100
        assert (await client.ask(b"abc")).body == b"ok"


async def test_control_may_refuse_a_body_it_has_not_read(tmp_path: Path) -> None:
    async def script(edge: Client) -> None:
        await request_of(edge)
        await edge.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")

    async with two(tmp_path, script) as place, place.client() as client:
        await client.send(b"POST /import HTTP/1.1\r\nHost: gw\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000)
        answer = await client.answer()
        assert (answer.status, answer.body) == (413, b"big")
        assert await client.rest() == b""  # the rest of the body is no request


@pytest.mark.parametrize("body", [b"x\r\n", b"3\r\nabcd\r\n0\r\n\r\n"])
async def test_bad_chunks_end_with_400(tmp_path: Path, body: bytes) -> None:
    async def script(edge: Client) -> None:
        await request_of(edge)
        while await edge._more():  # noqa: SLF001 - read on until the edge closes
            pass
        assert b"GET /next" not in edge.pending

    async with two(tmp_path, script) as place, place.client() as client:
        head = b"POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(head + body + b"GET /next HTTP/1.1\r\nHost: gw\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers[b"connection"]) == (400, b"close")
        assert await client.rest() == b""


@pytest.mark.parametrize("post", [False, True])
async def test_control_away(tmp_path: Path, *, post: bool) -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nx" if post else b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n"
    )

    async def check(client: Client) -> None:
        answer = await client.ask(request)
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
        error = msgspec.json.decode(answer.body)["error"]
        assert error["code"] == "control_unavailable"
        assert "Inference requests are not affected" in error["message"]

    async with house(control_socket=str(tmp_path / "nobody.sock")) as place, place.client() as client:
        await check(client)

    async def script(edge: Client) -> None:
        await request_of(edge)  # and dies

    async with two(tmp_path, script) as place, place.client() as client:
        await check(client)


async def test_answer_cut_short_is_cut_short_for_the_client(tmp_path: Path) -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ]
    queue = list(answers)

    async def script(edge: Client) -> None:
        await request_of(edge)
        await edge.send(queue.pop(0))

    async with two(tmp_path, script) as place:
        for _ in answers:
            async with place.client() as client:
                await client.send(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")
                received = await client.rest()
                assert b"abc" in received
                assert not received.endswith(b"0\r\n\r\n")


async def test_nonsense_from_control_is_502(tmp_path: Path) -> None:
    async def script(edge: Client) -> None:
        await request_of(edge)
        await edge.send(b"HTTP/9.9 what\r\n\r\n")

    async with two(tmp_path, script) as place, place.client() as client:
        assert (await client.ask(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")).status == 502


@pytest.mark.slow
async def test_control_that_does_not_answer_is_504(tmp_path: Path) -> None:
    async def script(edge: Client) -> None:
        await request_of(edge)
        await trio.sleep_forever()

    async with two(tmp_path, script, EdgeOptions(control_head_timeout_s=0.1)) as place, place.client() as client:
        assert (await client.ask(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")).status == 504


@pytest.mark.parametrize("begun", [False, True])
async def test_client_that_leaves_is_noticed_by_control(tmp_path: Path, *, begun: bool) -> None:
    arrived, noticed = trio.Event(), trio.Event()

    async def script(edge: Client) -> None:
        await request_of(edge)
        if begun:
            await edge.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        arrived.set()
        assert await edge.stream.receive_some(1) == b""
        noticed.set()

    async with two(tmp_path, script) as place:
        async with place.client() as client:
            await client.send(b"GET /events HTTP/1.1\r\nHost: gw\r\n\r\n")
            await arrived.wait()
            if begun:
                await client.until(b"\r\n\r\n")
        await noticed.wait()


async def test_upgrade_is_a_tunnel(tmp_path: Path) -> None:
    heads = []

    async def script(edge: Client) -> None:
        heads.append(await request_of(edge))
        await edge.send(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nx-a: 1\r\n\r\nhello"
        )
        assert await edge.exactly(4) == b"\x00\r\n\xff"
        await edge.send(b"bye")

    async with two(tmp_path, script) as place, place.client() as client:
        offer = b"GET /ws HTTP/1.1\r\nHost: gw\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
        answer = await client.ask(offer)
        assert (answer.status, answer.headers[b"upgrade"], answer.headers[b"connection"]) == (
            101,
            b"websocket",
            b"upgrade",
        )
        assert answer.headers[b"x-a"] == b"1"
        assert await client.exactly(5) == b"hello"
        await client.send(b"\x00\r\n\xff")
        assert await client.rest() == b"bye"
        assert heads[0][1][-2:] == [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]


async def test_upgrade_to_http2_is_not_passed_on(tmp_path: Path) -> None:
    async def script(edge: Client) -> None:
        pairs = dict((await request_of(edge))[1])
        assert b"upgrade" not in pairs
        assert pairs[b"connection"] == b"close"
        await edge.send(OK)

    async with two(tmp_path, script) as place, place.client() as client:
        offer = b"GET / HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
        assert (await client.ask(offer)).body == b"ok"


async def test_unframing_by_connection_header_is_refused_its_effect(tmp_path: Path) -> None:
    """``Connection: content-length`` must not turn a body into control's next request."""

    async def script(edge: Client) -> None:
        pairs = dict((await request_of(edge))[1])
        assert pairs[b"content-length"] == b"4"
        assert pairs[b"host"] == b"gw"
        assert await edge.exactly(4) == b"GET "
        await edge.send(OK)

    async with two(tmp_path, script) as place, place.client() as client:
        nominated = b"Connection: content-length, host, x-omniroute-peer\r\n"
        answer = await client.ask(b"POST / HTTP/1.1\r\nHost: gw\r\n" + nominated + b"Content-Length: 4\r\n\r\nGET ")
        assert answer.body == b"ok"
