"""The grammar of a stream of Gemini's, checked: of ours in tests, sampled in production.

A stream is a sequence of objects, all of one answer: ``modelVersion`` and ``responseId`` do not change. Each candidate
says what it says in parts that hold one thing each, calls are whole and have a name, and once it gave its reason it is
silent. The last object has the counts. An error is the last object, and then nothing had to be complete.
"""

from __future__ import annotations

from typing import Final

from omniroute.translate.dialect import GrammarError
from omniroute.translate.vendor_json import decode_event

_MEMBERS: Final = frozenset(
    {"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime", "error"}
)
_DATA: Final = frozenset(
    {
        "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
        "toolCall", "toolResponse",
    }
)  # fmt: skip
_FLAGS: Final = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution"})
_COUNTS: Final = ("promptTokenCount", "totalTokenCount")


class Checker:
    """One stream, an event or array element at a time. A dialect.Checker."""

    __slots__ = ("_blocked", "_counted", "_failed", "_finished", "_names", "_number", "_open")

    def __init__(self) -> None:
        self._number = 0
        self._names: dict[str, object] = {}
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._counted = False
        self._failed = False
        self._blocked = False

    def event(self, name: bytes, data: bytes) -> None:
        """One object."""
        self._number += 1
        if name:
            raise self._wrong(f"events have no name, this one is {name!r}")
        if self._failed:
            raise self._wrong("something follows an error")
        try:
            value = decode_event(data)
        except ValueError as error:
            raise self._wrong("the data is not JSON") from error
        if not isinstance(value, dict):
            raise self._wrong("the data is not an object")
        strange = value.keys() - _MEMBERS
        if strange:
            raise self._wrong(f"members nobody knows: {sorted(strange)}")
        if "error" in value:
            self._error(value)
            return
        self._same(value)
        feedback = value.get("promptFeedback")
        self._blocked = self._blocked or (isinstance(feedback, dict) and "blockReason" in feedback)
        for candidate in self._listed(value.get("candidates", []), "candidates"):
            self._candidate(candidate)
        self._counted = "usageMetadata" in value
        if self._counted:
            self._counts(value["usageMetadata"])

    def end(self) -> None:
        """Nothing more comes."""
        if self._failed:
            return
        if not self._number:
            raise GrammarError("a stream without an object")
        if self._open:
            raise GrammarError(f"candidates {sorted(self._open)} give no reason why they stop")
        if not self._finished and not self._blocked:
            raise GrammarError("nobody answered, and the prompt was not blocked")
        if not self._counted:
            raise GrammarError("the last object has no usageMetadata")

    def _error(self, value: dict[str, object]) -> None:
        error = value["error"]
        if value.keys() != {"error"} or not isinstance(error, dict):
            raise self._wrong("an error stands alone and is an object")
        if not (
            isinstance(error.get("code"), int)
            and isinstance(error.get("message"), str)
            and isinstance(error.get("status"), str)
        ):
            raise self._wrong("an error has code, message and status")
        self._failed = True

    def _same(self, value: dict[str, object]) -> None:
        for name in ("modelVersion", "responseId"):
            said = value.get(name)
            if not isinstance(said, str) or not said:
                raise self._wrong(f"{name} is missing")
            if self._names.setdefault(name, said) != said:
                raise self._wrong(f"{name} changes from {self._names[name]!r} to {said!r}")

    def _candidate(self, candidate: dict[str, object]) -> None:
        index = candidate.get("index", 0)
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise self._wrong(f"index is {index!r}")
        if index in self._finished:
            raise self._wrong(f"candidate {index} goes on after its reason to stop")
        self._open.add(index)
        content = candidate.get("content")
        if content is not None:
            if not isinstance(content, dict) or content.get("role") != "model":
                raise self._wrong("content is not the model's")
            for part in self._listed(content.get("parts", []), "parts"):
                self._part(part)
        reason = candidate.get("finishReason")
        if reason is not None:
            if not isinstance(reason, str) or not reason:
                raise self._wrong(f"finishReason is {reason!r}")
            self._open.discard(index)
            self._finished.add(index)

    def _part(self, part: dict[str, object]) -> None:
        data = part.keys() & _DATA
        if len(data) != 1:
            raise self._wrong(f"a part holds one thing, this one {sorted(data)}")
        if part.keys() - _DATA - _FLAGS:
            raise self._wrong(f"members of a part nobody knows: {sorted(part.keys() - _DATA - _FLAGS)}")
        if part.get("thought") is not None and "text" not in part:
            raise self._wrong("only text is a thought")
        if "text" in part and not isinstance(part["text"], str):
            raise self._wrong("text is not a string")
        if "thoughtSignature" in part and (
            not isinstance(part["thoughtSignature"], str) or not part["thoughtSignature"]
        ):
            raise self._wrong("an empty signature")
        if "functionCall" in part:
            self._call(part["functionCall"])

    def _call(self, call: object) -> None:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str) or not call["name"]:
            raise self._wrong("a call without a name")
        if not isinstance(call.get("args"), dict):
            raise self._wrong("arguments are not an object")
        if not isinstance(call.get("id", "-"), str) or not call.get("id", "-"):
            raise self._wrong("an id that is none")

    def _counts(self, usage: object) -> None:
        if not isinstance(usage, dict):
            raise self._wrong("usageMetadata is not an object")
        for name, count in usage.items():
            if name.endswith("TokenCount") and (not isinstance(count, int) or count < 0):
                raise self._wrong(f"{name} is {count!r}")
        if any(name not in usage for name in _COUNTS):
            raise self._wrong("usageMetadata without its counts")

    def _listed(self, value: object, what: str) -> list[dict[str, object]]:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(f"{what} is not a list of objects")
        return value

    def _wrong(self, rule: str) -> GrammarError:
        return GrammarError(f"object {self._number}: {rule}")
