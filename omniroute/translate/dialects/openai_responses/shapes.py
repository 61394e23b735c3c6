"""Events that are one more piece of something: what vendors send, member for member (see ``_speedups.stream_py``).

Source: the recordings of OpenAI, Azure, Bedrock, Copilot, DeepSeek, LM Studio, OpenRouter and xAI. Parts of an item are
told apart by CHOICE, items by INDEX.
"""

from __future__ import annotations

from typing import Final

from omniroute._speedups import ANY, CHOICE, EMPTY, INDEX, TEXT, Is

TEXT_DELTA: Final = 0
SUMMARY_DELTA: Final = 1
THOUGHT_DELTA: Final = 2
ARGUMENTS_DELTA: Final = 3
REFUSAL_DELTA: Final = 4
INPUT_DELTA: Final = 5
"""Places in ``SHAPES``."""

MAX_PART: Final = 255
MAX_ITEM: Final = 65535
"""Largest numbers a lane can tell apart."""

Shape = dict[str, object]

_ANY_DELTA: Final[Shape] = {
    "sequence_number": ANY,
    "item_id": ANY,
    "output_index": INDEX,
    "obfuscation": ANY,
    "delta": TEXT,
}


def _delta(kind: bytes, **more: object) -> Shape:
    return {"type": Is(kind), **_ANY_DELTA, **more}


SHAPES: Final[tuple[Shape, ...]] = (
    _delta(b"response.output_text.delta", content_index=CHOICE, logprobs=EMPTY),
    _delta(b"response.reasoning_summary_text.delta", summary_index=CHOICE),
    _delta(b"response.reasoning_text.delta", content_index=CHOICE),
    _delta(b"response.function_call_arguments.delta"),
    _delta(b"response.refusal.delta", content_index=CHOICE),
    _delta(b"response.custom_tool_call_input.delta"),
)
