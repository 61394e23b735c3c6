"""An answer's stream as whoever carries it sees it: bytes in, the client's bytes out, and what went by.

One face over the ways to read along: through a stream core (``core_flow``), or through a reader a dialect has of its
own for bytes that pass (``Identity.flow``).
"""

from __future__ import annotations

from typing import Protocol

from omniroute.domain import Usage
from omniroute.errors import UpstreamError


class Reader(Protocol):
    """What a pump feeds (a ``pump_py.Translator``), with what is asked of it afterwards."""

    @property
    def done(self) -> bool:
        """The end mark, or a failure, has gone by: nothing more is wanted of the upstream."""
        ...

    @property
    def finished(self) -> bool:
        """Every choice has its end; only the stream's own may be missing."""
        ...

    @property
    def overflow(self) -> bool:
        """An event was larger than the bound; it and what follows is dropped."""
        ...

    @property
    def cut(self) -> bool:
        """After ``finish``: the last event was incomplete and was dropped."""
        ...

    @property
    def events(self) -> int:
        """Events with data so far."""
        ...

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for every event completed by ``data``."""
        ...

    def finish(self) -> bytes:
        """The client's bytes at the end of the upstream's input."""
        ...


class Flow(Protocol):
    """One stream on its way. State per stream; sans-IO."""

    @property
    def reader(self) -> Reader:
        """What a pump feeds once the stream is committed."""
        ...

    @property
    def content(self) -> bool:
        """Something was said: the stream may be committed."""
        ...

    @property
    def failure(self) -> UpstreamError | None:
        """What has gone wrong by what the upstream said, or left unsaid."""
        ...

    @property
    def told(self) -> bool:
        """The client's bytes hold the failure; if not, ``fail`` has to be asked for them."""
        ...

    @property
    def usage(self) -> Usage:
        """Counts so far, the provider's own; not ``known`` if it told none."""
        ...

    @property
    def lost(self) -> tuple[str, ...]:
        """The vendor's words for why it finished that nobody knows: the client was told that it stopped."""
        ...

    def look(self, data: bytes) -> bytes:
        """The client's bytes for the next of the upstream's, to be held until the commit; b"": its input is over."""
        ...

    def complete(self, *, whole: bool) -> bool:
        """Whether what went by is an answer that came to its end; ``whole``: the upstream's input has ended well."""
        ...

    def fail(self, error: UpstreamError, *, last: bytes) -> bytes:
        """The client's last bytes after a failure it was not told of: a reset, a deadline, an end come too soon.

        ``last``: the end of what the client has got, b"" for whole events. Of bytes that pass the last event may lack
        its end, as the upstream's input did.
        """
        ...
