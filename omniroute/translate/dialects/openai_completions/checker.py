"""The grammar of a stream of ours: text of each choice, one finish each, the usage chunk, one end mark."""

from __future__ import annotations

from omniroute.translate.dialect import GrammarError
from omniroute.translate.vendor_json import decode_vendor


class CompletionsChecker:
    """What every client of the dialect may rely on."""

    __slots__ = ("_constants", "_ended", "_failed", "_finished", "_usage")

    def __init__(self) -> None:
        self._constants: tuple[object, ...] | None = None
        self._finished: dict[int, bool] = {}
        self._usage = False
        self._failed = False
        self._ended = False

    def event(self, name: bytes, data: bytes) -> None:
        """One event. Raises GrammarError."""
        _demand(not name, f"event name {name!r}: the dialect has none")
        _demand(not self._failed, "an event after the error")
        _demand(not self._ended, "an event after [DONE]")
        if data == b"[DONE]":
            _demand(bool(self._finished) and all(self._finished.values()), "[DONE] before every choice finished")
            self._ended = True
            return
        try:
            chunk = decode_vendor(data)
        except ValueError as exc:
            raise GrammarError(f"data is not JSON: {data[:200]!r}") from exc
        if not isinstance(chunk, dict):
            raise GrammarError(f"data is no object: {data[:200]!r}")
        if "error" in chunk:
            self._failed = True
        else:
            self._chunk(chunk)

    def end(self) -> None:
        """The stream is over. Raises GrammarError if neither ``[DONE]`` nor an error was its last event."""
        _demand(self._ended or self._failed, "no [DONE] and no error at the end")

    def _chunk(self, chunk: dict[str, object]) -> None:
        _demand(chunk.get("object") == "text_completion", f"object {chunk.get('object')!r}")
        constants = (chunk.get("id"), chunk.get("created"), chunk.get("model"))
        _demand(isinstance(constants[0], str) and bool(constants[0]), f"id {constants[0]!r}")
        _demand(isinstance(constants[1], int) and isinstance(constants[2], str), f"created, model {constants[1:]!r}")
        _demand(self._constants in (None, constants), f"{constants} after {self._constants}")
        self._constants = constants
        _demand(not self._usage, "a chunk after the usage chunk")
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise GrammarError(f"choices {choices!r}")
        if not choices:
            _demand(isinstance(chunk.get("usage"), dict), "no choices and no usage")
            _demand(all(self._finished.values()), "the usage chunk before every choice finished")
            self._usage = True
        for choice in choices:
            self._choice(choice)

    def _choice(self, choice: object) -> None:
        if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
            raise GrammarError(f"choice {choice!r}")
        index, reason = choice.get("index"), choice.get("finish_reason")
        if not isinstance(index, int):
            raise GrammarError(f"index {index!r}")
        _demand(not self._finished.get(index), f"choice {index} goes on after its finish")
        _demand(reason in (None, "stop", "length", "content_filter"), f"finish {reason!r}")
        self._finished[index] = reason is not None


def _demand(true: bool, rule: str) -> None:
    if not true:
        raise GrammarError(rule)
