"""The front door of one worker: accepts, keeps the connections, drains.

Workers share their listening sockets, so accepting competes: each takes a few connections per wake-up and goes back to
the queue, which spreads a burst over the workers where "until empty" would give it all to the first.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Sequence
from typing import Final

import trio

from omniroute.edge.connection import ClientConnection
from omniroute.edge.options import EdgeOptions
from omniroute.edge.proxy_control import ControlProxy
from omniroute.edge.reply import PLAIN
from omniroute.edge.routes import ErrorShape, Routes
from omniroute.edge.state import EdgeState
from omniroute.wire import Driver, Wire

_log: Final = logging.getLogger(__name__)

ACCEPT_BATCH: Final = 8
"""Connections taken per wake-up of a listener, before the other workers and our own requests have their turn."""

PAUSE_S: Final = 0.05
"""Rest of the accept loop when there is no room or no file descriptor: new clients wait this long longer, no more."""

SAY_EVERY_S: Final = 60.0
"""A shortage is logged once in this time, however many connections meet it."""

EVICT_IDLE_S: Final = 1.0
"""At ``max_connections`` a connection must have been idle this long to be closed for a new one: the time between two
requests of a busy client is shorter."""

_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Edge:
    """Serves HTTP/1.1 on listening sockets. ``serve`` once; ``drain`` ends it gracefully, cancelling it at once."""

    def __init__(
        self,
        driver: Driver,
        routes: Routes,
        options: EdgeOptions | None = None,
        *,
        control_socket: str | None = None,
        errors: ErrorShape = PLAIN,
    ) -> None:
        """Hand in what it works with.

        Args:
            driver: turns the relay all client sockets go into; already running when ``serve`` is called.
            routes: what the worker answers itself.
            options: limits; the defaults if None.
            control_socket: path of control's Unix socket, for every other request; without it those get 404.
            errors: how those look that belong to no endpoint.
        """
        options = options or EdgeOptions()
        control = None if control_socket is None else ControlProxy(control_socket, driver, options)
        self._driver = driver
        self._options = options
        self._state = EdgeState(options, routes, control, errors)
        self._open = 0
        self._drain_s = 0.0
        self._draining = trio.Event()
        self._empty = trio.Event()
        self._said_at = -SAY_EVERY_S

    @property
    def connections(self) -> int:
        """Open client connections."""
        return self._open

    @property
    def bodies_held(self) -> int:
        """Bytes of request bodies held."""
        return self._state.bodies_held

    async def serve(
        self,
        listeners: Sequence[socket.socket],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept and serve until drained or cancelled; returns when the last connection is closed.

        ``listeners``: listening sockets, made non-blocking. They are closed when accepting ends, so that the kernel
        refuses a newcomer (or hands it to another process that listens) instead of queueing it for nobody. Not
        restartable.
        """
        async with trio.open_nursery() as clients:  # owns every connection's task
            async with trio.open_nursery() as accepting:  # ends first: no new connection while the old ones finish
                for listener in listeners:
                    listener.setblocking(False)
                    accepting.start_soon(self._accept, listener, clients)
                task_status.started()
                await self._draining.wait()
                accepting.cancel_scope.cancel()
            for listener in listeners:
                listener.close()
            clients.cancel_scope.deadline = trio.current_time() + self._drain_s
            await self._leave_idle()

    def drain(self, drain_s: float) -> None:
        """Stop accepting; connections end with their next answer, the idle ones soon, all within ``drain_s``."""
        self._drain_s = drain_s
        self._state.draining = True
        if not self._open:
            self._empty.set()
        self._draining.set()

    async def _leave_idle(self) -> None:
        """Give idle connections their last moment (``EdgeOptions.drain_idle_s``), then close them."""
        with trio.move_on_after(self._options.drain_idle_s):
            await self._empty.wait()
        for connection in self._state.idle:
            connection.scope.cancel()

    async def _accept(self, listener: socket.socket, clients: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            for taken in range(ACCEPT_BATCH):
                if self._open >= self._options.max_connections:
                    if taken:
                        break  # whether anybody still waits, the next wake-up tells: nobody is evicted for nobody
                    if not self._evict():
                        self._say("%d connections are open, the bound (max_connections): new ones wait", self._open)
                        await trio.sleep(PAUSE_S)
                        break
                try:
                    sock, address = listener.accept()
                except BlockingIOError:  # another worker was quicker, or the queue is empty
                    break
                except OSError as exc:
                    if exc.errno in _SHORTAGES:
                        self._say("cannot accept connections for now: %s", exc.strerror)
                        await trio.sleep(PAUSE_S)
                        break
                    continue  # this one broke while it was queued (ECONNABORTED and kin); the next is another's
                self._admit(sock, address, clients)

    def _admit(self, sock: socket.socket, address: object, clients: trio.Nursery) -> None:
        try:
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(sock)
            self._driver.adopt(wire)
        except (OSError, OverflowError) as exc:
            sock.close()
            self._say("cannot take a connection: %s", exc)
            return
        self._open += 1
        clients.start_soon(self._run, ClientConnection(self._state, sock, wire, _peer(address)))

    async def _run(self, connection: ClientConnection) -> None:
        try:
            await connection.run()
        except Exception:  # noqa: BLE001 - as in a request: one connection's defect must not close thousands of others
            _log.exception("a client connection failed")
        finally:
            self._open -= 1
            if not self._open and self._state.draining:
                self._empty.set()

    def _evict(self) -> bool:
        """Close the connection that has been idle for longest, if one has been for long enough."""
        for connection, since_at in self._state.idle.items():
            if trio.current_time() - since_at < EVICT_IDLE_S:
                return False
            if not connection.scope.cancel_called:
                connection.scope.cancel()
                return True
        return False

    def _say(self, message: str, fact: object) -> None:
        now = trio.current_time()
        if now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            _log.warning(message, fact)


def _peer(address: object) -> str:
    """The address part for logs and for control; ``local`` for a Unix socket."""
    if isinstance(address, tuple):
        return str(address[0]).removeprefix("::ffff:")  # IPv4 on a dual-stack listener
    return "local"
