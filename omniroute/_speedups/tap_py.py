"""Read along an OpenAI Chat SSE stream without changing it. This is the specification; ``tap_c`` is the speed.

Bytes in, the same bytes out, whole events only. On the side: usage, in-band errors, finish reasons, the end mark. The
only thing ever left out is the usage chunk the gateway itself asked for (``hide_usage``). Framing rules: SSE as in
WHATWG HTML §9.2.6 plus what vendors do (LF, CRLF, CR and mixes; comments; a byte-order mark; a bare JSON object
instead of an event).

Theory of operation
-------------------
A **block** is what is forwarded in one piece: the lines up to and including a blank line (an event, a comment, a blank
line alone), or a bare JSON object: one that begins a block and ends at its closing bracket. A blank line that ends
with CR is complete at once; should an LF follow in the next read, it is forwarded (or left out) with the block it
belongs to.

Most events are text deltas and say nothing the tap wants. So an event's data is first searched for the **needles**,
the quoted names ``"usage"``, ``"error"``, ``"finish_reason"`` (and ``"model"`` until it is known) that are not followed
by ``: null``; only data that holds one is walked as JSON. A needle inside a text is harmless: the walk reads only
top-level members and those of ``choices`` items. A name whose letters are spelled with escapes is read if another
needle caused the walk. Data that is not one well-formed JSON object is forwarded and not read.
"""

from __future__ import annotations

import re
from typing import Final

from omniroute._speedups.jsonspan_py import BOM, item_spans, spans, value_end

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An image part arrives as one line of megabytes; more than this is not an event any vendor sends."""

MAX_CHOICES: Final = 256
"""Choices whose finish is counted; OpenAI's own limit of ``n`` is 128."""

_NEEDLE: Final = re.compile(rb'"(?:usage|error|finish_reason)"(?![ \t\r\n]*+:[ \t\r\n]*+null)')
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_CR_OR_LF: Final = re.compile(rb"[\r\n]")
_JSON_MARK: Final = re.compile(rb'["\\{}\[\]]')
_JSON_SCALAR: Final = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_BLANKS: Final = b" \t\r\n"
_CR: Final = 13
_LF: Final = 10

# Where the scan for a block's end stands.
_STREAM_START: Final = 0  # nothing but a possible byte-order mark has been seen
_BLOCK_START: Final = 1
_LINE_START: Final = 2
_IN_LINE: Final = 3
_AFTER_CR: Final = 4  # a line (not a blank one) ended with CR: an LF here belongs to it
_IN_JSON: Final = 5
_IN_STRING: Final = 6
_AFTER_BACKSLASH: Final = 7


class SseTap:
    """A :class:`~omniroute._speedups.relay_py.Translator` that is the identity."""

    usage: bytes  # JSON of the last top-level ``usage`` that is an object (Groq: of ``x_groq.usage``), b"" if none yet
    model: bytes  # JSON string (with quotes) of the first top-level ``model`` that is not empty, b"" if none yet
    error: bytes  # JSON of the first top-level ``error`` that is not null, b"" if none
    done: bool  # ``[DONE]`` was seen
    finishes: int  # how many choices have had a non-null, non-empty finish_reason
    finished: bool  # finishes >= choices
    events: int  # complete events with data, hidden ones included
    overflow: bool  # an event grew beyond max_event_bytes; it and what follows is dropped
    cut: bool  # after finish(): the last event was incomplete and was dropped

    __slots__ = (
        "_at", "_choices", "_depth", "_finished_choices", "_held", "_hidden_last", "_hide_usage", "_lf_owed",
        "_max_event_bytes", "_state", "cut", "done", "error", "events", "finished", "finishes", "model", "overflow",
        "usage",
    )  # fmt: skip

    def __init__(self, *, hide_usage: bool = False, choices: int = 1, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        """``hide_usage``: drop events whose ``choices`` is ``[]`` and whose ``usage`` is an object.

        ``choices``: the request's n.
        """
        self._hide_usage = hide_usage
        self._choices = choices
        self._max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._state = _STREAM_START
        self._at = 0  # bytes of _held already looked at
        self._depth = 0  # open brackets of a bare JSON object
        self._lf_owed = False  # the last block ended with CR
        self._hidden_last = False
        self._finished_choices: set[int] = set()
        self.usage = self.model = self.error = b""
        self.done = self.finished = self.overflow = self.cut = False
        self.finishes = self.events = 0

    def feed(self, data: bytes) -> bytes:
        """The bytes of every event completed by ``data`` (any split, even inside a CRLF or a UTF-8 sequence)."""
        return b"".join(self.split(data))

    def split(self, data: bytes) -> list[bytes]:
        """As :meth:`feed`, one item a block: ``b"".join(split(d)) == feed(d)``, same state after."""
        blocks: list[bytes] = []
        if self.overflow:
            return blocks
        self._held += data
        while True:
            if self._lf_owed and self._held:
                self._lf_owed = False
                if self._held[0] == _LF:
                    del self._held[0]
                    if not self._hidden_last:
                        blocks.append(b"\n")
            end = self._block_end()
            if end == 0:
                break
            block = bytes(self._held[:end])
            del self._held[:end]
            self._at = 0
            self._state = _BLOCK_START
            # The LF of a last CRLF is not counted: in another split of the same bytes it would not be part of the
            # block.
            if end - block.endswith(b"\r\n") > self._max_event_bytes:
                self._drop_all()
                return blocks
            self._hidden_last = not self._read(event_data(block))
            if not self._hidden_last:
                blocks.append(block)
        if len(self._held) > self._max_event_bytes:
            self._drop_all()
        return blocks

    def finish(self) -> bytes:
        """At the end of the body: an unterminated last event if its data is complete JSON or ``[DONE]``.

        It is returned as it came, without the blank line it lacks. Anything else that is left gives b"" and ``cut``.
        """
        rest = bytes(self._held)
        self._held.clear()
        self._at = 0
        if not rest:
            return b""
        data = event_data(rest)
        if not _is_complete(data):
            self.cut = True
            return b""
        return rest if self._read(data) else b""

    def held_bytes(self) -> int:
        """Bytes of the incomplete event kept inside."""
        return len(self._held)

    def _drop_all(self) -> None:
        self.overflow = True
        self._held.clear()

    def _block_end(self) -> int:
        """Length of the first block of what is held, 0 while it is incomplete; remembers how far it has looked."""
        held = self._held
        if self._state == _STREAM_START and not self._skip_bom():
            return 0
        while self._at < len(held):
            byte = held[self._at]
            if self._state == _AFTER_CR:
                self._at += byte == _LF
                self._state = _LINE_START
            elif self._state in (_BLOCK_START, _LINE_START):
                if byte in (_CR, _LF):
                    return self._blank_line_end(byte)
                self._state = _IN_JSON if byte == ord("{") and self._state == _BLOCK_START else _IN_LINE
                self._depth = 0
            elif self._state == _IN_LINE:
                found = _CR_OR_LF.search(held, self._at)
                if found is None:
                    self._at = len(held)
                else:
                    self._at = found.end()
                    self._state = _AFTER_CR if held[found.start()] == _CR else _LINE_START
            elif self._json_step():
                return self._at
        return 0

    def _skip_bom(self) -> bool:
        """False while what is held may still become a byte-order mark."""
        held = self._held
        if held[: len(BOM)] == BOM[: len(held)]:
            if len(held) < len(BOM):
                return False
            self._at = len(BOM)
        self._state = _BLOCK_START
        return True

    def _blank_line_end(self, byte: int) -> int:
        end = self._at + 1
        if byte == _CR:
            if end == len(self._held):
                self._lf_owed = True
            else:
                end += self._held[end] == _LF
        return end

    def _json_step(self) -> bool:
        """One mark further in a bare JSON object; True when that was its last bracket."""
        if self._state == _AFTER_BACKSLASH:
            self._at += 1
            self._state = _IN_STRING
            return False
        found = _JSON_MARK.search(self._held, self._at)
        if found is None:
            self._at = len(self._held)
            return False
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
            return self._depth == 0
        return False

    def _read(self, data: bytes) -> bool:
        """Note what an event's data says; False if the event is to be left out."""
        if not data:
            return True
        self.events += 1
        if data.strip(_BLANKS) == b"[DONE]":
            self.done = True
            return True
        return self._read_chunk(data)

    def _read_chunk(self, data: bytes) -> bool:
        if _NEEDLE.search(data) is None and (self.model or b'"model"' not in data):
            return True
        try:
            found = spans(data, (b"usage", b"error", b"model", b"choices", b"x_groq"))
        except ValueError:  # not a JSON object: not ours to read
            return True
        usage, error, model, choices, groq = (b"" if span is None else data[slice(*span)] for span in found)
        failed = bool(error) and not error.startswith(b"null")
        if failed and not self.error:
            self.error = error
        if len(model) > 2 and model.startswith(b'"') and not self.model:
            self.model = model
        self._read_usage(usage, groq)
        items = item_spans(choices) if choices.startswith(b"[") else None
        for place, (start, end) in enumerate(items or ()):
            self._read_choice(place, choices[start:end])
        return not (self._hide_usage and items == () and usage.startswith(b"{") and not failed)

    def _read_usage(self, usage: bytes, groq: bytes) -> None:
        if usage.startswith(b"{"):
            self.usage = usage
        elif groq.startswith(b"{"):
            (span,) = spans(groq, (b"usage",))
            if span is not None and groq.startswith(b"{", span[0]):
                self.usage = groq[slice(*span)]

    def _read_choice(self, place: int, choice: bytes) -> None:
        if not choice.startswith(b"{"):
            return
        index, reason = (b"" if s is None else choice[slice(*s)] for s in spans(choice, (b"index", b"finish_reason")))
        if len(reason) <= 2 or not reason.startswith(b'"'):
            return
        number = int(index) if len(index) <= 3 and index.isdigit() else place
        if number < MAX_CHOICES:
            self._finished_choices.add(number)
            self.finishes = len(self._finished_choices)
            self.finished = self.finishes >= self._choices


def event_data(event: bytes) -> bytes:
    """The data lines of one complete SSE event, joined with LF; b"" for a comment block; bare JSON is its own data."""
    if event.startswith(BOM):
        event = event[len(BOM) :]
    if event.startswith(b"{"):
        return event
    values: list[bytes] = []
    for line in _LINE_END.split(event):
        if line == b"data":
            values.append(b"")
        elif line.startswith(b"data:"):
            values.append(line[6 if line.startswith(b" ", 5) else 5 :])
    return b"\n".join(values)


def _is_complete(data: bytes) -> bool:
    """Whether the data of an unterminated event is all there: ``[DONE]``, or JSON whose structure is closed."""
    data = data.strip(_BLANKS)
    if data == b"[DONE]":
        return True
    if not data.startswith((b"{", b"[", b'"')):
        return _JSON_SCALAR.fullmatch(data) is not None
    try:
        return value_end(data, 0) == len(data)
    except ValueError:
        return False
