"""The grammar of a stream of ours: what every client of the dialect may rely on (translation.md §13.3)."""

from __future__ import annotations

from omniroute.translate.dialect import GrammarError
from omniroute.translate.vendor_json import decode_vendor


class _Choice:
    """What has been seen of one choice."""

    __slots__ = ("calls", "finished")

    def __init__(self) -> None:
        self.calls = 0
        self.finished = False


class ChatChecker:
    """Role first, calls complete at their first fragment and numbered densely, one finish a choice, one end mark."""

    __slots__ = ("_choices", "_constants", "_ended", "_failed", "_usage")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._constants: tuple[object, object, object] | None = None
        self._usage = False
        self._failed = False
        self._ended = False

    def event(self, name: bytes, data: bytes) -> None:
        """One event. Raises GrammarError."""
        _demand(not name, f"event name {name!r}: the dialect has none")
        _demand(not self._failed, "an event after the error")
        _demand(not self._ended, "an event after [DONE]")
        if data == b"[DONE]":
            _demand(bool(self._choices), "[DONE] before any choice")
            _demand(all(choice.finished for choice in self._choices.values()), "[DONE] before every choice finished")
            self._ended = True
            return
        chunk = self._object(data)
        if "error" in chunk:
            error = chunk["error"]
            _demand(
                isinstance(error, dict) and {"message", "type", "param", "code"} <= error.keys(), f"error {error!r}"
            )
            self._failed = True
            return
        self._chunk(chunk)

    def end(self) -> None:
        """The stream is over. Raises GrammarError if neither ``[DONE]`` nor an error was its last event."""
        _demand(self._ended or self._failed, "no [DONE] and no error at the end")

    def _object(self, data: bytes) -> dict[str, object]:
        try:
            chunk = decode_vendor(data)
        except ValueError as exc:
            raise GrammarError(f"data is not JSON: {data[:200]!r}") from exc
        if not isinstance(chunk, dict):
            raise GrammarError(f"data is no object: {data[:200]!r}")
        return chunk

    def _chunk(self, chunk: dict[str, object]) -> None:
        _demand(chunk.get("object") == "chat.completion.chunk", f"object {chunk.get('object')!r}")
        constants = (chunk.get("id"), chunk.get("created"), chunk.get("model"))
        _demand(isinstance(constants[0], str) and bool(constants[0]), f"id {constants[0]!r}")
        _demand(isinstance(constants[1], int), f"created {constants[1]!r}")
        _demand(isinstance(constants[2], str), f"model {constants[2]!r}")
        _demand(self._constants in (None, constants), f"{constants} after {self._constants}")
        self._constants = constants
        _demand(not self._usage, "a chunk after the usage chunk")
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise GrammarError(f"choices {choices!r}")
        if not choices:
            _demand(isinstance(chunk.get("usage"), dict), "no choices and no usage")
            _demand(all(c.finished for c in self._choices.values()), "the usage chunk before every choice finished")
            self._usage = True
            return
        _demand(chunk.get("usage") is None, "usage beside choices")
        for choice in choices:
            if not isinstance(choice, dict):
                raise GrammarError(f"choice {choice!r}")
            self._choice(choice)

    def _choice(self, choice: dict[str, object]) -> None:
        index, delta = choice.get("index"), choice.get("delta")
        if not isinstance(index, int) or not isinstance(delta, dict):
            raise GrammarError(f"choice {choice!r}")
        seen = self._choices.get(index)
        if seen is None:
            _demand(delta.get("role") == "assistant", f"choice {index} begins without its role")
            seen = self._choices[index] = _Choice()
        else:
            _demand("role" not in delta, f"the role of choice {index} twice")
        _demand(not seen.finished, f"choice {index} goes on after its finish")
        for member in ("content", "refusal", "reasoning_content"):
            _demand(isinstance(delta.get(member) or "", str), f"{member} {delta.get(member)!r}")
        calls = delta.get("tool_calls", [])
        if not isinstance(calls, list):
            raise GrammarError(f"tool_calls {calls!r}")
        for call in calls:
            _fragment(call, seen)
        finish = choice.get("finish_reason")
        if finish is not None:
            _demand(finish in {"stop", "length", "tool_calls", "content_filter", "function_call"}, f"finish {finish!r}")
            seen.finished = True


def _fragment(call: object, seen: _Choice) -> None:
    if not isinstance(call, dict):
        raise GrammarError(f"tool call {call!r}")
    index, kind = call.get("index"), call.get("type")
    if not isinstance(index, int) or not 0 <= index <= seen.calls:
        raise GrammarError(f"tool call {index!r} after {seen.calls}")
    inner = call.get("custom" if kind == "custom" else "function", call.get("custom"))
    if not isinstance(inner, dict):
        raise GrammarError(f"tool call {call!r}")
    text = inner.get("arguments", inner.get("input"))
    _demand(isinstance(text, str), f"arguments {text!r}")
    if index == seen.calls:
        _demand(isinstance(call.get("id"), str) and bool(call["id"]), "a call begins without an id")
        _demand(kind in {"function", "custom"}, "a call begins without a type")
        _demand(isinstance(inner.get("name"), str), "a call begins without a name")
        seen.calls += 1
    else:
        _demand(not {"id", "type"} & call.keys() and "name" not in inner, "a later fragment repeats id, type or name")


def _demand(true: bool, rule: str) -> None:
    if not true:
        raise GrammarError(rule)
