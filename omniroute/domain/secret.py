"""A credential that cannot be printed by accident."""

from __future__ import annotations

import msgspec


class Secret(msgspec.Struct, frozen=True, array_like=True, repr_omit_defaults=True):
    """Wraps a credential: ``repr`` and ``str`` are redacted. Encoding with msgspec is not: snapshots carry credentials.

    Log records and admin answers are built from Structs that have no Secret field.
    """

    value: str

    def reveal(self) -> str:
        """The credential. Grepped for in review."""
        return self.value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("value", "***")]

    def __bool__(self) -> bool:
        return bool(self.value)
