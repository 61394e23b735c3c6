"""Whether the arguments of a call that is still being written are complete: one JSON value, told by its brackets."""

from __future__ import annotations

import re
from typing import Final

from omniroute.translate import jsontext

UNREAD_BYTES: Final = 64 * 1024
"""Fragments are read when somebody asks, or when as many bytes of them are there: most calls are never asked about."""

_MARK: Final = re.compile(r'\\.|\\\Z|["{}\[\]]', re.DOTALL)  # an escape inside a string is one mark, and none


class Arguments:
    """What a call's fragments come to, each looked at once."""

    __slots__ = ("_begun", "_cut", "_depth", "_in_string", "_unread", "_unread_bytes")

    def __init__(self) -> None:
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._depth = 0
        self._in_string = False
        self._cut = False
        """The last fragment ended after a backslash."""
        self._begun = False

    def feed(self, text: bytes) -> None:
        """More of them, escaped."""
        self._unread.append(text)
        self._unread_bytes += len(text)
        if self._unread_bytes > UNREAD_BYTES:
            self._read()

    @property
    def complete(self) -> bool:
        """Every bracket is closed. Nothing at all is not complete, nor is a number that may go on."""
        self._read()
        return self._begun and self._depth <= 0 and not self._in_string

    def _read(self) -> None:
        said = jsontext.unescaped(b"".join(self._unread))
        self._unread.clear()
        self._unread_bytes = 0
        at = 1 if self._cut and said else 0
        self._cut = self._cut and not said
        for mark in _MARK.finditer(said, at):
            found = mark.group()
            if found == "\\":
                self._cut = self._in_string
            elif found == '"':
                self._in_string = not self._in_string
            elif not self._in_string and found in "{}[]":
                self._depth += 1 if found in "{[" else -1
                self._begun = True
