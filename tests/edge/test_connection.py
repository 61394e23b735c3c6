"""One client connection over real sockets: requests, errors, limits and deadlines."""

from __future__ import annotations

import logging

import msgspec
import pytest
import trio

from omniroute.edge import EdgeOptions

from .house import Client, house
from .test_head import REFUSED

GET = b"GET /v1/echo HTTP/1.1\r\nHost: gw\r\n\r\n"


def post(body: bytes, path: bytes = b"/v1/echo", *headers: bytes) -> bytes:
    lines = [b"POST %b HTTP/1.1" % path, b"Host: gw", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def code(body: bytes) -> object:
    return msgspec.json.decode(body)["error"]["code"]


async def test_requests_on_one_connection() -> None:
    async with house() as place, place.client() as client:
        first = await client.ask(post(b"one"))
        second = await client.ask(post(b"two", b"/v1/v1/echo?q=1", b"X-Request-Id: mine-0001"))
        third = await client.ask(GET)
        assert [first.body, second.body, third.body] == [
            b'{"method":"POST","body":"one"}',
            b'{"method":"POST","body":"two"}',
            b'{"method":"GET","body":""}',
        ]
        seen = place.handlers.seen
        assert (seen[1].path, seen[1].query, seen[1].peer) == ("/v1/echo", b"q=1", "127.0.0.1")
        ids = [answer.headers[b"x-request-id"].decode() for answer in (first, second, third)]
        assert ids == [incoming.request_id for incoming in seen]
        assert len(set(ids)) == 3
        assert "mine-0001" not in ids


async def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    async with house() as place, place.client() as client:
        gated = b"GET /v1/gated HTTP/1.1\r\nHost: gw\r\n\r\n"
        await client.send(gated + post(b"later") + GET * 30)
        await place.handlers.entered.wait()
        await trio.testing.wait_all_tasks_blocked(0.005)
        assert len(place.handlers.seen) == 1  # the second waits in the relay
        place.handlers.go_on.set()
        assert (await client.answer()).body == b'{"gated":true}'
        assert (await client.answer()).body == b'{"method":"POST","body":"later"}'
        for _ in range(30):
            assert (await client.answer()).status == 200


async def test_a_client_that_pipelines_leaves_the_others_their_turn() -> None:
    async with house() as place, place.client() as greedy, place.client() as modest:
        await modest.ask(GET)
        await greedy.send(GET * 1000)
        await modest.send(GET.replace(b"echo", b"echo?modest"))
        await place.settled(lambda: len(place.handlers.seen) == 1002)
        turns = [incoming.query for incoming in place.handlers.seen]
        assert turns.index(b"modest") < 900


async def test_close_with_unread_pipelined_requests_does_not_reset() -> None:
    async with house() as place, place.client() as client:
        close = b"GET /v1/gated HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n"
        await client.send(close + GET * 4000)  # more than the relay reads ahead
        await place.handlers.entered.wait()
        place.handlers.go_on.set()
        assert (await client.answer()).body == b'{"gated":true}'
        assert await client.rest() == b""
        assert len(place.handlers.seen) == 1


async def test_chunked_body() -> None:
    async with house() as place, place.client() as client:
        head = b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await client.ask(head + b"3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n" + GET)
        assert answer.body == b'{"method":"POST","body":"abcde"}'
        assert (await client.answer()).body == b'{"method":"GET","body":""}'


async def test_expect_continue() -> None:
    async with house() as place, place.client() as client:
        await client.send(b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.answer()).status == 100
        assert (await client.ask(b"ok")).body == b'{"method":"POST","body":"ok"}'
        # a body that is here already needs no invitation
        assert (await client.ask(post(b"ok", b"/v1/echo", b"Expect: 100-continue"))).status == 200


async def test_refusal_instead_of_continue() -> None:
    async with house() as place, place.client() as client:
        await client.send(b"POST /v1/small HTTP/1.1\r\nHost: gw\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, code(answer.body)) == (413, "body_too_large")
        assert await client.rest() == b""


async def test_http10() -> None:
    async with house() as place:
        async with place.client() as client:
            answer = await client.ask(b"GET /v1/echo HTTP/1.0\r\n\r\n")
            assert (answer.status, answer.headers[b"connection"]) == (200, b"close")
            assert await client.rest() == b""
        async with place.client() as client:
            for _ in range(2):
                answer = await client.ask(b"GET /v1/echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                assert answer.headers[b"connection"] == b"keep-alive"
        async with place.client() as client:
            answer = await client.ask(b"GET /v1/stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert answer.body == b"data: 1\n\ndata: 2\n\n"


async def test_stream_and_keep_alive() -> None:
    async with house() as place, place.client() as client:
        answer = await client.ask(b"GET /v1/stream HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert answer.body == b"data: 1\n\ndata: 2\n\n"
        assert (await client.ask(GET)).status == 200


async def test_connection_close_is_kept() -> None:
    async with house() as place, place.client() as client:
        answer = await client.ask(b"GET /v1/echo HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n")
        assert answer.headers[b"connection"] == b"close"
        assert await client.rest() == b""


async def test_head_and_options_and_wrong_method() -> None:
    async with house(EdgeOptions(cors_origins=("https://app.example",))) as place, place.client() as client:
        answer = await client.ask(b"HEAD /v1/echo HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert (answer.status, answer.headers[b"content-length"]) == (200, b"27")
        origin = b"Host: gw\r\nOrigin: https://app.example\r\n"
        answer = await client.ask(b"OPTIONS /v1/other HTTP/1.1\r\n" + origin + b"\r\n")
        assert answer.status == 404  # control's, and there is none here
        preflight = b"OPTIONS /v1/echo HTTP/1.1\r\n" + origin + b"Access-Control-Request-Method: POST\r\n\r\n"
        answer = await client.ask(preflight)
        assert (answer.status, answer.headers[b"access-control-allow-origin"]) == (204, b"https://app.example")
        assert answer.headers[b"access-control-allow-methods"] == b"GET, HEAD, POST, OPTIONS"
        answer = await client.ask(b"GET /v1/fail?refused HTTP/1.1\r\n" + origin + b"\r\n")
        assert (answer.status, answer.headers[b"access-control-allow-origin"]) == (429, b"https://app.example")
        answer = await client.ask(b"DELETE /v1/echo HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert (answer.status, answer.headers[b"allow"]) == (405, b"GET, HEAD, POST, OPTIONS")
        assert code(answer.body) == "method_not_allowed"
        answer = await client.ask(b"PUT /v1/echo HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\n\r\nabc")
        assert (answer.status, answer.headers[b"connection"]) == (405, b"close")
        assert await client.rest() == b""


async def test_errors_of_handlers(caplog: pytest.LogCaptureFixture) -> None:
    def fail(query: bytes) -> bytes:
        return b"GET /v1/fail?%b HTTP/1.1\r\nHost: gw\r\n\r\n" % query

    async with house() as place, place.client() as client:
        answer = await client.ask(fail(b"refused"))
        assert (answer.status, answer.headers[b"retry-after"]) == (429, b"3")
        assert code(answer.body) == "rate_limit_exceeded"
        assert not caplog.records
        answer = await client.ask(fail(b"key=sk-2"))
        assert (answer.status, code(answer.body)) == (500, "internal_server_error")
        assert b"sk-1" not in answer.body
        assert "sk-2" not in caplog.text
        assert answer.headers[b"x-request-id"].decode() in caplog.text
        assert "RuntimeError" in caplog.text
        assert (await client.ask(fail(b"silent"))).status == 500
        assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
        assert (await client.ask(fail(b"after"))).status == 200
        assert await client.rest() == b""  # what failed after its answer is not trusted with another request
    async with house() as place, place.client() as client:
        await client.send(fail(b"gone"))
        assert await client.rest() == b""


async def test_failure_inside_a_stream_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as place:
        async with place.client() as client:
            answer = await client.ask(b"GET /v1/stream?fail HTTP/1.1\r\nHost: gw\r\n\r\n")
            assert answer.body == b"data: 1\n\n"
            assert await client.rest() == b""
        assert "in the middle" in caplog.text
        async with place.client() as client:
            answer = await client.ask(b"GET /v1/stream?abort HTTP/1.1\r\nHost: gw\r\n\r\n")
            assert answer.body == b"data: 1\n\ndata: sorry\n\n"
            assert await client.rest() == b""


SMUGGLED = b"GET /v1/echo?smuggled HTTP/1.1\r\nHost: gw\r\n\r\n"
BODIES = {
    "bad chunk size": b"x\r\nabc\r\n0\r\n\r\n",
    "negative chunk size": b"-1\r\nabc\r\n0\r\n\r\n",
    "plus chunk size": b"+3\r\nabc\r\n0\r\n\r\n",
    "hex prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "huge chunk size": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "no CRLF after chunk": b"3\r\nabcd\r\n0\r\n\r\n",
    "LF after size": b"3\nabc\r\n0\r\n\r\n",
    "empty size": b"\r\nabc\r\n0\r\n\r\n",
}


CUT_ELSEWHERE = {"two heads", "head and body", "no end", "nothing", "blank"}
"""Not one head, so the relay never gives them out as one."""


@pytest.mark.parametrize("case", sorted(REFUSED.keys() - CUT_ELSEWHERE))
async def test_no_second_request_after_a_bad_head(case: str) -> None:
    data, status = REFUSED[case]
    async with house() as place, place.client() as client:
        await client.send(data + SMUGGLED)
        answer = await client.answer()
        assert answer.status == status
        assert answer.headers[b"connection"] == b"close"
        assert await client.rest() == b""
        assert not place.handlers.seen


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_no_second_request_after_a_bad_body(body: bytes) -> None:
    async with house() as place, place.client() as client:
        await client.send(b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
        answer = await client.answer()
        assert (answer.status, answer.headers[b"connection"]) == (400, b"close")
        assert await client.rest() == b""
        assert not place.handlers.seen


async def test_a_body_that_looks_like_a_request_is_a_body() -> None:
    async with house() as place, place.client() as client:
        answer = await client.ask(post(b"GET / HTTP/1.1"))
        assert answer.body == b'{"method":"POST","body":"GET / HTTP/1.1"}'
        answer = await client.ask(b"GET /v1/echo HTTP/1.1\r\nHost: gw\r\nContent-Length: 4\r\n\r\nGET " + GET)
        assert answer.body == b'{"method":"GET","body":"GET "}'
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status", "word"),
    [
        (b"POST /v1/odd?refused HTTP/1.1\r\nHost: gw\r\n\r\n", 529, b"rate_limit_exceeded"),
        (b"POST /v1/odd HTTP/1.1\r\nHost: gw\r\n\r\n", 500, b"internal_server_error"),
        (b"DELETE /odd HTTP/1.1\r\nHost: gw\r\n\r\n", 405, b"method_not_allowed"),
        (b"POST /v1/odd HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, b"bad_request"),
        (b"POST //odd?x=1 HTTP/1.1\r\n\r\n", 400, b"bad_request"),  # no Host: the head is not understood
        (b"POST /v1/odd HTTP/1.1\r\nHost: gw\r\nContent-Length: x\r\n\r\n", 400, b"bad_request"),
        (b"POST /v1/odd HTTP/2.0\r\nHost: gw\r\n\r\n", 505, b"http_version_not_supported"),
    ],
)
async def test_every_error_of_a_path_has_its_shape(request_bytes: bytes, status: int, word: bytes) -> None:
    async with house() as place, place.client() as client:
        await client.send(request_bytes)
        answer = await client.answer()
        request_id = answer.headers[b"x-request-id"]
        assert (answer.status, answer.body) == (status, b'{"oh":"%b %b"}' % (word, request_id))
        assert answer.headers[b"request-id"] == request_id


async def test_head_too_large() -> None:
    async with house(EdgeOptions(head_bytes=1000)) as place, place.client() as client:
        await client.send(b"GET /v1/echo HTTP/1.1\r\nHost: gw\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, code(answer.body)) == (431, "headers_too_large")
        assert await client.rest() == b""


async def test_body_too_large() -> None:
    async with house() as place:
        async with place.client() as client:
            assert (await client.ask(post(b"0123456789", b"/v1/small"))).status == 200
            answer = await client.ask(post(b"0123456789a", b"/v1/small"))
            assert (answer.status, code(answer.body)) == (413, "body_too_large")
            assert await client.rest() == b""
        async with place.client() as client:
            head = b"POST /v1/small HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
            answer = await client.ask(head + b"6\r\n012345\r\n6\r\n012345\r\n")  # and no end
            assert answer.status == 413
            assert await client.rest() == b""
        assert len(place.handlers.seen) == 1


async def test_error_arrives_although_the_client_still_sends() -> None:
    async with house(EdgeOptions(body_bytes=1000)) as place, place.client() as client:
        await client.send(post(b"x" * 500_000))
        answer = await client.answer()
        assert answer.status == 413
        assert await client.rest() == b""


async def test_bodies_held_at_once_are_bounded() -> None:
    options = EdgeOptions(bodies_bytes=1000, chunked_reserve_bytes=600)
    async with house(options) as place, place.client() as first, place.client() as second:
        await first.send(post(b"x" * 500, b"/v1/gated"))
        await place.handlers.entered.wait()
        assert place.edge.bodies_held == 500
        answer = await second.ask(post(b"x" * 501))
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
        async with place.client() as third:
            assert (await third.ask(post(b"x" * 500))).status == 200
        async with place.client() as fourth:
            head = b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert (await fourth.ask(head + b"0\r\n\r\n")).status == 503
        place.handlers.go_on.set()
        assert (await first.answer()).status == 200
        assert place.edge.bodies_held == 0


@pytest.mark.slow
async def test_slow_headers_are_gone_at_the_deadline() -> None:
    options = EdgeOptions(head_timeout_s=0.2, keep_alive_s=5.0, linger_s=0.1)
    async with house(options) as place:
        for before in (b"", GET):  # on a new connection, and after a request of a kept one
            async with place.client() as client:
                if before:
                    await client.ask(before)
                start = trio.current_time()
                answer = await _trickle(client, b"GET /v1/echo HTTP/1.1\r\nX: " + b"a" * 1000)
                assert (answer.status, code(answer.body)) == (408, "request_timeout")
                assert 0.15 < trio.current_time() - start < 1.0


async def _trickle(client: Client, data: bytes) -> object:
    """Send byte after byte until an answer comes."""
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            for at in range(len(data)):
                await client.send(data[at : at + 1])
                await trio.sleep(0.01)

        nursery.start_soon(send)
        answer = await client.answer()
        nursery.cancel_scope.cancel()
    return answer


@pytest.mark.slow
async def test_idle_connections_are_closed_without_a_word() -> None:
    async with house(EdgeOptions(head_timeout_s=0.15, keep_alive_s=0.3)) as place:
        async with place.client() as client:  # opened and never used
            assert await client.rest() == b""
        async with place.client() as client:
            await client.ask(GET)
            start = trio.current_time()
            assert await client.rest() == b""
            assert trio.current_time() - start > 0.2


@pytest.mark.slow
async def test_slow_body_is_gone_below_the_minimum_rate() -> None:
    options = EdgeOptions(body_grace_s=0.2, body_min_rate=1000.0, linger_s=0.1)
    async with house(options) as place:
        async with place.client() as client:
            await client.send(b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000\r\n\r\n")
            answer = await _trickle(client, b"a" * 900)
            assert (answer.status, code(answer.body)) == (408, "request_timeout")
        async with place.client() as client:  # slow, and fast enough
            await client.send(b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nContent-Length: 1500\r\n\r\n")
            for _ in range(5):
                await trio.sleep(0.08)
                await client.send(b"a" * 300)
            assert (await client.answer()).status == 200


async def test_client_that_leaves_in_the_middle() -> None:
    async with house() as place:
        for data in (
            b"",
            b"GET / HT",
            post(b"abc")[:-1],
            b"POST /v1/echo HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        ):
            async with place.client() as client:
                await client.send(data or b"\r\n")
        await place.settled(lambda: place.edge.connections == 0)
        assert not place.handlers.seen
