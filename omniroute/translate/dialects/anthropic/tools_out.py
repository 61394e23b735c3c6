"""Tools and how they are chosen, in Anthropic's words (translation.md §11.5)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from omniroute._speedups import jsonspan
from omniroute.errors import ClientError
from omniroute.translate import jsontext
from omniroute.translate.canonical import ChatRequest, Json, ServerTool, Tool, ToolChoice
from omniroute.translate.dialects.anthropic.content_out import CacheOut
from omniroute.translate.dialects.anthropic.vendor import ORIGIN, with_member
from omniroute.translate.fields import field
from omniroute.translate.naming import Renamer
from omniroute.translate.notes import Notes, Unsupported

_NO_ARGUMENTS: Final = b'{"type":"object","properties":{}}'
_FREE_TEXT: Final = b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'
_WORDS: Final = {"auto": "auto", "validated": "auto", "none": "none", "required": "any", "named": "tool"}


class ToolOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool the client runs."""

    name: str
    description: str = ""
    input_schema: Raw = Raw(b"")
    strict: bool | None = None
    cache_control: CacheOut | None = None


class ChoiceOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """``tool_choice``."""

    type: str
    name: str = ""
    disable_parallel_tool_use: bool = False


def write_tools(request: ChatRequest, names: Renamer, notes: Notes) -> tuple[ToolOut | Raw, ...]:
    """The tools that may be called. Raises Unsupported for another vendor's that nothing can stand for."""
    choice = request.tool_choice
    allowed = set(choice.names) if choice is not None and choice.mode == "allowed" else None
    written: list[ToolOut | Raw] = []
    for tool in request.tools:
        if isinstance(tool, ServerTool):
            if tool.origin == ORIGIN:
                written.append(Raw(tool.raw))
            else:
                _leave_out(tool, notes)
        elif allowed is None or tool.name in allowed:
            written.append(_tool(tool, names, notes))
    if choice is not None and allowed is not None:
        at = f"{choice.at}.allowed_tools" if request.origin == "openai_chat" and "." not in choice.at else choice.at
        notes.add(at, "emulated", "the other tools are left out")
    return tuple(written)


def write_choice(request: ChatRequest, names: Renamer, notes: Notes, *, tools: bool) -> ChoiceOut | None:
    """``tool_choice``; nothing where there are no tools to choose from."""
    choice = request.tool_choice
    if not tools:
        if choice is not None and choice.mode in ("required", "named"):
            notes.add(choice.at, "dropped", "there is no tool to call")
        return None
    alone = request.parallel is False
    if choice is None:
        return ChoiceOut("auto", disable_parallel_tool_use=True) if alone else None
    word = _word(choice, notes)
    name = names.fit(choice.names[0]) if word == "tool" else ""
    if alone and word == "none":
        notes.add(field(request, "parallel"), "dropped", "no tool is to be called", info=True)
    return ChoiceOut(word, name, disable_parallel_tool_use=alone and word != "none")


def is_forced(choice: ChoiceOut | None) -> bool:
    """Whether a tool must be called, which thinking cannot be combined with."""
    return choice is not None and choice.type in ("any", "tool")


def _word(choice: ToolChoice, notes: Notes) -> str:
    if choice.raw:
        notes.add(choice.at, "dropped", "the tool is another vendor's")
        return "auto"
    if choice.mode == "allowed":
        return "any" if choice.required else "auto"
    return _WORDS[choice.mode]


def _leave_out(tool: ServerTool, notes: Notes) -> None:
    if tool.origin == "openai_responses":
        raise Unsupported(
            f"'{tool.at}' ({tool.kind}) is run by another vendor than the chosen model's. Leave it out.",
            param=tool.at,
        )
    notes.add(tool.at, "dropped", "the tool is run by another vendor")


def _tool(tool: Tool, names: Renamer, notes: Notes) -> ToolOut | Raw:
    if tool.custom:
        notes.add(tool.at, "emulated", "free text is asked for as the one member of an object")
    written = ToolOut(
        name=names.fit(tool.name),
        description=tool.description,
        input_schema=Raw(_FREE_TEXT if tool.custom else _schema(tool)),
        strict=True if tool.strict and not tool.custom else None,
        cache_control=None if tool.cache is None else CacheOut(tool.cache.ttl),
    )
    if not tool.ext or tool.ext_origin != ORIGIN:
        return written
    raw = msgspec.json.encode(written)
    for name, value in tool.ext:
        raw = b"%b,%b:%b}" % (raw[:-1], jsontext.literal(name), value)  # none that is written above
    return Raw(raw)


def _schema(tool: Tool) -> Json:
    """A tool's schema, which says that it is an object's: the service demands that."""
    schema = tool.schema
    if not schema:
        return _NO_ARGUMENTS
    try:
        (kind,) = jsonspan.spans(schema, (b"type",))
    except ValueError as error:
        raise ClientError(
            f"'{tool.at}' has a schema that cannot be read ({error}).", param=tool.at, code="invalid_value"
        ) from error
    return with_member(schema, b"type", b'"object"') if kind is None else schema
