"""Where the top-level members of a JSON object are, without building it. This is the specification.

``jsonspan_c`` is the speed.

Used to read the few fields of a request the gateway must know and to patch the fewer it owns, so that every other
byte of the body reaches the upstream as the client wrote it.

The structure is checked as far as it must be walked to find the spans: brackets balance, strings end, separators are
where they must be, nesting is bounded. Scalars (and the text inside strings) are not validated: a scalar is any run
of bytes that are neither white space nor structure. There is no recursion, and each byte is looked at a bounded
number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MAX_DEPTH: Final = 512
"""Objects and lists inside one another, the top-level object included (translation.md §17)."""

BOM: Final = b"\xef\xbb\xbf"

_BLANKS: Final = re.compile(rb"[ \t\r\n]*+")
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR: Final = re.compile(rb'[^ \t\r\n,:{}\[\]"]++')
_SIMPLE_ESCAPES: Final = {
    b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t",
}  # fmt: skip
_ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.?))", re.DOTALL)


class RepeatedMemberError(ValueError):
    """A member that must occur once occurs again. ``key`` says which."""

    def __init__(self, key: bytes) -> None:
        super().__init__(f"more than one member {key.decode(errors='replace')!r}")
        self.key = key


def spans(data: bytes, keys: tuple[bytes, ...]) -> tuple[tuple[int, int] | None, ...]:
    r"""For each of ``keys`` the (start, end) of its value in the top-level object of ``data``, None where absent.

    A key that occurs twice gives its last value (what JSON readers do). Keys written with escapes (``"mod\u0065l"``)
    match.
    ``data`` must be one JSON object with optional white space (and a UTF-8 byte-order mark) around it. Raises
    ``ValueError`` with the byte offset otherwise. Linear time.
    """
    found: dict[bytes, tuple[int, int]] = {}
    for key, _, start, end in _members(data):
        if key in keys:
            found[key] = (start, end)
    return tuple(found.get(key) for key in keys)


def unique_spans(data: bytes, keys: tuple[bytes, ...]) -> tuple[tuple[int, int] | None, ...]:
    """As :func:`spans`, for a document others will read too: they may take the first of two members of one name.

    Raises ``RepeatedMemberError`` for the first of ``keys`` to occur again, once all of the document is walked.
    """
    found: dict[bytes, tuple[int, int]] = {}
    repeated = None
    for key, _, start, end in _members(data):
        if key in keys:
            if key in found and repeated is None:
                repeated = key
            found[key] = (start, end)
    if repeated is not None:
        raise RepeatedMemberError(repeated)
    return tuple(found.get(key) for key in keys)


def member_spans(data: bytes, keys: tuple[bytes, ...]) -> tuple[tuple[int, int] | None, ...]:
    """As :func:`spans`, but from the opening quote of the key to the end of the value: a member without its comma."""
    found: dict[bytes, tuple[int, int]] = {}
    for key, key_at, _, end in _members(data):
        if key in keys:
            found[key] = (key_at, end)
    return tuple(found.get(key) for key in keys)


def item_spans(data: bytes) -> tuple[tuple[int, int], ...]:
    """The (start, end) of each item of the list that ``data`` is, under the rules of :func:`spans`."""
    at = _skip_blanks(data, len(BOM) if data.startswith(BOM) else 0)
    if data[at : at + 1] != b"[":
        raise _fault("expected a list", at)
    found: list[tuple[int, int]] = []
    at = _skip_blanks(data, at + 1)
    while data[at : at + 1] != b"]" or found:
        end = value_end(data, at, 1)
        found.append((at, end))
        at = _skip_blanks(data, end)
        mark = data[at : at + 1]
        if mark == b"]":
            break
        if mark != b",":
            raise _fault("expected a comma or a closing bracket", at)
        at = _skip_blanks(data, at + 1)
    at = _skip_blanks(data, at + 1)
    if at < len(data):
        raise _fault("bytes after the list", at)
    return tuple(found)


def patch(data: bytes, edits: tuple[tuple[int, int, bytes], ...]) -> tuple[bytes | memoryview, ...]:
    """``data`` with each (start, end, replacement) applied, as parts to be written in order, without copying the rest.

    Edits are disjoint and ascending; (i, i, b) inserts. ``b"".join(patch(d, e))`` is the new document. Raises
    ``ValueError`` if the edits overlap, descend or leave the document.
    """
    if not edits:
        return (data,)
    view = memoryview(data)
    parts: list[bytes | memoryview] = []
    at = 0
    for start, end, replacement in edits:
        if not at <= start <= end <= len(data):
            raise ValueError(f"edit ({start}, {end}) overlaps another or leaves the document")
        if start > at:
            parts.append(view[at:start])
        if replacement:
            parts.append(replacement)
        at = end
    if at < len(data):
        parts.append(view[at:])
    return tuple(parts)


def open_brace(data: bytes) -> int:
    """Offset just after the top-level ``{``: where a member may be inserted. Raises ``ValueError`` if there is none."""
    at = _skip_blanks(data, len(BOM) if data.startswith(BOM) else 0)
    if data[at : at + 1] != b"{":
        raise _fault("expected an object", at)
    return at + 1


def is_empty_object(data: bytes) -> bool:
    """True if the top-level object has no member (an inserted member then needs no comma)."""
    at = _skip_blanks(data, open_brace(data))
    return data[at : at + 1] == b"}"


def holds(data: bytes, needle: bytes) -> bool:
    """Whether ``needle`` is in ``data``; compiled, several times as fast as ``in``; every body is asked."""
    return needle in data


def value_end(data: bytes, at: int, depth: int = 0) -> int:
    """End of the JSON value that begins at ``at``, ``depth`` containers deep already. Raises ``ValueError``."""
    first = data[at : at + 1]
    if first == b'"':
        return _string_end(data, at)
    if first not in (b"{", b"["):
        scalar = _SCALAR.match(data, at)
        if scalar is None:
            raise _fault("expected a value", at)
        return scalar.end()
    return _container_end(data, at, depth)


def _container_end(data: bytes, at: int, depth: int) -> int:
    """``value_end`` of an object or a list: a loop over tokens with the open brackets on a stack."""
    closers: list[bytes] = []
    while True:
        # Here a value begins at ``at``.
        first = data[at : at + 1]
        if first in (b"{", b"["):
            if depth + len(closers) >= MAX_DEPTH:
                raise _fault(f"nested deeper than {MAX_DEPTH}", at)
            closers.append(b"}" if first == b"{" else b"]")
            at = _skip_blanks(data, at + 1)
            if data[at : at + 1] != closers[-1]:
                at = _value_start(data, at) if first == b"{" else at
                continue
            at += 1
            closers.pop()
        else:
            at = value_end(data, at)
        # Here a value has ended: close what closes, then go on to the next value.
        while closers:
            at = _skip_blanks(data, at)
            mark = data[at : at + 1]
            if mark == closers[-1]:
                closers.pop()
                at += 1
                continue
            if mark != b",":
                raise _fault("expected a comma or a closing bracket", at)
            at = _skip_blanks(data, at + 1)
            if closers[-1] == b"}":
                at = _value_start(data, at)
            break
        else:
            return at


def _members(data: bytes) -> Iterator[tuple[bytes | None, int, int, int]]:
    """(key, its opening quote's offset, value start, value end) of each top-level member; key None if it is no text."""
    at = _skip_blanks(data, open_brace(data))
    while data[at : at + 1] != b"}":
        key_at = at
        start = _value_start(data, at)
        end = value_end(data, start, 1)
        yield _key(data[key_at + 1 : _string_end(data, key_at) - 1]), key_at, start, end
        at = _skip_blanks(data, end)
        mark = data[at : at + 1]
        if mark == b",":
            at = _skip_blanks(data, at + 1)
            if data[at : at + 1] != b'"':
                raise _fault("expected a member name", at)
        elif mark != b"}":
            raise _fault("expected a comma or a closing bracket", at)
    at = _skip_blanks(data, at + 1)
    if at < len(data):
        raise _fault("bytes after the object", at)


def _value_start(data: bytes, at: int) -> int:
    """Offset of the value of the member whose key begins at ``at``."""
    if data[at : at + 1] != b'"':
        raise _fault("expected a member name", at)
    at = _skip_blanks(data, _string_end(data, at))
    if data[at : at + 1] != b":":
        raise _fault("expected a colon", at)
    return _skip_blanks(data, at + 1)


def _string_end(data: bytes, at: int) -> int:
    match = _STRING.match(data, at)
    if match is None:
        raise _fault("string without end", at)
    return match.end()


def _skip_blanks(data: bytes, at: int) -> int:
    match = _BLANKS.match(data, at)
    return at if match is None else match.end()


def _key(raw: bytes) -> bytes | None:
    """A member name with its escapes resolved; None if they are wrong or name half a surrogate pair: no key of ours."""
    if b"\\" not in raw:
        return raw
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(raw):
        parts.append(raw[at : match.start()])
        unit, low, simple = match.groups()
        at = match.end()
        if unit is None:
            if simple not in _SIMPLE_ESCAPES:
                return None
            parts.append(_SIMPLE_ESCAPES[simple])
            continue
        code = int(unit, 16)
        if low is not None:
            if not 0xD800 <= code < 0xDC00:
                return None
            code = 0x10000 + ((code - 0xD800) << 10) + (int(low, 16) - 0xDC00)
        elif 0xD800 <= code < 0xE000:
            return None
        parts.append(chr(code).encode())
    parts.append(raw[at:])
    return b"".join(parts)


def _fault(what: str, at: int) -> ValueError:
    return ValueError(f"{what} at byte {at}")
