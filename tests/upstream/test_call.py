"""One call: deadlines by phase, the one safe retry, malformed answers, the client's leaving, cancellation."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from omniroute.domain import Timeouts
from omniroute.errors import GatewayFault, UpstreamError
from omniroute.ports import ClientGone, WireRequest
from omniroute.upstream import Address, UpstreamOptions
from omniroute.wire import Wire
from tests.fakes.upstream import OK, Talk, scripted
from tests.upstream.rig import Rig, connection, running, until
from tests.upstream.test_connect import black_hole, listening

HEAD_AT_ONCE = Timeouts(connect_s=0.05, first_byte_s=0.05)


async def serve(talk: Talk) -> None:
    await talk.serve()


async def silent(talk: Talk) -> None:
    await talk.request()
    await talk.gone()


async def failing(rig: Rig, url: str, timeouts: Timeouts | None = None, *, total_at: float = 0.0) -> UpstreamError:
    with trio.fail_after(10), pytest.raises(UpstreamError) as caught:
        await rig.call(connection(url, timeouts=timeouts), total_at=total_at)
    error = caught.value
    assert "acme" in error.message
    assert "sk-never-shown" not in error.message
    assert rig.statistics().in_use == 0
    return error


# -- deadlines


async def test_an_upstream_that_does_not_answer_times_out_at_the_first_byte() -> None:
    async with scripted(silent) as peer, running() as rig:
        error = await failing(rig, peer.url(), HEAD_AT_ONCE)
        assert (error.error_class, error.status, error.kind, error.answered) == (
            "timeout_first_byte",
            504,
            "timeout",
            True,
        )
        assert peer.url() in error.message


async def test_a_head_that_stalls_half_way_times_out_too() -> None:
    async def half(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-")
        await talk.gone()

    async with scripted(half) as peer, running() as rig:
        assert (await failing(rig, peer.url(), HEAD_AT_ONCE)).error_class == "timeout_first_byte"


async def test_the_total_deadline_caps_the_others() -> None:
    async with scripted(silent) as peer, running() as rig:
        error = await failing(rig, peer.url(), Timeouts(), total_at=trio.current_time() + 0.05)
        assert error.error_class == "timeout_first_byte"
        error = await failing(rig, peer.url(), Timeouts(), total_at=trio.current_time() - 1)
        assert error.error_class == "timeout_connect"


async def test_a_deadline_of_0_is_none() -> None:
    async with scripted(serve) as peer, running() as rig:
        with await rig.call(connection(peer.url(), timeouts=Timeouts(connect_s=0, first_byte_s=0))) as exchange:
            assert await exchange.source.read_body(10, 0.0) == b"ok"


async def test_an_address_that_swallows_packets_times_out_connecting() -> None:
    with listening("127.0.0.5") as listener:
        port = listener.getsockname()[1]
    with black_hole("127.0.0.5", port):
        async with running() as rig:
            error = await failing(rig, f"http://127.0.0.5:{port}", HEAD_AT_ONCE)
            assert (error.error_class, error.status, error.answered) == ("timeout_connect", 504, False)


async def test_a_request_that_is_not_taken_times_out_writing() -> None:
    async def deaf(talk: Talk) -> None:
        await trio.sleep_forever()

    options = UpstreamOptions(write_s=0.05, write_min_bytes_s=1 << 40)
    async with scripted(deaf) as peer, running(options) as rig:
        with trio.fail_after(10), pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url()), bytes(40_000_000))
        assert (caught.value.error_class, caught.value.status) == ("timeout_write", 504)


# -- connecting


async def test_a_refused_connection_says_so() -> None:
    with listening("127.0.0.1") as listener:
        port = listener.getsockname()[1]
    async with running() as rig:
        error = await failing(rig, f"http://127.0.0.1:{port}")
        assert (error.error_class, error.scope, error.answered) == ("connect", "provider", False)
        assert "refused" in error.message


async def test_a_name_is_resolved_and_the_address_that_answers_is_used() -> None:
    def lookup(host: str) -> list[Address]:
        assert host == "llm.test"
        return [Address(socket.AF_INET, "127.0.0.2"), Address(socket.AF_INET, "127.0.0.1")]

    async with scripted(serve) as peer, running(lookup=lookup) as rig:
        assert await rig.fetch(connection(peer.url(host="llm.test"))) == b"ok"
        assert b"\r\nHost: llm.test:%d\r\n" % peer.port in peer.talks[0].requests[0]
        assert rig.statistics().names == 1


async def test_a_name_that_does_not_resolve_says_so() -> None:
    def lookup(_: str) -> list[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with running(lookup=lookup) as rig:
        error = await failing(rig, "https://nowhere.test")
        assert (error.error_class, error.scope) == ("dns", "provider")
        assert "Name or service not known" in error.message


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200"])
async def test_the_guard_judges_what_a_name_resolves_to(ip: str) -> None:
    async with running(lookup=lambda _: [Address(socket.AF_INET, ip)]) as rig:
        with pytest.raises(UpstreamError) as caught:
            await rig.call(connection("http://innocent.test:1", allow_private=False))
        error = caught.value
        assert (error.error_class, error.scope) == ("egress_denied", "connection")
        assert "innocent.test" in error.message
        assert "allow_private" in error.message


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
async def test_the_guard_judges_literal_addresses_and_localhost(host: str) -> None:
    async with running() as rig:
        with pytest.raises(UpstreamError) as caught:
            await rig.call(connection(f"http://{host}:1", allow_private=False))
        assert caught.value.error_class == "egress_denied"


async def test_the_bound_of_the_relay_is_a_full_pool() -> None:
    async with scripted(serve) as peer, running(max_links=0) as rig:
        assert (await failing(rig, peer.url())).error_class == "pool_full"
        assert rig.statistics().in_use == 0


# -- broken connections


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_a_reused_wire_that_breaks_is_retried_exactly_once_and_only_then(how: str) -> None:
    async def fragile(talk: Talk) -> None:
        await talk.request()
        if talk.number != 1:
            await talk.send(OK)
        await talk.request()
        if how == "rst":
            talk.rst()

    async with scripted(fragile) as peer, running() as rig:
        target = connection(peer.url())
        await rig.fetch(target)  # talk 0 answers once, then breaks at the second request
        # talk 1 is the fresh wire: it never answers
        error = await failing(rig, peer.url(), Timeouts(first_byte_s=0.1))
        assert error.error_class == "timeout_first_byte"
        assert rig.statistics().stale_retries == 1
        assert [len(talk.requests) for talk in peer.talks] == [2, 1]


async def test_the_retry_succeeds_unseen() -> None:
    async def once(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        await talk.request()
        if talk.number == 0:
            talk.rst()
        else:
            await talk.serve()

    async with scripted(once) as peer, running() as rig:
        target = connection(peer.url())
        await rig.fetch(target)
        with await rig.call(target) as exchange:
            assert not exchange.reused
            assert await exchange.source.read_body(10, 0.0) == b"ok"
        assert rig.statistics().stale_retries == 1
        assert len(peer.talks[1].requests) == 1


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_a_fresh_wire_that_breaks_is_not_retried(how: str) -> None:
    async def breaks(talk: Talk) -> None:
        await talk.request()
        if how == "rst":
            talk.rst()

    async with scripted(breaks) as peer, running() as rig:
        error = await failing(rig, peer.url())
        assert (error.error_class, error.answered, error.status) == ("reset", True, 502)
        assert len(peer.talks) == 1


async def test_a_reused_wire_that_breaks_after_a_byte_is_not_retried() -> None:
    async def half(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        await talk.request()
        await talk.send(b"HTTP/1.1 2")

    async with scripted(half) as peer, running() as rig:
        await rig.fetch(connection(peer.url()))
        with pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url()))
        assert caught.value.error_class == "truncated"
        assert len(peer.talks) == 1


async def test_a_reused_wire_that_breaks_late_is_not_retried() -> None:
    async def worked(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        await talk.request()
        await trio.sleep(0.03)

    async with scripted(worked) as peer, running(UpstreamOptions(stale_retry_s=0.01)) as rig:
        await rig.fetch(connection(peer.url()))
        with pytest.raises(UpstreamError) as caught:
            await rig.call(connection(peer.url()))
        assert caught.value.error_class == "reset"
        assert len(peer.talks) == 1


# -- answers


@pytest.mark.parametrize(
    ("answer", "error_class"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "malformed"),
        (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "malformed"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9, "malformed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "head_too_large"),
    ],
    ids=["CL+TE", "two lengths", "banner", "upgrade", "interim without end", "long head"],
)
async def test_answers_that_are_none(answer: bytes, error_class: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(answer)
        await talk.gone()

    async with scripted(script) as peer, running() as rig:
        error = await failing(rig, peer.url())
        assert (error.error_class, error.scope, error.answered) == (error_class, "provider", True)
        assert rig.relay.links() == 0


async def test_interim_answers_are_skipped() -> None:
    async def script(talk: Talk) -> None:
        await talk.serve(b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 7 + OK)

    async with scripted(script) as peer, running() as rig:
        for _ in range(2):
            assert await rig.fetch(connection(peer.url())) == b"ok"
        assert len(peer.talks) == 1


async def test_an_answer_byte_by_byte() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        for index in range(len(OK)):
            await talk.send(OK[index : index + 1])

    async with scripted(script) as peer, running() as rig:
        assert await rig.fetch(connection(peer.url())) == b"ok"


@pytest.mark.parametrize("method", [b"HEAD", b"GET"])
async def test_answers_without_body(method: bytes) -> None:
    async def script(talk: Talk) -> None:
        if method == b"HEAD":
            await talk.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        else:
            await talk.serve(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with scripted(script) as peer, running() as rig:
        for _ in range(2):
            with await rig.call(connection(peer.url()), b"", method=method) as exchange:
                assert exchange.source.body_complete
        assert len(peer.talks) == 1


async def test_a_header_with_a_line_break_is_never_sent() -> None:
    async with scripted(serve) as peer, running() as rig:
        request = WireRequest(connection(peer.url()), b"POST", "/x", ((b"a", b"b\r\nc: d"),), (b"{}",), 2)
        with pytest.raises(GatewayFault):
            await rig.pool.call(request, watch=None, total_at=0.0)
        assert peer.talks == []


# -- the client leaves


@asynccontextmanager
async def client(rig: Rig) -> AsyncIterator[tuple[Wire, socket.socket]]:
    """A wire to watch, and its other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    wire = Wire(ours)
    rig.driver.adopt(wire)
    try:
        yield wire, theirs
    finally:
        wire.close()
        theirs.close()


async def test_the_upstream_is_closed_at_once_when_the_client_leaves() -> None:
    waiting = trio.Event()
    closed = trio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        waiting.set()
        await talk.gone()
        closed.set()

    async with scripted(script) as peer, running() as rig, client(rig) as (wire, theirs):

        async def leave() -> None:
            await waiting.wait()
            theirs.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            with trio.fail_after(5):
                with pytest.raises(ClientGone):
                    await rig.call(connection(peer.url()), watch=wire)
                await closed.wait()
        assert rig.statistics().in_use == 0
        assert rig.relay.links() == 1  # the client's own


async def test_a_client_that_left_while_connecting_costs_no_request() -> None:
    def lookup(_: str) -> list[Address]:
        return [Address(socket.AF_INET, "127.0.0.1")]

    async with scripted(serve) as peer, running(lookup=lookup) as rig, client(rig) as (wire, theirs):
        theirs.close()
        await until(lambda: wire.gone)
        with pytest.raises(ClientGone):
            await rig.call(connection(peer.url(host="llm.test")), watch=wire)
        assert rig.statistics().idle == 1
        assert await rig.fetch(connection(peer.url(host="llm.test"))) == b"ok"
        assert [len(talk.requests) for talk in peer.talks] == [1]


# -- cancellation


@pytest.mark.parametrize("body_bytes", [2, 40_000_000], ids=["waiting", "writing"])
async def test_cancelling_leaves_nothing(body_bytes: int) -> None:
    async def deaf(talk: Talk) -> None:
        await trio.sleep_forever()

    async with scripted(deaf) as peer, running() as rig:
        with trio.move_on_after(0.05) as scope:
            await rig.call(connection(peer.url()), bytes(body_bytes))
        assert scope.cancelled_caught
        assert rig.relay.links() == 0
        assert rig.statistics().in_use == 0


async def test_cancelling_while_connecting_leaves_nothing() -> None:
    with listening("127.0.0.5") as listener:
        port = listener.getsockname()[1]
    with black_hole("127.0.0.5", port):
        async with running() as rig:
            with trio.move_on_after(0.02) as scope:
                await rig.call(connection(f"http://127.0.0.5:{port}"))
            assert scope.cancelled_caught
            assert rig.statistics().in_use == 0


async def test_many_at_once() -> None:
    async with scripted(serve) as peer, running() as rig:
        target = connection(peer.url())
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(rig.fetch, target)
        counted = rig.statistics()
        assert counted.in_use == 0
        assert counted.idle == counted.opened == len(peer.talks)
