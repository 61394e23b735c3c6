"""The grammar of a stream of ours: text of each choice, one finish each, the usage chunk, one end mark."""

from __future__ import annotations

from omniroute.translate.dialect import GrammarError
from omniroute.translate.openai_chunks import ChunkGrammar, demand


class CompletionsChecker:
    """What every client of the dialect may rely on."""

    __slots__ = ("_chunks", "_finished")

    def __init__(self) -> None:
        self._finished: dict[int, bool] = {}
        self._chunks = ChunkGrammar("text_completion", self._finished.values, self._choice)

    def event(self, name: bytes, data: bytes) -> None:
        """One event. Raises GrammarError."""
        self._chunks.event(name, data)

    def end(self) -> None:
        """The stream is over. Raises GrammarError if neither ``[DONE]`` nor an error was its last event."""
        self._chunks.end()

    def _choice(self, choice: dict[str, object]) -> None:
        index, reason = choice.get("index"), choice.get("finish_reason")
        if not isinstance(index, int) or not isinstance(choice.get("text"), str):
            raise GrammarError(f"choice {choice!r}")
        demand(not self._finished.get(index), f"choice {index} goes on after its finish")
        demand(reason in (None, "stop", "length", "content_filter"), f"finish {reason!r}")
        self._finished[index] = reason is not None
