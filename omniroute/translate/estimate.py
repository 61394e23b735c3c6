"""Token counts where the upstream told none and the client's dialect demands some: by length, never ``known``.

Whoever writes them marks them (``estimated``), so that nobody takes them for the provider's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from omniroute.domain import Usage
from omniroute.translate.canonical import Candidate, Reasoning, Refusal, Text, ToolCall
from omniroute.translate.stream import BYTES_PER_TOKEN


def estimated_usage(candidates: Iterable[Candidate], input_tokens: int) -> Usage:
    """What ``candidates`` may have cost, ``input_tokens`` being what the request is thought to have."""
    chars = sum(
        len(block.arguments if isinstance(block, ToolCall) else block.text)
        for candidate in candidates
        for block in candidate.blocks
        if isinstance(block, Text | Refusal | Reasoning | ToolCall)
    )
    return Usage(input_total=input_tokens, output_total=-(-chars // BYTES_PER_TOKEN))
