"""Upstreams that fail, through the whole gateway: what the client is told, who is tried next, what the ledger keeps."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trio

from tests.e2e import answers
from tests.e2e.answers import (
    DONE,
    ERROR_EVENT,
    EVENTS,
    HELLO,
    LAST_CHUNK,
    ROLE,
    STOP,
    STREAM_HEAD,
    USAGE_CHUNK,
    WORLD,
    chunked,
)
from tests.e2e.caller import Answer, call, calling, chat
from tests.e2e.standing import Row, Standing
from tests.fakes.upstream import Peer, Talk, scripted

Fault = Callable[[Talk], Awaitable[None]]

SHORT = {"first_byte_s": 0.2, "idle_s": 0.2}
"""Timeouts of a connection whose upstream stalls; the relay looks at them ten times a second."""


def saying(data: bytes, then: str = "rst") -> Fault:
    """Send ``data``, then break (``rst``), end (``fin``), stay silent (``stall``) or go on serving (``serve``)."""

    async def say(talk: Talk) -> None:
        await talk.send(data)
        if then == "rst":
            talk.rst()
        elif then == "fin":
            await talk.fin()
            await talk.gone()
        elif then == "stall":
            await talk.gone()
        else:
            await talk.serve(answers.stream())

    return say


def once(fault: Fault, then: bytes = b"") -> Callable[[Talk], Awaitable[None]]:
    """The first connection's first request gets ``fault``; all that follow are answered well."""

    async def script(talk: Talk) -> None:
        if talk.number == 0:
            await talk.request()
            await fault(talk)
        else:
            await talk.serve(then or answers.stream())

    return script


BEFORE_COMMIT = {
    "reset instead of a head": (saying(b""), 502, "bad_gateway", "reset"),
    "reset within the head": (saying(STREAM_HEAD[:20]), 502, "bad_gateway", "truncated|reset"),
    "end instead of a head": (saying(b"", "fin"), 502, "bad_gateway", "reset"),
    "end within the head": (saying(STREAM_HEAD[:20], "fin"), 502, "bad_gateway", "truncated"),
    "not HTTP": (saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "fin"), 502, "bad_gateway", "malformed"),
    "two lengths": (
        saying(answers.head(200, "text/event-stream", "content-length: 5", "content-length: 6") + b"hello", "serve"),
        502,
        "bad_gateway",
        "malformed",
    ),
    "length and chunked": (
        saying(answers.head(200, "text/event-stream", "content-length: 5", "transfer-encoding: chunked"), "serve"),
        502,
        "bad_gateway",
        "malformed",
    ),
    "switches protocols": (
        saying(b"HTTP/1.1 101 Sure\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "serve"),
        502,
        "bad_gateway",
        "malformed",
    ),
    "reset after the head": (saying(STREAM_HEAD), 502, "upstream_incomplete", "reset"),
    "reset after the handshake": (saying(STREAM_HEAD + chunked(ROLE)), 502, "upstream_incomplete", "reset"),
    "end after the handshake": (saying(STREAM_HEAD + chunked(ROLE), "fin"), 502, "upstream_incomplete", "truncated"),
    "a bad chunk first": (saying(STREAM_HEAD + b"zz\r\n" + HELLO, "serve"), 502, "upstream_incomplete", "malformed"),
    "an error event first": (saying(answers.stream(ERROR_EVENT, DONE), "fin"), 502, "boom|upstream_error", "server"),
    "an error event after the handshake": (
        saying(answers.stream(ROLE, ERROR_EVENT), "fin"),
        502,
        "boom|upstream_error",
        "server",
    ),
    "an empty stream": (saying(STREAM_HEAD + LAST_CHUNK, "fin"), 502, "upstream_incomplete", "truncated"),
    "a handshake without end": (
        saying(answers.stream(*[b": patience\n\n" * 10_000] * 10), "fin"),
        502,
        "upstream_incomplete",
        "too_large",
    ),
    "HTML under 200": (
        saying(answers.whole(b"<html>\n\nhi</html>", kind="text/html"), "fin"),
        502,
        "bad_gateway",
        "malformed",
    ),
    "HTML under 502": (
        saying(answers.whole(b"<html>hi</html>", status=502, kind="text/html"), "fin"),
        502,
        "bad_gateway",
        "server",
    ),
    "overloaded": (
        saying(answers.whole(b'{"error":{"message":"busy"}}', status=503), "fin"),
        503,
        "overloaded",
        "overloaded",
    ),
    "an error body cut off": (
        saying(answers.head(503, "application/json", "content-length: 900") + b'{"error":', "fin"),
        503,
        "overloaded",
        "overloaded",
    ),
    "an error body without end": (
        saying(answers.head(429, "application/json", "content-length: 300000") + b"x" * 300_000, "fin"),
        429,
        "rate_limit_exceeded",
        "rate_limit",
    ),
    "a key that is refused": (
        saying(answers.whole(b'{"error":{"message":"no"}}', status=401), "fin"),
        401,
        "invalid_api_key",
        "authentication",
    ),
}
"""fault; status and code for the client where nobody else can be tried; error class in the ledger (``|``: either)"""

STALLS = {
    "no head": (saying(b"", "stall"), "timeout_first_byte"),
    "no first event": (saying(STREAM_HEAD, "stall"), "timeout_idle"),
    "no content": (saying(STREAM_HEAD + chunked(ROLE), "stall"), "timeout_idle"),
    "half an event": (saying(STREAM_HEAD + b"%x\r\n" % len(HELLO) + HELLO[:30], "stall"), "timeout_idle"),
}


def failed(row: Row, error_class: str) -> None:
    assert row.outcome == "upstream_error"
    assert row.error_class in error_class.split("|")


async def two_connections(
    gateway: Standing, stack: AsyncExitStack, fault: Fault, **more: object
) -> tuple[str, Peer, Peer]:
    """A provider whose first connection has ``fault`` and whose second is well."""
    bad = await stack.enter_async_context(scripted(once(fault)))
    good = await stack.enter_async_context(scripted(lambda talk: talk.serve(answers.stream())))
    provider = await gateway.connect(bad.url(), label="bad", priority=1, **more)
    await gateway.connect(good.url(), provider=provider, label="good", priority=2)
    return provider, bad, good


@pytest.mark.parametrize("name", BEFORE_COMMIT)
async def test_a_fault_before_commit_is_told_with_its_status(gateway: Standing, name: str) -> None:
    fault, status, code, error_class = BEFORE_COMMIT[name]
    async with scripted(once(fault)) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m"))
        assert answer.status == status
        assert answer.error["code"] in code.split("|")
        assert answer.error["request_id"] == answer.headers["x-request-id"]
        assert answer.reusable
        again = await call(gateway, chat(f"{provider}/m"))
        assert (again.status, again.body) == (200, answers.SHOWN)
        assert [len(talk.requests) for talk in peer.talks] == [1, 1], "the wire was used again after a fault"
    (bad,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    failed(bad, error_class)
    (good,) = await gateway.rows(request_id=again.headers["x-request-id"])
    assert good.outcome == "ok"


@pytest.mark.parametrize("name", BEFORE_COMMIT)
async def test_a_fault_before_commit_is_the_next_connection_s_chance(gateway: Standing, name: str) -> None:
    fault, _, _, error_class = BEFORE_COMMIT[name]
    async with AsyncExitStack() as stack:
        provider, _, _ = await two_connections(gateway, stack, fault)
        answer = await call(gateway, chat(f"{provider}/m"))
    assert (answer.status, answer.body) == (200, answers.SHOWN)
    assert (answer.headers["x-omniroute-attempts"], answer.headers["x-omniroute-connection"]) == ("2", "good")
    first, second = await gateway.rows(request_id=answer.headers["x-request-id"], count=2)
    failed(first, error_class)
    assert (first.attempt, second.attempt, second.outcome) == (1, 2, "ok")
    assert second.usage["output_total"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", STALLS)
async def test_a_stall_before_commit(gateway: Standing, name: str) -> None:
    fault, error_class = STALLS[name]
    async with AsyncExitStack() as stack:
        provider, bad, _ = await two_connections(gateway, stack, fault, timeouts=SHORT)
        answer = await call(gateway, chat(f"{provider}/m"))
        with trio.fail_after(1):
            await bad.talks[0].ended.wait()  # the gateway has hung up
    assert (answer.status, answer.headers["x-omniroute-connection"]) == (200, "good")
    first, second = await gateway.rows(request_id=answer.headers["x-request-id"], count=2)
    failed(first, error_class)
    assert second.outcome == "ok"


@pytest.mark.slow
async def test_a_stall_with_nobody_else_is_a_gateway_timeout(gateway: Standing) -> None:
    async with scripted(once(saying(b"", "stall"))) as peer:
        provider = await gateway.connect(peer.url(), timeouts=SHORT)
        answer = await call(gateway, chat(f"{provider}/m"))
    assert (answer.status, answer.error["code"]) == (504, "gateway_timeout")


@pytest.mark.parametrize("how", ["rst", "fin"])
@pytest.mark.parametrize("index", range(2, 4))
async def test_a_stream_broken_after_event_k_ends_with_an_error(gateway: Standing, how: str, index: int) -> None:
    async with AsyncExitStack() as stack:
        fault = saying(STREAM_HEAD + chunked(*EVENTS[:index]), how)
        provider, bad, good = await two_connections(gateway, stack, fault)
        answer, answer_rows = await broken_stream(gateway, provider, b"".join(EVENTS[:index]))
        assert len(bad.talks) == 1
        assert not good.talks, "no failover after the commit point"
    assert answer.in_band_error["code"] == "upstream_incomplete"
    failed(answer_rows, "reset" if how == "rst" else "truncated")


async def broken_stream(gateway: Standing, provider: str, before: bytes) -> tuple[Answer, Row]:
    """A request whose stream breaks after ``before`` was passed on; its answer and its only row."""
    answer = await call(gateway, chat(f"{provider}/m"))
    assert answer.status == 200
    assert answer.headers["x-omniroute-attempts"] == "1"
    assert answer.body.startswith(before)
    assert answer.in_band_error["request_id"] == answer.headers["x-request-id"]
    assert answer.reusable, "the client's framing is whole"
    (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    assert (row.status, row.bytes_out) == (200, len(answer.body))
    return answer, row


AFTER_COMMIT = {
    "a bad chunk": (saying(STREAM_HEAD + chunked(ROLE, HELLO) + b"zz\r\n", "serve"), "malformed"),
    "no finish": (saying(answers.stream(ROLE, HELLO, WORLD), "serve"), "truncated"),
    "half an event": (saying(STREAM_HEAD + chunked(ROLE, HELLO, WORLD[:40]) + LAST_CHUNK, "serve"), "truncated"),
    "a last event without its blank line, and no finish": (
        saying(STREAM_HEAD + chunked(ROLE, HELLO, WORLD[:-2]) + LAST_CHUNK, "serve"),
        "truncated",
    ),
    "less than it said": (
        saying(answers.head(200, "text/event-stream", "content-length: 999") + ROLE + HELLO, "fin"),
        "truncated",
    ),
}


@pytest.mark.parametrize("name", AFTER_COMMIT)
async def test_a_fault_after_commit_is_told_in_band(gateway: Standing, name: str) -> None:
    fault, error_class = AFTER_COMMIT[name]
    async with AsyncExitStack() as stack:
        provider, _, good = await two_connections(gateway, stack, fault)
        answer, row = await broken_stream(gateway, provider, ROLE + HELLO)
        assert not good.talks
    assert answer.in_band_error["code"] == "upstream_incomplete"
    failed(row, error_class)


@pytest.mark.parametrize("name", ["a bad chunk", "less than it said"])
async def test_a_wire_with_a_fault_after_commit_is_not_used_again(gateway: Standing, name: str) -> None:
    async with scripted(once(AFTER_COMMIT[name][0])) as peer:
        provider = await gateway.connect(peer.url())
        await call(gateway, chat(f"{provider}/m"))
        again = await call(gateway, chat(f"{provider}/m"))
        assert again.body == answers.SHOWN
        assert [len(talk.requests) for talk in peer.talks] == [1, 1]


async def test_of_two_answers_one_is_not_enough(gateway: Standing) -> None:
    """One choice is finished, the other was not when the connection broke."""
    async with scripted(once(saying(STREAM_HEAD + chunked(ROLE, HELLO, STOP), "rst"))) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m", n=2))
    assert answer.in_band_error["code"] == "upstream_incomplete"
    (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    failed(row, "reset")


@pytest.mark.slow
async def test_a_stall_after_commit_is_told_in_band(gateway: Standing) -> None:
    async with scripted(once(saying(STREAM_HEAD + chunked(ROLE, HELLO), "stall"))) as peer:
        provider = await gateway.connect(peer.url(), timeouts=SHORT)
        answer, row = await broken_stream(gateway, provider, ROLE + HELLO)
        with trio.fail_after(1):
            await peer.talks[0].ended.wait()
    assert answer.in_band_error["code"] == "gateway_timeout"
    failed(row, "timeout_idle")


@pytest.mark.slow
async def test_an_answer_that_never_ends_is_cut_at_the_total_deadline(gateway: Standing) -> None:
    async def drip(talk: Talk) -> None:
        await talk.send(STREAM_HEAD)
        while True:
            await talk.send(chunked(WORLD))
            await trio.sleep(0.05)

    async with scripted(once(drip)) as peer:
        provider = await gateway.connect(peer.url(), timeouts={"total_s": 0.3})
        answer, row = await broken_stream(gateway, provider, WORLD)
    assert answer.in_band_error["code"] == "gateway_timeout"
    failed(row, "timeout_total")


@pytest.mark.slow
async def test_the_total_deadline_before_an_answer_has_begun(gateway: Standing) -> None:
    async with scripted(once(saying(STREAM_HEAD + chunked(ROLE), "stall"))) as peer:
        provider = await gateway.connect(peer.url(), timeouts={"total_s": 0.2})
        answer = await call(gateway, chat(f"{provider}/m"))
    assert (answer.status, answer.error["code"]) == (504, "gateway_timeout")
    (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    failed(row, "timeout_total")


async def test_an_error_event_later_is_passed_on_and_booked(gateway: Standing) -> None:
    sent = ROLE + HELLO + ERROR_EVENT
    async with AsyncExitStack() as stack:
        provider, _, good = await two_connections(
            gateway, stack, saying(answers.stream(ROLE, HELLO, ERROR_EVENT), "serve")
        )
        answer = await call(gateway, chat(f"{provider}/m"))
        assert not good.talks
    assert answer.body == sent
    assert answer.in_band_error["code"] == "boom"
    (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    failed(row, "in_band_error")


@pytest.mark.slow
async def test_an_event_beyond_every_bound(gateway: Standing) -> None:
    big = answers.event({"content": "x" * (17 * 1024 * 1024)})
    async with scripted(once(saying(answers.stream(ROLE, HELLO, big, STOP, DONE), "serve"))) as peer:
        provider = await gateway.connect(peer.url())
        answer, row = await broken_stream(gateway, provider, ROLE + HELLO)
    assert len(answer.body) < 2000
    assert answer.in_band_error["code"] == "upstream_incomplete"
    failed(row, "too_large")


async def test_a_large_first_event_is_an_answer(gateway: Standing) -> None:
    image = answers.event({"images": ["x" * (3 * 1024 * 1024)]})
    async with scripted(lambda talk: talk.serve(answers.stream(ROLE, image, STOP, DONE))) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m"))
    assert answer.body == ROLE + image + STOP + DONE


SLOPPY = {
    "no end mark": (answers.stream(ROLE, HELLO, STOP, USAGE_CHUNK), "serve", ROLE + HELLO + STOP),
    "reset after the finish": (STREAM_HEAD + chunked(ROLE, HELLO, STOP), "rst", ROLE + HELLO + STOP),
    "no last chunk": (STREAM_HEAD + chunked(*EVENTS), "fin", answers.SHOWN),
    "no blank line at the end": (answers.stream(*EVENTS[:-1], DONE[:-2]), "serve", answers.SHOWN[:-2]),
    "until the connection ends": (answers.head() + b"".join(EVENTS), "fin", answers.SHOWN),
    "one JSON body in place of a stream": (answers.whole(), "serve", None),
    "SSE that says it is JSON": (answers.whole(b"".join(EVENTS)), "serve", answers.SHOWN),
}


@pytest.mark.parametrize("name", SLOPPY)
async def test_a_sloppy_end_is_an_end(gateway: Standing, name: str) -> None:
    data, then, shown = SLOPPY[name]
    fault = saying(data, then)
    async with scripted(once(fault)) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m"))
        (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    if shown is None:
        assert b'"delta":{"role":"assistant","content":"Hello"}' in answer.body
        assert answer.body.endswith(DONE)
    else:
        assert answer.body == shown
    assert (row.outcome, row.error_class, row.bytes_out) == ("ok", "", len(answer.body))


@pytest.mark.slow
async def test_silence_after_the_finish_is_an_end(gateway: Standing) -> None:
    async with scripted(once(saying(STREAM_HEAD + chunked(ROLE, HELLO, STOP), "stall"))) as peer:
        provider = await gateway.connect(peer.url(), timeouts={"idle_s": 30})
        answer = await call(gateway, chat(f"{provider}/m"))
    assert answer.body == ROLE + HELLO + STOP


WHOLE_FAULTS = {
    "less than it said": (
        answers.head(200, "application/json", "content-length: 999") + answers.BODY,
        "fin",
        "upstream_incomplete",
        "truncated",
    ),
    "reset inside": (
        answers.head(200, "application/json", "content-length: 999") + answers.BODY,
        "rst",
        "upstream_incomplete",
        "reset",
    ),
    "more than it said": (
        answers.head(200, "application/json", "content-length: 50") + answers.BODY,
        "serve",
        "bad_gateway",
        "malformed",
    ),
    "a bad chunk": (
        answers.head(200, "application/json", "transfer-encoding: chunked") + b"g\r\n",
        "serve",
        "upstream_incomplete",
        "malformed",
    ),
    "HTML": (answers.whole(b"<!doctype html><p>hi", kind="text/html"), "fin", "bad_gateway", "malformed"),
    "nothing": (answers.whole(b""), "fin", "bad_gateway", "malformed"),
    "an error": (answers.whole(b'{"error":{"message":"no","code":"boom"}}'), "fin", "upstream_error|boom", "server"),
}


@pytest.mark.parametrize("name", WHOLE_FAULTS)
async def test_a_faulty_whole_answer(gateway: Standing, name: str) -> None:
    data, then, code, error_class = WHOLE_FAULTS[name]
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(scripted(once(saying(data, then), answers.whole())))
        good = await stack.enter_async_context(scripted(lambda talk: talk.serve(answers.whole())))
        provider = await gateway.connect(bad.url(), label="bad", priority=1)
        alone = await call(gateway, chat(f"{provider}/m", stream=False))
        assert alone.status == 502
        assert alone.error["code"] in code.split("|")
        healed = await call(gateway, chat(f"{provider}/m", stream=False))
        assert healed.body == answers.BODY
        assert [len(talk.requests) for talk in bad.talks] == [1, 1]
        (row,) = await gateway.rows(request_id=alone.headers["x-request-id"])
        failed(row, error_class)

        failing = await stack.enter_async_context(scripted(once(saying(data, then))))
        provider = await gateway.connect(failing.url(), label="bad", priority=1)
        await gateway.connect(good.url(), provider=provider, label="good", priority=2)
        answer = await call(gateway, chat(f"{provider}/m", stream=False))
    assert (answer.status, answer.body, answer.headers["x-omniroute-connection"]) == (200, answers.BODY, "good")


async def test_a_compressed_answer_nobody_asked_for_is_passed_on(gateway: Standing) -> None:
    packed = gzip.compress(answers.BODY)
    async with scripted(lambda talk: talk.serve(answers.whole(packed, lines=("content-encoding: gzip",)))) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m", stream=False))
    assert (answer.status, answer.body, answer.headers["content-encoding"]) == (200, packed, "gzip")
    (row,) = await gateway.rows(provider=provider)
    assert (row.outcome, row.usage["known"]) == ("ok", False)


@pytest.mark.parametrize("stream", [True, False])
async def test_more_than_was_asked_for(gateway: Standing, *, stream: bool) -> None:
    good = answers.stream() if stream else answers.whole()
    evil = (
        answers.stream(answers.event({"content": "smuggled"}, "stop")) if stream else answers.whole(b'{"smuggled":1}')
    )
    async with scripted(once(saying(good + evil, "stall"), good)) as peer:
        provider = await gateway.connect(peer.url())
        bodies = [(await call(gateway, chat(f"{provider}/m", stream=stream))).body for _ in range(2)]
        with trio.fail_after(6):
            await peer.talks[0].ended.wait()
        assert [len(talk.requests) for talk in peer.talks] == [1, 1]
    assert bodies == [answers.SHOWN if stream else answers.BODY] * 2


async def test_interim_answers_are_skipped(gateway: Standing) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3
    async with scripted(lambda talk: talk.serve(interim + answers.stream())) as peer:
        provider = await gateway.connect(peer.url())
        for _ in range(2):
            answer = await call(gateway, chat(f"{provider}/m"))
            assert (answer.status, answer.body) == (200, answers.SHOWN)
        assert len(peer.talks) == 1, "nothing was wrong with this wire"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_rate_limit_keeps_its_retry_after(gateway: Standing, *, stream: bool) -> None:
    limited = answers.whole(b'{"error":{"message":"slow down"}}', status=429, lines=("retry-after: 7",))
    async with scripted(lambda talk: talk.serve(limited)) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m", stream=stream))
    assert (answer.status, answer.headers["retry-after"], answer.error["type"]) == (429, "7", "rate_limit_error")
    assert answer.error["message"] == "slow down"


async def test_a_bad_request_is_not_tried_elsewhere(gateway: Standing) -> None:
    refused = answers.whole(b'{"error":{"message":"bad n","param":"n","code":"invalid_value"}}', status=400)
    async with AsyncExitStack() as stack:
        provider, _, good = await two_connections(gateway, stack, saying(refused, "fin"))
        answer = await call(gateway, chat(f"{provider}/m"))
        assert not good.talks
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == ("n", "invalid_value")


async def test_nothing_listens(gateway: Standing) -> None:
    async with scripted(lambda talk: talk.serve()) as peer:
        url = peer.url()
    provider = await gateway.connect(url)
    answer = await call(gateway, chat(f"{provider}/m"))
    assert (answer.status, answer.error["code"]) == (502, "bad_gateway")
    (row,) = await gateway.rows(request_id=answer.headers["x-request-id"])
    assert (row.outcome, row.error_class, row.status) == ("upstream_error", "connect", 0)


@pytest.mark.slow
async def test_heartbeats_while_the_upstream_is_silent(gateway: Standing) -> None:
    async def pause(talk: Talk) -> None:
        await talk.send(STREAM_HEAD + chunked(ROLE, HELLO))
        await trio.sleep(2.5)
        await talk.send(chunked(*EVENTS[2:]) + LAST_CHUNK)
        await talk.gone()

    await gateway.admin("PATCH", "/api/settings", {"heartbeat_s": 1})
    try:
        async with scripted(once(pause)) as peer:
            provider = await gateway.connect(peer.url())
            answer = await call(gateway, chat(f"{provider}/m"))
    finally:
        await gateway.admin("PATCH", "/api/settings", {"heartbeat_s": 0})
    comments = answer.body.count(b": keep-alive\n\n")
    assert comments == 2
    assert answer.body == ROLE + HELLO + b": keep-alive\n\n" * comments + WORLD + STOP + DONE


@pytest.mark.parametrize("whole", [False, True])
async def test_a_client_that_speaks_http_1_0(gateway: Standing, *, whole: bool) -> None:
    async with scripted(lambda talk: talk.serve(answers.whole() if whole else answers.stream())) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m", stream=not whole), version="1.0")
    assert answer.body == (answers.BODY if whole else answers.SHOWN)
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert not answer.reusable


async def test_an_http_1_0_client_is_told_of_a_fault_too(gateway: Standing) -> None:
    async with scripted(once(saying(answers.stream(ROLE, HELLO), "serve"))) as peer:
        provider = await gateway.connect(peer.url())
        answer = await call(gateway, chat(f"{provider}/m"), version="1.0")
    assert answer.body.startswith(ROLE + HELLO)
    assert answer.in_band_error["code"] == "upstream_incomplete"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_says_where_it_came_from(gateway: Standing, *, stream: bool) -> None:
    lines = (
        "x-ratelimit-remaining-requests: 9",
        "set-cookie: a=b",
        "server: vendor",
        "x-request-id: theirs",
        "openai-processing-ms: 7",
    )
    data = (
        answers.whole(b"".join(EVENTS), kind="text/event-stream", lines=lines) if stream else answers.whole(lines=lines)
    )
    async with scripted(lambda talk: talk.serve(data)) as peer:
        provider = await gateway.connect(peer.url(), label="where")
        async with calling(gateway) as caller:
            await caller.send(chat(f"{provider}/m", stream=stream))
            first = await caller.answer()
            await caller.send(chat(f"{provider}/m", stream=stream))
            second = await caller.answer()
    headers = first.headers
    assert headers["x-omniroute-provider"] == provider
    assert (headers["x-omniroute-model"], headers["x-omniroute-connection"]) == ("m", "where")
    assert headers["x-omniroute-attempts"] == "1"
    assert 0 < float(headers["x-omniroute-overhead-ms"]) < 1000
    assert headers["server-timing"].startswith("gateway;dur=")
    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert headers["openai-processing-ms"] == "7"
    assert not {"set-cookie", "server"} & headers.keys()
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize("moment", ["waiting", "held", "streaming"])
async def test_a_client_that_leaves_closes_the_upstream(gateway: Standing, moment: str) -> None:
    said = {"waiting": b"", "held": STREAM_HEAD + chunked(ROLE), "streaming": STREAM_HEAD + chunked(ROLE, HELLO)}
    started = trio.Event()

    async def stay(talk: Talk) -> None:
        await talk.send(said[moment])
        started.set()
        await talk.gone()

    async with scripted(once(stay)) as peer:
        provider = await gateway.connect(peer.url())
        async with calling(gateway) as caller:
            await caller.send(chat(f"{provider}/m"))
            await started.wait()
            if moment == "streaming":
                await caller.head()
        with trio.fail_after(1):
            await peer.talks[0].ended.wait()
    (row,) = await gateway.rows(provider=provider)
    assert (row.outcome, row.status) == ("client_gone", 0 if moment == "waiting" else 200)
