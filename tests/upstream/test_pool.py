"""Reuse: which wire is taken, which is found dead, what is kept, drained or closed, and every bound."""

import pytest
import trio

from omniroute.errors import UpstreamError
from omniroute.upstream import UpstreamOptions
from tests.fakes.upstream import OK, Talk, scripted
from tests.upstream.rig import connection, running, until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def serve(talk: Talk) -> None:
    await talk.serve()


async def test_a_wire_is_used_again() -> None:
    async with scripted(serve) as peer, running() as rig:
        target = connection(peer.url())
        for number in range(3):
            with await rig.call(target, b'{"a":', b"1}") as exchange:
                assert exchange.status == 200
                assert exchange.reused == (number > 0)
                assert (exchange.connect_ms == 0) or number == 0
                assert await exchange.source.read_body(100, 0.0) == b"ok"
        assert len(peer.talks) == 1
        assert peer.talks[0].requests[0].endswith(b'Content-Length: 7\r\n\r\n{"a":1}')
        assert peer.talks[0].requests[0].startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % peer.port)
        counted = rig.statistics()
        assert (counted.opened, counted.reused, counted.idle, counted.in_use, counted.origins) == (1, 2, 1, 0, 1)


async def test_the_wire_used_last_is_taken_first() -> None:
    async with scripted(serve) as peer, running() as rig:
        target = connection(peer.url())
        first, second = await rig.call(target), await rig.call(target)
        for exchange in (first, second):
            with exchange:
                await exchange.source.read_body(100, 0.0)
        assert rig.statistics().idle == 2
        with await rig.call(target) as exchange:
            assert exchange.source is second.source
            await exchange.source.read_body(100, 0.0)


async def test_no_more_are_kept_than_the_bound() -> None:
    async with scripted(serve) as peer, running(UpstreamOptions(max_idle_per_origin=1)) as rig:
        target = connection(peer.url())
        for exchange in [await rig.call(target) for _ in range(3)]:
            with exchange:
                await exchange.source.read_body(100, 0.0)
        assert rig.statistics().idle == 1


async def test_no_more_are_open_than_the_bound() -> None:
    async with scripted(serve) as peer, running(UpstreamOptions(max_per_origin=2)) as rig:
        target = connection(peer.url())
        with await rig.call(target) as one, await rig.call(target):
            with pytest.raises(UpstreamError, match="2 connections") as caught:
                await rig.call(target)
            assert (caught.value.error_class, caught.value.status, caught.value.scope) == (
                "pool_full",
                503,
                "connection",
            )
            await one.source.read_body(100, 0.0)
        assert await rig.fetch(target) == b"ok"


async def test_connections_that_may_reach_private_addresses_share_no_wire_with_those_that_may_not() -> None:
    async with scripted(serve) as peer, running() as rig:
        await rig.fetch(connection(peer.url()))
        with pytest.raises(UpstreamError) as caught:
            await rig.fetch(connection(peer.url(), allow_private=False))
        assert caught.value.error_class == "egress_denied"


async def test_a_wire_closed_while_idle_is_found_before_use() -> None:
    async def once(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        if talk.number == 0:
            await talk.fin()
            await talk.gone()
        else:
            await talk.serve()

    async with scripted(once) as peer, running(UpstreamOptions(reap_every_s=3600)) as rig:
        target = connection(peer.url())
        with await rig.call(target) as exchange:
            wire = exchange.source
            await wire.read_body(100, 0.0)
        await until(lambda: not wire.idle_and_clean)
        assert await rig.fetch(target) == b"ok"
        counted = rig.statistics()
        assert (counted.found_dead, counted.stale_retries, counted.reused) == (1, 0, 0)
        assert len(peer.talks) == 2


async def test_bytes_nobody_asked_for_close_an_idle_wire() -> None:
    talked = trio.Event()

    async def talkative(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        await talked.wait()
        await talk.send(OK)
        await talk.gone()

    async with scripted(talkative) as peer, running(UpstreamOptions(reap_every_s=0.005)) as rig:
        await rig.fetch(connection(peer.url()))
        assert rig.statistics().idle == 1
        talked.set()
        await until(lambda: not rig.statistics().idle)
        assert rig.statistics().found_dead == 1


async def test_two_answers_to_one_request_end_the_wire() -> None:
    async def eager(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK + OK.replace(b"200", b"500"))
        await talk.gone()

    async with scripted(eager) as peer, running() as rig:
        target = connection(peer.url())
        assert await rig.fetch(target) == b"ok"
        assert rig.statistics().idle == 0
        assert await rig.fetch(target) == b"ok"
        assert len(peer.talks) == 2


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", b"ok"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\n", b"ok"),
    ],
)
async def test_what_the_upstream_will_not_keep_is_not_kept(head: bytes, body: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.serve(head + body)

    async with scripted(script) as peer, running() as rig:
        assert await rig.fetch(connection(peer.url())) == body
        assert rig.statistics().idle == 0


async def test_a_body_that_ends_with_the_connection_is_read_and_the_wire_closed() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await talk.fin()
        await talk.gone()

    async with scripted(script) as peer, running() as rig:
        assert await rig.fetch(connection(peer.url())) == b"all of it"
        assert rig.statistics().idle == 0


async def test_old_wires_are_reaped_and_the_announced_time_is_honoured() -> None:
    async def script(talk: Talk) -> None:
        await talk.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=600\r\n\r\nok")

    async with scripted(script) as peer, running(UpstreamOptions(idle_s=0.01, reap_every_s=0.005)) as rig:
        await rig.fetch(connection(peer.url()))
        assert rig.statistics().idle == 1
        await until(lambda: not rig.statistics().idle)
        assert rig.statistics().expired == 1
        assert rig.relay.links() == 0


async def test_an_expired_wire_is_not_used_even_if_the_reaper_has_not_come() -> None:
    async with scripted(serve) as peer, running(UpstreamOptions(idle_s=0.01, reap_every_s=3600)) as rig:
        target = connection(peer.url())
        await rig.fetch(target)
        await trio.sleep(0.02)
        await rig.fetch(target)
        assert len(peer.talks) == 2


async def test_unused_routes_are_forgotten() -> None:
    async with (
        scripted(serve) as peer,
        running(UpstreamOptions(idle_s=0.01, route_idle_s=0.01, reap_every_s=0.005)) as rig,
    ):
        await rig.fetch(connection(peer.url()))
        assert (rig.statistics().routes, rig.statistics().origins) == (1, 1)
        await until(lambda: not rig.statistics().origins)
        assert rig.statistics().routes == 0


# -- drains: the end mark was seen, the end of the body was not


async def test_an_end_that_is_here_already_is_read_without_a_task() -> None:
    async def script(talk: Talk) -> None:
        await talk.serve(CHUNKED + b"4\r\nmark\r\n0\r\n\r\n")

    async with scripted(script) as peer, running(UpstreamOptions(max_draining=0)) as rig:
        with await rig.call(connection(peer.url())) as exchange:
            assert await exchange.source.read_piece(0.0) == b"mark"
        assert rig.statistics().idle == 1


async def test_an_end_that_comes_later_is_waited_for() -> None:
    left = trio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(CHUNKED + b"4\r\nmark\r\n")
        await left.wait()
        await talk.send(b"4\r\nmore\r\n")
        await talk.send(b"0\r\n\r\n")
        await talk.serve()

    async with scripted(script) as peer, running() as rig:
        target = connection(peer.url())
        with await rig.call(target) as exchange:
            assert await exchange.source.read_piece(0.0) == b"mark"
        counted = rig.statistics()
        assert (counted.draining, counted.in_use, counted.idle) == (1, 1, 0)
        left.set()
        await rig.settled()
        assert rig.statistics().drained == 1
        assert await rig.fetch(target) == b"ok"
        assert len(peer.talks) == 1


@pytest.mark.parametrize(
    "rest", [b"", b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n", b"zz\r\n"], ids=["late", "much", "broken"]
)
async def test_a_drain_is_bounded_in_time_and_bytes(rest: bytes) -> None:
    left = trio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(CHUNKED + b"4\r\nmark\r\n")
        await left.wait()
        await talk.send(rest)
        await talk.gone()

    async with scripted(script) as peer, running(UpstreamOptions(drain_after_end_s=0.03, drain_bytes=1000)) as rig:
        with await rig.call(connection(peer.url())) as exchange:
            assert await exchange.source.read_piece(0.0) == b"mark"
        left.set()
        await rig.settled()
        counted = rig.statistics()
        assert (counted.drains_failed, counted.idle) == (1, 0)


async def test_drains_are_bounded_in_number_and_cancelled_with_the_pool() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(CHUNKED + b"4\r\nmark\r\n")
        await talk.gone()

    async with scripted(script) as peer, running(UpstreamOptions(max_draining=1), in_use_at_stop=1) as rig:
        for _ in range(3):
            with await rig.call(connection(peer.url())) as exchange:
                await exchange.source.read_piece(0.0)
        counted = rig.statistics()
        assert (counted.draining, counted.drains_failed) == (1, 2)


async def test_who_gives_up_closes_the_wire() -> None:
    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(CHUNKED + b"4\r\nmark\r\n")
        await talk.gone()

    async with scripted(script) as peer, running() as rig:

        async def give_up() -> None:
            with await rig.call(connection(peer.url())) as exchange:
                await exchange.source.read_piece(0.0)
                raise RuntimeError("given up")

        with pytest.raises(RuntimeError, match="given up"):
            await give_up()
        assert rig.relay.links() == 0
        await until(lambda: not peer.open_talks())


async def test_after_the_stop_nothing_is_opened_or_kept() -> None:
    async with scripted(serve) as peer:
        target = connection(peer.url())
        async with running() as rig:
            await rig.fetch(target)
        with pytest.raises(UpstreamError, match="stopping") as caught:
            await rig.call(target)
        assert caught.value.error_class == "pool_full"
