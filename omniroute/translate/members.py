"""What vendors send, read member by member without building it: nothing here raises, whatever the bytes are.

Values are slices of the text they came in, so numbers, schemas and halves of surrogate pairs stay as they are spelled.
A member of the wrong kind is as good as absent: a vendor's mistake must not cost the answer.
"""

from __future__ import annotations

import re
from typing import Final

from omniroute._speedups import jsonspan
from omniroute.translate.canonical import Json
from omniroute.translate.jsontext import escaped, unescaped

_NULL: Final = b"null"
_MAX_DIGITS: Final = 15
_WELL_FORMED: Final = re.compile(rb'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')


def members(raw: Json, names: tuple[bytes, ...]) -> tuple[Json, ...]:
    """The members of object ``raw`` called ``names``; b"" for those that are absent or null, or if it is no object."""
    try:
        found = jsonspan.spans(raw, names)
    except ValueError:
        return (b"",) * len(names)
    values = (b"" if span is None else raw[span[0] : span[1]] for span in found)
    return tuple(b"" if value == _NULL else value for value in values)


def member(raw: Json, name: bytes) -> Json:
    """One of them."""
    return members(raw, (name,))[0]


def items(raw: Json, most: int) -> tuple[Json, ...]:
    """The first ``most`` entries of list ``raw``; () if it is none."""
    if not raw.startswith(b"["):
        return ()
    try:
        return tuple(raw[start:end] for start, end in jsonspan.item_spans(raw)[:most])
    except ValueError:
        return ()


def text(raw: Json) -> bytes:
    """The escaped text of string ``raw``, well-formed; b"" if it is no string.

    Halves of surrogate pairs stay: the other half may come in the next delta.
    """
    if len(raw) < 2 or not raw.startswith(b'"'):
        return b""
    inner = raw[1:-1]
    if _WELL_FORMED.fullmatch(inner) and (inner.isascii() or _is_utf8(inner)):
        return inner
    return escaped(unescaped(inner))


def word(raw: Json) -> str:
    """What string ``raw`` says; "" if it is no string."""
    return unescaped(raw[1:-1]) if len(raw) > 2 and raw.startswith(b'"') else ""


def count(raw: Json) -> int | None:
    """A whole number from 0 on of at most fifteen digits; None for anything else."""
    return int(raw) if raw.isdigit() and len(raw) <= _MAX_DIGITS else None


def _is_utf8(inner: bytes) -> bool:
    try:
        inner.decode()
    except UnicodeDecodeError:
        return False
    return True
