"""The relay: every socket of a worker, polled and moved in one place. This is the specification; ``relay_c`` is the speed.

Theory of operation
-------------------
A **link** is one connected, non-blocking socket (plain, or a handshaken ``ssl.SSLSocket``) registered once,
edge-triggered, for reading, writing and peer-closed. At most one *read operation* (head, body, piece, pump) and one *send*
may be outstanding on a link. ``start_*`` tries at once: it returns True when the operation is already complete, else
False, and then the link is returned exactly once by a later :meth:`Relay.turn` or :meth:`Relay.expire`. The outcome is in
``status``, ``result`` and ``detail`` (reads) or ``send_status`` (sends). The relay owns no task and never blocks;
``waiter`` and ``send_waiter`` are slots for whoever parks (the Trio glue in ``omniroute.wire``).

Bytes read beyond what an operation asked for stay in the link (they are the beginning of the body, or pipelined).

Time is an argument (``now``, seconds on the caller's clock): the relay reads no clock. ``turn(now)`` remembers ``now``;
operations started later count from it. Deadlines are checked by ``expire(now)``, a linear scan over links with something
parked: at 10 Hz and 4,000 links that measured below one per mille of a core, and needs no wheel.
"""

from __future__ import annotations

import socket
from typing import Final, Protocol

from omniroute._speedups.status import Status

WRITE_BOUND_BYTES: Final = 256 * 1024
"""A pump stops reading its source while its sink has more than this waiting; default of ``Relay(write_bound_bytes=)``."""

READ_BYTES: Final = 64 * 1024
"""Size of the one scratch buffer all reads of a relay go through."""


class Translator(Protocol):
    """What a pump feeds body bytes through. ``SseTap`` is one; the decoder-encoder pairs of later dialects are others."""

    done: bool
    """The end mark was seen: the pump finishes now, whatever follows in the body."""

    finished: bool
    """Every choice has its finish reason: silence for ``after_finish_s`` is now a normal end, not a stall."""

    def feed(self, data: bytes) -> bytes:
        """What may go to the client now. Whole events only, so that the pump may add a comment or an error after it."""
        ...

    def finish(self) -> bytes:
        """The same at the end of the body."""
        ...


class Link:
    """One socket under a relay. See the module's theory for the rules all operations share."""

    # after a read operation
    status: Status
    result: bytes
    detail: str  # one short sentence for logs, e.g. "chunk size is not hexadecimal"; never payload
    # after a send
    send_status: Status
    # for whoever parks; the relay never looks at them
    waiter: object
    send_waiter: object
    # completed operations since the link was returned by turn/expire; both may be True at once
    read_done: bool
    send_done: bool
    # facts
    received_bytes: int  # payload bytes read from the socket, ever
    sent_bytes: int  # bytes written to the socket, ever
    body_complete: bool  # the body declared by set_body has been read to its end (True for BODY_NONE)
    gone: bool  # the peer closed (FIN or error) as far as epoll has told us
    # of the last pump
    first_forward_at: float  # ``now`` of the turn that forwarded the first byte, 0.0 if none
    last_forward_at: float
    forwarded_bytes: int  # payload handed to the sink by the last pump (without chunk framing)

    def __init__(self, sock: socket.socket) -> None:
        """Wrap ``sock`` (non-blocking; may be an ``ssl.SSLSocket`` whose handshake is done). The link owns it from here on."""

    def fileno(self) -> int: ...

    @property
    def idle_and_clean(self) -> bool:
        """True if nothing is parked, nothing unread or unsent is held, and the peer has sent nothing and not closed.

        What a pool asks before it reuses the link: no system call, the epoll flags already know.
        """
        ...

    def buffered(self) -> int:
        """Bytes read from the socket and not yet consumed."""
        ...

    # -- read operations (one at a time) --------------------------------------------------------------------------
    def start_head(self, limit_bytes: int, deadline_at: float, head_s: float = 0.0) -> bool:
        r"""Read up to and including the first ``\r\n\r\n`` or ``\n\n``. ``result`` is those bytes.

        Leading CRLFs (at most 2, RFC 9112 §2.2) are skipped. CLOSED if FIN came before any byte, TRUNCATED after some,
        TOO_LARGE as soon as more than ``limit_bytes`` hold no end, DEADLINE. A trickle costs no task wake-up.
        With ``head_s`` > 0 the deadline becomes ``now + head_s`` at the turn that reads the first byte of the head (at the
        start, if bytes are held already): an idle client may wait longer than one that has begun may take.
        """
        ...

    def set_body(self, kind: int, length: int = 0) -> None:
        """Declare the framing (``BODY_*``) of the body that follows the head just read."""

    def start_body(self, limit_bytes: int, deadline_at: float, min_rate: float = 0.0) -> bool:
        """Read the whole body, framing removed, into ``result``.

        With ``min_rate`` (bytes per second) the deadline moves with progress: ``deadline_at + received / min_rate``.
        TOO_LARGE at once if the declared length exceeds the limit. Memory held is at most the body plus one read.
        """
        ...

    def start_piece(self, deadline_at: float) -> bool:
        """Read the next non-empty piece of body (any size up to READ_BYTES); ``result == b""`` with OK means its end."""
        ...

    def start_pump(
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
        """Move the rest of this link's body to ``sink`` through ``translator`` (None: bytes as they are).

        ``first`` is sent before anything else, verbatim (a response head, with what was held). ``chunked`` frames what
        the translator returns in chunks for the sink. 0 turns a limit off. While the sink has more than the write bound
        waiting, this link is not read. ``heartbeat`` is sent (framed) when nothing was forwarded for ``heartbeat_s``.

        Ends with OK at the end of the body or at the translator's end mark. The *tail* is then in ``result``, already
        framed for the sink and including the last chunk, **not sent**: the caller journals first, then sends it (whatever
        was queued before goes out first, in order). The tail is never empty when the body was not. On any other status ``result`` is b"" and everything
        forwarded before was whole translator outputs: the caller may add an error event of its own.
        With ``after_finish_s``: once ``translator.finished``, silence that long ends with OK.
        """
        ...

    # -- sends -----------------------------------------------------------------------------------------------------
    def start_send(self, parts: tuple[bytes | bytearray | memoryview, ...], deadline_at: float) -> bool:
        """Queue ``parts`` in order (one ``writev`` first, copy only what the kernel did not take); done when all are sent."""
        ...

    # -- for both --------------------------------------------------------------------------------------------------
    watch: Link | None
    """While a read operation waits here, the leaving of this link (its FIN, RST or error) ends it with WATCHED_GONE."""

    def cancel(self) -> None:
        """Take back what is parked (its status becomes CANCELLED; it will not be returned). Unsent bytes are dropped."""

    def cancel_send(self) -> None: ...

    def close(self) -> None:
        """Close the socket now and forget every buffer. Idempotent. TLS: close_notify is tried once, without waiting."""


class Relay:
    """All links of one worker and the selector over them."""

    def __init__(self, *, write_bound_bytes: int = WRITE_BOUND_BYTES, max_links: int = 65536) -> None: ...

    def fileno(self) -> int:
        """Readable when :meth:`turn` has something to do."""
        ...

    def add(self, link: Link) -> None:
        """Register a link. Raises ``OSError`` as the selector does, ``OverflowError`` at ``max_links``."""

    def turn(self, now: float) -> list[Link]:
        """Move everything that is ready; the links with an operation completed, each once."""
        ...

    def expire(self, now: float) -> list[Link]:
        """End what is overdue, send heartbeats; the links with an operation completed, each once."""
        ...

    def parked(self) -> int:
        """How many operations wait (reads, pumps and sends); 0 means :meth:`expire` has nothing to look at."""
        ...

    def links(self) -> int:
        """How many links are open."""
        ...

    def buffered_bytes(self) -> int:
        """Memory held in all links' buffers."""
        ...

    def close(self) -> None:
        """Close every link and the selector."""
