"""Each behaviour of a script, observed on a raw socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import trio

from omniroute.domain import Secret
from omniroute.mock import ALIASES, PARAMETERS, Counts, Mock, MockOptions, running
from tests.mock.client import connected, once, request

EVENTS = 6
"""Of "one two three": role, three words, finish, [DONE]."""


@pytest.fixture
async def mock() -> AsyncIterator[Mock]:
    async with running(MockOptions(keep_requests=4)) as one:
        yield one


async def settled(mock: Mock) -> Counts:
    """The books once no request is open: the client sees the last byte before the mock has written it down."""
    with trio.fail_after(2):
        while mock.counts.total.open:
            await trio.lowlevel.checkpoint()
    return mock.counts


async def test_echoes(mock: Mock) -> None:
    answer = await once(mock, request(headers="X-Request-Id: r1\r\n"))
    assert (answer.status, answer.end) == (200, "open")
    assert "x-request-id: r1" in answer.head
    assert answer.json["choices"][0]["message"]["content"] == "one two three"
    assert answer.json["usage"]["total_tokens"] == 6
    counts = await settled(mock)
    assert (counts.total.full, counts.total.completion_tokens, counts.by_request) == (1, 3, {"r1": 1})
    assert mock.requests[0].header("x-request-id") == "r1"


async def test_streams_each_event_as_a_chunk(mock: Mock) -> None:
    answer = await once(mock, request(stream=True), until=b"0\r\n\r\n")
    assert "text/event-stream" in answer.head
    assert len(answer.events) == EVENTS
    assert answer.chunks[-2:] == [b"data: [DONE]\n\n", b""]
    assert (await settled(mock)).total.full == 1


async def test_one_connection_serves_many(mock: Mock) -> None:
    async with connected(mock) as client:
        for _ in range(3):
            assert (await client.ask(request(stream=True), until=b"0\r\n\r\n")).status == 200
        both = await client.ask(request() + request(), quiet_s=0.1)
        assert both.body.count(b"HTTP/1.1 200") == 1  # and one before the body: pipelined requests wait their turn
    assert mock.counts.connections == 1
    assert (await settled(mock)).total.full == 5


@pytest.mark.parametrize("where", ["header", "model"])
async def test_a_script_comes_by_header_or_model(mock: Mock, where: str) -> None:
    script = "status=429;retry-after=3"
    asked = request(script=script) if where == "header" else request(f"mock/echo;{script}")
    answer = await once(mock, asked)
    assert answer.status == 429
    assert "retry-after: 3" in answer.head
    assert answer.json["error"]["code"] == "rate_limit_exceeded"
    assert (await settled(mock)).by_status == {429: 1}


async def test_an_error_has_the_code_it_was_told(mock: Mock) -> None:
    answer = await once(mock, request("echo;status=400;code=context_length_exceeded"))
    assert answer.json["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("script", ["head-delay=80ms", "delay=80ms"])
async def test_waits_before_a_whole_answer(mock: Mock, script: str) -> None:
    began_at = trio.current_time()
    assert (await once(mock, request(script=script), until=b"HTTP")).status == 200
    assert trio.current_time() - began_at >= 0.08


async def test_delay_holds_the_first_event_but_not_the_head(mock: Mock) -> None:
    async with connected(mock) as client:
        began_at = trio.current_time()
        head = await client.ask(request(stream=True, script="delay=90ms"), until=b"\r\n\r\n")
        assert head.body == b""
        await client.read(until=b"data:")
        assert trio.current_time() - began_at >= 0.09


async def test_pace_spreads_the_events(mock: Mock) -> None:
    began_at = trio.current_time()
    await once(mock, request(stream=True, script="pace=15ms"), until=b"0\r\n\r\n")
    assert trio.current_time() - began_at >= 0.015 * (EVENTS - 1)


async def test_tokens_set_the_length(mock: Mock) -> None:
    answer = await once(mock, request(script="tokens=5"))
    assert answer.json["choices"][0]["message"]["content"] == "one two three one two"


@pytest.mark.parametrize("index", range(EVENTS + 1))
@pytest.mark.parametrize(("word", "end"), [("rst-after", "rst"), ("fin-after", "fin")])
async def test_breaks_a_stream_after_any_event(mock: Mock, index: int, word: str, end: str) -> None:
    answer = await once(mock, request(stream=True, script=f"{word}={index}"), until=b"never")
    assert answer.end == end
    assert answer.status == 200
    assert len(answer.events) == index
    assert not answer.body.endswith(b"0\r\n\r\n")
    assert (await settled(mock)).total.faulty == 1


@pytest.mark.parametrize(("word", "end"), [("rst-after", "rst"), ("fin-after", "fin")])
async def test_breaks_a_whole_answer_within_its_body(mock: Mock, word: str, end: str) -> None:
    answer = await once(mock, request(script=f"{word}=4"), until=b"never")
    declared = int(answer.head.partition("content-length: ")[2].split()[0])
    assert answer.end == end
    assert 0.3 < len(answer.body) / declared < 0.5


async def test_a_fault_beyond_the_last_event_never_comes(mock: Mock) -> None:
    assert (await once(mock, request(stream=True, script=f"rst-after={EVENTS + 1}"), until=b"0\r\n\r\n")).end == "open"


async def test_stalls_until_the_client_leaves(mock: Mock) -> None:
    async with connected(mock) as client:
        answer = await client.ask(request(stream=True, script="stall-after=2"))
        assert (len(answer.events), answer.end) == (2, "open")
        assert mock.counts.total.open == 1
    assert (await settled(mock)).total.gone == 1


async def test_a_stall_of_a_length_goes_on(mock: Mock) -> None:
    answer = await once(mock, request(stream=True, script="stall-after=2;stall=30ms"), until=b"0\r\n\r\n")
    assert len(answer.events) == EVENTS


async def test_notices_a_client_that_leaves_while_it_waits(mock: Mock) -> None:
    async with connected(mock) as client:
        await client.stream.send_all(request(script="head-delay=1m"))
        with trio.fail_after(2):
            while not mock.counts.total.open:
                await trio.lowlevel.checkpoint()
    assert (await settled(mock)).total.gone == 1
    assert mock.counts.by_status == {0: 1}


async def test_resets_without_an_answer(mock: Mock) -> None:
    answer = await once(mock, request(script="reset"), until=b"never")
    assert (answer.status, answer.end) == (0, "rst")


async def test_resets_a_reused_connection_only(mock: Mock) -> None:
    async with connected(mock) as client:
        assert (await client.ask(request(script="reset-reused"))).status == 200
        assert (await client.ask(request(script="reset-reused"), until=b"never")).end == "rst"


async def test_closes_as_announced_or_idle(mock: Mock) -> None:
    closed = await once(mock, request(script="close"), until=b"never")
    assert (closed.status, closed.end) == (200, "fin")
    assert "connection: close" in closed.head
    idle = await once(mock, request(script="close-idle=40ms"), until=b"never")
    assert (idle.status, idle.end) == (200, "fin")
    assert "connection: close" not in idle.head


async def test_html(mock: Mock) -> None:
    answer = await once(mock, request(stream=True, script="html"))
    assert answer.status == 502
    assert "content-type: text/html" in answer.head
    assert answer.body.startswith(b"<!DOCTYPE html>")
    assert (await once(mock, request(script="html;status=200"))).status == 200


@pytest.mark.parametrize(("script", "before"), [("error-first", 0), ("error-event-after=2", 2)])
async def test_an_error_event_inside_200(mock: Mock, script: str, before: int) -> None:
    answer = await once(mock, request(stream=True, script=script), until=b"0\r\n\r\n")
    assert answer.status == 200
    assert len(answer.events) == before + 1
    assert answer.events[-1].startswith(b'data: {"error":')
    whole = await once(mock, request(script=script))
    assert (whole.status, list(whole.json)) == (200, ["error"])


async def test_big_event_and_big_head(mock: Mock) -> None:
    answer = await once(mock, request(stream=True, script="big-event=64KB"), until=b"0\r\n\r\n")
    assert max(map(len, answer.events)) > 65536
    assert len((await once(mock, request(script="big-head=4KB"))).head) > 4096


async def test_split_writes_every_byte_alone(mock: Mock) -> None:
    plain = await once(mock, request(stream=True), until=b"0\r\n\r\n")
    async with connected(mock) as client:
        split = await client.ask(request(stream=True, script="split=1"), until=b"0\r\n\r\n")
    assert split.body.replace(b"mock-2", b"mock-1") == plain.body


async def test_interim_response(mock: Mock) -> None:
    answer = await once(mock, request(script="interim"))
    assert answer.status == 103
    assert answer.body.startswith(b"HTTP/1.1 200 OK")


async def test_line_ends_and_comments(mock: Mock) -> None:
    answer = await once(mock, request(stream=True, script="crlf;comments"), until=b"0\r\n\r\n")
    body = b"".join(answer.chunks)
    assert body.count(b"\r\n") == body.count(b"\n") > EVENTS
    assert body.count(b": mock is working\r\n\r\ndata:") == EVENTS


async def test_no_done_and_keep_open(mock: Mock) -> None:
    answer = await once(mock, request(stream=True, script="no-done"), until=b"0\r\n\r\n")
    assert len(answer.events) == EVENTS - 1
    answer = await once(mock, request(stream=True, script="keep-open"))
    assert (answer.events[-1], answer.end) == (b"data: [DONE]", "open")
    assert not answer.body.endswith(b"0\r\n\r\n")
    assert (await settled(mock)).total.gone == 1


async def test_every_applies_to_each_nth(mock: Mock) -> None:
    statuses = [(await once(mock, request("flaky"))).status for _ in range(4)]
    assert statuses == [200, 500, 200, 500]


async def test_bad_chunk(mock: Mock) -> None:
    for stream in (False, True):
        answer = await once(mock, request(stream=stream, script="framing=bad-chunk"))
        assert "transfer-encoding: chunked" in answer.head
        assert b"zz\r\n" in answer.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("framing", "lie"), [("short-length", -10), ("long-length", 10)])
async def test_a_wrong_length(mock: Mock, framing: str, lie: int, stream: bool) -> None:
    answer = await once(mock, request(stream=stream, script=f"framing={framing}"))
    declared = int(answer.head.partition("content-length: ")[2].split()[0])
    assert declared == len(answer.body) + lie
    assert answer.end == ("open" if lie < 0 else "fin")
    assert (await settled(mock)).total.faulty == 1


async def test_contradicting_heads(mock: Mock) -> None:
    assert (await once(mock, request(script="framing=double-cl"))).head.count("content-length:") == 2
    both = await once(mock, request(stream=True, script="framing=cl-and-te"))
    assert "content-length:" in both.head
    assert "transfer-encoding: chunked" in both.head
    assert (await once(mock, request(script="framing=bad-head"))).status == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_no_framing_ends_with_the_connection(mock: Mock, stream: bool) -> None:
    answer = await once(mock, request(stream=stream, script="framing=no-framing"), until=b"never")
    assert answer.end == "fin"
    assert "content-length" not in answer.head
    assert "transfer-encoding" not in answer.head
    assert b'"chatcmpl-mock-1"' in answer.body
    assert (await settled(mock)).total.full == 1


async def test_extra_bytes_after_the_answer(mock: Mock) -> None:
    answer = await once(mock, request(stream=True, script="framing=extra-bytes"))
    assert b"0\r\n\r\nHTTP/1.1 200 OK" in answer.body
    assert (await settled(mock)).total.faulty == 1


async def test_http_1_0_gets_no_chunks(mock: Mock) -> None:
    answer = await once(mock, request(stream=True).replace(b"HTTP/1.1", b"HTTP/1.0", 1), until=b"never")
    assert answer.end == "fin"
    assert answer.body.startswith(b"data: ")


async def test_expect_100_continue(mock: Mock) -> None:
    head, _, body = request(headers="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    async with connected(mock) as client:
        assert (await client.ask(head + b"\r\n\r\n", until=b"\r\n\r\n")).status == 100
        assert (await client.ask(body)).status == 200


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (request("echo;dely=3s"), 400, b"unknown parameter"),
        (request(script="delay=3"), 400, b"say a duration"),
        (request(n=0), 200, b""),
        (request(n=200), 400, b"n must be between"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n\r\n{}", 400, b"`model`"),
        (
            b'POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Length: 3\r\n\r\n"\xff"',
            400,
            b"invalid_request_error",
        ),
        (b"GET /v1/other HTTP/1.1\r\nHost: m\r\n\r\n", 404, b"GET /v1/other"),
        (b"not http at all\r\n\r\n", 400, b"error"),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            400,
            b"error",
        ),
    ],
)
async def test_a_wrong_request_is_told_why(mock: Mock, data: bytes, status: int, says: str) -> None:
    answer = await once(mock, data)
    assert answer.status == status
    assert says in answer.body
    assert mock.counts.rejected == (status != 200)


async def test_a_body_over_the_limit_is_refused() -> None:
    async with running(MockOptions(body_limit_bytes=100)) as mock:
        answer = await once(mock, request(text="x" * 200), until=b"never")
        assert (answer.status, answer.end) == (413, "fin")


async def test_a_key_is_demanded() -> None:
    async with running(MockOptions(key=Secret("k1"))) as mock:
        assert (await once(mock, request())).status == 401
        assert (await once(mock, request(headers="Authorization: Bearer k2\r\n"))).status == 401
        assert (await once(mock, request(headers="Authorization: Bearer k1\r\n"))).status == 200
        assert "k1" not in repr(mock.options)


async def test_silence_ends_a_connection() -> None:
    async with running(MockOptions(idle_s=0.03)) as mock, connected(mock) as client:
        assert (await client.read(until=b"never")).end == "fin"


async def test_models_page_counts_and_reset(mock: Mock) -> None:
    models = await once(mock, b"GET /v1/models HTTP/1.1\r\nHost: m\r\n\r\n")
    assert [model["id"] for model in models.json["data"]] == list(ALIASES)
    page = await once(mock, b"GET /mock HTTP/1.1\r\nHost: m\r\n\r\n")
    assert all(parameter.name.encode() in page.body for parameter in PARAMETERS)
    await once(mock, request(headers="X-OmniRoute-Attempt: a7\r\n"))
    await settled(mock)
    counts = msgspec.json.decode((await once(mock, b"GET /mock/counts?ids=1 HTTP/1.1\r\nHost: m\r\n\r\n")).body)
    assert (counts["total"]["full"], counts["by_request"], counts["by_status"]) == (1, {"a7": 1}, {"200": 1})
    await once(mock, b"POST /mock/reset HTTP/1.1\r\nHost: m\r\n\r\n")
    assert mock.counts.total.begun == 0
    assert (await once(mock, b"GET /mock/other HTTP/1.1\r\nHost: m\r\n\r\n")).status == 404


async def test_nothing_is_left_after_all_of_it(mock: Mock) -> None:
    for script in ("rst-after=2", "stall-after=1", "framing=short-length", "keep-open"):
        await once(mock, request(stream=True, script=script))
    with trio.fail_after(2):
        while mock.counts.connections_open:
            await trio.lowlevel.checkpoint()
    total = mock.counts.total
    assert total.begun == total.full + total.faulty + total.gone == 4
