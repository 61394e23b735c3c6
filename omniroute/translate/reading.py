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
_HALF_MARK: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Any escape; whole pairs first, so that what matches as a half has no other."""
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def read_body(decoder: msgspec.json.Decoder[Value], body: bytes, at: str = "") -> Value:
    """``body`` as ``decoder``'s type. Raises ClientError: ``param`` is the path of the field that is wrong.

    ``at``: where in the request ``body`` stands, "" for all of it. Halves of surrogate pairs, which no UTF-8 can hold,
    become U+FFFD (translation.md §17).
    """
    try:
        if not at and not body.isascii():
            body.decode()  # the decoder does not look into what is kept as it was written
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misshapen(error, at) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        whole = mended(body)
        if whole != body:
            return read_body(decoder, whole, at)
        said = f"'{at}'" if at else "The request body"
        raise ClientError(f"{said} is not valid JSON ({error}).", param=at or None, code="invalid_json") from error
    except RecursionError as error:
        said = f"'{at}'" if at else "The request body"
        raise ClientError(f"{said} is nested too deeply to be read.", param=at or None, code="invalid_json") from error


def _misshapen(error: msgspec.ValidationError, at: str) -> ClientError:
    text = str(error)
    match = _PATH.search(text)
    inner = match["path"] if match else ""
    said = text[: match.start()] if match else text
    field = f"{at}{'' if inner.startswith('[') or not at or not inner else '.'}{inner}"
    return ClientError(
        f"'{field}': {said}." if field else f"The request body: {said}.", param=field or None, code="invalid_value"
    )


def mended(body: bytes) -> bytes:
    """JSON ``body`` with halves of surrogate pairs as U+FFFD; the same object if there are none."""
    return _HALF.sub(_without_half, body) if _HALF_MARK.search(body) else body


def _without_half(match: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if match["half"] else match.group()


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
