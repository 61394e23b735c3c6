"""What a conversion could not carry, said so: translation.md §16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from omniroute.errors import ClientError, Kind

Action = Literal["dropped", "approximated", "emulated", "synthesised"]
Severity = Literal["info", "warning"]

MAX_NOTES = 256
"""Of one conversion; a request that loses more says the first of them and how many there were."""
MAX_INFOS = MAX_NOTES // 2
"""The rest of the places is for warnings: whatever makes no difference must not hide what does from a strict client."""
MAX_FIELD_CHARS = 200
"""Paths hold names that clients made up."""
MAX_NAMED = 20
"""Fields that a refusal names."""


class Note(msgspec.Struct, frozen=True):
    """One loss. ``field`` is its path in the client's request, e.g. ``messages[2].content[0]``."""

    field: str
    action: Action
    severity: Severity
    reason: str


class Unsupported(ClientError):
    """The request cannot be carried to this target's dialect: content of the user would be lost. Another may do."""

    kind: Kind = "unsupported"
    code = "unsupported_feature"


class UnsupportedContent(Unsupported):
    """A part of a message that the target has no form for."""

    code = "unsupported_content"


class Notes:
    """The losses of one conversion, each field and action once, in the order met."""

    __slots__ = ("_dropped", "_found")

    def __init__(self) -> None:
        self._found: dict[tuple[str, Action], Note] = {}
        self._dropped = 0

    def __iter__(self) -> Iterator[Note]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found) + self._dropped

    def add(self, field: str, action: Action, reason: str, *, info: bool = False) -> None:
        """Note a loss. ``info``: it is not expected to change the answer. Over the bounds it is only counted."""
        field = field[:MAX_FIELD_CHARS]
        key = (field, action)
        known = self._found.get(key)
        if known is None and len(self._found) >= (MAX_INFOS if info else MAX_NOTES):
            self._dropped += 1
        elif known is None or (known.severity == "info" and not info):
            self._found[key] = Note(field, action, "info" if info else "warning", reason)

    def warnings(self) -> tuple[Note, ...]:
        """Those that a strict client does not accept."""
        return tuple(note for note in self if note.severity == "warning")

    def refuse_if_strict(self) -> None:
        """Raise ``Unsupported`` naming the fields that would be lost."""
        lost = list(dict.fromkeys(note.field for note in self.warnings()))
        if lost:
            fields = ", ".join(lost[:MAX_NAMED])
            if len(lost) > MAX_NAMED:
                fields += f" and {len(lost) - MAX_NAMED} more"
            raise Unsupported(
                f"Strict mode: the chosen model cannot take {fields}. Leave it out, or send no X-OmniRoute-Strict.",
                param=lost[0],
            )
