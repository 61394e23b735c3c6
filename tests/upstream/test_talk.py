"""Answers that come before the request is written, and upstreams that stop reading."""

import pytest
import trio

from omniroute.domain import Timeouts
from omniroute.errors import UpstreamError
from omniroute.ports import ClientGone
from omniroute.upstream import UpstreamOptions
from tests.fakes.upstream import Talk, scripted
from tests.upstream.rig import connection, running, until
from tests.upstream.test_call import client

BIG = bytes(12_000_000)
"""More than any socket buffer of loopback takes."""
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big"


async def head_only(talk: Talk) -> None:
    """Read what the head arrived with and nothing after."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await talk.stream.receive_some(4096)


async def received(talk: Talk) -> None:
    """Wait until a request has arrived whole: what is with our kernel is not yet with the peer."""
    await until(lambda: talk.requests)


async def test_a_refusal_in_the_middle_of_the_request_is_read() -> None:
    async def script(talk: Talk) -> None:
        await head_only(talk)
        await talk.send(REFUSAL)
        await talk.gone()

    async with scripted(script) as peer, running() as rig:
        with trio.fail_after(5), await rig.call(connection(peer.url()), BIG) as exchange:
            assert exchange.status == 413
            assert await exchange.source.read_body(100, 0.0) == b"too big"
        assert rig.statistics().idle == 0  # half a request is on that wire
        assert rig.relay.links() == 0


async def test_a_refusal_followed_by_a_reset_is_still_read() -> None:
    async def script(talk: Talk) -> None:
        await head_only(talk)
        await talk.send(REFUSAL)  # closing with unread bytes makes the kernel send RST

    async with scripted(script) as peer, running() as rig:
        with trio.fail_after(5):
            exchange = await rig.call(connection(peer.url()), BIG)
        with exchange:
            assert exchange.status == 413
        assert rig.relay.links() == 0


async def test_an_interim_answer_does_not_stop_the_request() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await talk.serve()

    async with scripted(script) as peer, running() as rig:
        assert await rig.fetch(connection(peer.url()), BIG) == b"ok"
        assert await rig.fetch(connection(peer.url()), b"{}") == b"ok"
        assert len(peer.talks) == 1
        assert len(peer.talks[0].requests[0]) > len(BIG)


async def test_an_early_success_waits_for_the_rest_of_the_request() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await talk.request()
        await talk.gone()

    async with scripted(script) as peer, running() as rig:
        assert await rig.fetch(connection(peer.url()), BIG) == b"ok"
        assert rig.statistics().idle == 1
        await received(peer.talks[0])


async def test_the_first_byte_is_waited_for_from_the_moment_the_request_is_written() -> None:
    async def script(talk: Talk) -> None:
        await trio.sleep(0.1)
        await talk.request()
        await talk.gone()

    timeouts = Timeouts(first_byte_s=0.05)
    async with scripted(script) as peer, running() as rig:
        with trio.fail_after(5), pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url(), timeouts=timeouts), BIG)
        assert caught.value.error_class == "timeout_first_byte"
        await received(peer.talks[0])


async def test_a_reset_while_writing_without_an_answer() -> None:
    async def script(talk: Talk) -> None:
        await head_only(talk)
        talk.rst()

    async with scripted(script) as peer, running() as rig:
        with trio.fail_after(5), pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url()), BIG)
        assert (caught.value.error_class, caught.value.answered) == ("reset", True)


async def test_rubbish_while_writing() -> None:
    async def script(talk: Talk) -> None:
        await head_only(talk)
        await talk.send(b"what?\r\n\r\n")
        await talk.gone()

    async with scripted(script) as peer, running() as rig:
        with trio.fail_after(5), pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url()), BIG)
        assert caught.value.error_class == "malformed"


async def test_the_total_deadline_ends_a_write() -> None:
    async def script(talk: Talk) -> None:
        await head_only(talk)
        await trio.sleep_forever()

    async with scripted(script) as peer, running(UpstreamOptions(write_s=3600)) as rig:
        with trio.fail_after(5), pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url()), BIG, total_at=trio.current_time() + 0.05)
        assert caught.value.error_class in ("timeout_first_byte", "timeout_write")


async def test_the_client_may_leave_while_its_request_is_written() -> None:
    reading = trio.Event()

    async def script(talk: Talk) -> None:
        await head_only(talk)
        reading.set()
        await trio.sleep_forever()

    async with scripted(script) as peer, running() as rig, client(rig) as (wire, theirs):

        async def leave() -> None:
            await reading.wait()
            theirs.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            with trio.fail_after(5), pytest.raises(ClientGone):
                await rig.call(connection(peer.url()), BIG, watch=wire)
        assert rig.relay.links() == 1
