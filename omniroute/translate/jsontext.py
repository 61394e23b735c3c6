"""JSON as text: literals, arguments and numbers that go from one dialect to another as they were spelled.

*Escaped* means the bytes between the quotes of a JSON string, escapes and all.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from omniroute.translate.canonical import Json
from omniroute.translate.vendor_json import is_json

RAW_ARGUMENTS: Final = "_raw_arguments"
"""Member that holds arguments which are no JSON object, where the dialect can only say objects."""

_MARK: Final = re.compile(r'\\.|["{}\[\]]', re.DOTALL)  # an escape inside a string is one mark, and none
_QUOTES: Final = '"'
_BRACKETS: Final = "{}[]"


def literal(text: str) -> Json:
    """``text`` as a JSON string, quotes included."""
    return msgspec.json.encode(text)


def quoted(escaped: bytes) -> msgspec.Raw:
    """A JSON string of text that is still escaped, for a Struct's member."""
    return msgspec.Raw(b'"' + escaped + b'"')


def escaped(text: str) -> bytes:
    """``text`` as it stands between the quotes of a JSON string."""
    return msgspec.json.encode(text)[1:-1]


def unescaped(text: bytes) -> str:
    """What escaped ``text`` says. Halves of surrogate pairs become U+FFFD, invalid UTF-8 too; never raises."""
    try:
        return msgspec.json.decode(b'"' + text + b'"', type=str)
    except (msgspec.DecodeError, UnicodeError):
        return _lenient(text)


def inner(raw: msgspec.Raw | Json) -> bytes | None:
    """The escaped text of a JSON string literal; None if ``raw`` is not a string (null, absent, an object)."""
    text = bytes(raw)
    return text[1:-1] if len(text) >= 2 and text.startswith(b'"') else None


def compact(raw: msgspec.Raw | Json) -> Json:
    """``raw`` without white space between its tokens; members, numbers and strings as spelled. ValueError: not JSON."""
    try:
        return msgspec.json.format(bytes(raw), indent=-1)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError("not readable as JSON") from error


def is_object(raw: Json) -> bool:
    """Whether ``raw`` is one well-formed JSON object."""
    return raw.lstrip(b" \t\r\n").startswith(b"{") and is_json(raw)


def arguments_object(arguments: str) -> tuple[Json, bool]:
    """A call's arguments as a JSON object, and whether they were one (empty ones are: ``{}``).

    Anything else is kept, as it is, as the one member ``_raw_arguments`` (translation.md §11.4).
    """
    if not arguments.strip():
        return b"{}", True
    try:
        raw = arguments.encode()
        if is_object(raw):
            return compact(raw), True
    except UnicodeError:
        arguments = arguments.encode("utf-8", "replace").decode()
    return msgspec.json.encode({RAW_ARGUMENTS: arguments}), False


def is_complete(text: bytes) -> bool:
    """Whether escaped ``text`` holds one complete JSON value, by its brackets; blank text is not."""
    said = unescaped(text)
    depth = 0
    in_string = False
    for mark in _MARK.finditer(said):
        if mark.group() in _QUOTES:
            in_string = not in_string
        elif not in_string and mark.group() in _BRACKETS:
            depth += 1 if mark.group() in "{[" else -1
    return bool(said.strip()) and depth == 0 and not in_string


def _lenient(text: bytes) -> str:
    """Every escape that is none, half a surrogate pair and invalid UTF-8 as U+FFFD."""
    out: list[str] = []
    at = 0
    plain = text.decode("utf-8", "replace")
    while at < len(plain):
        mark = plain.find("\\", at)
        if mark < 0:
            out.append(plain[at:])
            break
        out.append(plain[at:mark])
        piece, at = _escape(plain, mark)
        out.append(piece)
    joined = "".join(out)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_SIMPLE: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")


def _escape(text: str, at: int) -> tuple[str, int]:
    """The character of the escape at ``at``, maybe half a pair, and where it ends."""
    kind = text[at + 1 : at + 2]
    if kind in _SIMPLE and kind:
        return _SIMPLE[kind], at + 2
    digits = _HEX.match(text, at + 2) if kind == "u" else None
    if digits is None:
        return "\ufffd", at + 1 + len(kind)
    return chr(int(digits.group(), 16)), digits.end()
