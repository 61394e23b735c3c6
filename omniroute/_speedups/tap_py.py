"""Read along an OpenAI Chat SSE stream without changing it. This is the specification; ``tap_c`` is the speed.

Bytes in, the same bytes out, whole blocks only (``framing_py``). On the side: usage, in-band errors, finish reasons,
the end mark. What is left out is the usage chunk the gateway itself asked for (``hide_usage``). What may hold a tag is
the guard's to judge. After the end mark nothing is read.

Theory of operation
-------------------
A stream core (``stream_py``) can forward as well, for every dialect, and calls its machine for the few events that are
no text. This reader knows one dialect and reads those itself: a short stream costs a sixth (``perf.stream_bench``).

Most events are text deltas and say nothing the tap wants. So an event's data is first searched for the **needles**,
the quoted names ``"usage"``, ``"error"``, ``"finish_reason"`` (and ``"model"`` until it is known) that are not followed
by ``: null``; only data that holds one is walked as JSON. A needle inside a text is harmless: the walk reads only
top-level members and those of ``choices`` items. A name whose letters are spelled with escapes is read if another
needle caused the walk. Data that is not one well-formed JSON object is forwarded and not read.

The guard is made when the first event comes in which one of ``tags`` may begin (``shapes_py.may_hold``: anywhere in the
data, for whoever knows what is text to judge), and is handed such events, and all that follow while it holds
something back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

from omniroute._speedups.framing_py import BARE, BLANKS, LATE, LINES, Cutter, is_complete, read_block
from omniroute._speedups.jsonspan_py import BOM, item_spans, spans
from omniroute._speedups.shapes_py import may_hold

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An image part arrives as one line of megabytes; more than this is not an event any vendor sends."""

MAX_CHOICES: Final = 256
"""Choices whose finish is counted; OpenAI's own limit of ``n`` is 128."""

MAX_TAGS: Final = 4
"""There is one that opens and one that closes."""

_NEEDLE: Final = re.compile(rb'"(?:usage|error|finish_reason)"(?![ \t\r\n]*+:[ \t\r\n]*+null)')


class Guard(Protocol):
    """Who judges what may be a tag; ``translate.observer.Observer`` is one."""

    @property
    def holding(self) -> bool:
        """Something is held back: the next event must come to it."""
        ...

    def forward(self, name: bytes, data: bytes, block: bytes) -> bytes:
        """What goes on for an event: ``block`` itself, something in its place, or b""."""
        ...

    def finish(self) -> bytes:
        """What was held back, at the end of the body."""
        ...


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
        "_choices", "_cr_passed", "_cutter", "_finished_choices", "_guard", "_guarding", "_hide_usage", "_make_guard",
        "_tags", "cut", "done", "error", "events", "finished", "finishes", "model", "overflow", "usage",
    )  # fmt: skip

    def __init__(
        self,
        *,
        hide_usage: bool = False,
        choices: int = 1,
        tags: tuple[bytes, ...] = (),
        guard: Callable[[], Guard] | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        """``hide_usage``: drop events whose ``choices`` is ``[]`` and whose ``usage`` is an object.

        ``choices``: the request's n. ``guard`` is called at most once, and not without ``tags``. Raises ValueError for
        more than MAX_TAGS of them.
        """
        if len(tags) > MAX_TAGS:
            raise ValueError(f"more than {MAX_TAGS} tags")
        self._hide_usage = hide_usage
        self._choices = choices
        self._tags = tags
        self._make_guard = guard
        self._guard: Guard | None = None
        self._guarding = False
        self._cutter = Cutter("sse", max_event_bytes)
        self._cr_passed = False  # the last block went on and ended with CR: its LF may follow
        self._finished_choices: set[int] = set()
        self.usage = self.model = self.error = b""
        self.done = self.finished = self.overflow = self.cut = False
        self.finishes = self.events = 0

    def feed(self, data: bytes) -> bytes:
        """The bytes of every block completed by ``data`` (any split, even inside a CRLF or a UTF-8 sequence)."""
        return b"".join(self.split(data))

    def split(self, data: bytes) -> list[bytes]:
        """As :meth:`feed`, one item a block: ``b"".join(split(d)) == feed(d)``, same state after."""
        blocks: list[bytes] = []
        if self.overflow or (self.done and not self._cr_passed):
            return blocks
        for kind, block in self._cutter.cut(data):
            if kind == LATE:
                if self._cr_passed:
                    blocks.append(block)
                continue
            if self.done:
                self._cr_passed = False
                break
            passed = self._passed(block, *read_block(kind, block))
            self._cr_passed = passed.endswith(b"\r")
            if passed:
                blocks.append(passed)
        if self.done:
            self._cutter.rest()
        self.overflow = self._cutter.overflow and not self.done
        return blocks

    def finish(self) -> bytes:
        """At the end of the body: an unterminated last event if its data is complete JSON or ``[DONE]``.

        It is returned as it came, without the blank line it lacks. Anything else that is left, but blanks, gives b""
        and ``cut``.
        """
        kind, rest = self._cutter.rest()
        last = b""
        if rest and not self.done:
            name, data = read_block(kind, rest)
            if is_complete(data) or not rest.strip(BLANKS):
                last = self._passed(rest, name, data)
            else:
                self.cut = True
        if self._guarding and self._guard is not None:
            self._guarding = False
            last += self._guard.finish()
        return last

    def held_bytes(self) -> int:
        """Bytes of the incomplete event kept inside."""
        return self._cutter.held_bytes

    def _passed(self, block: bytes, name: bytes, data: bytes) -> bytes:
        """What goes on for a block."""
        if not self._read(data):
            return b""
        if not data or self._make_guard is None or not (self._guarding or may_hold(data, self._tags)):
            return block
        guard = self._guard = self._guard or self._make_guard()
        passed = guard.forward(name, data, block)
        self._guarding = guard.holding
        return passed

    def _read(self, data: bytes) -> bool:
        """Note what an event's data says; False if the event is to be left out."""
        if not data:
            return True
        self.events += 1
        if data.strip(BLANKS) == b"[DONE]":
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


def event_data(block: bytes) -> bytes:
    """The data lines of one block, joined with LF; b"" for comments; bare JSON is its own data."""
    return read_block(BARE if block.removeprefix(BOM).lstrip(BLANKS).startswith(b"{") else LINES, block)[1]
