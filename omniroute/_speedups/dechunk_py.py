"""Body framing of RFC 9112 §6 and §7.1, read strictly: the payload out of what a socket gave. Part of ``relay_py``.

Strict means: a chunk size is 1 to 16 hexadecimal digits, every line ends with CRLF, a chunk's data is followed by CRLF.
Lenient readings of these are how two parties come to disagree about where a message ends (request smuggling), so there
are none. Extensions and trailers are read and dropped; both are bounded, since nobody we know of sends either.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from omniroute._speedups.status import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF

SIZE_DIGITS: Final = 16
MAX_SIZE: Final = 2**63 - 1
"""Largest chunk: what a signed 64-bit counter holds."""

EXTENSION_BYTES: Final = 4096
"""Longest chunk extension, its semicolon and any blank before it included."""

TRAILER_BYTES: Final = 16 * 1024
"""All trailer lines together, their line ends included."""

_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class FramingError(Exception):
    """The bytes are not the framing they claim. The message is one sentence without payload."""


class _At(Enum):
    """Where in the chunked coding the next byte belongs."""

    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()


class BodyReader:
    """One body: what is left of it and whether it was read to its end."""

    __slots__ = ("_at", "_trailer_bytes", "complete", "error", "kind", "left")

    def __init__(self, kind: int, length: int = 0) -> None:
        if kind not in {BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_EOF}:
            raise ValueError(f"no such kind of body: {kind}")
        if length < 0:
            raise ValueError("a body's length cannot be negative")
        self.kind = kind
        self.left = length if kind == BODY_LENGTH else 0
        """Bytes still to come: of the body, or of the chunk being read."""
        self.complete = kind == BODY_NONE or (kind == BODY_LENGTH and length == 0)
        self.error = ""
        """Why the framing is broken; what preceded the break is still given out by :meth:`take`."""
        self._at = _At.SIZE
        self._trailer_bytes = 0

    def take(self, held: bytearray, at_most: int) -> bytes:
        """Payload from the front of ``held``, which shrinks; b"" if more must be read, at the end and at an error."""
        if self.complete or self.error:
            return b""
        if self.kind == BODY_CHUNKED:
            return self._take_chunked(held, at_most)
        size = min(len(held), at_most)
        if self.kind == BODY_LENGTH:
            size = min(size, self.left)
            self.left -= size
            self.complete = self.left == 0
        payload = bytes(held[:size])
        del held[:size]
        return payload

    def end_of_input(self) -> bool:
        """The peer's FIN, after everything was taken: True if the body is whole."""
        if self.kind == BODY_UNTIL_EOF:
            self.complete = True
        return self.complete

    def _take_chunked(self, held: bytearray, at_most: int) -> bytes:
        payload = bytearray()
        position = 0
        try:
            while not self.complete:
                if self._at is _At.DATA:
                    size = min(self.left, len(held) - position, at_most - len(payload))
                    payload += held[position : position + size]
                    self.left -= size
                    if self.left == 0:
                        self._at = _At.DATA_END
                else:
                    size = self._step(held, position)
                if size == 0:
                    break
                position += size
        except FramingError as exc:
            self.error = str(exc)
        del held[:position]
        return bytes(payload)

    def _step(self, held: bytearray, position: int) -> int:
        """How many bytes the next piece of framing takes; 0 if it is not all there. Raises FramingError."""
        if self._at is _At.DATA_END:
            return self._data_end(held, position)
        if self._at is _At.TRAILER:
            return self._trailer_line(held, position)
        return self._size_line(held, position)

    def _data_end(self, held: bytearray, position: int) -> int:
        following = bytes(held[position : position + 2])
        if not b"\r\n".startswith(following):
            raise FramingError("chunk data is not followed by CRLF")
        if len(following) < 2:
            return 0
        self._at = _At.SIZE
        return 2

    def _size_line(self, held: bytearray, position: int) -> int:
        available = len(held)
        digits = 0
        while position + digits < available and held[position + digits] in _HEX:
            digits += 1
            if digits > SIZE_DIGITS:
                raise FramingError("chunk size has more than 16 digits")
        after = position + digits
        if after == available:
            return 0
        if digits == 0:
            raise FramingError("chunk size is not hexadecimal")
        if held[after] not in b"\r\n; \t":
            raise FramingError("chunk size is not hexadecimal")
        end = _line_end(held, after, EXTENSION_BYTES, "chunk extension is longer than 4 KiB")
        if end < 0:
            return 0
        if after < end and not held[after:end].lstrip(b" \t").startswith(b";"):
            raise FramingError("chunk size is followed by blanks")
        size = int(held[position:after], 16)
        if size > MAX_SIZE:
            raise FramingError("chunk size does not fit 63 bits")
        self.left = size
        self._at = _At.DATA if size else _At.TRAILER
        return end + 2 - position

    def _trailer_line(self, held: bytearray, position: int) -> int:
        room = max(0, TRAILER_BYTES - self._trailer_bytes)
        end = _line_end(held, position, room, "trailers are longer than 16 KiB")
        if end < 0:
            return 0
        size = end + 2 - position
        self._trailer_bytes += size
        self.complete = end == position
        return size


def _line_end(held: bytearray, start: int, at_most: int, too_long: str) -> int:
    """Index of the CRLF that ends the line at ``start``, -1 if it is not there yet. Raises FramingError."""
    newline = held.find(b"\n", start, start + at_most + 2)
    if newline < 0:
        if len(held) - start > at_most + 1:
            raise FramingError(too_long)
        carriage = held.find(b"\r", start)
        if 0 <= carriage < len(held) - 1:
            raise FramingError("a line holds a bare CR")
        return -1
    if newline == start or held[newline - 1] != 0x0D:
        raise FramingError("a line ends with a bare LF")
    if held.find(b"\r", start, newline - 1) >= 0:
        raise FramingError("a line holds a bare CR")
    return newline - 1
