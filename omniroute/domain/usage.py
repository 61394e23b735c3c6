"""Token counts of one attempt in the canonical form (routing.md §15.4)."""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """``input_total`` includes cached tokens, ``output_total`` reasoning. ``known`` is False if upstream told none."""

    input_total: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output_total: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    known: bool = False
