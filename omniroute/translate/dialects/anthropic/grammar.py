"""The grammar of a stream for an Anthropic client, as a state machine (translation.md §5.4).

States: ``new`` (nothing yet) -> ``open`` (message_start) -> ``ended`` (message_delta) -> ``done`` (message_stop); an
``error`` ends it anywhere (``failed``). Within ``open`` at most one block is open, and blocks are numbered densely.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from omniroute.translate.dialect import GrammarError
from omniroute.translate.vendor_json import decode_event

_DELTAS: Final = {
    "text": {"text_delta": "text", "citations_delta": "citation"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
    "redacted_thinking": {},
}
_SAYS: Final = {"text": {"text_delta"}, "thinking": {"thinking_delta", "signature_delta"}}
"""Deltas of which a block of the kind needs one, or it is empty."""


class Checker:
    """A ``dialect.Checker``."""

    __slots__ = ("_blocks", "_deltas", "_events", "_kind", "_rules", "_state")

    def __init__(self) -> None:
        self._state = "new"
        self._blocks = 0
        self._kind: str | None = None
        """Of the open block."""
        self._deltas: set[str] = set()
        """Kinds of deltas the open block has had."""
        self._events = 0
        self._rules: dict[str, Callable[[dict[str, object]], None]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
            "ping": self._ping,
        }

    def event(self, name: bytes, data: bytes) -> None:
        """One event."""
        self._events += 1
        try:
            value = decode_event(data)
        except ValueError as error:
            raise self._broken("data is not JSON") from error
        if not isinstance(value, dict):
            raise self._broken("data is no object")
        kind = _text(value.get("type"))
        self._need(kind.encode() == name, f"name {name!r} differs from type {kind!r}")
        self._need(self._state not in ("done", "failed"), f"{kind} after the end")
        rule = self._rules.get(kind)
        if rule is None:
            raise self._broken(f"an event of no known type: {kind!r}")
        rule(value)

    def end(self) -> None:
        """The stream is over."""
        self._need(self._state in ("done", "failed"), f"the stream ends in state {self._state}")

    def _message_stop(self, value: dict[str, object]) -> None:
        del value
        self._need(self._state == "ended", "message_stop without message_delta")
        self._state = "done"

    def _error(self, value: dict[str, object]) -> None:
        told = value.get("error")
        self._need(isinstance(told, dict) and _text(told.get("type")) != "", "an error without a type")
        self._state = "failed"

    def _ping(self, value: dict[str, object]) -> None:
        del value
        self._need(self._state != "new", "a ping before the message")

    def _message_start(self, value: dict[str, object]) -> None:
        self._need(self._state == "new", "a second message_start")
        message = value.get("message")
        if not isinstance(message, dict):
            raise self._broken("message_start without a message")
        self._need(
            message.get("type") == "message" and message.get("role") == "assistant", "not an assistant's message"
        )
        self._need(_text(message.get("id")) != "", "a message without an id")
        self._need(isinstance(message.get("model"), str), "a message without a model")
        self._need(message.get("content") == [], "a message that begins with content")
        usage = message.get("usage")
        self._need(
            isinstance(usage, dict) and all(isinstance(usage.get(k), int) for k in ("input_tokens", "output_tokens")),
            "a message without usage",
        )
        self._state = "open"

    def _block_start(self, value: dict[str, object]) -> None:
        self._need(self._state == "open", "a block outside the message")
        self._need(self._kind is None, "a block inside a block")
        self._need(value.get("index") == self._blocks, f"index {value.get('index')!r}, not {self._blocks}")
        block = value.get("content_block")
        kind = _text(block.get("type")) if isinstance(block, dict) else ""
        if not isinstance(block, dict) or not kind:
            raise self._broken("a block without a type")
        if kind == "text":
            self._need(block.get("text") == "", "a text block that begins with text")
        elif kind == "thinking":
            self._need(block.get("thinking") == "" and block.get("signature") == "", "a thinking block not begun empty")
        elif kind == "tool_use":
            self._need(_text(block.get("id")) != "", "a tool call without an id")
            self._need(_text(block.get("name")) != "", "a tool call without a name")
            self._need(block.get("input") == {}, "a tool call that begins with input")
        self._kind = kind
        self._deltas = set()
        self._blocks += 1

    def _block_delta(self, value: dict[str, object]) -> None:
        if self._kind is None:
            raise self._broken("a delta outside a block")
        self._need(value.get("index") == self._blocks - 1, "a delta of another block")
        delta = value.get("delta")
        if not isinstance(delta, dict):
            raise self._broken("a delta without content")
        word = _text(delta.get("type"))
        allowed = _DELTAS.get(self._kind, {"input_json_delta": "partial_json"})
        self._need(word in allowed, f"{word} in a {self._kind} block")
        said = delta.get(allowed[word])
        self._need(isinstance(said, dict) or _text(said) != "", f"an empty {word}")
        self._need("signature_delta" not in self._deltas, "a delta after the signature")
        self._deltas.add(word)

    def _block_stop(self, value: dict[str, object]) -> None:
        if self._kind is None:
            raise self._broken("the end of a block that is not open")
        self._need(value.get("index") == self._blocks - 1, "the end of another block")
        needed = _SAYS.get(self._kind)
        self._need(needed is None or bool(needed & self._deltas), f"an empty {self._kind} block")
        self._kind = None

    def _message_delta(self, value: dict[str, object]) -> None:
        self._need(self._state == "open", "message_delta outside the message")
        self._need(self._kind is None, "message_delta inside a block")
        delta, usage = value.get("delta"), value.get("usage")
        self._need(isinstance(delta, dict) and _text(delta.get("stop_reason")) != "", "an end without a reason")
        self._need(isinstance(usage, dict) and isinstance(usage.get("output_tokens"), int), "an end without usage")
        self._state = "ended"

    def _need(self, holds: bool, rule: str) -> None:
        if not holds:
            raise self._broken(rule)

    def _broken(self, rule: str) -> GrammarError:
        return GrammarError(f"event {self._events}: {rule}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
