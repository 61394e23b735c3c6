"""Bodies that clients wrote, read into a vendor's Structs with one kind of error: a 400 that names the field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import Json

MAX_STOPS: Final = 256
"""Stop sequences of one request; no vendor takes more than a few."""
MAX_TOOLS: Final = 2048
"""Tools of one request; the largest vendor limit known is 512 (Gemini)."""
MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""Of one tool's or answer's schema. More than any vendor accepts, and little enough to be walked at once."""
MAX_SCHEMA_DEPTH: Final = 128
"""Of a schema that has to be understood (Gemini's subset)."""
MAX_NUMBER_CHARS: Final = 64
"""Of a sampling parameter as it was spelled."""

Value = TypeVar("Value")
Item = TypeVar("Item")

_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def read_body(decoder: msgspec.json.Decoder[Value], body: bytes, *, at: str = "") -> Value:
    """``body`` as ``decoder``'s type. Raises ClientError: ``param`` is the path of the field that is wrong.

    ``at``: where ``body`` stands in the request, if it is a part of it.
    """
    where = at
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        match = _PATH.search(text)
        at = _joined(where, match["path"] if match else "")
        said = text[: match.start()] if match else text
        raise ClientError(
            f"'{at}': {said}." if at else f"The request body: {said}.", param=at or None, code="invalid_value"
        ) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ClientError(f"The request body is not valid JSON ({error}).", code="invalid_json") from error
    except RecursionError as error:
        raise ClientError("The request body is nested too deeply to be read.", code="invalid_json") from error


def _joined(where: str, path: str) -> str:
    return f"{where}.{path}" if where and path and not path.startswith("[") else where + path


def number(raw: msgspec.Raw | Json | None, at: str, *, low: float = -1e6, high: float = 1e6) -> Json | None:
    """A number as it was spelled; None for null or absent. Raises ClientError for anything else or out of range."""
    text = bytes(raw or b"").strip(b" \t\r\n")
    if text in (b"", b"null"):
        return None
    if len(text) > MAX_NUMBER_CHARS or _NUMBER.fullmatch(text) is None or not low <= float(text) <= high:
        raise ClientError(f"'{at}' must be a number from {low:g} to {high:g}.", param=at, code="invalid_value")
    return text


def integer(raw: msgspec.Raw | Json | None, at: str, *, low: int = -(2**63), high: int = 2**63 - 1) -> Json | None:
    """The same for a whole number."""
    text = number(raw, at, low=float("-inf"), high=float("inf"))
    if text is not None and (not text.lstrip(b"-").isdigit() or not low <= int(text) <= high):
        raise ClientError(f"'{at}' must be a whole number from {low} to {high}.", param=at, code="invalid_value")
    return text


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
