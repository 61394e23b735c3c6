"""From an origin to a wire: resolve, guard, connect, tunnel, TLS, register."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import trio

from omniroute.domain import Connection
from omniroute.upstream.connect import connect_any
from omniroute.upstream.dns import Address, Resolver
from omniroute.upstream.egress import refused_kind
from omniroute.upstream.map_errors import Phase, egress_denied, open_error, pool_full, timeout_connect
from omniroute.upstream.options import UpstreamOptions
from omniroute.upstream.origin import Origin
from omniroute.upstream.proxies import handshake_of, open_tunnel
from omniroute.upstream.tls import TlsContexts, handshake
from omniroute.upstream.wire import UpstreamWire
from omniroute.wire import Driver


class Opener:
    """Opens wires. Holds no wire: who asked owns it."""

    def __init__(self, driver: Driver, options: UpstreamOptions, resolver: Resolver) -> None:
        self.driver = driver
        self.options = options
        self.resolver = resolver
        self.contexts = TlsContexts(options.max_tls_contexts)

    async def open(
        self, nursery: trio.Nursery, connection: Connection, origin: Origin, deadline_at: float
    ) -> UpstreamWire:
        """A registered wire to ``origin``, by ``deadline_at`` (``math.inf``: none). Raises UpstreamError.

        ``connection`` is named in errors; ``nursery`` runs look-ups, which outlive a cancelled call.
        """
        opening = _Opening(self, nursery, connection, origin)
        try:
            with trio.CancelScope(deadline=deadline_at):
                return await opening.run()
        except OverflowError as exc:
            raise pool_full(connection, "this worker holds as many sockets as it may") from exc
        except (OSError, ValueError) as exc:
            raise open_error(connection, origin.label, opening.phase, exc) from exc
        raise timeout_connect(connection, origin.label, opening.phase)


class _Opening:
    """One opening and the phase it is in."""

    def __init__(self, opener: Opener, nursery: trio.Nursery, connection: Connection, origin: Origin) -> None:
        self.phase: Phase = "resolve"
        self._opener = opener
        self._nursery = nursery
        self._connection = connection
        self._origin = origin

    async def run(self) -> UpstreamWire:
        key = self._origin.key
        sock = await self._connected()
        try:
            if key.proxy is not None:
                limit = self._opener.options.proxy_head_bytes
                await open_tunnel(sock, handshake_of(key.proxy, key.host, key.port, limit))
            if key.tls is None:
                return self._adopted(UpstreamWire(sock))
            self.phase = "tls"
            context = await self._opener.contexts.get(key.tls)
            session = self._origin.session if self._origin.session_context is context else None
            sock = tls = await handshake(sock, context, key.tls.server_name or key.host, session)
            wire = UpstreamWire(tls)
            wire.tls = tls
            return self._adopted(wire)
        except BaseException:
            sock.close()
            raise

    async def _connected(self) -> socket.socket:
        key, options = self._origin.key, self._opener.options
        host, port = key.host, key.port
        if key.proxy is not None:
            self.phase = "proxy"
            host, port = key.proxy.host, key.proxy.port
        addresses: Sequence[Address] = await self._opener.resolver.resolve(self._nursery, host)
        if not key.allow_private:
            addresses = self._guarded(host, addresses)
        if key.proxy is None:
            self.phase = "connect"
        return await connect_any(addresses, port, options.happy_eyeballs_delay_s)

    def _guarded(self, host: str, addresses: Sequence[Address]) -> list[Address]:
        """Those the guard lets pass; a name with public and private addresses is reached at the public ones."""
        passed = [address for address in addresses if not refused_kind(address.ip)]
        if not passed:
            raise egress_denied(self._connection, host, addresses[0].ip, refused_kind(addresses[0].ip))
        return passed

    def _adopted(self, wire: UpstreamWire) -> UpstreamWire:
        wire.origin = self._origin
        try:
            self._opener.driver.adopt(wire)
        except BaseException:
            wire.close()
            raise
        return wire
