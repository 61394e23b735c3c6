"""The stream's grammar as a state machine (translation.md §7.4, §13.3): what every stream of ours must obey.

Rules: events are numbered from 0 without a gap, their name is their type; ``response.created`` first, then
``response.in_progress``; an item is added before it is used, at the next index, and done once; a part is added before
its text and done once, its text is what its deltas were; nothing is empty; the last event is the terminal one (or
``error`` and ``response.failed``), and its response repeats every item as it was done.
"""

from __future__ import annotations

from typing import Final

from omniroute.translate.dialect import GrammarError
from omniroute.translate.jsontext import inner
from omniroute.translate.members import member
from omniroute.translate.vendor_json import decode_event

_LIFE: Final = ("response.created", "response.in_progress")
_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})

_DELTAS: Final = {
    "response.output_text.delta": "response.output_text.done",
    "response.refusal.delta": "response.refusal.done",
    "response.reasoning_summary_text.delta": "response.reasoning_summary_text.done",
    "response.reasoning_text.delta": "response.reasoning_text.done",
    "response.function_call_arguments.delta": "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta": "response.custom_tool_call_input.done",
}
_DONE: Final = {
    "response.output_text.done": b"text",
    "response.refusal.done": b"refusal",
    "response.reasoning_summary_text.done": b"text",
    "response.reasoning_text.done": b"text",
    "response.function_call_arguments.done": b"arguments",
    "response.custom_tool_call_input.done": b"input",
}
"""Events with a whole text, and the member that holds it."""
_PARTS: Final = {
    "response.content_part.added": True,
    "response.reasoning_summary_part.added": True,
    "response.content_part.done": False,
    "response.reasoning_summary_part.done": False,
}
_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


class _Item:
    """An item that was added."""

    __slots__ = ("done", "id", "parts", "texts", "type")

    def __init__(self, item_id: str, item_type: str) -> None:
        self.id = item_id
        self.type = item_type
        self.parts: dict[int, bool] = {}
        """Parts by number, and whether they are still open."""
        self.texts: dict[int, list[bytes]] = {}
        """Texts so far, escaped, by part, until they are done."""
        self.done: object = None


class Checker:
    """A ``dialect.Checker``."""

    __slots__ = ("_error", "_items", "_last", "_number", "_response")

    def __init__(self) -> None:
        self._number = 0
        self._items: list[_Item] = []
        self._last = ""
        self._error = False
        self._response = ""

    def event(self, name: bytes, data: bytes) -> None:
        """One event."""
        try:
            told = self._object(decode_event(data), "an event")
        except ValueError as error:
            raise GrammarError(f"event {self._number}: no JSON") from error
        kind = str(told.get("type"))
        self._require(kind == name.decode(), f"the event is called {name!r}")
        self._require(told.get("sequence_number") == self._number, f"sequence_number is {told.get('sequence_number')}")
        self._require(not self._last, f"{kind} after {self._last}")
        if self._number < len(_LIFE):
            self._require(kind == _LIFE[self._number], f"the stream begins with {kind}")
        self._require(not self._error or kind == "response.failed", f"{kind} after an error")
        self._number += 1
        if kind in _LIFE:
            self._life(kind, told)
        elif kind in _LAST:
            self._terminal(kind, told)
        elif kind == "error":
            self._require(bool(told.get("message")), "an error without a message")
            self._error = True
        else:
            self._inner(kind, told, data)

    def end(self) -> None:
        """The stream is over."""
        self._require(bool(self._last), "the stream has no end")

    # -- kinds of events --------------------------------------------------------------------------------------------
    def _life(self, kind: str, told: dict[str, object]) -> None:
        self._require(self._number <= len(_LIFE), f"{kind} comes again")
        response = self._object(told.get("response"), "a response")
        self._require(response.get("status") == "in_progress" and not response.get("output"), "nothing is done yet")
        self._require(bool(response.get("id")), "a response has an id")
        self._same_response(response)

    def _terminal(self, kind: str, told: dict[str, object]) -> None:
        self._last = kind
        response = self._object(told.get("response"), "a response")
        self._same_response(response)
        status = kind.removeprefix("response.")
        self._require(response.get("status") == status, f"{kind} says {response.get('status')}")
        if status == "failed":
            self._require(self._error, "a failure is told by an error first")
            self._require(bool(response.get("error")), "a failure without an error")
            return
        self._require(all(item.done is not None for item in self._items), "an item is not done")
        self._require(response.get("output") == [item.done for item in self._items], "output differs from the items")
        incomplete = bool(response.get("incomplete_details"))
        self._require(incomplete == (status == "incomplete"), "incomplete_details do not fit the status")

    def _inner(self, kind: str, told: dict[str, object], data: bytes) -> None:
        index = told.get("output_index")
        if not isinstance(index, int):
            raise GrammarError(f"event {self._number}: {kind} without an output_index")
        if kind == "response.output_item.added":
            self._added(index, told.get("item"))
            return
        self._require(0 <= index < len(self._items), f"{kind} for item {index}, which was not added")
        item = self._items[index]
        self._require(item.done is None, f"{kind} for item {index}, which is done")
        if kind == "response.output_item.done":
            self._item_done(item, told.get("item"))
            return
        self._require(told.get("item_id") == item.id, f"{kind} for {told.get('item_id')}, not {item.id}")
        number = told.get("content_index", told.get("summary_index", 0))
        if not isinstance(number, int):
            raise GrammarError(f"event {self._number}: {kind} with an index that is no number")
        if kind in _PARTS:
            self._part(kind, item, number)
        elif kind in _DELTAS:
            self._delta(kind, item, number, inner(member(data, b"delta")))
        elif kind in _DONE:
            self._text_done(kind, item, number, inner(member(data, _DONE[kind])))
        else:
            self._require(kind == "response.output_text.annotation.added", f"{kind} is no event of ours")
            self._require(item.parts.get(number, False), "an annotation of a part that is not open")

    def _added(self, index: int, told: object) -> None:
        item = self._object(told, "an item")
        self._require(index == len(self._items), f"item {index} is added after {len(self._items)}")
        item_type = item.get("type")
        if item_type in _CALLS:
            self._require(bool(item.get("name")) and bool(item.get("call_id")), "a call without a name or an id")
            self._require(item.get(_CALLS[item_type]) == "", "a call that begins with arguments")
        if item_type == "message":
            self._require(item.get("content") == [], "a message that begins with content")
        self._items.append(_Item(str(item.get("id")), str(item_type)))

    def _item_done(self, item: _Item, value: object) -> None:
        told = self._object(value, "an item")
        self._require((told.get("id"), told.get("type")) == (item.id, item.type), "another item is done")
        self._require(not any(item.parts.values()), "an item is done before its part")
        self._require(not item.texts, "an item is done before its text")
        self._require(item.type != "message" or bool(told.get("content")), "an empty message")
        if item.type == "reasoning":
            said = told.get("summary") or told.get("content") or told.get("encrypted_content")
            self._require(bool(said), "reasoning that says nothing")
        item.done = told

    def _part(self, kind: str, item: _Item, number: int) -> None:
        if _PARTS[kind]:
            self._require(number == len(item.parts), f"part {number} is added after {len(item.parts)}")
            item.parts[number] = True
            item.texts[number] = []
        else:
            self._require(item.parts.get(number, False), f"part {number} is done but not open")
            self._require(number not in item.texts, f"part {number} is done before its text")
            item.parts[number] = False

    def _delta(self, kind: str, item: _Item, number: int, delta: bytes | None) -> None:
        if delta is None:
            raise GrammarError(f"event {self._number}: {kind} without a text")
        if item.type in _CALLS:
            item.texts.setdefault(number, [])
        self._require(number in item.texts, f"{kind} for part {number}, which is not open")
        item.texts[number].append(delta)

    def _text_done(self, kind: str, item: _Item, number: int, text: bytes | None) -> None:
        said = item.texts.pop(number, None)
        self._require(said is not None or item.type == "custom_tool_call", f"{kind} for a part that is not open")
        self._require(b"".join(said or ()) == text, f"{kind}: the text is not its deltas', escape for escape")
        self._require(bool(text) or item.type in _CALLS, f"{kind}: an empty text")

    # -- rules ------------------------------------------------------------------------------------------------------
    def _same_response(self, response: dict[str, object]) -> None:
        self._response = self._response or str(response.get("id"))
        self._require(self._response == response.get("id"), "the response's id changes")

    def _object(self, value: object, what: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise GrammarError(f"event {self._number}: {what} is no object")
        return value

    def _require(self, held: object, rule: str) -> None:
        if not held:
            raise GrammarError(f"event {self._number}: {rule}")
