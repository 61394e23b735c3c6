"""``reasoning`` and ``text``: how much to think, and how the answer is to look (translation.md §11.7, §11.8)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import reading, thinking
from omniroute.translate.canonical import ChatRequest, Format, Json, Thinking

DEFAULT_FORMAT_NAME: Final = "response"
"""The vendor demands a name; other dialects have none."""


class ReasoningConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """``reasoning``. ``generate_summary`` is the old name of ``summary``."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class AskedFormat(msgspec.Struct, frozen=True):
    """``text.format`` as a client wrote it."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: Raw = Raw()
    strict: bool | None = None


class AskedText(msgspec.Struct, frozen=True):
    """``text`` as a client wrote it."""

    format: AskedFormat | None = None
    verbosity: str | None = None


class FormatConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """``text.format``: flat, unlike Chat's."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: Raw | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """``text``."""

    format: FormatConfig | None = None
    verbosity: str | None = None


def read_thinking(config: ReasoningConfig | None) -> Thinking | None:
    """What ``reasoning`` asks for; None for nothing."""
    if config is None:
        return None
    summary = config.summary or config.generate_summary or ""
    show = True if summary else None
    if config.effort == "none":
        return Thinking(mode="off", show=show, summary=summary, at="reasoning.effort")
    if config.effort:
        return Thinking(mode="effort", effort=config.effort, show=show, summary=summary, at="reasoning.effort")
    return Thinking(mode="adaptive", show=True, summary=summary, at="reasoning.summary") if summary else None


def read_format(config: AskedText | None) -> Format | None:
    """What ``text.format`` asks for. Raises ClientError for a schema that is none."""
    told = None if config is None else config.format
    if told is None:
        return None
    schema = reading.schema(told.schema, "text.format.schema")
    if told.type == "json_schema" and not schema:
        raise ClientError(
            "'text.format.schema' is missing: give the JSON Schema of the answer.",
            param="text.format.schema",
            code="missing_required_parameter",
        )
    return Format(
        kind=told.type,
        name=told.name or "",
        description=told.description or "",
        schema=schema,
        strict=told.strict,
        at="text.format",
    )


def reasoning_of(wish: Thinking | None, *, summary: bool) -> Json | None:
    """``reasoning`` for a wish, None for none. ``summary``: one may be asked for."""
    if wish is None:
        return None
    effort = wish.effort or None
    if wish.mode == "off":
        effort = "none"
    elif wish.mode == "budget":
        effort = thinking.effort_of(wish.budget)
    shown = (wish.summary or "auto") if summary and wish.show else None
    config = ReasoningConfig(effort=effort, summary=shown)
    return msgspec.json.encode(config) if effort or shown else None


def text_of(request: ChatRequest) -> Json | None:
    """``text`` for a request, None for none."""
    told = request.format
    written = None
    if told is not None:
        is_schema = told.kind == "json_schema"
        written = FormatConfig(
            type=told.kind,
            name=(told.name or DEFAULT_FORMAT_NAME) if is_schema else None,
            description=(told.description or None) if is_schema else None,
            schema=Raw(told.schema or b"{}") if is_schema else None,
            strict=told.strict if is_schema else None,
        )
    if written is None and not request.verbosity:
        return None
    return msgspec.json.encode(TextConfig(format=written, verbosity=request.verbosity or None))
