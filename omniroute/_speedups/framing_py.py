"""Cut a body into blocks, and read an event out of a block. This is the specification; ``framing_c`` is the speed.

Theory of operation
-------------------
A **block** is what is forwarded in one piece, and holds at most one event. Its kind says how the event is read:

``LINES``    the lines up to and including a blank line: an SSE event, comments, or a blank line alone
``BARE``     a JSON object that stands in an SSE stream instead of an event: it begins a block and ends at its bracket
``ELEMENT``  an object of a JSON array with what is before it (``[``, commas, blanks); or the array's end
``LINE``     a line of NDJSON with its LF
``LATE``     the LF of a CRLF whose CR ended the last block, when that was the last byte of its read

SSE is read as in WHATWG HTML §9.2.6 plus what vendors do (translation.md §3.1): LF, CRLF, CR and mixes of them, a
byte-order mark, bare JSON, a JSON array if ``[`` is the first byte of the body that is not blank. A blank line that
ends with CR is complete at once, for waiting would hold back the last event of a stream of CRs; hence LATE. In an
array everything between its objects is passed over. The cutter remembers how far it has looked: each byte is looked at
once.
"""

from __future__ import annotations

import re
from typing import Final

from omniroute._speedups.jsonspan_py import BOM, value_end

LINES: Final = 0
BARE: Final = 1
ELEMENT: Final = 2
LINE: Final = 3
LATE: Final = 4

Piece = tuple[int, bytes]
"""(kind, block)"""

FRAMINGS: Final = ("sse", "ndjson")
BLANKS: Final = b" \t\r\n"

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_CR_OR_LF: Final = re.compile(rb"[\r\n]")
_JSON_MARK: Final = re.compile(rb'["\\{}\[\]]')
_ARRAY_MARK: Final = re.compile(rb"[{\]]")
_NOT_BLANK: Final = re.compile(rb"[^ \t\r\n]")
_JSON_SCALAR: Final = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_CR: Final = 13
_LF: Final = 10

# Where the scan for a block's end stands.
_STREAM_START: Final = 0  # nothing but blanks and a possible byte-order mark has been seen
_BLOCK_START: Final = 1
_LINE_START: Final = 2
_IN_LINE: Final = 3
_AFTER_CR: Final = 4  # a line (not a blank one) ended with CR: an LF here belongs to it
_IN_JSON: Final = 5
_IN_STRING: Final = 6
_AFTER_BACKSLASH: Final = 7
_IN_ARRAY: Final = 8  # between its objects
_NDJSON: Final = 9
_IN_OBJECT: Final = (_IN_JSON, _IN_STRING, _AFTER_BACKSLASH)


class Cutter:
    """The blocks of one body. ``cut`` for each read, ``rest`` at the end."""

    overflow: bool  # a block grew beyond max_event_bytes; it and what follows is dropped

    __slots__ = ("_at", "_bom_seen", "_depth", "_held", "_kind", "_lf_owed", "_max_event_bytes", "_state", "overflow")

    def __init__(self, framing: str, max_event_bytes: int) -> None:
        """Raises ValueError for a framing that is none of FRAMINGS."""
        if framing not in FRAMINGS:
            raise ValueError(f"framing {framing!r} is none of {', '.join(FRAMINGS)}")
        self._held = bytearray()
        self._at = 0  # bytes of _held already looked at
        self._state = _NDJSON if framing == "ndjson" else _STREAM_START
        self._kind = LINE if framing == "ndjson" else LINES
        self._bom_seen = False
        self._depth = 0  # open brackets of an object
        self._lf_owed = False
        self._max_event_bytes = max_event_bytes
        self.overflow = False

    def cut(self, data: bytes) -> list[Piece]:
        """The blocks that ``data`` completes (any split, even inside a CRLF or a UTF-8 sequence)."""
        pieces: list[Piece] = []
        if self.overflow:
            return pieces
        self._held += data
        while True:
            if self._lf_owed and self._held:
                self._lf_owed = False
                if self._held[0] == _LF:
                    del self._held[0]
                    pieces.append((LATE, b"\n"))
            end = self._block_end()
            if end == 0:
                break
            block = bytes(self._held[:end])
            del self._held[:end]
            self._at = 0
            # The LF of a last CRLF is not counted: in another split of the same bytes it would not be part of the
            # block.
            if end - block.endswith(b"\r\n") > self._max_event_bytes:
                self._drop_all()
                return pieces
            pieces.append((self._kind, block))
            if self._kind in (LINES, BARE):
                self._kind = LINES
                self._state = _BLOCK_START
        if len(self._held) > self._max_event_bytes:
            self._drop_all()
        return pieces

    def rest(self) -> Piece:
        """What is left at the end of the body: a block without its end, or nothing."""
        rest = bytes(self._held)
        self._held.clear()
        self._at = 0
        return self._kind, rest

    @property
    def held_bytes(self) -> int:
        """Of the incomplete block kept inside."""
        return len(self._held)

    def _drop_all(self) -> None:
        self.overflow = True
        self._held.clear()

    def _block_end(self) -> int:
        """Length of the first block of what is held, 0 while it is incomplete; remembers how far it has looked."""
        held = self._held
        if self._state == _STREAM_START and not self._start():
            return 0
        while self._at < len(held):
            if self._state == _IN_ARRAY:
                end = self._array_step()
            elif self._state in _IN_OBJECT:
                end = self._json_step()
            elif self._state == _NDJSON:
                end = held.find(b"\n", self._at) + 1
                self._at = end or len(held)
            else:
                end = self._line_step(held[self._at])
            if end:
                return end
        return 0

    def _start(self) -> bool:
        """False while what is held may still be blanks or become a byte-order mark."""
        held = self._held
        if not self._bom_seen:
            if held[: len(BOM)] == BOM[: len(held)]:
                if len(held) < len(BOM):
                    return False
                self._at = len(BOM)
            self._bom_seen = True
        found = _NOT_BLANK.search(held, self._at)
        if found is None:
            self._at = len(held)
            return False
        self._at = found.start()
        if found.group() == b"[":
            self._at += 1
            self._kind = ELEMENT
            self._state = _IN_ARRAY
        else:
            self._begin(found.group() == b"{")
        return True

    def _begin(self, bare: bool) -> None:
        self._depth = 0
        if bare:
            self._kind = BARE
        self._state = _IN_JSON if bare else _IN_LINE

    def _line_step(self, byte: int) -> int:
        """One line end or one line's first byte further; the block's end if this was its blank line, else 0."""
        if self._state == _IN_LINE:
            found = _CR_OR_LF.search(self._held, self._at)
            if found is None:
                self._at = len(self._held)
            else:
                self._at = found.end()
                self._state = _AFTER_CR if self._held[found.start()] == _CR else _LINE_START
        elif self._state == _AFTER_CR:
            self._at += byte == _LF
            self._state = _LINE_START
        elif byte in (_CR, _LF):
            return self._blank_line_end(byte)
        else:
            self._begin(byte == ord("{") and self._state == _BLOCK_START)
        return 0

    def _blank_line_end(self, byte: int) -> int:
        end = self._at + 1
        if byte == _CR:
            if end == len(self._held):
                self._lf_owed = True
            else:
                end += self._held[end] == _LF
        return end

    def _array_step(self) -> int:
        """On to the next object of an array, or to the array's end; its offset then, else 0."""
        found = _ARRAY_MARK.search(self._held, self._at)
        if found is None:
            self._at = len(self._held)
            return 0
        if found.group() == b"{":
            self._at = found.start()
            self._depth = 0
            self._state = _IN_JSON
            return 0
        self._at = found.end()
        return self._at

    def _json_step(self) -> int:
        """One mark further in an object; the offset of its end if that was its last bracket, else 0."""
        if self._state == _AFTER_BACKSLASH:
            self._at += 1
            self._state = _IN_STRING
            return 0
        found = _JSON_MARK.search(self._held, self._at)
        if found is None:
            self._at = len(self._held)
            return 0
        self._at = found.end()
        mark = found.group()
        if self._state == _IN_STRING:
            if mark == b'"':
                self._state = _IN_JSON
            elif mark == b"\\":
                self._state = _AFTER_BACKSLASH
        elif mark == b'"':
            self._state = _IN_STRING
        elif mark in b"{[":
            self._depth += 1
        elif mark in b"}]":
            self._depth -= 1
            if self._depth == 0:
                self._state = _IN_ARRAY if self._kind == ELEMENT else _BLOCK_START
                return self._at
        return 0


def read_block(kind: int, block: bytes) -> tuple[bytes, bytes]:
    """(name, data) of the event in ``block``: both b"" if there is none, name b"" if it has none.

    The data lines of an SSE event are joined with LF. The last ``event`` line counts, also after the data.
    """
    if kind == LINES:
        return _read_lines(block.removeprefix(BOM))
    if kind == LINE:
        line = block.removeprefix(BOM).removesuffix(b"\n").removesuffix(b"\r")
        return b"", line if line.strip(BLANKS) else b""
    at = block.find(b"{")
    return b"", b"" if at < 0 else block[at:]


def _read_lines(block: bytes) -> tuple[bytes, bytes]:
    name = b""
    values: list[bytes] = []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        if field == b"data":
            values.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    data = b"\n".join(values)
    return (name, data) if data else (b"", b"")


def is_complete(data: bytes) -> bool:
    """Whether the data of an unterminated event is all there: ``[DONE]``, or JSON whose structure is closed."""
    data = data.strip(BLANKS)
    if data == b"[DONE]":
        return True
    if not data.startswith((b"{", b"[", b'"')):
        return _JSON_SCALAR.fullmatch(data) is not None
    try:
        return value_end(data, 0) == len(data)
    except ValueError:
        return False
