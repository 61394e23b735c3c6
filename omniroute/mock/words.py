"""The mock's tokens are words: cutting a text into them, and making texts of a given number."""

from __future__ import annotations

import re
from itertools import cycle, islice
from typing import Final

_WORD: Final = re.compile(r"\s*\S+(?:\s+$)?")


def words(text: str) -> list[str]:
    """``text`` cut into words that join to it again; white space stays with the word it precedes, or ends with."""
    return _WORD.findall(text) or ([text] if text else [])


def of_length(text: str, count: int) -> list[str]:
    """Exactly ``count`` words: ``text`` repeated as often as needed, or cut."""
    plain = text.split() or ["mock"]
    return [word if at == 0 else " " + word for at, word in enumerate(islice(cycle(plain), count))]
