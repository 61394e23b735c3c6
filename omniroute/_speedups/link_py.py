"""One link of the plain relay: a socket's two halves and what is parked on them. Part of ``relay_py``.

The theory all operations share is at the top of ``relay_py``.
"""

from __future__ import annotations

import selectors
import socket
from typing import Final, Protocol

from omniroute._speedups.dechunk_py import BodyReader
from omniroute._speedups.halves_py import READ_BYTES, Buffer, Inbox, Outbox, close_socket
from omniroute._speedups.operations_py import BodyRead, HeadRead, Operation, PieceRead
from omniroute._speedups.pump_py import Pump, Translator
from omniroute._speedups.status import BODY_NONE, Status

START_READS: Final = 16
"""Reads ``start_*`` makes at once; the rest is left to ``turn``, so that one fast peer does not keep the others."""


class RelayPort(Protocol):
    """What a link needs of its relay."""

    now: float
    write_bound_bytes: int

    def arm(self, link: Link) -> None:
        """Wait for what ``link.interest()`` says now."""

    def completed(self, link: Link, *, read: bool) -> None:
        """An operation of ``link`` ended: return it from this turn, or the next."""

    def owes(self, link: Link) -> bool:
        """``link`` has a completed operation that was not returned yet."""
        ...

    def observe(self, watcher: Link, watched: Link) -> None:
        """Interrupt ``watcher`` when ``watched`` leaves."""

    def pair(self, source: Link, sink: Link) -> None:
        """Interrupt ``source`` when ``sink`` breaks. Raises RuntimeError if another pump feeds it."""

    def release(self, link: Link) -> None:
        """``link`` has no operation any more: it watches and feeds nobody."""

    def left(self, link: Link) -> None:
        """The peer of ``link`` is gone: interrupt who watches."""

    def sink_broke(self, link: Link) -> None:
        """``link`` takes no more bytes: interrupt the pump that feeds it."""

    def remove(self, link: Link) -> None:
        """``link`` is being closed."""


class Link:
    """One socket under a relay. See the module's theory for the rules all operations share."""

    __slots__ = (
        "_body",
        "_operation",
        "_relay",
        "_send_deadline_at",
        "_send_target",
        "_sink",
        "_sock",
        "detail",
        "first_forward_at",
        "forwarded_bytes",
        "gone",
        "inbox",
        "last_forward_at",
        "outbox",
        "read_done",
        "result",
        "send_done",
        "send_status",
        "send_waiter",
        "status",
        "waiter",
        "watch",
    )
    # after a read operation
    status: Status
    result: bytes
    detail: str  # one short sentence for logs, e.g. "chunk size is not hexadecimal"; never payload
    # after a send
    send_status: Status
    # for whoever parks; the relay never looks at them
    waiter: object
    send_waiter: object
    # operations completed in the turn/expire that returned the link last; both may be True at once
    read_done: bool
    send_done: bool
    # facts; see also the properties
    gone: bool  # the peer closed (FIN or error) as far as the selector has told us
    # of the last pump
    first_forward_at: float  # ``now`` of the turn that forwarded the first byte, 0.0 if none
    last_forward_at: float
    forwarded_bytes: int  # payload handed to the sink by the last pump: without framing, ``first``, heartbeats and tail

    watch: Link | None
    """Read when an operation starts. While that waits, the leaving of this link (its FIN, RST, error or close) ends it
    with WATCHED_GONE, at once if it is known to be gone already. Bytes it sends are kept for its next operation."""

    def __init__(self, sock: socket.socket) -> None:
        """Wrap ``sock``, non-blocking; may be an ``ssl.SSLSocket`` whose handshake is done. The link owns it now."""
        self._sock = sock
        self.inbox = Inbox(sock)
        self.outbox = Outbox(sock)
        self._relay: RelayPort | None = None
        self._body: BodyReader | None = None
        self._operation: Operation | None = None
        self._send_target: int | None = None  # ``sent_bytes`` at which the parked send is done
        self._send_deadline_at = 0.0
        self._sink: Link | None = None  # of the parked pump
        self.status = self.send_status = Status.OK
        self.result = b""
        self.detail = ""
        self.waiter = self.send_waiter = None
        self.read_done = self.send_done = False
        self.gone = False
        self.first_forward_at = self.last_forward_at = 0.0
        self.forwarded_bytes = 0
        self.watch = None

    def fileno(self) -> int:
        """The socket's descriptor, -1 once closed."""
        return self._sock.fileno()

    @property
    def received_bytes(self) -> int:
        """Payload bytes read from the socket, ever (of TLS: what was inside)."""
        return self.inbox.received_bytes

    @property
    def sent_bytes(self) -> int:
        """Bytes written to the socket, ever."""
        return self.outbox.sent_bytes

    @property
    def body_complete(self) -> bool:
        """The declared body was read to its end (True for BODY_NONE); False between a head and ``set_body``."""
        return self._body is not None and self._body.complete

    @property
    def idle_and_clean(self) -> bool:
        """True if nothing is parked, nothing unread or unsent is held, and the peer has sent nothing and not closed.

        A declared body that was not read to its end counts as unread. What a pool asks before it reuses the link: no
        system call, the last turn already knows.
        """
        parked = self._operation is not None or self._send_target is not None
        held = self.inbox.held or self.outbox.held or self.outbox.broken
        unread = self._body is not None and not self._body.complete
        return not (parked or held or unread or self.gone or self._relay is None)

    def buffered(self) -> int:
        """Bytes read from the socket and not yet consumed."""
        return len(self.inbox.held)

    # -- read operations (one at a time) --------------------------------------------------------------------------
    def start_head(self, limit_bytes: int, deadline_at: float, head_s: float = 0.0) -> bool:
        r"""Read up to and including the first ``\r\n\r\n`` or ``\n\n``. ``result`` is those bytes.

        Leading CRLFs (at most 2, RFC 9112 §2.2) are skipped. CLOSED if FIN came before any byte, TRUNCATED after some,
        TOO_LARGE as soon as more than ``limit_bytes`` hold no end, DEADLINE. A trickle costs no task wake-up.
        With ``head_s`` the deadline becomes ``now + head_s`` in the turn that reads the head's first byte (at the start
        if bytes are held): a client that is idle may take longer than one that has begun.
        """
        relay = self._unparked()
        self._body = None
        return self._start(relay, HeadRead(limit_bytes, deadline_at, head_s))

    def set_body(self, kind: int, length: int = 0) -> None:
        """Declare the framing (``BODY_*``) of the body that follows the head just read."""
        if self._operation is not None:
            raise RuntimeError("a read operation is already parked on this link")
        self._body = BodyReader(kind, length)

    def start_body(self, limit_bytes: int, deadline_at: float, min_rate: float = 0.0) -> bool:
        """Read the whole body, framing removed, into ``result``.

        With ``min_rate`` (payload bytes per second) the deadline moves on: ``deadline_at + received / min_rate``.
        TOO_LARGE at once if the declared length exceeds the limit. Memory held is at most the body plus one read.
        """
        return self._start(self._unparked(), BodyRead(self._declared(), limit_bytes, deadline_at, min_rate))

    def start_piece(self, deadline_at: float, limit_bytes: int = READ_BYTES) -> bool:
        """Read the next non-empty piece of body, at most ``limit_bytes``; ``result == b""`` with OK means its end.

        Raises ``ValueError`` for a limit that is not 1 to READ_BYTES.
        """
        if not 0 < limit_bytes <= READ_BYTES:
            raise ValueError(f"a piece has 1 to {READ_BYTES} bytes, not {limit_bytes}")
        return self._start(self._unparked(), PieceRead(self._declared(), deadline_at, limit_bytes))

    def start_pump(  # noqa: PLR0913  # each is a limit of its own
        self,
        sink: Link,
        translator: Translator | None,
        *,
        first: bytes = b"",
        chunked: bool = True,
        idle_s: float = 0.0,
        write_s: float = 0.0,
        after_finish_s: float = 5.0,
        total_at: float = 0.0,
        heartbeat_s: float = 0.0,
        heartbeat: bytes = b": keep-alive\n\n",
    ) -> bool:
        r"""Move the rest of this link's body to ``sink`` through ``translator`` (None: bytes as they are).

        ``first`` is sent before anything else, verbatim (a response head, with what was held). ``chunked`` frames what
        the translator returns in chunks for the sink. 0 turns a limit off. While the sink has more than the write bound
        waiting, this link is not read, and its silence is not counted. ``heartbeat`` is sent (framed) when nothing was
        forwarded for ``heartbeat_s``, unless the sink still has bytes waiting.

        Ends with OK at the end of the body or at the translator's end mark. The *tail* is then in ``result``, already
        framed for the sink and including the last chunk, **not sent**: the caller journals first, then sends it
        (whatever was queued before goes out first, in order). It holds the output of the read in which the end was
        found; if the end came alone that is just ``0\r\n\r\n``, or b"" if not ``chunked``. On any other status
        ``result`` is b"" and what was forwarded before was whole translator outputs: the caller may add an error event.

        Once ``translator.finished``, ``after_finish_s`` takes the place of ``idle_s``: silence that long ends with OK.
        """
        relay = self._unparked()
        self.first_forward_at = self.last_forward_at = 0.0
        self.forwarded_bytes = 0
        if relay is None:
            return self._start(relay, None)
        pump = Pump(
            self._declared(),
            sink.outbox,
            translator,
            bound_bytes=relay.write_bound_bytes,
            chunked=chunked,
            now=relay.now,
        )
        pump.limit(idle_s=idle_s, write_s=write_s, after_finish_s=after_finish_s, total_at=total_at)
        pump.beat(heartbeat_s, heartbeat)
        relay.pair(self, sink)
        self._sink = sink
        if first:
            sink.outbox.queue((first,), relay.now)
        return self._start(relay, pump)

    # -- sends -----------------------------------------------------------------------------------------------------
    def start_send(self, parts: tuple[Buffer, ...], deadline_at: float) -> bool:
        """Queue ``parts`` in order (one ``writev``, a copy of what the kernel did not take); done when all are sent.

        Ends with OK, RESET or DEADLINE. After DEADLINE, and after ``cancel_send``, what was not sent is dropped: the
        message is torn, later sends end with RESET, and the link is good for nothing but ``close``.
        """
        relay = self._relay
        if self._send_target is not None or (relay is not None and relay.owes(self) and self.send_done):
            raise RuntimeError("a send is already parked on this link")
        if relay is None:
            self.send_status = self._not_in_a_relay()
            return True
        self.outbox.queue(parts, relay.now)
        self.send_status = Status.RESET if self.outbox.broken else Status.OK
        waits = bool(self.outbox.held)
        if waits:
            self._send_target = self.outbox.sent_bytes + len(self.outbox.held)
            self._send_deadline_at = deadline_at
        self.settle()
        return not waits

    # -- for both --------------------------------------------------------------------------------------------------
    def cancel(self) -> None:
        """Take back the parked read operation (its status becomes CANCELLED; it will not be returned).

        What a pump had handed to its sink was whole and goes on being sent.
        """
        relay = self._relay
        if relay is None:
            return
        if self._operation is not None:
            self._end_operation(relay, Status.CANCELLED, "cancelled")
        elif self.read_done and relay.owes(self):
            self.status, self.result, self.detail, self.read_done = Status.CANCELLED, b"", "cancelled", False

    def cancel_send(self) -> None:
        """Take back the parked send (``send_status`` CANCELLED; it will not be returned). Unsent bytes are dropped."""
        relay = self._relay
        if relay is None:
            return
        if self._send_target is not None:
            self._send_target = None
            self.send_status = Status.CANCELLED
            self.outbox.tear("a cancelled send tore the message")
            self.settle()
        elif self.send_done and relay.owes(self):
            self.send_status, self.send_done = Status.CANCELLED, False

    def close(self) -> None:
        """Close the socket now, forget every buffer. Idempotent. TLS: close_notify is tried once, without waiting."""
        relay = self._relay
        polite = not self.outbox.held and not self.outbox.broken and self.inbox.end is not Status.RESET
        if relay is not None:
            self.cancel()
            self.cancel_send()
            self.outbox.tear("the link was closed")
            self.inbox.held.clear()
            self.gone = True
            relay.remove(self)
            self._relay = None
            self._body = None
            self.watch = None
        close_socket(self._sock, polite=polite)

    # -- for the relay of this twin alone ------------------------------------------------------------------------------
    def join(self, relay: RelayPort) -> None:
        """This link is under ``relay`` now."""
        self._relay = relay

    def parked(self) -> int:
        """How many operations wait here: 0, 1 or 2."""
        return (self._operation is not None) + (self._send_target is not None)

    def held_bytes(self) -> int:
        """Memory held in buffers."""
        collected = self._operation.held_bytes if self._operation is not None else 0
        return len(self.inbox.held) + len(self.outbox.held) + collected

    def interest(self) -> int:
        """What the selector is to wait for, as its mask; 0 for nothing."""
        inbox, outbox = self.inbox, self.outbox
        operation = self._operation
        wants = operation.wants_input if operation is not None else len(inbox.held) < READ_BYTES
        reads = (wants and inbox.end is None and not inbox.wants_write) or outbox.wants_read
        writes = (outbox.held and not outbox.wants_read) or inbox.wants_write
        return (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0)

    def serve(self, now: float) -> None:
        """The selector reported this link (or its pump's sink has room again): move what there is."""
        relay = self._relay
        if relay is None:
            return
        if self.outbox.held:
            self.outbox.flush(now)
        operation = self._operation
        if self.inbox.end is None and (operation is None or operation.wants_input):
            self.inbox.receive()
        if self.inbox.end is Status.RESET and not self.inbox.ragged:
            self.outbox.tear(self.inbox.detail)
        if operation is not None:
            self._ended(relay, operation, operation.advance(self.inbox, now))
        self.settle()

    def lapse(self, now: float) -> None:
        """Time passed: end what is overdue, let a pump send its heartbeat."""
        relay = self._relay
        if relay is None:
            return
        if self._send_target is not None and self._send_deadline_at and now >= self._send_deadline_at:
            self.outbox.tear("a send missed its deadline")
            self._end_send(relay, Status.DEADLINE)
        operation = self._operation
        if operation is not None:
            self._ended(relay, operation, operation.overdue(now))
        self.settle()

    def interrupt(self, status: Status, detail: str) -> None:
        """Another link's fate ends the read operation parked here, if there is one."""
        relay = self._relay
        if relay is not None and self._operation is not None:
            self._end_operation(relay, status, detail)
            relay.completed(self, read=True)

    def settle(self) -> None:
        """After anything moved: end the send that is done, tell who watches, and wait for the right things."""
        relay = self._relay
        if relay is None:
            return
        if self.outbox.broken:
            relay.sink_broke(self)
        if self._send_target is not None:
            if self.outbox.broken:
                self._end_send(relay, Status.RESET)
            elif self.outbox.sent_bytes >= self._send_target:
                self._end_send(relay, Status.OK)
        if not self.gone and (self.inbox.end is not None or self.outbox.failed):
            self.gone = True
            relay.left(self)
        relay.arm(self)

    # -- inside --------------------------------------------------------------------------------------------------------
    def _unparked(self) -> RelayPort | None:
        """The relay, None if the link is closed. RuntimeError before ``add``, or with a read operation parked."""
        relay = self._relay
        if relay is None:
            self._not_in_a_relay()
        elif self._operation is not None or (self.read_done and relay.owes(self)):
            raise RuntimeError("a read operation is already parked on this link")
        return relay

    def _not_in_a_relay(self) -> Status:
        if self._sock.fileno() >= 0:
            raise RuntimeError("the link is not in a relay yet")
        return Status.RESET

    def _declared(self) -> BodyReader:
        """The body to read. Raises RuntimeError if none was declared since the last head."""
        if self._body is None:
            if self._relay is not None:
                raise RuntimeError("set_body was not called")
            return BodyReader(BODY_NONE)
        return self._body

    def _start(self, relay: RelayPort | None, operation: Operation | None) -> bool:
        if relay is None or operation is None:
            self.status, self.result, self.detail = Status.RESET, b"", "the link is closed"
            return True
        self._operation = operation
        sink = self._sink
        status = self._attempt(operation, relay.now)
        detail = operation.detail
        if status is None and self.watch is not None:
            if self.watch.gone:
                status, detail = Status.WATCHED_GONE, "the watched link left"
            else:
                relay.observe(self, self.watch)
        self._note(operation)
        if status is not None:
            self._end_operation(relay, status, detail)
        if sink is not None:
            sink.settle()
        self.settle()
        return status is not None

    def _attempt(self, operation: Operation, now: float) -> Status | None:
        """What is there at once: first what was read before, then what the kernel holds."""
        status = operation.advance(self.inbox, now)
        reads = 0
        while status is None and reads < START_READS and self.inbox.end is None and operation.wants_input:
            reads += 1
            if not self.inbox.receive() and self.inbox.end is None:
                break
            status = operation.advance(self.inbox, now)
        return status

    def _ended(self, relay: RelayPort, operation: Operation, status: Status | None) -> None:
        """After an operation moved: note its facts, and if it has a status, end it."""
        sink = self._sink
        self._note(operation)
        if status is not None:
            self._end_operation(relay, status, operation.detail)
            relay.completed(self, read=True)
        if sink is not None:
            sink.settle()

    def _note(self, operation: Operation) -> None:
        if isinstance(operation, Pump):
            self.first_forward_at = operation.first_forward_at
            self.last_forward_at = operation.last_forward_at
            self.forwarded_bytes = operation.forwarded_bytes

    def _end_operation(self, relay: RelayPort, status: Status, detail: str) -> None:
        operation = self._operation
        self._operation = self._sink = None
        relay.release(self)
        self.status, self.result, self.detail = status, b"", detail
        if status is Status.OK and operation is not None:
            self.result, self.detail = operation.result, ""
        relay.arm(self)

    def _end_send(self, relay: RelayPort, status: Status) -> None:
        self._send_target = None
        self.send_status = status
        relay.completed(self, read=False)
