"""The reading and the writing half of a link's socket: bytes, and how they ended. Part of ``relay_py``."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Final

from omniroute._speedups.status import Status

READ_BYTES: Final = 64 * 1024
"""Size of one read. A link with nothing parked reads ahead this far, so that its peer's FIN is noticed."""

SEND_BYTES: Final = 64 * 1024
"""Bytes handed to the kernel at once from what waits: the copy it costs stays small."""

TLS_READS: Final = 4
"""A TLS read gives one record (16 KiB) at most: as many as make one plain read."""

WRITEV_PARTS: Final = 64
"""Parts of one ``sendmsg``, far below IOV_MAX (1024, POSIX promises 16); what follows is copied and sent after."""

Buffer = bytes | bytearray | memoryview


class Inbox:
    """What was read and not yet taken, and how reading ended."""

    __slots__ = ("_sock", "_tls", "detail", "end", "held", "ragged", "received_bytes", "wants_write")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        if isinstance(sock, ssl.SSLSocket):
            # else a cut connection looks like a clean end
            sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # a documented argument, absent in typeshed
        self.held = bytearray()
        self.received_bytes = 0
        self.end: Status | None = None
        """CLOSED after the peer's FIN or close_notify, RESET if the connection broke, None while it is open."""
        self.ragged = False
        """TLS: FIN without close_notify. A reset inside a message; between messages it is what many servers do."""
        self.detail = ""
        self.wants_write = False
        """TLS: the next read must wait until the socket can be written."""

    def receive(self) -> bool:
        """Read once what is there; True if bytes came."""
        before = self.received_bytes
        self.wants_write = False
        for _ in range(TLS_READS if self._tls else 1):
            try:
                data = self._sock.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            except ssl.SSLWantWriteError:
                self.wants_write = True
                break
            except ssl.SSLEOFError:
                self.end, self.ragged, self.detail = Status.RESET, True, "TLS connection was cut without close_notify"
                break
            except OSError as exc:
                self.end, self.detail = Status.RESET, os_error_word(exc)
                break
            if not data:
                self.end, self.detail = Status.CLOSED, "the peer closed"
                break
            self.held += data
            self.received_bytes += len(data)
        return self.received_bytes > before


class Outbox:
    """What waits to be sent, and whether writing broke."""

    __slots__ = ("_sock", "_tls", "broken", "failed", "held", "moved_at", "sent_bytes", "wants_read")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self.held = bytearray()
        self.sent_bytes = 0
        self.moved_at = 0.0
        """When bytes began to wait, or last moved."""
        self.broken = ""
        """Why nothing can be written any more."""
        self.failed = False
        """It was the connection that broke, not :meth:`tear`."""
        self.wants_read = False
        """TLS: the next write must wait until the socket can be read."""

    def queue(self, parts: Sequence[Buffer], now: float) -> None:
        """Send ``parts`` after what waits; the kernel first, a copy of what it does not take."""
        if self.broken:
            return
        taken = 0
        if not self.held:
            self.moved_at = now
            if not self._tls:
                taken = self._writev(parts[:WRITEV_PARTS])
        for part in parts:
            view = memoryview(part).cast("B")
            if taken < len(view):
                self.held += view[taken:]
            taken = max(0, taken - len(view))
        self.flush(now)

    def flush(self, now: float) -> None:
        """Hand the kernel as much of what waits as it takes."""
        self.wants_read = False
        while self.held and not self.broken:
            try:
                size = self._sock.send(self.held[:SEND_BYTES])
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except ssl.SSLWantReadError:
                self.wants_read = True
                return
            except OSError as exc:
                self._break(exc)
                return
            del self.held[:size]
            self.sent_bytes += size
            self.moved_at = now
        if self.broken:
            self.held.clear()

    def _writev(self, parts: Sequence[Buffer]) -> int:
        try:
            size = self._sock.sendmsg(parts)
        except BlockingIOError:
            return 0
        except OSError as exc:
            self._break(exc)
            return 0
        self.sent_bytes += size
        return size

    def tear(self, why: str) -> None:
        """Drop what waits and take nothing more: half a message must not be followed by another."""
        self.broken = self.broken or why
        self.held.clear()

    def _break(self, exc: OSError) -> None:
        self.failed = True
        self.tear(os_error_word(exc))


def os_error_word(exc: OSError) -> str:
    """A short word for ``exc`` without any payload: ``ECONNRESET``'s text, or OpenSSL's reason."""
    if isinstance(exc, ssl.SSLError):
        return exc.reason or type(exc).__name__
    return exc.strerror or type(exc).__name__


def close_socket(sock: socket.socket, *, polite: bool) -> None:
    """Close ``sock``; with ``polite``, a TLS close_notify is tried once, without waiting for the peer's."""
    if polite and isinstance(sock, ssl.SSLSocket):
        # Not sent, or sent and not yet answered: either way the socket is closed next.
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()
    sock.close()
