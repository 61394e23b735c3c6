"""What the streams of OpenAI's two older APIs have in common, as a grammar (translation.md §13.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from omniroute.translate.dialect import GrammarError
from omniroute.translate.vendor_json import decode_event

_ERROR_MEMBERS: Final = frozenset({"message", "type", "param", "code"})


def demand(true: bool, rule: str) -> None:
    """Raise GrammarError saying ``rule`` unless it holds."""
    if not true:
        raise GrammarError(rule)


class ChunkGrammar:
    """Chunks of one answer, each with some choices or the usage; then ``[DONE]``, or an error in place of the rest.

    ``kind``: ``object`` of every chunk. ``finished``: of every choice so far, whether it has. ``choice``: what is
    demanded of one.
    """

    __slots__ = ("_choice", "_constants", "_ended", "_failed", "_finished", "_kind", "_usage")

    def __init__(
        self, kind: str, finished: Callable[[], Collection[bool]], choice: Callable[[dict[str, object]], None]
    ) -> None:
        self._kind = kind
        self._finished = finished
        self._choice = choice
        self._constants: tuple[object, object, object] | None = None
        self._usage = False
        self._failed = False
        self._ended = False

    def event(self, name: bytes, data: bytes) -> None:
        """One event. Raises GrammarError."""
        demand(not name, f"event name {name!r}: the dialect has none")
        demand(not self._failed, "an event after the error")
        demand(not self._ended, "an event after [DONE]")
        if data == b"[DONE]":
            demand(bool(self._finished()), "[DONE] before any choice")
            demand(all(self._finished()), "[DONE] before every choice finished")
            self._ended = True
            return
        try:
            chunk = decode_event(data)
        except ValueError as exc:
            raise GrammarError(f"data is not JSON: {data[:200]!r}") from exc
        if not isinstance(chunk, dict):
            raise GrammarError(f"data is no object: {data[:200]!r}")
        if "error" in chunk:
            error = chunk["error"]
            demand(isinstance(error, dict) and error.keys() >= _ERROR_MEMBERS, f"error {error!r}")
            self._failed = True
        else:
            self._chunk(chunk)

    def end(self) -> None:
        """The stream is over. Raises GrammarError if neither ``[DONE]`` nor an error was its last event."""
        demand(self._ended or self._failed, "no [DONE] and no error at the end")

    def _chunk(self, chunk: dict[str, object]) -> None:
        demand(chunk.get("object") == self._kind, f"object {chunk.get('object')!r}")
        constants = (chunk.get("id"), chunk.get("created"), chunk.get("model"))
        demand(isinstance(constants[0], str) and bool(constants[0]), f"id {constants[0]!r}")
        demand(isinstance(constants[1], int), f"created {constants[1]!r}")
        demand(isinstance(constants[2], str), f"model {constants[2]!r}")
        demand(self._constants in (None, constants), f"{constants} after {self._constants}")
        self._constants = constants
        demand(not self._usage, "a chunk after the usage chunk")
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise GrammarError(f"choices {choices!r}")
        if not choices:
            demand(isinstance(chunk.get("usage"), dict), "no choices and no usage")
            demand(all(self._finished()), "the usage chunk before every choice finished")
            self._usage = True
            return
        demand(chunk.get("usage") is None, "usage beside choices")
        for choice in choices:
            if not isinstance(choice, dict):
                raise GrammarError(f"choice {choice!r}")
            self._choice(choice)
