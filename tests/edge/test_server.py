"""Accepting, the bound on connections, draining."""

from __future__ import annotations

import errno
import logging
import os
import socket

import pytest
import trio

from omniroute.edge import EdgeOptions

from .house import house

GET = b"GET /v1/echo HTTP/1.1\r\nHost: gw\r\n\r\n"
GATED = b"GET /v1/gated HTTP/1.1\r\nHost: gw\r\n\r\n"


async def test_sockets_are_set_for_small_writes() -> None:
    async with house() as place, place.client() as client:
        await client.ask(GET)
        watch = place.handlers.seen[0].watch
        with socket.socket(fileno=os.dup(watch.fileno())) as sock:  # type: ignore[attr-defined]
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not os.get_blocking(sock.fileno())


async def test_drain_without_connections_is_immediate() -> None:
    async with house(EdgeOptions(drain_idle_s=5.0)) as place:
        place.edge.drain(30.0)
        with trio.fail_after(0.2):
            await place.served.wait()


async def test_drain_lets_the_busy_finish_and_tells_them_to_close() -> None:
    async with house(EdgeOptions(drain_idle_s=0.0)) as place, place.client() as busy, place.client() as idle:
        await idle.ask(GET)
        await busy.send(GATED)
        await place.handlers.entered.wait()
        place.edge.drain(30.0)
        assert await idle.rest() == b""
        assert not place.served.is_set()
        place.handlers.go_on.set()
        answer = await busy.answer()
        assert (answer.body, answer.headers[b"connection"]) == (b'{"gated":true}', b"close")
        assert await busy.rest() == b""
        await place.served.wait()


async def test_drain_serves_one_more_request_of_an_active_client() -> None:
    """A keep-alive client whose next request is on its way while we drain must not meet a closed connection."""
    async with house(EdgeOptions(drain_idle_s=5.0)) as place, place.client() as client:
        await client.ask(GET)
        place.edge.drain(30.0)
        await trio.testing.wait_all_tasks_blocked()
        answer = await client.ask(GET)
        assert (answer.status, answer.headers[b"connection"]) == (200, b"close")
        assert await client.rest() == b""
        with trio.fail_after(0.2):  # the last connection is gone: no reason to wait for drain_idle_s
            await place.served.wait()


async def test_a_connection_that_was_busy_when_the_drain_began_is_not_kept_after_its_answer() -> None:
    """Its answer may have begun without "Connection: close"; it must not hold the worker for the keep-alive time."""
    async with house(EdgeOptions(drain_idle_s=0.05)) as place, place.client() as busy:
        await busy.send(b"GET /v1/late HTTP/1.1\r\nHost: gw\r\n\r\n")
        await place.handlers.entered.wait()
        place.edge.drain(30.0)
        await trio.sleep(0.1)  # past the moment when idle connections are closed
        place.handlers.go_on.set()
        assert b"connection: close" not in await busy.until(b"\r\n\r\n")
        with trio.fail_after(1):
            await busy.rest()
            await place.served.wait()


async def test_drain_takes_no_new_connection() -> None:
    async with house(EdgeOptions(drain_idle_s=0.0)) as place, place.client() as busy:
        await busy.send(GATED)
        await place.handlers.entered.wait()
        place.edge.drain(30.0)
        await trio.testing.wait_all_tasks_blocked(0.005)
        with pytest.raises(
            OSError, match="failed"
        ):  # not queued: another worker's descriptor of the socket may take it
            await trio.open_tcp_stream("127.0.0.1", place.port)
        place.handlers.go_on.set()
        assert (await busy.answer()).status == 200


async def test_drain_ends_at_its_deadline() -> None:
    async with house(EdgeOptions(drain_idle_s=0.0)) as place, place.client() as busy:
        await busy.send(GATED)
        await place.handlers.entered.wait()
        place.edge.drain(0.02)
        assert await busy.rest() == b""
        await place.served.wait()
        assert place.handlers.cancelled == 1


@pytest.mark.slow
async def test_at_the_bound_the_longest_idle_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    async with house(EdgeOptions(max_connections=2)) as place:
        async with place.client() as first, place.client() as second:
            await first.ask(GET)
            await second.ask(GET)
            async with place.client() as third:
                await third.send(GET)
                await place.settled(lambda: bool(caplog.records))  # nobody has been idle for a second yet
                assert place.edge.connections == 2
                assert "max_connections" in caplog.text
                await first.ask(GET)  # so the second is idle for longest now
                async with trio.open_nursery() as nursery:  # both wait for the same decision
                    nursery.start_soon(second.rest)
                    assert (await third.answer()).status == 200
                assert (await first.ask(GET)).status == 200
        assert len(caplog.records) == 1  # once a minute, however often it is tried


class ShortOfDescriptors:
    """A listening socket whose first accept fails as it does at the limit of open files."""

    def __init__(self, listener: socket.socket, failures: list[int]) -> None:
        self._listener = listener
        self._failures = failures

    def setblocking(self, flag: bool) -> None:
        self._listener.setblocking(flag)

    def close(self) -> None:
        self._listener.close()

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> tuple[socket.socket, object]:
        if self._failures:
            raise OSError(self._failures.pop(0), "short")
        return self._listener.accept()


@pytest.mark.parametrize("failures", [[errno.EMFILE, errno.EMFILE], [errno.ECONNABORTED, errno.EPROTO]])
async def test_accept_survives(failures: list[int], caplog: pytest.LogCaptureFixture) -> None:
    shortage = failures[0] == errno.EMFILE
    async with house(listener=lambda real: ShortOfDescriptors(real, failures)) as place, place.client() as client:
        assert (await client.ask(GET)).status == 200
        assert not failures
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * shortage


async def test_cancelling_closes_everything() -> None:
    async with house() as place, place.client() as busy, place.client() as idle:
        await idle.ask(GET)
        await busy.send(GATED)
        await place.handlers.entered.wait()
        place.cancel_edge.cancel()
        assert await busy.rest() == b""
        assert await idle.rest() == b""
        assert place.handlers.cancelled == 1
