"""Arguments of a call that arrive in pieces, each at a path (translation.md §6.3).

``{"jsonPath": "$.items[0].name", "stringValue": "ap", "willContinue": true}``: strings at one path append; everything
else is put there. Values keep their spelling, and strings the escapes they came with.

Source: recordings partial-args-stream and partial-args-array-no-terminator-stream.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import msgspec

from omniroute.translate import jsontext
from omniroute.translate.canonical import Json
from omniroute.translate.dialects.gemini.told import Piece

MAX_STEPS: Final = 64
"""Of a path: as deep as arguments may be."""
MAX_GAPS: Final = 1024
"""Items of lists that may be skipped in one call; they are null. A larger index is a mistake that must cost nothing."""

_STEP: Final = re.compile(
    r"""\.([^.\[\]]+)                        # .name
      | \[([0-9]{1,9})\]                     # [0]
      | \[(?: '((?:[^'\\]|\\.)*)' | "((?:[^"\\]|\\.)*)" )\]   # ['a name']""",
    re.VERBOSE,
)
_ESCAPED: Final = re.compile(r"\\(.)")
_NULL: Final = msgspec.Raw(b"null")

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

Step = str | int


class _String:
    """A string in the making: its pieces, escaped."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[bytes] = []


class Arguments:
    """One call's arguments: dicts, lists, strings in the making and JSON text."""

    __slots__ = ("_gaps", "_root")

    def __init__(self) -> None:
        self._root: dict[str, object] = {}
        self._gaps = 0

    def start(self, args: Json) -> None:
        """Whole arguments that came as well: what pieces say goes over them. Anything but an object is ignored."""
        if args.startswith(b"{") and jsontext.is_object(args):
            self._root |= _members.decode(args)

    def add(self, piece: Piece) -> None:
        """Put ``piece`` at its path; one that says nothing, or has no path that can be followed, changes nothing."""
        steps = _steps(piece.path)
        holder = self._holder(steps) if steps else None
        if holder is None:
            return
        if piece.text is not None:
            known = _at(holder, steps[-1])
            if isinstance(known, _String):
                known.pieces.append(piece.text)
            elif self._put(holder, steps[-1], begun := _String()):
                begun.pieces.append(piece.text)
        elif piece.value:
            self._put(holder, steps[-1], msgspec.Raw(piece.value))

    def json(self) -> Json:
        """All of them, compact."""
        return msgspec.json.encode(_finished(self._root))

    def _holder(self, steps: list[Step]) -> object:
        """The dict or list that the last step is to be found in, made if need be; None if something else is there."""
        here: object = self._root
        for step, following in pairwise(steps):
            inner = _at(here, step)
            if inner is None or isinstance(inner, msgspec.Raw):
                inner = {} if isinstance(following, str) else []
                if not self._put(here, step, inner):
                    return None
            here = inner
        return here

    def _put(self, holder: object, step: Step, value: object) -> bool:
        """Whether ``value`` could be put at ``step`` of ``holder``."""
        if isinstance(holder, dict) and isinstance(step, str):
            holder[step] = value
            return True
        if not isinstance(holder, list) or not isinstance(step, int):
            return False
        gap = step - len(holder)
        if gap < 0:
            holder[step] = value
            return True
        if self._gaps + gap > MAX_GAPS:
            return False
        self._gaps += gap
        holder += [_NULL] * gap
        holder.append(value)
        return True


def _at(holder: object, step: Step) -> object:
    if isinstance(holder, dict) and isinstance(step, str):
        return holder.get(step)
    if isinstance(holder, list) and isinstance(step, int) and step < len(holder):
        return holder[step]
    return None


def _steps(path: str) -> list[Step]:
    """The steps of a JSON path from ``$``; [] for one that is none, or too long."""
    steps: list[Step] = []
    at = 1
    while path.startswith("$") and at < len(path) and len(steps) < MAX_STEPS:
        found = _STEP.match(path, at)
        if found is None:
            return []
        name, index, single, double = found.groups()
        quoted = single if single is not None else double
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(name if name is not None else _ESCAPED.sub(r"\1", quoted or ""))
        at = found.end()
    return steps if at == len(path) else []


def _finished(value: object) -> object:
    """``value`` for the encoder; no deeper than a path is long."""
    if isinstance(value, dict):
        return {name: _finished(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finished(inner) for inner in value]
    if isinstance(value, _String):
        return jsontext.quoted(b"".join(value.pieces))
    return value
