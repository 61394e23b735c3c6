"""The read operations of a link but for the pump: small state machines over an :class:`Inbox`. Part of ``relay_py``."""

from __future__ import annotations

from typing import Protocol

from omniroute._speedups.dechunk_py import BodyReader
from omniroute._speedups.halves_py import Inbox
from omniroute._speedups.status import BODY_LENGTH, Status


class Operation(Protocol):
    """What a link can have parked. ``advance`` and ``overdue`` give the status it ended with, None while it waits."""

    result: bytes
    detail: str
    held_bytes: int
    """Payload collected so far."""

    @property
    def wants_input(self) -> bool:
        """The socket is to be read for it now."""
        ...

    def advance(self, inbox: Inbox, now: float) -> Status | None: ...

    def overdue(self, now: float) -> Status | None: ...


class _Read:
    """What head, body and piece have in common: one deadline, and input wanted until the end."""

    __slots__ = ("_deadline_at", "_what", "detail", "held_bytes", "result")
    wants_input = True

    def __init__(self, what: str, deadline_at: float) -> None:
        self._what = what
        self._deadline_at = deadline_at
        self.result = b""
        self.detail = ""
        self.held_bytes = 0

    def overdue(self, now: float) -> Status | None:
        if not self._deadline_at or now < self._deadline_at:
            return None
        return self._fail(Status.DEADLINE, f"the {self._what} did not come before its deadline")

    def _fail(self, status: Status, detail: str) -> Status:
        self.detail = detail
        return status

    def _cut(self, inbox: Inbox) -> Status:
        """The connection ended inside what was asked for."""
        if inbox.end is Status.RESET:
            return self._fail(Status.RESET, inbox.detail)
        return self._fail(Status.TRUNCATED, f"the peer closed inside the {self._what}")


class HeadRead(_Read):
    """Up to and including the first blank line."""

    __slots__ = ("_head_s", "_limit_bytes", "_scanned", "_skipped")
    LEADING_CRLFS = 2

    def __init__(self, limit_bytes: int, deadline_at: float, head_s: float = 0.0) -> None:
        super().__init__("head", deadline_at)
        self._head_s = head_s
        self._limit_bytes = limit_bytes
        self._scanned = 0  # bytes already known to hold no end: a trickled head is not scanned again and again
        self._skipped = 0

    def advance(self, inbox: Inbox, now: float) -> Status | None:
        held = inbox.held
        while self._skipped < self.LEADING_CRLFS and held.startswith(b"\r\n"):
            del held[:2]
            self._skipped += 1
        if held and self._head_s:
            self._deadline_at = now + self._head_s
            self._head_s = 0.0
        end = _head_end(held, max(0, self._scanned - 3))
        if end > self._limit_bytes or (end < 0 and len(held) > self._limit_bytes):
            return self._fail(Status.TOO_LARGE, f"the head is larger than {self._limit_bytes} bytes")
        if end >= 0:
            self.result = bytes(held[:end])
            del held[:end]
            return Status.OK
        # "\r" alone may yet become a leading CRLF, which moves what follows to the front
        self._scanned = 0 if held == b"\r" else len(held)
        if inbox.end is None:
            return None
        if not held and (inbox.ragged or inbox.end is Status.CLOSED):
            return self._fail(Status.CLOSED, "the peer closed before a head")
        return self._cut(inbox)


class BodyRead(_Read):
    """The whole body in one piece, up to a limit."""

    __slots__ = ("_body", "_earned_s", "_limit_bytes", "_parts")

    def __init__(self, body: BodyReader, limit_bytes: int, deadline_at: float, min_rate: float) -> None:
        super().__init__("body", deadline_at)
        self._body = body
        self._limit_bytes = limit_bytes
        # What one byte adds to the deadline; a deadline that is off (0) stays off
        self._earned_s = 1.0 / min_rate if min_rate and deadline_at else 0.0
        self._parts: list[bytes] = []

    def advance(self, inbox: Inbox, now: float) -> Status | None:
        del now
        body = self._body
        while True:
            room = self._limit_bytes - self.held_bytes
            if body.left > room and body.kind == BODY_LENGTH:
                return self._too_large()
            part = body.take(inbox.held, room + 1)
            self.held_bytes += len(part)
            self._deadline_at += len(part) * self._earned_s
            if self.held_bytes > self._limit_bytes:
                return self._too_large()
            if not part:
                break
            self._parts.append(part)
        if body.error:
            return self._fail(Status.MALFORMED, body.error)
        if body.complete or (inbox.end is Status.CLOSED and body.end_of_input()):
            self.result = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            return Status.OK
        return self._cut(inbox) if inbox.end is not None else None

    def _too_large(self) -> Status:
        self._parts.clear()
        return self._fail(Status.TOO_LARGE, f"the body is larger than {self._limit_bytes} bytes")


class PieceRead(_Read):
    """The next bytes of body there are."""

    __slots__ = ("_body", "_limit_bytes")

    def __init__(self, body: BodyReader, deadline_at: float, limit_bytes: int) -> None:
        super().__init__("body", deadline_at)
        self._body = body
        self._limit_bytes = limit_bytes

    def advance(self, inbox: Inbox, now: float) -> Status | None:
        del now
        body = self._body
        self.result = body.take(inbox.held, self._limit_bytes)
        if self.result or body.complete:
            return Status.OK
        if body.error:
            return self._fail(Status.MALFORMED, body.error)
        if inbox.end is Status.CLOSED and body.end_of_input():
            return Status.OK
        return self._cut(inbox) if inbox.end is not None else None


def _head_end(held: bytearray, start: int) -> int:
    """Length of the head that ends in ``held`` at the first blank line after ``start``, -1 if there is none."""
    strict = held.find(b"\r\n\r\n", start)
    bare = held.find(b"\n\n", start, strict if strict >= 0 else len(held))
    if bare >= 0:
        return bare + 2
    return strict + 4 if strict >= 0 else -1
