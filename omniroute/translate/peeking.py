"""The few facts of a request, found in its bytes without building it: what every dialect's ``peek`` is made of.

Errors here and in readers of bodies have one form each: missing, wrong, given twice.
"""

from __future__ import annotations

from typing import Final, TypeVar, cast

import msgspec

from omniroute._speedups import jsonspan
from omniroute.errors import ClientError
from omniroute.translate.dialect import Span
from omniroute.translate.reading import no_object

MODEL_CHARS: Final = 256
"""A model name goes into headers, log lines and ledger rows; no vendor's comes near this."""
MAX_CHOICES: Final = 256
"""Answers one request may ask for: as many as a lane can tell apart. Vendors stop at 128."""

CHOICES_RULE: Final = f"must be a whole number from 1 to {MAX_CHOICES}"
_MODEL_RULE: Final = f"must be a model name of 1 to {MODEL_CHARS} printable characters"

Value = TypeVar("Value", str, bool, int)

_DECODERS: Final = {kind: msgspec.json.Decoder(kind) for kind in (str, bool, int)}


def missing(field: str, fix: str) -> ClientError:
    """What is said of a field that is not there."""
    return ClientError(f"'{field}' is missing: {fix}.", param=field, code="missing_required_parameter")


def wrong(field: str, rule: str) -> ClientError:
    """What is said of a field whose value breaks ``rule`` ("must be ...")."""
    return ClientError(f"'{field}' {rule}.", param=field, code="invalid_value")


def repeated(field: str) -> ClientError:
    """What is said of a field given twice: readers differ in which they take, and another is not what was checked."""
    return ClientError(f"'{field}' is given more than once: send it once.", param=field, code="invalid_value")


def spans_of(body: bytes, keys: tuple[bytes, ...], needed: str, at: str = "") -> tuple[Span | None, ...]:
    """Where the values of ``keys`` are. Raises ClientError for a body that is no object or has one of them twice.

    ``needed`` names what such a body has, for the error; ``at`` the object within the request that ``body`` is.
    """
    try:
        return jsonspan.unique_spans(body, keys)
    except jsonspan.RepeatedMemberError as error:
        raise repeated(f"{at}.{error.key.decode()}" if at else error.key.decode()) from error
    except ValueError as error:
        raise no_object(error, body, f"Send one with {needed}.") from error


def value_at(body: bytes, span: Span | None, kind: type[Value], field: str, rule: str) -> Value | None:
    """The value at ``span``; None if there is none or it is null. Raises ClientError saying ``rule``."""
    raw = b"null" if span is None else body[span[0] : span[1]]
    if raw == b"null":
        return None
    try:
        return cast("Value", _DECODERS[kind].decode(raw))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise wrong(field, rule) from error


def model_at(body: bytes, span: Span | None) -> str:
    """The model's name. Raises ClientError if it is missing or none."""
    if span is None:
        raise missing("model", "name the model to call")
    return model_name(value_at(body, span, str, "model", "must be a string"))


def model_name(name: str | None) -> str:
    """``name`` if it can be one. Raises ClientError."""
    if not name or len(name) > MODEL_CHARS or not name.isprintable():
        raise wrong("model", _MODEL_RULE)
    return name


def switch_at(body: bytes, span: Span | None, field: str) -> bool:
    """Whether a switch is on. Raises ClientError for anything but true, false and null."""
    return bool(value_at(body, span, bool, field, "must be true or false"))


def choices_of(count: int | None, field: str) -> int:
    """How many answers are asked for; one if nothing is said. Raises ClientError."""
    if count is None:
        return 1
    if not 1 <= count <= MAX_CHOICES:
        raise wrong(field, CHOICES_RULE)
    return count


def list_at(body: bytes, span: Span | None, field: str, what: str) -> None:
    """Raise ClientError unless there is a list of ``what``; its items are for the reader, or the upstream, to judge."""
    if span is None:
        raise missing(field, f"give the conversation as a list of {what}")
    if body[span[0]] != ord("["):
        raise wrong(field, f"must be a list of {what}")


def with_model(body: bytes, span: Span | None, name: str) -> tuple[bytes | memoryview, ...]:
    """``body`` with ``name`` as its model's, in parts to be written in order."""
    return (body,) if span is None else jsonspan.patch(body, ((*span, msgspec.json.encode(name)),))
