"""Look-ups: cached, shared, bounded, and never anybody's cancellation but their own."""

import socket
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from omniroute.upstream import Address, UpstreamOptions, system_lookup
from omniroute.upstream.dns import ResolveError, Resolver, interleaved
from tests.upstream.rig import until

ONE = Address(socket.AF_INET, "192.0.2.1")


class Names:
    """A lookup that counts, and can be held."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing = False
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, host: str) -> list[Address]:
        self.asked.append(host)
        assert self.gate.wait(10)
        if self.failing:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [] if host == "empty" else [ONE]


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.gate.set()


async def test_an_answer_is_remembered_for_its_time(names: Names, nursery: trio.Nursery) -> None:
    resolver = Resolver(UpstreamOptions(dns_ttl_s=0.03), names)
    assert await resolver.resolve(nursery, "a") == (ONE,)
    assert await resolver.resolve(nursery, "a") == (ONE,)
    assert names.asked == ["a"]
    await trio.sleep(0.04)
    await resolver.resolve(nursery, "a")
    assert names.asked == ["a", "a"]


async def test_a_failure_is_remembered_briefly(names: Names, nursery: trio.Nursery) -> None:
    resolver = Resolver(UpstreamOptions(dns_negative_ttl_s=0.03), names)
    names.failing = True
    for _ in range(2):
        with pytest.raises(ResolveError, match="Name or service not known"):
            await resolver.resolve(nursery, "a")
    assert names.asked == ["a"]
    await trio.sleep(0.04)
    names.failing = False
    assert await resolver.resolve(nursery, "a") == (ONE,)


async def test_a_name_without_address_and_one_that_is_no_name_fail(names: Names, nursery: trio.Nursery) -> None:
    with pytest.raises(ResolveError, match="no address"):
        await Resolver(UpstreamOptions(), names).resolve(nursery, "empty")
    with pytest.raises(ResolveError):
        await Resolver(UpstreamOptions()).resolve(nursery, "x" * 70)


async def test_an_address_needs_no_look_up(names: Names, nursery: trio.Nursery) -> None:
    resolver = Resolver(UpstreamOptions(), names)
    assert await resolver.resolve(nursery, "10.1.2.3") == (Address(socket.AF_INET, "10.1.2.3"),)
    assert await resolver.resolve(nursery, "::1") == (Address(socket.AF_INET6, "::1"),)
    assert names.asked == []


async def test_many_wait_for_one_and_the_first_may_leave(names: Names, nursery: trio.Nursery) -> None:
    resolver = Resolver(UpstreamOptions(), names)
    names.gate.clear()
    answers: list[tuple[Address, ...]] = []

    async def ask() -> None:
        answers.append(await resolver.resolve(nursery, "a"))

    async with trio.open_nursery() as asking:
        first = trio.CancelScope()

        async def ask_and_leave() -> None:
            with first:
                await ask()

        asking.start_soon(ask_and_leave)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(5):
            asking.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        first.cancel()
        await trio.testing.wait_all_tasks_blocked()
        names.gate.set()
    assert answers == [(ONE,)] * 5
    assert names.asked == ["a"]


async def test_a_hanging_look_up_fails_at_its_time(names: Names, nursery: trio.Nursery) -> None:
    names.gate.clear()
    resolver = Resolver(UpstreamOptions(dns_timeout_s=0.02), names)
    with pytest.raises(ResolveError, match="no answer within"):
        await resolver.resolve(nursery, "a")
    names.gate.set()


async def test_memory_is_bounded_and_so_are_threads(names: Names, nursery: trio.Nursery) -> None:
    options = UpstreamOptions(dns_cache_entries=3, dns_threads=2)
    resolver = Resolver(options, names)
    for number in range(5):
        await resolver.resolve(nursery, f"n{number}")
    assert resolver.names() == 3
    await resolver.resolve(nursery, "n4")
    assert len(names.asked) == 5
    names.gate.clear()
    asked = len(names.asked)
    async with trio.open_nursery() as asking:
        for number in range(3):
            asking.start_soon(resolver.resolve, nursery, f"held{number}")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ResolveError, match="too many"):
            await resolver.resolve(nursery, "one-too-many")
        await until(lambda: len(names.asked) == asked + 2)  # threads start when they like
        assert len(names.asked) == asked + 2  # the third waits for a thread
        names.gate.set()


def test_the_system_knows_localhost() -> None:
    assert {address.ip for address in system_lookup("localhost")} & {"127.0.0.1", "::1"}


ADDRESSES = st.builds(
    lambda v6, n: Address(socket.AF_INET6, f"2001:db8::{n}") if v6 else Address(socket.AF_INET, f"192.0.2.{n}"),
    st.booleans(),
    st.integers(1, 200),
)


@given(st.lists(ADDRESSES, unique=True, max_size=12))
def test_families_take_turns_and_keep_their_order(addresses: list[Address]) -> None:
    mixed = interleaved(addresses)
    assert sorted(mixed, key=repr) == sorted(addresses, key=repr)
    of: Callable[[int], list[Address]] = lambda family: [a for a in addresses if a.family == family]  # noqa: E731
    for family in (socket.AF_INET, socket.AF_INET6):
        assert [a for a in mixed if a.family == family] == of(family)
    if addresses:
        assert mixed[0] == addresses[0]
    both = 2 * min(len(of(socket.AF_INET)), len(of(socket.AF_INET6)))
    assert all(a.family != b.family for a, b in pairwise(mixed[:both]))
