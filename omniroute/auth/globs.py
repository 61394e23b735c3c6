"""Which models a key may use: globs anchored at both ends, ``*`` for anything and ``?`` for one character."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_PATTERNS: Final = 4096
"""Compiled globs kept; one more forgets the one used longest ago."""


def model_allowed(model: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of ``patterns`` is ``model`` (``provider/model``). Only ``*`` and ``?`` are special, not ``[1m]``."""
    return any(_compiled(pattern).fullmatch(model) is not None for pattern in patterns)


@lru_cache(MAX_PATTERNS)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
