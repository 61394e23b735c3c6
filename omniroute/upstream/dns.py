"""Names to addresses, off the event loop, remembered for a while.

``getaddrinfo`` blocks, so it runs in threads of its own small limiter: a resolver that hangs must not eat the threads
of others. Look-ups run in the pool's nursery, not in the asking task: several requests wait for one look-up, and the
first of them being cancelled must not fail the rest.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

import msgspec
import trio

from omniroute.upstream.options import UpstreamOptions


class Address(msgspec.Struct, frozen=True):
    """One address of a host, without port."""

    family: int
    ip: str
    scope: int = 0
    """IPv6 zone, 0 if none."""

    def sockaddr(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """What ``socket.connect`` takes."""
        return (self.ip, port, 0, self.scope) if self.family == socket.AF_INET6 else (self.ip, port)


Lookup = Callable[[str], list[Address]]
"""Resolve a name; blocking, runs in a thread. Raises OSError (``socket.gaierror``)."""

_NO_ADDRESS: Final = "the name has no address"


def system_lookup(host: str) -> list[Address]:
    """The addresses of ``host`` in the system's order of preference (RFC 6724), each once."""
    found: dict[Address, None] = {}
    for family, _, _, _, sockaddr in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        if family == socket.AF_INET6:
            found[Address(family, str(sockaddr[0]), int(sockaddr[3]))] = None  # type: ignore[misc]  # 4-tuple for AF_INET6
        elif family == socket.AF_INET:
            found[Address(family, str(sockaddr[0]))] = None
    return list(found)


def literal_address(host: str) -> Address | None:
    """``host`` as an address if it is one: no look-up then."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return Address(family, host)
    return None


class ResolveError(OSError):
    """A name could not be resolved."""


class _Entry:
    """One name: in flight until ``done`` is set, an answer (or ``failure``) until ``expires_at``."""

    __slots__ = ("addresses", "done", "expires_at", "failure")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.addresses: tuple[Address, ...] = ()
        self.failure = ""
        self.expires_at = 0.0


class Resolver:
    """Bounded cache over ``lookup``: one look-up per name at a time, failures remembered briefly."""

    def __init__(self, options: UpstreamOptions, lookup: Lookup = system_lookup) -> None:
        self._options = options
        self._lookup = lookup
        self._limiter = trio.CapacityLimiter(options.dns_threads)
        self._cache: dict[str, _Entry] = {}
        self._flying: dict[str, _Entry] = {}

    def names(self) -> int:
        """Names remembered."""
        return len(self._cache)

    async def resolve(self, nursery: trio.Nursery, host: str) -> tuple[Address, ...]:
        """The addresses of ``host``, never empty. ``nursery`` runs the look-up. Raises ResolveError."""
        literal = literal_address(host)
        if literal is not None:
            return (literal,)
        entry = self._cache.get(host)
        if entry is None or entry.expires_at <= trio.current_time():
            entry = self._flying.get(host)
            if entry is None:
                if len(self._flying) >= self._options.dns_cache_entries:
                    raise ResolveError("too many look-ups in flight")
                entry = self._flying[host] = _Entry()
                nursery.start_soon(self._fly, host, entry)
            await entry.done.wait()
        if entry.failure:
            raise ResolveError(entry.failure)
        return entry.addresses

    async def _fly(self, host: str, entry: _Entry) -> None:
        try:
            with trio.move_on_after(self._options.dns_timeout_s):
                entry.failure = f"no answer within {self._options.dns_timeout_s:g} s"
                found = await trio.to_thread.run_sync(self._lookup, host, limiter=self._limiter, abandon_on_cancel=True)
                entry.addresses = interleaved(found)[: self._options.max_addresses]
                entry.failure = "" if entry.addresses else _NO_ADDRESS
        except (OSError, UnicodeError) as exc:  # UnicodeError: a label that IDNA refuses
            entry.failure = str(getattr(exc, "strerror", None) or exc)
        finally:
            ttl_s = self._options.dns_negative_ttl_s if entry.failure else self._options.dns_ttl_s
            entry.expires_at = trio.current_time() + ttl_s
            del self._flying[host]
            self._remember(host, entry)
            entry.done.set()

    def _remember(self, host: str, entry: _Entry) -> None:
        self._cache.pop(host, None)
        if len(self._cache) >= self._options.dns_cache_entries:
            del self._cache[next(iter(self._cache))]
        self._cache[host] = entry


def interleaved(addresses: list[Address]) -> tuple[Address, ...]:
    """Families taken in turn, beginning with the first address's own (RFC 8305 §4), order kept within each."""
    if not addresses:
        return ()
    ours = [a for a in addresses if a.family == addresses[0].family]
    other = [a for a in addresses if a.family != addresses[0].family]
    mixed: list[Address] = []
    for index in range(max(len(ours), len(other))):
        mixed += ours[index : index + 1] + other[index : index + 1]
    return tuple(mixed)
