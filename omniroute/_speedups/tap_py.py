"""Read along an OpenAI Chat SSE stream without changing it. This is the specification; ``tap_c`` is the speed.

Bytes in, the same bytes out, whole events only. On the side: usage, in-band errors, finish reasons, the end mark. The only
thing ever left out is the usage chunk the gateway itself asked for (``hide_usage``). Framing rules: SSE as in WHATWG HTML
§9.2.6 plus what vendors do (LF, CRLF, CR and mixes; comments; a byte-order mark; a bare JSON object instead of an event).
"""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An image part arrives as one line of megabytes; more than this is not an event any vendor sends."""


class SseTap:
    """A :class:`~omniroute._speedups.relay_py.Translator` that is the identity."""

    usage: bytes  # JSON of the last non-null top-level ``usage`` object, b"" if none yet
    model: bytes  # JSON string (with quotes) of the first top-level ``model``, b"" if none yet
    error: bytes  # JSON of the first top-level ``error`` that is not null, b"" if none
    done: bool  # ``[DONE]`` was seen
    finishes: int  # how many choices have had a non-null, non-empty finish_reason
    finished: bool  # finishes >= choices
    events: int  # complete events with data, hidden ones included
    overflow: bool  # an event grew beyond max_event_bytes; what follows is dropped
    cut: bool  # after finish(): the last event was incomplete and was dropped

    def __init__(self, *, hide_usage: bool = False, choices: int = 1, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """``hide_usage``: drop events whose ``choices`` is ``[]`` and whose ``usage`` is an object. ``choices``: the request's n."""

    def feed(self, data: bytes) -> bytes:
        """The bytes of every event completed by ``data`` (any split, even inside a CRLF or a UTF-8 sequence)."""
        ...

    def split(self, data: bytes) -> list[bytes]:
        """As :meth:`feed`, one item an event or comment block: ``b"".join(split(d)) == feed(d)``, same state after."""
        ...

    def finish(self) -> bytes:
        """At the end of the body: an unterminated last event if its data is complete JSON or ``[DONE]``, else b"" and ``cut``."""
        ...

    def held_bytes(self) -> int:
        """Bytes of the incomplete event kept inside."""
        ...


def event_data(event: bytes) -> bytes:
    """The data of one complete SSE event (its data lines joined with LF), b"" for a comment block; bare JSON is its own data."""
    raise NotImplementedError
