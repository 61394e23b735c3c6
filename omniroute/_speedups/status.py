"""How an operation on a link ended. Shared by both twins of the relay and by the Trio glue over them."""

from enum import IntEnum
from typing import Final


class Status(IntEnum):
    """Result of one link operation; ``OK`` is the only success."""

    OK = 0
    CLOSED = 1
    """The peer closed cleanly before the first byte of what was asked for (FIN between two messages)."""
    TRUNCATED = 2
    """FIN inside a message: a head without its blank line, a body shorter than its framing said, no last chunk."""
    RESET = 3
    """The connection broke: ECONNRESET, EPIPE, ETIMEDOUT, a TLS alert or a TLS EOF without close_notify mid-message."""
    MALFORMED = 4
    """Bytes that are not the framing they claim: bad chunk size, missing CRLF after a chunk."""
    TOO_LARGE = 5
    """The head, body or event is larger than the operation's limit."""
    DEADLINE = 6
    """The operation's own deadline passed (for a pump: nothing arrived within ``idle_s``)."""
    TOTAL_DEADLINE = 7
    """A pump's ``total_at`` passed."""
    WATCHED_GONE = 8
    """The link being watched (our client) left while this operation waited."""
    SINK_BROKEN = 9
    """A pump's destination broke (RESET on write)."""
    SINK_STALLED = 10
    """A pump's destination took no byte for ``write_s`` although bytes waited."""
    CANCELLED = 11
    """``cancel()`` or ``close()`` was called while the operation was parked."""


BODY_NONE: Final = 0
"""The message has no body."""
BODY_LENGTH: Final = 1
"""Exactly ``length`` bytes follow."""
BODY_CHUNKED: Final = 2
"""RFC 9112 §7.1 chunked coding, strict; extensions are skipped, trailers are read and dropped (bounded)."""
BODY_UNTIL_EOF: Final = 3
"""The body ends with the connection (a response without framing)."""
