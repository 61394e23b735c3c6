"""The grammar of Ollama's streams as a state machine, to check what we send.

States: ``open`` (lines that say something), ``done`` (one line with ``done`` true, the last), ``failed`` (one line with
an error, the last). Nothing follows ``done`` or ``failed``, and the end is allowed in these two only.
"""

from __future__ import annotations

from typing import Final

from omniroute.translate.dialect import GrammarError
from omniroute.translate.vendor_json import decode_event

_COUNTERS: Final = (
    "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration",
)  # fmt: skip
_SAYING: Final = ("content", "thinking", "images", "tool_calls")


class Checker:
    """A Checker, see ``translate.dialect``."""

    __slots__ = ("_at", "_calls", "_state")

    def __init__(self) -> None:
        self._state = "open"
        self._at = 0
        self._calls = 0

    def event(self, name: bytes, data: bytes) -> None:
        """One line."""
        self._at += 1
        if name:
            raise self._fault("a line of NDJSON has no event name")
        if self._state != "open":
            raise self._fault(f"a line after the stream was {self._state}")
        if b"\n" in data.strip():
            raise self._fault("a line holds a line end")
        try:
            line = decode_event(data)
        except ValueError as error:
            raise self._fault("not JSON") from error
        if not isinstance(line, dict):
            raise self._fault("not an object")
        if "error" in line:
            if set(line) != {"error"} or not isinstance(line["error"], str):
                raise self._fault("an error line holds one text and nothing else")
            self._state = "failed"
            return
        self._line(line)

    def end(self) -> None:
        """The stream is over."""
        if self._state == "open":
            raise self._fault("the stream ended without a line that is done")

    def _line(self, line: dict[str, object]) -> None:
        for name in ("model", "created_at"):
            if not isinstance(line.get(name), str):
                raise self._fault(f"'{name}' must be a string")
        if not isinstance(line.get("done"), bool):
            raise self._fault("'done' must be true or false")
        says = self._says(line)
        if line["done"]:
            self._state = "done"
            if not isinstance(line.get("done_reason"), str):
                raise self._fault("the last line must have a 'done_reason'")
            for name in _COUNTERS:
                value = line.get(name)
                if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                    raise self._fault(f"the last line must count '{name}'")
        elif not says and not line.get("logprobs"):
            raise self._fault("a line that says nothing")

    def _says(self, line: dict[str, object]) -> bool:
        message = line.get("message")
        if isinstance(message, dict):
            if "response" in line:
                raise self._fault("'message' and 'response' in one line")
            if message.get("role") != "assistant" or not isinstance(message.get("content"), str):
                raise self._fault("a message must have role assistant and a content")
            self._calls_of(message)
            return any(message.get(name) for name in _SAYING)
        if not isinstance(line.get("response"), str):
            raise self._fault("neither a message nor a response")
        return bool(line["response"] or line.get("thinking") or line.get("image"))

    def _calls_of(self, message: dict[object, object]) -> None:
        calls = message.get("tool_calls", [])
        if not isinstance(calls, list):
            raise self._fault("'tool_calls' must be a list")
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict) or not isinstance(call, dict):
                raise self._fault("a tool call without a function")
            if not isinstance(function.get("name"), str) or not function["name"]:
                raise self._fault("a tool call without a name")
            if not isinstance(function.get("arguments"), dict):
                raise self._fault("arguments that are no object")
            if not isinstance(call.get("id"), str) or not call["id"]:
                raise self._fault("a tool call without an id")
            if function.get("index") != self._calls:
                raise self._fault("calls are not counted from 0 on")
            self._calls += 1

    def _fault(self, what: str) -> GrammarError:
        return GrammarError(f"line {self._at}: {what}")
