"""Counts tokens of texts, for upstreams that cannot be asked.

``o200k_base`` is OpenAI's vocabulary since GPT-4o. For other vendors' models it is an estimate, in our measure within
some ten percent for prose and code; they publish no vocabulary, so nobody has better without asking them.
The vocabulary takes 80 MB once loaded: one process has it, from the first question on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from bpe_openai import Encoding

ENCODING: Final = "o200k_base"

AT_ONCE: Final = 2
"""Counts under way; more wait. Each has a thread, and the core of one."""


class Tokenizer:
    """The one tokenizer of a process."""

    __slots__ = ("_encoding", "_limiter")

    def __init__(self) -> None:
        self._encoding: Encoding | None = None
        self._limiter = trio.CapacityLimiter(AT_ONCE)

    async def count(self, texts: Sequence[str]) -> int:
        """Tokens of all ``texts``, each encoded by itself; special tokens are counted as the text they are."""
        return await trio.to_thread.run_sync(self._count, texts, limiter=self._limiter)

    def _count(self, texts: Sequence[str]) -> int:
        if self._encoding is None:
            from bpe_openai import get_encoding  # noqa: PLC0415 - 80 MB, for those who ask

            self._encoding = get_encoding(ENCODING)
        return sum(len(tokens) for tokens in self._encoding.encode_ordinary_batch(list(texts)))
