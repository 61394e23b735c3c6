"""Tags found and cut in text that comes in pieces: ours, which nobody may see, and ``<think>``.

Theory of operation
-------------------
All work is done on *escaped* text, the bytes between the quotes of a JSON string; a piece never ends within an escape.
Of a tag's characters only ``<``, ``>`` and ``/`` are ever written as escapes, so those spellings are taken for them.

:class:`Cleaner` takes ``<omniModel>...</omniModel>`` out. It holds back what may be the beginning of a tag and, after
an opening tag, up to ``INSIDE_BYTES`` of what follows; if no end comes within them, or another beginning before it,
only the tag itself is dropped and the rest is text after all. A closing tag on its own is dropped too. At the end of a
text half a tag is dropped if it can be nothing else (``<omn``), and so is everything after a tag that was not closed.

:class:`Thinking` splits off ``<think>...</think>`` at the start of a text (translation.md §12.1).

Everything is linear: what is held is bounded, and of it only what has not been searched is searched again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from omniroute.translate import jsontext

OPENING: Final = b"<omniModel>"
CLOSING: Final = b"</omniModel>"
THINK: Final = b"<think>"
END_THINK: Final = b"</think>"

INSIDE_BYTES: Final = 512
"""Of text between the tags: a model's name with its provider is at most 256 characters."""
BLANK_BYTES: Final = 64
"""Of blanks that may come before ``<think>``, or be all there is between the tags."""
CERTAIN: Final = (b"<omn", b"</omn")
"""Half a tag of ours that begins so is nothing else: no element of HTML or XML in use has such a name."""

_ABSENT: Final = -1
_MAYBE: Final = -2
# An escaped backslash is consumed as one, so that what follows it is not taken for an escape.
_MARK: Final = re.compile(rb"<|\\(?:u003[cC]|\\)")
_BLANKS: Final = re.compile(rb"(?:[ \t\r\n]|\\[nrt]|\\u000[9aAdD]|\\u0020)*")
_SPELLINGS: Final = {b"\\u003c": b"<", b"\\u003e": b">", b"\\u002f": b"/"}

PieceKind = Literal["text", "reasoning"]
Piece = tuple[PieceKind, bytes]
Cut = tuple[int, int]


def tag_at(text: bytes, at: int, tag: bytes) -> int:
    """Where ``tag`` ends if it begins at ``at`` of escaped ``text``; -1: it does not; -2: the text ends within it."""
    for expected in tag:
        if at >= len(text):
            return _MAYBE
        found, length = text[at], 1
        if found == 0x5C:
            if text.startswith(b"\\/", at):
                found, length = 0x2F, 2
            else:
                found, length = _SPELLINGS.get(text[at : at + 6].lower(), b"\\")[0], 6
        if found != expected:
            return _ABSENT
        at += length
    return at


def may_begin(text: bytes) -> bool:
    """Whether a tag may begin in escaped ``text`` at all: cheap, and false for most."""
    return b"<" in text or b"\\u003" in text


def _marks(text: bytes, start: int, end: int) -> Iterator[int]:
    """Where ``<`` stands in escaped ``text``, however it is spelled."""
    for mark in _MARK.finditer(text, start, end):
        if mark.group() != b"\\\\":
            yield mark.start()


def _next(text: bytes, at: int, *tags: bytes) -> tuple[int, int, bytes]:
    """The first of ``tags`` in ``text`` from ``at`` on: where it begins, where it ends (-2: not yet), and which it is.

    The first two are the length of the text if there is none.
    """
    for mark in _marks(text, at, len(text)):
        for tag in tags:
            end = tag_at(text, mark, tag)
            if end != _ABSENT:
                return mark, end, tag
    return len(text), len(text), b""


class Cleaner:
    """Takes internal tags out of one text."""

    __slots__ = ("_held", "_opened", "_scanned")

    def __init__(self) -> None:
        self._held = b""
        self._opened = 0
        """Length of the opening tag that ``_held`` begins with; 0: it begins with what may become a tag."""
        self._scanned = 0
        """Where in ``_held`` the search for the closing tag goes on."""

    @property
    def holding(self) -> bool:
        """Something is held back: what comes next decides what it is."""
        return bool(self._held)

    @property
    def certain(self) -> bool:
        """What is held can be nothing but a tag of ours, or comes after one."""
        return bool(self._opened) or jsontext.unescaped(self._held).encode().startswith(CERTAIN)

    @property
    def held_bytes(self) -> int:
        """How much of the text is held back."""
        return len(self._held)

    def feed(self, text: bytes) -> bytes:
        """What may go on of what was held and of ``text``: without tags, and without what is held from now on."""
        if not self._held and not may_begin(text):
            return text
        before = self._held
        cuts = self.cut(text)
        return without(before + text, cuts, len(before), len(before) + len(text) - len(self._held))

    def cut(self, text: bytes) -> list[Cut]:
        """What is to be cut of what was held and of ``text``, where ``text`` begins at 0: the held lies before that."""
        if not self._held and not may_begin(text):
            return []
        opened, scanned, base = self._opened, self._scanned, len(self._held)
        text = self._take() + text
        cuts: list[Cut] = []
        at = 0
        while at < len(text):
            if opened:
                end, scanned = _end_of_tagged(text, opened, scanned)
                if end == _MAYBE:
                    self._held, self._opened, self._scanned = text[at:], opened - at, scanned - at
                    break
                cuts.append((at - base, end - base))
                at, opened = end, 0
                continue
            at, end, tag = _next(text, at, OPENING, CLOSING)
            if end == _MAYBE:
                self._held = text[at:]
                break
            if tag == OPENING:
                opened = scanned = end
            else:
                if tag:
                    cuts.append((at - base, end - base))
                at = end
        return cuts

    def finish(self) -> bytes:
        """What of the held is text after all. The cleaner is as new."""
        dropped = self.certain
        held = self._take()
        return b"" if dropped else held

    def carry(self) -> bytes:
        """What is held, if it is certain to be a tag, for another cleaner to go on with; else it stays."""
        return self._take() if self.certain else b""

    def _take(self) -> bytes:
        held, self._held, self._opened, self._scanned = self._held, b"", 0, 0
        return held


def without(text: bytes, cuts: Iterable[Cut], start: int = 0, end: int | None = None) -> bytes:
    """``text`` up to ``end`` without ``cuts``, which count from ``start``."""
    out: list[bytes] = []
    at = 0
    for first, last in cuts:
        out.append(text[at : start + first])
        at = start + last
    out.append(text[at:end])
    return b"".join(out)


def _end_of_tagged(text: bytes, opened: int, scanned: int) -> tuple[int, int]:
    """What to cut up to after an opening tag that ends at ``opened``; and how far the search has come.

    The end of the closing tag; ``opened`` if none comes in time, or another opening tag first; -2 if one still may.
    """
    limit = opened + INSIDE_BYTES
    for mark in _marks(text, scanned, min(len(text), limit)):
        closed = tag_at(text, mark, CLOSING)
        if closed != _ABSENT:
            return closed, mark
        again = tag_at(text, mark, OPENING)
        if again != _ABSENT:
            return (opened if again != _MAYBE else _MAYBE), mark
    return (opened if len(text) >= limit else _MAYBE), len(text)


class Thinking:
    """Splits reasoning, written as ``<think>...</think>`` at the start, off one choice's text."""

    __slots__ = ("_held", "_said", "phase")

    def __init__(self) -> None:
        self.phase: Literal["start", "reasoning", "gap", "text"] = "start"
        """``gap``: between the end tag and the first text that is not blank."""
        self._held = b""
        self._said = False

    @property
    def settled(self) -> bool:
        """Nothing is held back, and the next text continues what the last one was."""
        return not self._held and self.phase in ("reasoning", "text") and (self._said or self.phase == "text")

    def feed(self, text: bytes) -> list[Piece]:
        """What ``text`` and what was held before say, without what is held from now on. No piece is empty."""
        text, self._held = self._held + text, b""
        out: list[Piece] = []
        if self.phase == "start":
            text = self._started(text)
        if self.phase == "reasoning":
            text = self._reasoned(text, out)
        if self.phase == "gap":
            text = text[_blank_bytes(text) :]
            if text:
                self.phase = "text"
        if self.phase == "text" and text:
            out.append(("text", text))
        return out

    def finish(self) -> list[Piece]:
        """What is held, as what it is after all: an end tag that did not come leaves everything reasoning."""
        held, self._held = self._held, b""
        if self.phase == "start" and held:
            self.phase = "text"
            return [("text", held)]
        if self.phase == "reasoning" and held and (self._said or _blank_bytes(held) < len(held)):
            self._said = True
            return [("reasoning", held)]
        return []

    def _started(self, text: bytes) -> bytes:
        """The text to go on with, b"" if it is held."""
        blank = _blank_bytes(text)
        end = tag_at(text, blank, THINK) if blank <= BLANK_BYTES else _ABSENT
        if end == _MAYBE:
            self._held = text
            return b""
        self.phase = "text" if end == _ABSENT else "reasoning"
        return text if end == _ABSENT else text[end:]

    def _reasoned(self, text: bytes, out: list[Piece]) -> bytes:
        """The text after the end tag, b"" if it has not come. Reasoning of nothing but a few blanks is none."""
        mark, end, tag = _next(text, 0, END_THINK)
        ended = bool(tag) and end != _MAYBE
        said = text[:mark]
        if not self._said and _blank_bytes(said) == len(said):
            if not ended and len(said) <= BLANK_BYTES:
                self._held = text
                return b""
            said = said if not ended else b""
        if said:
            out.append(("reasoning", said))
            self._said = True
        if ended:
            self.phase = "gap"
            return text[end:]
        self._held = text[mark:]
        return b""


def _blank_bytes(text: bytes) -> int:
    """Length of the blanks ``text`` begins with."""
    found = _BLANKS.match(text)
    return found.end() if found else 0
