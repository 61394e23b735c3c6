"""A block on its way to an Anthropic client: what was said of it, and how far it has come."""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec

from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Audio,
    Block,
    Citation,
    Document,
    Image,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from omniroute.translate.dialects.anthropic import outgoing
from omniroute.translate.dialects.anthropic.arguments import Arguments
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.events import Open, Sign


class Pending:
    """A block of the upstream's, and what became of it."""

    __slots__ = ("arguments", "citations", "closed", "deltas", "head", "opened", "sign", "state", "whole")

    def __init__(self, opened: Open) -> None:
        self.opened = opened
        self.whole = b""
        """A block that is all in its start."""
        self.state: Literal["new", "waiting", "current", "done"] = "new"
        """``waiting`` in line; ``current``: open on the wire."""
        self.closed = False
        """Its decoder has closed it."""
        self.deltas: list[bytes] = []
        self.citations: list[Citation] = []
        self.sign: Sign | None = None
        self.arguments = Arguments()
        """Of a call."""
        self.head = b""
        """Of its deltas on the wire."""

    @property
    def mute(self) -> bool:
        """It has nothing to show as long as it ends like this."""
        signed = self.sign is not None and self.opened.kind == "reasoning"
        return not (self.deltas or self.whole or signed or self.opened.kind == "tool")


def whole_block(number: int, value: Block) -> Pending | None:
    """A block that came in one piece; None if it says nothing an Anthropic client could be told."""
    match value:
        case Text() | Refusal() | Image():
            block = Pending(Open(block=number, kind="refusal" if isinstance(value, Refusal) else "text"))
            block.deltas = [jsontext.escaped(outgoing.image_note(value) if isinstance(value, Image) else value.text)]
            block.citations = list(value.citations) if isinstance(value, Text) else []
            return block if block.deltas[0] else None
        case Reasoning():
            block = Pending(Open(block=number, kind="reasoning"))
            block.deltas = [jsontext.escaped(value.text)] if value.text else []
            if value.redacted or value.signature or value.data:
                block.sign = Sign(
                    block=number, signature=value.signature, data=value.data, item_id=value.item_id, origin=value.origin
                )
            if value.redacted and value.origin == ORIGIN:
                block.sign, block.whole = None, msgspec.json.encode(outgoing.RedactedOut(value.data))
            return None if block.mute else block
        case ToolCall():
            block = Pending(
                Open(
                    block=number, kind="tool", call_id=value.call_id, name=value.name, custom=value.custom,
                    signature=value.signature, item_id=value.item_id, origin="gemini" if value.signature else "",
                )
            )  # fmt: skip
            block.deltas = [jsontext.escaped(value.arguments)] if value.arguments else []
            return block
        case Opaque():
            block = Pending(Open(block=number, kind="text"))
            block.whole = value.raw
            return block if value.origin == ORIGIN else None
        case Audio() | Document() | ToolResult():
            return None
        case _:
            assert_never(value)
