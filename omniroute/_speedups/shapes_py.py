r"""Shapes of hot events, and whether an event has one. This is the specification; ``shapes_c`` is the speed.

A shape is a nested dict: member name to a leaf, to another dict (an object) or to a one-element list (a list with
exactly that one element). An event **has** a shape if its data is one JSON object whose members are all named in the
shape, in any order, none twice, names written without escapes; every leaf allows its value; and TEXT is there. Leaves:

``TEXT``     a JSON string that is not empty, its escapes well-formed (surrogates need not be paired), its bytes UTF-8:
             what a lane carries, still escaped. Exactly one per shape.
``CHOICE``   an integer 0..255, 0 if absent         ``INDEX``   an integer 0..65535, 0 if absent
``ANY``      any value                              ``NULL``    null              ``FALSE``  false
``EMPTY``    null, "", [] or {}                     ``TRUE``    true
``STASH``    any value: its last bytes are kept for the machine
``Is(b"x")`` the string x, written without escapes

All members but TEXT, TRUE and ``Is``, and what holds them, may be absent. At most one CHOICE, INDEX and STASH per
shape. Of values that are not looked into the structure is checked, not the scalars (``jsonspan_py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from omniroute._speedups.jsonspan_py import value_end

MAX_CHOICE: Final = 255
MAX_INDEX: Final = 65535
MAX_MEMBERS: Final = 64
"""Of one object in a shape: ``shapes_c`` notes those it has seen in the bits of a word."""
MAX_SHAPE_DEPTH: Final = 16
"""Of a shape: it is walked recursively."""

_BLANKS: Final = re.compile(rb"[ \t\r\n]*+")
_KEY: Final = re.compile(rb'"([^"\\]*+)"[ \t\r\n]*+:[ \t\r\n]*+')
_TEXT: Final = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))++)"')
_NUMBER: Final = re.compile(rb"(?:0|[1-9][0-9]{0,4})(?![0-9.eE+-])")
_EMPTY: Final = re.compile(rb'null|""|\[[ \t\r\n]*+\]|\{[ \t\r\n]*+\}')
_LITERALS: Final = {"null": b"null", "false": b"false", "true": b"true"}
_AGREES_WITH_ALL: Final = re.compile(rb'["\\]')
_TAG_START: Final = re.compile(rb"<|\\u003[cC]")


class Leaf:
    """What a shape says of a value."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: bytes = b"") -> None:
        self.kind = kind
        self.text = text

    def __repr__(self) -> str:
        return self.kind.upper() if self.kind != "is" else f"Is({self.text!r})"


TEXT: Final = Leaf("text")
CHOICE: Final = Leaf("choice")
INDEX: Final = Leaf("index")
ANY: Final = Leaf("any")
NULL: Final = Leaf("null")
FALSE: Final = Leaf("false")
TRUE: Final = Leaf("true")
EMPTY: Final = Leaf("empty")
STASH: Final = Leaf("stash")


def Is(text: bytes) -> Leaf:  # noqa: N802 - reads like a leaf's name in a shape
    """The string ``text``, written without escapes. Raises ValueError if it cannot be written so."""
    if not _is_plain(text):
        raise ValueError(f"{text!r} cannot be written without escapes")
    return Leaf("is", text)


class Match:
    """An event that has a shape. Offsets are of its data."""

    __slots__ = ("choice", "index", "stash", "text_end", "text_start")

    def __init__(self) -> None:
        self.text_start = self.text_end = self.choice = self.index = 0
        self.stash = b""


class Shapes:
    """A dialect's shapes, made ready once. Raises ValueError or TypeError for what is no shape."""

    __slots__ = ("specs",)

    def __init__(self, specs: Sequence[object]) -> None:
        self.specs = tuple(specs)
        for spec in self.specs:
            leaves: list[str] = []
            if not isinstance(spec, Mapping):
                raise TypeError(f"a shape is a dict of members, not {spec!r}")
            _check(spec, leaves, 1)
            if leaves.count("text") != 1:
                raise ValueError(f"a shape has exactly one TEXT: {spec!r}")
            for once in ("choice", "index", "stash"):
                if leaves.count(once) > 1:
                    raise ValueError(f"a shape has at most one {once.upper()}: {spec!r}")

    def __len__(self) -> int:
        return len(self.specs)

    def __iter__(self) -> Iterator[object]:
        """As they were given: either half makes its own of the other's."""
        return iter(self.specs)

    def match(self, shape: int, data: bytes) -> Match | None:
        """How ``data`` has the shape, None if it has not."""
        reader = _Reader(data)
        spec = self.specs[shape]
        assert isinstance(spec, Mapping)
        return reader.match if reader.whole(spec) else None


def may_hold(text: bytes, tags: Sequence[bytes]) -> bool:
    r"""Whether one of ``tags`` may begin in the escaped ``text``.

    That is if there is a ``<`` or ``\u003c`` from which on text and tag agree as far as both go. A backslash agrees
    with anything, for whoever knows escapes to judge; so does a quote: it ends a text, if ``text`` is a document.
    """
    for found in _TAG_START.finditer(text):
        for tag in tags:
            # Bounded by the tag: a text of nothing but "<" must not be compared with itself.
            rest = _AGREES_WITH_ALL.split(text[found.end() : found.end() + len(tag) - 1], maxsplit=1)[0]
            if tag[1:].startswith(rest):
                return True
    return False


class _Reader:
    """A walk along data and shape."""

    __slots__ = ("at", "data", "match")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.match = Match()

    def whole(self, spec: Mapping[object, object]) -> bool:
        self._skip_blanks()
        if not self._object(spec, 1):
            return False
        self._skip_blanks()
        return self.at == len(self.data)

    def _object(self, spec: Mapping[object, object], depth: int) -> bool:
        """``depth``: containers open, this one included."""
        missing = {name for name, inner in spec.items() if is_required(inner)}
        seen: set[object] = set()
        if not self._take(b"{"):
            return False
        self._skip_blanks()
        while not self._take(b"}"):
            if seen:
                if not self._take(b","):
                    return False
                self._skip_blanks()
            key = _KEY.match(self.data, self.at)
            name = None if key is None else key.group(1).decode("latin-1")
            if key is None or name not in spec or name in seen:
                return False
            seen.add(name)
            self.at = key.end()
            if not self._value(spec[name], depth):
                return False
            self._skip_blanks()
        return missing <= seen

    def _value(self, spec: object, depth: int) -> bool:
        if isinstance(spec, Mapping):
            return self._object(spec, depth + 1)
        if isinstance(spec, list):
            if not self._take(b"["):
                return False
            self._skip_blanks()
            if not self._value(spec[0], depth + 1):
                return False
            self._skip_blanks()
            return self._take(b"]")
        assert isinstance(spec, Leaf)
        return self._leaf(spec, depth)

    def _leaf(self, leaf: Leaf, depth: int) -> bool:
        literal = _LITERALS.get(leaf.kind)
        if literal is not None:
            return self._take(literal)
        match leaf.kind:
            case "text":
                return self._text()
            case "is":
                return self._take(b'"' + leaf.text + b'"')
            case "empty":
                return self._pattern(_EMPTY) is not None
            case "choice" | "index":
                return self._number(leaf.kind)
            case _:
                return self._any(leaf.kind == "stash", depth)

    def _any(self, stash: bool, depth: int) -> bool:
        start = self.at
        try:
            self.at = value_end(self.data, start, depth)
        except ValueError:
            return False
        if stash:
            self.match.stash = self.data[start : self.at]
        return True

    def _text(self) -> bool:
        found = _TEXT.match(self.data, self.at)
        if found is None:
            return False
        try:
            found.group(1).decode()
        except UnicodeDecodeError:
            return False
        self.match.text_start, self.match.text_end = found.span(1)
        self.at = found.end()
        return True

    def _number(self, kind: str) -> bool:
        digits = self._pattern(_NUMBER)
        if digits is None:
            return False
        number = int(digits)
        if kind == "choice":
            self.match.choice = number
            return number <= MAX_CHOICE
        self.match.index = number
        return number <= MAX_INDEX

    def _pattern(self, pattern: re.Pattern[bytes]) -> bytes | None:
        found = pattern.match(self.data, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def _take(self, literal: bytes) -> bool:
        if not self.data.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def _skip_blanks(self) -> None:
        self._pattern(_BLANKS)


def _is_plain(text: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in text) and b'"' not in text and b"\\" not in text


def is_required(spec: object) -> bool:
    if isinstance(spec, Mapping):
        return any(is_required(inner) for inner in spec.values())
    if isinstance(spec, list):
        return any(is_required(inner) for inner in spec)
    return isinstance(spec, Leaf) and spec.kind in ("text", "is", "true")


def _check(spec: object, leaves: list[str], depth: int) -> None:
    """Raises for what is no shape; adds the kinds of its leaves to ``leaves``."""
    if depth > MAX_SHAPE_DEPTH:
        raise ValueError(f"a shape nested deeper than {MAX_SHAPE_DEPTH}")
    if isinstance(spec, Leaf):
        leaves.append(spec.kind)
    elif isinstance(spec, list):
        if len(spec) != 1:
            raise ValueError(f"a list in a shape has exactly one element: {spec!r}")
        _check(spec[0], leaves, depth + 1)
    elif isinstance(spec, Mapping):
        if len(spec) > MAX_MEMBERS:
            raise ValueError(f"an object in a shape has at most {MAX_MEMBERS} members")
        for name, inner in spec.items():
            if not isinstance(name, str) or not _is_plain(name.encode()):
                raise ValueError(f"member name {name!r} cannot be written without escapes")
            _check(inner, leaves, depth + 1)
    else:
        raise TypeError(f"{spec!r} is neither a leaf nor a dict nor a list")
