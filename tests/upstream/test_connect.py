"""Happy eyeballs over loopback addresses: refusing ones, black holes, and what is left open afterwards."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio

from omniroute.upstream import Address
from omniroute.upstream.connect import connect_any

ANSWERS = Address(socket.AF_INET, "127.0.0.1")
REFUSES = Address(socket.AF_INET, "127.0.0.2")
SWALLOWS = Address(socket.AF_INET, "127.0.0.3")


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@contextmanager
def listening(ip: str, port: int = 0, backlog: int = 64) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ip, port))
        listener.listen(backlog)
        yield listener


@contextmanager
def black_hole(ip: str, port: int) -> Iterator[None]:
    """An address that never answers a SYN: a listener whose queue is full."""
    with ExitStack() as stack:
        stack.enter_context(listening(ip, port, backlog=0))
        for _ in range(2):  # Linux queues backlog + 1
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((ip, port))
        yield


@pytest.fixture
def port() -> Iterator[int]:
    with listening(ANSWERS.ip) as listener:
        yield listener.getsockname()[1]


async def test_a_refusing_address_costs_no_delay(port: int) -> None:
    before = open_descriptors()
    with trio.fail_after(5):  # the delay is an hour
        sock = await connect_any([REFUSES, ANSWERS], port, delay_s=3600)
    with sock:
        assert sock.getpeername() == (ANSWERS.ip, port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not sock.getblocking()
        assert open_descriptors() == before + 1


async def test_a_black_hole_costs_one_delay_and_is_closed(port: int) -> None:
    with black_hole(SWALLOWS.ip, port):
        before = open_descriptors()
        started_at = trio.current_time()
        with await connect_any([SWALLOWS, ANSWERS], port, delay_s=0.02) as sock:
            assert trio.current_time() - started_at >= 0.02
            assert sock.getpeername() == (ANSWERS.ip, port)
            assert open_descriptors() == before + 1


async def test_the_first_failure_is_told_when_all_fail(port: int) -> None:
    before = open_descriptors()
    unroutable = Address(socket.AF_INET, "255.255.255.255")
    with pytest.raises(ConnectionRefusedError):
        await connect_any([REFUSES, unroutable], port, delay_s=3600)
    with pytest.raises(OSError, match=r".") as caught:
        await connect_any([unroutable, REFUSES], port, delay_s=3600)
    assert not isinstance(caught.value, ConnectionRefusedError)
    with pytest.raises(ConnectionRefusedError):
        await connect_any([REFUSES], port, delay_s=3600)
    assert open_descriptors() == before


@pytest.mark.parametrize("count", [1, 2])
async def test_cancelling_leaves_nothing_open(port: int, count: int) -> None:
    with black_hole(SWALLOWS.ip, port), black_hole("127.0.0.4", port):
        before = open_descriptors()
        with trio.move_on_after(0.03) as scope:
            await connect_any([SWALLOWS, Address(socket.AF_INET, "127.0.0.4")][:count], port, delay_s=0.001)
        assert scope.cancelled_caught
        assert open_descriptors() == before


async def test_when_all_answer_at_once_one_socket_is_left(port: int) -> None:
    with listening(REFUSES.ip, port):
        before = open_descriptors()
        for _ in range(20):
            with await connect_any([ANSWERS, REFUSES], port, delay_s=0.0):
                assert open_descriptors() == before + 1
