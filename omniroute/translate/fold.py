"""Between streams and whole answers: events to one ``ChatResponse``, and one ``ChatResponse`` to events."""

from __future__ import annotations

from collections.abc import Iterator

from omniroute.translate.canonical import ChatResponse
from omniroute.translate.events import StreamEvent
from omniroute.translate.stream import Frame


class Folder:
    """A StreamEncoder that writes nothing and remembers everything."""

    sequence: int = 0

    def encode(self, event: StreamEvent) -> bytes:
        """b"": the event is remembered."""
        raise NotImplementedError

    def frame(self, block: int) -> Frame | None:
        """Silent and kept."""
        raise NotImplementedError

    def caught(self, block: int, text: bytes) -> None:
        """More text of ``block``."""
        raise NotImplementedError

    def response(self) -> ChatResponse:
        """Everything so far as one answer: blocks in order of opening, choices by index."""
        raise NotImplementedError


def unfold(response: ChatResponse, *, first_block: int = 0) -> Iterator[StreamEvent]:
    """The events of a whole answer, from Start to Finish (no End): text in one delta."""
    raise NotImplementedError
