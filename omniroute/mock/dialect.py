"""What a dialect of the mock must know: a request's shape, an answer's shape, and nothing of sockets or faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from omniroute.mock.script import Script


class BadAsk(ValueError):
    """The body is not a request of this dialect."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


Piece = tuple[bytes, int]
"""One event of a stream, framed as the dialect frames events, and the answer tokens in it."""


class Ask(Protocol):
    """One decoded request."""

    @property
    def model(self) -> str:
        """As asked for, with the script behind it."""
        ...

    @property
    def stream(self) -> bool:
        """The answer is a stream of events."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """Words of the prompt."""
        ...

    def whole(self, script: Script, serial: int) -> Piece:
        """The body of a whole answer and its tokens. ``serial`` makes ids unique and stays the same from run to run."""
        ...

    def events(self, script: Script, serial: int) -> Iterator[Piece]:
        """The events of a streamed answer, its end mark included, made as they are needed."""
        ...


class Dialect(Protocol):
    """One wire format."""

    @property
    def name(self) -> str:
        """As in the file's name."""
        ...

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths answered by POST, without a leading ``/v1``."""
        ...

    @property
    def model_paths(self) -> tuple[str, ...]:
        """Paths answered by GET with the list of models."""
        ...

    def decode(self, body: bytes) -> Ask:
        """The request in ``body``. Raises BadAsk."""
        ...

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """The body of an error answer."""
        ...

    def error_event(self, message: str, *, code: str = "") -> bytes:
        """An error inside a stream."""
        ...

    def models(self, ids: Sequence[str]) -> bytes:
        """The body of a list of models."""
        ...
