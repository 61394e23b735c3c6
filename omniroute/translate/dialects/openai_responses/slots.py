"""What a decoder knows of one output item."""

from __future__ import annotations

from typing import Final

from omniroute.translate import events
from omniroute.translate.dialects.openai_responses.content_in import NAME

CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Types of items that are calls, and the kind of their text."""

_KINDS: Final = {
    "message": frozenset({"text", "refusal"}),
    "reasoning": frozenset({"summary", "thought"}),
    "function_call": frozenset({"arguments"}),
    "custom_tool_call": frozenset({"input"}),
}
_BLOCKS: Final[dict[str, events.BlockKind]] = {
    "text": "text", "refusal": "refusal", "summary": "reasoning", "thought": "reasoning", "arguments": "tool",
    "input": "tool",
}  # fmt: skip


class Slot:
    """An item, and the block of it that is open."""

    __slots__ = (
        "apart", "block", "call_id", "cited", "done", "held", "index", "item_id", "item_type", "kind", "name", "opened",
        "part", "phase", "said", "thinks",
    )  # fmt: skip

    def __init__(self, index: int, item_type: str) -> None:
        self.index = index
        self.item_type = item_type
        self.item_id = ""
        self.phase = ""
        self.call_id = ""
        self.name = ""
        self.apart = False
        """It is a message, and not the first: told once, with its first block."""
        self.block: int | None = None
        """The one that is open."""
        self.kind = ""
        """Of its text."""
        self.part = 0
        """Which content, or summary, is being said."""
        self.said: set[int] = set()
        """Parts of which something was said."""
        self.cited = 0
        """Annotations told of the open block."""
        self.opened = False
        """A call: it was opened once."""
        self.thinks = ""
        """``summary`` or ``thought``, whichever came first: the other says the same again."""
        self.held: list[bytes] = []
        """Arguments that came before the name."""
        self.done = False

    @property
    def text_member(self) -> bytes:
        """Where a call's item has its text."""
        return CALLS[self.item_type].encode()

    def speaks(self, kind: str) -> bool:
        """Whether text of ``kind`` belongs into such an item."""
        return kind in _KINDS.get(self.item_type, ())

    def takes(self, kind: str) -> bool:
        """Whether it is to be told: of summary and thought only one is."""
        if kind not in ("summary", "thought"):
            return True
        self.thinks = self.thinks or kind
        return self.thinks == kind

    def matches(self, item_type: str) -> bool:
        """Whether an item of ``item_type`` in the last response can be this one."""
        return not self.done and item_type == self.item_type

    def open(self, block: int, kind: str, part: int) -> None:
        """A block of it is open now."""
        self.block, self.kind, self.part = block, kind, part
        self.cited = 0
        self.opened = True

    def opening(self) -> events.Open:
        """The event that opens the block."""
        assert self.block is not None
        kind = _BLOCKS[self.kind]
        apart, self.apart = self.apart, False
        return events.Open(
            block=self.block,
            kind=kind,
            call_id=self.call_id,
            name=self.name,
            custom=self.kind == "input",
            item_id=self.item_id,
            origin=NAME if kind == "reasoning" else "",
            summary=self.kind == "summary",
            phase=self.phase,
            apart=apart,
        )
