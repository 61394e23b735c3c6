"""What a model's generation takes, where its name tells: one connection serves several."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from omniroute.domain import Quirks

THIRD: Final = 3
"""From this generation on: thinking by levels, signatures demanded, media inside results.

Source: ai.google.dev/gemini-api/docs, guides to Gemini 3, thought signatures and function calling; translation.md §6.1.
"""

_GENERATION: Final = re.compile(r"gemini-([0-9]{1,3})(?![0-9])")


def quirks_of(model: str, quirks: Quirks) -> Quirks:
    """``quirks``, and what ``model`` demands besides by its name."""
    found = _GENERATION.search(model)
    if found is None or int(found[1]) < THIRD:
        return quirks
    return msgspec.structs.replace(
        quirks, gemini_thinking="level", gemini_signatures="required", gemini_function_response_parts=True
    )
