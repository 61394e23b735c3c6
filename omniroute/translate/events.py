"""Stream events: what a chunk of any dialect says, in words of ours (translation.md §2).

Order, which every decoder keeps: one ``Start``; then for each block ``Open``, any number of ``Delta`` / ``Sign`` /
``Cite`` / ``Probabilities``, ``Close``; ``Whole`` for a block that comes in one piece; ``Report`` at any time;
``Finish`` once per choice; at last one ``End`` or one ``Failure``. ``block`` numbers rise in order of opening and are
unique within a stream, over all choices. Blocks of several tool calls may be open at once (Chat interleaves their
fragments); every block is closed before its choice finishes. Text in ``Delta`` is **escaped**: the bytes between the
quotes of the JSON string it arrived in, never decoded on the way (translation.md §1.3).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Block, Citation, Json
from omniroute.translate.canonical import Finish as FinishReason

BlockKind = Literal["text", "reasoning", "tool", "refusal"]


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream has begun. ``id`` and ``model`` as it gave them, "" if it did not."""

    id: str = ""
    model: str = ""
    created_epoch_s: int = 0
    service_tier: str = ""
    usage: Usage | None = None
    """Counts known so far."""


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A block begins."""

    choice: int = 0
    block: int
    kind: BlockKind
    call_id: str = ""
    """Of a tool call; "" if the upstream gave none: the encoder makes one."""
    name: str = ""
    custom: bool = False
    item_id: str = ""
    signature: str = ""
    """Of a tool call (Gemini), known when it opens."""
    origin: str = ""
    """Dialect that made ``signature`` and whatever ``Sign`` brings."""
    summary: bool = False
    phase: str = ""
    apart: bool = False
    """As ``canonical.Text.apart``."""


class Delta(msgspec.Struct, frozen=True):
    """More of an open block: text, reasoning, refusal, or raw arguments of a tool call. Never empty."""

    choice: int
    block: int
    text: bytes
    """Escaped."""


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """The signature (or encrypted content) of an open block."""

    choice: int = 0
    block: int
    signature: str = ""
    data: str = ""
    item_id: str = ""
    origin: str


class Cite(msgspec.Struct, frozen=True):
    """A source of an open text block."""

    choice: int
    block: int
    citation: Citation


class Probabilities(msgspec.Struct, frozen=True):
    """Log probabilities of the latest text, in Chat's form: a JSON list."""

    choice: int
    block: int
    content: Json


class Close(msgspec.Struct, frozen=True):
    """The block is complete."""

    choice: int
    block: int


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A block that comes in one piece: an image, redacted reasoning, an opaque block, a signature on no text."""

    choice: int = 0
    block: int
    value: Block


class Report(msgspec.Struct, frozen=True):
    """Token counts so far; replaces what was reported before, member by member (the decoder has merged it)."""

    usage: Usage


class Finish(msgspec.Struct, frozen=True):
    """A choice is complete."""

    choice: int
    finish: FinishReason


class Failure(msgspec.Struct, frozen=True):
    """The upstream failed inside its stream. Nothing follows."""

    error: UpstreamError


class End(msgspec.Struct, frozen=True):
    """The stream is complete. Nothing follows."""


StreamEvent = Start | Open | Delta | Sign | Cite | Probabilities | Close | Whole | Report | Finish | Failure | End
