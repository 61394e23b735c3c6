"""What a dialect of the mock must know: a request's shape, an answer's shape, and nothing of sockets or faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from omniroute.mock.request import Request
from omniroute.mock.speech import Heard, Speech


class BadAsk(ValueError):
    """The request is not one of this dialect, or its vendor would refuse it."""

    def __init__(self, message: str, param: str | None = None, *, status: int = 400, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status
        self.code = code


Piece = tuple[bytes, int]
"""One event of a stream, framed as the dialect frames events, and the answer tokens in it."""


class Ask(Protocol):
    """One decoded request that is answered by a script."""

    @property
    def heard(self) -> Heard:
        """What the answer depends on."""
        ...

    @property
    def media_type(self) -> str:
        """Of a streamed answer."""
        ...

    def whole(self, speech: Speech, serial: int) -> bytes:
        """The body of a whole answer. ``serial`` makes ids unique and stays the same from run to run."""
        ...

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """The events of a streamed answer, its end mark included, made as they are needed."""
        ...

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        ...

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """An error in place of event ``index``, and whatever ends the stream after it."""
        ...


class Told(msgspec.Struct, frozen=True):
    """A request that no script answers (a list of models, a count of tokens): the body."""

    body: bytes


class ErrorBody(Protocol):
    """Writes the body of an error answer."""

    def __call__(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """``code``: instead of the usual one for the status."""
        ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One wire format."""

    name: str
    """As in the file's name."""
    paths: tuple[str, ...]
    """What it answers, as people write it: ``POST /v1/messages``."""
    claims: Callable[[Request], bool]
    """Whether a request is of this dialect; no other claims it."""
    credential: Callable[[Request], str]
    """The key in the place where the vendor looks for it, "" if there is none."""
    read: Callable[[Request], Ask | Told]
    """Raises BadAsk."""
    error: ErrorBody
