"""Bodies that clients wrote, read into a vendor's Structs with one kind of error: a 400 that names the field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import Json

MAX_MESSAGES: Final = 100_000
"""Of one request, as many as Anthropic takes (nobody takes more): what a worker reads in a second or two."""
MAX_STOPS: Final = 256
"""Stop sequences of one request; no vendor takes more than a few."""
MAX_TOOLS: Final = 2048
"""Tools of one request; the largest vendor limit known is 512 (Gemini)."""
MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""Of one tool's or answer's schema. More than any vendor accepts, and little enough to be walked at once."""
MAX_SCHEMA_DEPTH: Final = 128
"""Of a schema that has to be understood (Gemini's subset)."""
MAX_COUNT: Final = 2**31 - 1
"""Of tokens, answers, alternatives: what vendors hold in 32 bits."""
MAX_NUMBER_CHARS: Final = 64
"""Of a sampling parameter as it was spelled."""

Value = TypeVar("Value")
Item = TypeVar("Item")

_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_HALF: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Any escape; whole pairs first, so that what matches as a half has no other."""
_TOKEN: Final = re.compile(
    rb'"(?P<text>[^"\\]*+(?:\\.?+[^"\\]*+)*+)(?:"(?P<key>[ \t\r\n]*+:)?+|\Z)|[{}\[\],]', re.DOTALL
)
"""A string (and what makes it a key), to the end of the text if it has none of its own; or a mark of structure."""
_BYTE: Final = re.compile(r"\bbyte (?P<at>[0-9]+)")
"""Where a reader stopped."""
MAX_PATH_STEPS: Final = 8
MAX_PATH_CHARS: Final = 200
"""Of a field's name in an error; a longer one is cut at its end."""
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def read_body(decoder: msgspec.json.Decoder[Value], body: bytes, at: str = "") -> Value:
    """``body`` as ``decoder``'s type. Raises ClientError: ``param`` is the path of the field that is wrong.

    ``at``: where in the request ``body`` stands, "" for all of it.
    """
    try:
        if not at and not body.isascii():
            body.decode()  # the decoder does not look into what is kept as it was written
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misshapen(error, at) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _unreadable(error, body, at) from error
    except RecursionError as error:
        said = f"'{at}'" if at else "The request body"
        raise ClientError(f"{said} is nested too deeply to be read.", param=at or None, code="invalid_json") from error


def path_at(body: bytes, offset: int) -> str:
    """The path of the member that byte ``offset`` of a JSON document is in, as ``messages[2].content``.

    "" at the top, or in the name of a member there. Linear time, whatever the bytes are.
    """
    path: list[str | int] = []
    for token in _TOKEN.finditer(body):
        if token.end() > offset:
            break
        mark = token.group()
        if token["key"] is not None and path:
            path[-1] = token["text"].decode("utf-8", "replace")
        elif mark == b"{":
            path.append("")
        elif mark == b"[":
            path.append(0)
        elif mark in b"}]" and path:
            path.pop()
        elif mark == b"," and path:
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else ""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[:MAX_PATH_STEPS] if step != "")
    return "".join(steps).removeprefix(".")[:MAX_PATH_CHARS]


def no_object(error: Exception, body: bytes, send: str) -> ClientError:
    """The error for a body that is no JSON object: why not, where, and what to ``send`` instead."""
    field = _stopped_in(error, body)
    return ClientError(
        f"The request body is not a JSON object ({error}{f', in {field!r}' if field else ''}). {send}",
        param=field or None,
        code="invalid_json",
    )


def _stopped_in(error: Exception, body: bytes) -> str:
    """The path of the member in which a reader gave up, "" if it does not say where, or at the top."""
    found = _BYTE.search(str(error))
    return path_at(body, int(found["at"])) if found else ""


def _unreadable(error: Exception, body: bytes, at: str) -> ClientError:
    """What is wrong with a body that is not JSON, and in which member where only a text is."""
    if isinstance(error, UnicodeDecodeError):
        where, what = error.start, "holds bytes that are not UTF-8"
    else:
        where = next((match.start() for match in _HALF.finditer(body) if match["half"]), -1)
        what = "holds half of a surrogate pair, which is no character"
    if where < 0:
        field = _joined(at, _stopped_in(error, body))
        said = f"'{field}'" if field else "The request body"
        return ClientError(f"{said} is not valid JSON ({error}).", param=field or None, code="invalid_json")
    field = _joined(at, path_at(body, where))
    said = f"'{field}'" if field else "The name of a member"
    code = "invalid_value" if field else "invalid_json"
    return ClientError(f"{said} {what}: send it without.", param=field or None, code=code)


def _joined(at: str, inner: str) -> str:
    """The path of member ``inner`` of ``at``."""
    return f"{at}.{inner}" if at and inner and not inner.startswith("[") else at + inner


def _misshapen(error: msgspec.ValidationError, at: str) -> ClientError:
    text = str(error)
    match = _PATH.search(text)
    inner = match["path"] if match else ""
    said = text[: match.start()] if match else text
    field = _joined(at, inner)
    missing = _MISSING.fullmatch(said)
    if missing is not None:
        field = _joined(field, missing["name"])
        return ClientError(f"'{field}' is missing.", param=field, code="missing_required_parameter")
    return ClientError(
        f"'{field}': {said}." if field else f"The request body: {said}.", param=field or None, code="invalid_value"
    )


def number(raw: msgspec.Raw | Json | None, at: str, *, low: float = -1e6, high: float = 1e6) -> Json | None:
    """A number as it was spelled; None for null or absent. Raises ClientError for anything else or out of range."""
    if not raw:
        return None
    text = bytes(raw).strip(b" \t\r\n")
    if text in (b"", b"null"):
        return None
    if len(text) > MAX_NUMBER_CHARS or _NUMBER.fullmatch(text) is None or not low <= float(text) <= high:
        raise ClientError(f"'{at}' must be a number from {low:g} to {high:g}.", param=at, code="invalid_value")
    return text


def integer(raw: msgspec.Raw | Json | None, at: str, *, low: int = -(2**63), high: int = 2**63 - 1) -> Json | None:
    """The same for a whole number."""
    if not raw:
        return None
    text = number(raw, at, low=float("-inf"), high=float("inf"))
    if text is not None and (not text.lstrip(b"-").isdigit() or not low <= int(text) <= high):
        raise ClientError(f"'{at}' must be a whole number from {low} to {high}.", param=at, code="invalid_value")
    return text


def count(value: int | None, at: str, *, low: int = 0, high: int = MAX_COUNT) -> int | None:
    """A whole number that was read as one. Raises ClientError if it is out of range: it would be cut to another."""
    if value is not None and not low <= value <= high:
        raise ClientError(f"'{at}' must be a whole number from {low} to {high}.", param=at, code="invalid_value")
    return value


def bounded(items: Sequence[Item] | None, at: str, most: int) -> tuple[Item, ...]:
    """``items``; () for None. Raises ClientError if there are more than ``most``."""
    if items is not None and len(items) > most:
        raise ClientError(f"'{at}' has {len(items)} entries; at most {most} are taken.", param=at, code="invalid_value")
    return tuple(items or ())


def schema(raw: msgspec.Raw | Json | None, at: str) -> Json:
    """A JSON Schema as it was written; b"" for null or absent. Raises ClientError if it is no object or too large."""
    text = bytes(raw or b"").strip(b" \t\r\n")
    if text in (b"", b"null"):
        return b""
    if not text.startswith(b"{"):
        raise ClientError(f"'{at}' must be a JSON Schema object.", param=at, code="invalid_value")
    if len(text) > MAX_SCHEMA_BYTES:
        raise ClientError(
            f"'{at}' is {len(text)} bytes long; a schema may have {MAX_SCHEMA_BYTES}.", param=at, code="invalid_value"
        )
    return text
