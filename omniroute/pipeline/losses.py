"""What a translation could not carry, in the words of headers, record and log (translation.md §16)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from omniroute.translate import Notes

HEADER_BYTES: Final = 1024
"""Of one list; what does not fit is counted."""
RECORD_BYTES: Final = 400
"""Of the list in the ledger: a record has one place in the journal's ring."""

_UNSAFE: Final = re.compile(r"[^\x21-\x3a\x3c-\x7e]")
"""Field paths hold names that clients made up; what is no visible ASCII, and the separators, become ``?``."""


def lost_fields(notes: Notes) -> bytes:
    """For ``X-OmniRoute-Lossy``: the fields whose loss a strict client would not accept; b"" for none."""
    fields = dict.fromkeys(note.field for note in notes.warnings())
    return _listed([_UNSAFE.sub("?", field).replace(",", "?") for field in fields], ", ", HEADER_BYTES, 0).encode()


def translation(notes: Notes, limit_bytes: int = HEADER_BYTES) -> str:
    """Every note as ``action:field``, joined with semicolons; "" for none."""
    words = [f"{note.action}:{_UNSAFE.sub('?', note.field)}" for note in notes]
    return _listed(words, ";", limit_bytes, len(notes) - len(words))


def _listed(words: Sequence[str], separator: str, limit_bytes: int, untold: int) -> str:
    """As many of ``words`` as fit, then how many more there are: those, and the ``untold`` that have no words."""
    room = limit_bytes - len(f"{separator}+{len(words) + untold} more")
    kept: list[str] = []
    for word in words:
        room -= len(word) + len(separator)
        if room < 0:
            break
        kept.append(word)
    left = len(words) - len(kept) + untold
    return separator.join([*kept, f"+{left} more"] if left else kept)
