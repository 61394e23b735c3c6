"""The grammar of a stream of ours: what every client of the dialect may rely on (translation.md §13.3)."""

from __future__ import annotations

from omniroute.translate.dialect import GrammarError
from omniroute.translate.openai_chunks import ChunkGrammar, demand


class _Choice:
    """What has been seen of one choice."""

    __slots__ = ("calls", "finished")

    def __init__(self) -> None:
        self.calls = 0
        self.finished = False


class ChatChecker:
    """Role first, calls complete at their first fragment and numbered densely, one finish a choice, one end mark."""

    __slots__ = ("_choices", "_chunks")

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._chunks = ChunkGrammar(
            "chat.completion.chunk", lambda: [choice.finished for choice in self._choices.values()], self._choice
        )

    def event(self, name: bytes, data: bytes) -> None:
        """One event. Raises GrammarError."""
        self._chunks.event(name, data)

    def end(self) -> None:
        """The stream is over. Raises GrammarError if neither ``[DONE]`` nor an error was its last event."""
        self._chunks.end()

    def _choice(self, choice: dict[str, object]) -> None:
        index, delta = choice.get("index"), choice.get("delta")
        if not isinstance(index, int) or not isinstance(delta, dict):
            raise GrammarError(f"choice {choice!r}")
        seen = self._choices.get(index)
        if seen is None:
            demand(delta.get("role") == "assistant", f"choice {index} begins without its role")
            seen = self._choices[index] = _Choice()
        else:
            demand("role" not in delta, f"the role of choice {index} twice")
        demand(not seen.finished, f"choice {index} goes on after its finish")
        for member in ("content", "refusal", "reasoning_content"):
            demand(isinstance(delta.get(member) or "", str), f"{member} {delta.get(member)!r}")
        calls = delta.get("tool_calls", [])
        if not isinstance(calls, list):
            raise GrammarError(f"tool_calls {calls!r}")
        for call in calls:
            _fragment(call, seen)
        finish = choice.get("finish_reason")
        if finish is not None:
            demand(finish in {"stop", "length", "tool_calls", "content_filter", "function_call"}, f"finish {finish!r}")
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
    demand(isinstance(text, str), f"arguments {text!r}")
    if index == seen.calls:
        demand(isinstance(call.get("id"), str) and bool(call["id"]), "a call begins without an id")
        demand(kind in {"function", "custom"}, "a call begins without a type")
        demand(isinstance(inner.get("name"), str), "a call begins without a name")
        seen.calls += 1
    else:
        demand(not {"id", "type"} & call.keys() and "name" not in inner, "a later fragment repeats id, type or name")
