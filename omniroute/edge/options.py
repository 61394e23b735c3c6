"""Every limit and deadline of the edge, with its default and its reason."""

from __future__ import annotations

import msgspec


class EdgeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits per worker. Seconds, bytes, counts; what happens at each bound is said beside it."""

    head_timeout_s: float = 10.0
    """From the first byte of a request (or from the accept) to its blank line. Over: 408, closed."""
    head_bytes: int = 64 * 1024
    """Request line and headers together. Over: 431, closed."""
    target_bytes: int = 8 * 1024
    """The request target alone. Over: 414, closed."""
    max_headers: int = 100
    """Header lines. Over: 431, closed."""
    body_bytes: int = 64 * 1024 * 1024
    """A body that is read whole; an endpoint may set its own. Over: 413, before it is read if it said its length."""
    bodies_bytes: int = 1024 * 1024 * 1024
    """Request bodies held at once by one worker. Over: 503 with Retry-After. A chunked body is reserved as
    ``chunked_reserve_bytes`` while it is read, since its size is not known before, and at its size from then on."""
    chunked_reserve_bytes: int = 1024 * 1024
    """What a chunked body counts for in ``bodies_bytes`` until its size is known."""
    body_grace_s: float = 10.0
    """A body may take this long plus its size over ``body_min_rate``. Over: 408, closed."""
    body_min_rate: float = 1024.0
    """Bytes per second."""
    keep_alive_s: float = 75.0
    """Between two requests of a connection. Over: closed without a word, as HTTP has none for it."""
    write_timeout_s: float = 60.0
    """To hand a whole answer to the kernel, and for a stream's client to take its next byte. Over: closed."""
    max_connections: int = 8192
    """At the bound the connection idle for longest makes room; with none idle, accepting pauses: the other workers and
    the kernel's backlog take what arrives."""
    linger_s: float = 2.0
    """After an answer sent before its request was read: how long what still arrives is read and thrown away, so that
    the client reads the answer instead of a reset."""
    linger_bytes: int = 1024 * 1024
    """And how much of it."""
    drain_idle_s: float = 0.5
    """When draining, idle connections may still send one request for this long: an active keep-alive client is told
    ``Connection: close`` with its answer and never meets a connection closed under its request."""
    control_head_timeout_s: float = 300.0
    """From the end of a request relayed to control to the head of its answer. Over: 504."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the inference endpoints, exact (``https://app.example``) or ``*``. Default: none."""
