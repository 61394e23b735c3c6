"""From the upstream's body to the client: the commit point, the record before the last byte, who leaves when."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from omniroute.domain import Timeouts
from omniroute.errors import UpstreamError
from tests.pipeline.house import (
    CONTENT,
    DONE,
    FAILED,
    ROLE,
    SSE,
    STOP,
    USAGE,
    Answer,
    House,
    connection,
    house,
    snapshot,
)

STREAM = ROLE + CONTENT + STOP + USAGE + DONE


def framed(*parts: bytes) -> bytes:
    return b"HEAD " + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def payload(received: bytes) -> bytes:
    """What is in the chunks of an answer, whether it has ended or not."""
    assert received.startswith(b"HEAD ")
    rest, found = received[5:], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found, rest = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return found


async def test_a_stream_passes_and_its_usage_is_hidden_and_known() -> None:
    async with house(Answer(headers=SSE, body=STREAM)) as h:
        await h.chat(stream=True)
        assert payload(h.received()) == ROLE + CONTENT + STOP + DONE
        (record,) = h.journal.records
        assert (record.outcome, record.usage.input_total, record.usage.output_total) == ("ok", 7, 3)
        assert record.streamed


async def test_a_finished_call_is_in_the_journal_before_its_last_byte_is_sent() -> None:
    async with house(
        Answer(), Answer(headers=SSE, body=STREAM), Answer(headers=SSE, body=STREAM[:-20], open_end=True)
    ) as h:
        await h.chat()
        assert h.journal.client_had == [b""]
        before = h.received()
        await h.chat(stream=True)
        assert not h.journal.client_had[1].removeprefix(before).endswith(b"0\r\n\r\n")
        before = h.received()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.run_stream)
            await h.until(lambda: CONTENT in h.received().removeprefix(before))
            h.upstream.peers[-1].send(STREAM[-20:])
        assert b"[DONE]" not in h.journal.client_had[2].removeprefix(before)
        assert h.received().endswith(b"0\r\n\r\n")
        assert h.received().count(b"[DONE]") == 2


async def test_nothing_reaches_the_client_before_the_first_content() -> None:
    async with house(Answer(headers=SSE, body=ROLE, open_end=True)) as h, trio.open_nursery() as nursery:
        nursery.start_soon(h.run_stream)
        await h.upstream.called.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert h.received() == b""
        h.upstream.peers[0].send(CONTENT)
        await h.until(lambda: CONTENT in h.received())
        assert ROLE in h.received()
        h.upstream.peers[0].send(DONE)


@pytest.mark.parametrize(
    ("rest", "error_class"),
    [(FAILED, "in_band_error"), (b"", "truncated"), (b'data: {"half', "truncated")],
)
async def test_after_the_commit_point_a_failure_is_told_in_band_and_nothing_is_retried(
    rest: bytes, error_class: str
) -> None:
    both = snapshot(connection("one", priority=1), connection("two", priority=2))
    async with house(Answer(headers=SSE, body=ROLE + CONTENT, open_end=True), Answer(), configured=both) as h:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.run_stream)
            await h.until(lambda: CONTENT in h.received())
            h.upstream.peers[0].send(rest)
            h.upstream.peers[0].close()
        assert len(h.upstream.requests) == 1
        (record,) = h.journal.records
        assert (record.outcome, record.error_class) == ("upstream_error", error_class)
        told = payload(h.received())
        assert told.startswith(ROLE + CONTENT)
        assert b'"error"' in told
        assert h.received().endswith(b"0\r\n\r\n")


async def gone_while(h: House, *, waits_for: bytes) -> None:
    """The client leaves while its stream waits, having seen ``waits_for``."""
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(h.run_gone)
            await h.upstream.called.wait()
            await h.until(lambda: waits_for in h.received())
            h.peer.close()
    assert h.upstream.peers[0].recv(1) == b""  # the upstream's connection was closed, at once


@pytest.mark.parametrize(("body", "seen"), [(ROLE, b""), (ROLE + CONTENT + USAGE, CONTENT)])
async def test_when_the_client_leaves_the_upstream_is_left_and_the_usage_so_far_recorded(
    body: bytes, seen: bytes
) -> None:
    async with house(Answer(headers=SSE, body=body, open_end=True)) as h:
        await gone_while(h, waits_for=seen)
        (record,) = h.journal.records
        assert record.outcome == "client_gone"
        assert record.usage.known == (seen != b"")
        assert h.summaries[0].outcome == "client_gone"


async def test_cancelling_a_request_leaves_nothing_behind() -> None:
    for body in (ROLE, ROLE + CONTENT):
        async with house(Answer(headers=SSE, body=body, open_end=True)) as h:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(h.run_stream)
                await h.upstream.called.wait()
                await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.cancel_scope.cancel()
            assert [record.outcome for record in h.journal.records] == ["cancelled"]


async def test_a_silent_upstream_ends_at_the_idle_deadline() -> None:
    hasty = snapshot(connection(timeouts=Timeouts(idle_s=0.05)))
    async with house(Answer(headers=SSE, body=ROLE, open_end=True), configured=hasty) as h:
        with pytest.raises(UpstreamError) as caught:
            await h.chat(stream=True)
        assert (caught.value.status, caught.value.error_class) == (504, "timeout_idle")
        assert not h.reply.begun


async def test_an_answer_says_where_it_came_from_and_keeps_the_upstreams_connection_to_itself() -> None:
    told = (
        (b"content-type", b"application/json"), (b"x-ratelimit-remaining", b"7"), (b"connection", b"keep-alive"),
        (b"set-cookie", b"a=b"), (b"x-request-id", b"theirs"), (b"server", b"x"), (b"transfer-encoding", b"chunked"),
    )  # fmt: skip
    async with house(Answer(headers=told)) as h:
        await h.chat()
        headers = h.reply.headers
        assert headers[b"x-ratelimit-remaining"] == b"7"
        assert not {b"connection", b"set-cookie", b"x-request-id", b"server", b"transfer-encoding"} & set(headers)
        assert (headers[b"x-omniroute-provider"], headers[b"x-omniroute-model"]) == (b"acme", b"m")
        assert (headers[b"x-omniroute-connection"], headers[b"x-omniroute-attempts"]) == (b"one", b"1")
        assert float(headers[b"x-omniroute-overhead-ms"]) >= 0
        assert b"secret-of-one" not in b"".join(headers.values())
        assert headers[b"server-timing"].startswith(b"gateway;dur=")
