"""What a dialect is: its name, its endpoints, and how its requests, streams and errors are read and written."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

import msgspec

from omniroute._speedups import SseTap
from omniroute.domain import Usage
from omniroute.errors import OmniRouteError

Span = tuple[int, int]
Part = bytes | memoryview


class EventKind(Enum):
    """What an SSE event means while the answer is still held back (design.md §8, commit point)."""

    HANDSHAKE = "handshake"
    """Says nothing to the user yet: a comment, a role, empty deltas, an advance notice. Held."""
    CONTENT = "content"
    """An answer has begun: commit."""
    ERROR = "error"
    """The upstream failed inside HTTP 200: try the next target."""
    DONE = "done"
    """The end mark."""


class Endpoint(msgspec.Struct, frozen=True):
    """One path clients of a dialect call."""

    method: str
    path: str


class Peeked(msgspec.Struct, frozen=True):
    """The few facts of a request body the gateway acts on."""

    model: str
    """As the client wrote it."""
    stream: bool
    include_usage: bool
    """The client asked for the usage chunk of a stream itself."""
    choices: int
    """How many answers it wants."""
    spans: tuple[Span | None, ...] = ()
    """Where in the body the fields are that the dialect's own ``encode_request`` patches; nobody else reads them."""


class EncodeRequest(Protocol):
    """The upstream's body, in parts: the client's bytes except for the fields the gateway owns."""

    def __call__(self, body: bytes, peeked: Peeked, *, model: str) -> tuple[Part, ...]:
        """``model`` is the name the upstream knows; the parts are to be written in order."""
        ...


class Dialect(msgspec.Struct, frozen=True):
    """A wire format, as values and pure functions. One constant ``DIALECT`` per folder in ``dialects/``."""

    name: str
    endpoints: tuple[Endpoint, ...]
    """What clients call; the edge builds its route table from it."""
    path: str
    """Appended to a connection's base URL."""
    peek: Callable[[bytes], Peeked]
    encode_request: EncodeRequest
    tap: Callable[[Peeked], SseTap]
    classify_event: Callable[[bytes], EventKind]
    usage_of: Callable[[bytes], Usage]
    unfold: Callable[[bytes], bytes]
    """A whole answer as the stream it should have been."""
    read_answer: Callable[[bytes], tuple[bytes | None, Usage]]
    """The error that a body under a success status is, None for an answer, and what that cost. ValueError: neither."""
    error_body: Callable[[OmniRouteError, str], bytes]
    error_event: Callable[[OmniRouteError, str], bytes]
