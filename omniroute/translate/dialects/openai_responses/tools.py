"""Tools and the choice among them: flat objects, unlike Chat's (translation.md §11.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import reading
from omniroute.translate.canonical import Json, ServerTool, Tool, ToolChoice
from omniroute.translate.members import member

NAME: Final = "openai_responses"
NO_PARAMETERS: Final = b'{"type":"object","properties":{}}'
"""Schema of a tool that takes nothing."""

_FUNCTION_MEMBERS: Final = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM_MEMBERS: Final = frozenset({"type", "name", "description", "format"})


class _Typed(msgspec.Struct, frozen=True):
    type: str


class _Told(msgspec.Struct, frozen=True):
    """A tool the client runs, of either kind."""

    name: str
    description: str | None = None
    parameters: Raw = Raw()
    format: Raw = Raw()
    strict: bool | None = None


class FunctionTool(msgspec.Struct, frozen=True, tag="function", omit_defaults=True):
    """``strict`` is true where it is absent, so it is written even if false."""

    name: str
    description: str | None = None
    parameters: Raw | None = None
    strict: bool | None = None


class CustomTool(msgspec.Struct, frozen=True, tag="custom", omit_defaults=True):
    """Takes free text."""

    name: str
    description: str | None = None
    format: Raw | None = None


class _Named(msgspec.Struct, frozen=True):
    """A tool in a choice."""

    type: str
    name: str | None = None


class _Allowed(msgspec.Struct, frozen=True):
    """``allowed_tools``."""

    tools: list[_Named]
    mode: Literal["auto", "required"] = "auto"


_MODES: Final[dict[bytes, Literal["auto", "none", "required"]]] = {
    b'"auto"': "auto",
    b'"none"': "none",
    b'"required"': "required",
}

_typed: Final = msgspec.json.Decoder(_Typed)
_told: Final = msgspec.json.Decoder(_Told)
_named: Final = msgspec.json.Decoder(_Named)
_allowed: Final = msgspec.json.Decoder(_Allowed)
_members: Final = msgspec.json.Decoder(dict[str, Raw])


# -- reading -----------------------------------------------------------------------------------------------------
def read_tools(tools: list[Raw] | None) -> tuple[Tool | ServerTool, ...]:
    """A request's tools. Raises ClientError naming the one that is wrong."""
    return tuple(
        _read_tool(bytes(raw), f"tools[{index}]")
        for index, raw in enumerate(reading.bounded(tools, "tools", reading.MAX_TOOLS))
    )


def _read_tool(raw: Json, at: str) -> Tool | ServerTool:
    kind = reading.read_body(_typed, raw, at=at).type
    if kind not in ("function", "custom"):
        return ServerTool(origin=NAME, kind=kind, raw=raw, at=at)
    told = reading.read_body(_told, raw, at=at)
    is_custom = kind == "custom"
    return Tool(
        name=_named_tool(told.name, at),
        description=told.description or "",
        schema=b"" if is_custom else reading.schema(told.parameters, f"{at}.parameters"),
        strict=None if is_custom else told.strict,
        custom=is_custom,
        format=reading.schema(told.format, f"{at}.format") if is_custom else b"",
        ext=_rest(raw, _CUSTOM_MEMBERS if is_custom else _FUNCTION_MEMBERS),
        ext_origin=NAME,
        at=at,
    )


def read_choice(raw: Raw | None) -> ToolChoice | None:
    """``tool_choice``. Raises ClientError."""
    text = bytes(raw or b"null").strip()
    if text == b"null":
        return None
    mode = _MODES.get(text)
    if mode is not None:
        return ToolChoice(mode=mode)
    if not text.startswith(b"{"):
        raise ClientError(
            "'tool_choice' must be 'auto', 'none', 'required' or an object that names a tool.",
            param="tool_choice",
            code="invalid_value",
        )
    told = reading.read_body(_named, text, at="tool_choice")
    if told.type in ("function", "custom") and told.name:
        return ToolChoice(mode="named", names=(told.name,), custom=told.type == "custom")
    if told.type == "allowed_tools":
        allowed = reading.read_body(_allowed, text, at="tool_choice")
        names = tuple(tool.name for tool in allowed.tools if tool.name)
        raw_choice = b"" if len(names) == len(allowed.tools) else text  # hosted tools have no name
        return ToolChoice(mode="allowed", names=names, required=allowed.mode == "required", raw=raw_choice)
    if told.type in ("function", "custom"):
        raise ClientError("'tool_choice.name' is missing.", param="tool_choice.name", code="invalid_value")
    return ToolChoice(mode="required", raw=text)


def _named_tool(name: str, at: str) -> str:
    if not name:
        raise ClientError(f"'{at}.name' is empty: name the tool.", param=f"{at}.name", code="invalid_value")
    return name


def _rest(raw: Json, known: frozenset[str]) -> tuple[tuple[str, Json], ...]:
    return tuple((name, bytes(value)) for name, value in _members.decode(raw).items() if name not in known)


# -- writing -----------------------------------------------------------------------------------------------------
def tool_json(tool: Tool | ServerTool, name: str, *, strict_said: bool) -> Raw | None:
    """A tool in the vendor's words, None for one that only another vendor runs.

    ``strict_said``: a tool that does not say whether it is strict is left so, since its client knows this default.
    """
    if isinstance(tool, ServerTool):
        return Raw(tool.raw) if tool.origin == NAME else None
    if tool.custom:
        written: CustomTool | FunctionTool = CustomTool(
            name, tool.description or None, Raw(flat_format(tool.format)) if tool.format else None
        )
    else:
        strict = tool.strict if tool.strict is not None or strict_said else False
        written = FunctionTool(name, tool.description or None, Raw(tool.schema or NO_PARAMETERS), strict)
    text = msgspec.json.encode(written)
    if tool.ext and tool.ext_origin == NAME:
        text = text[:-1] + b"".join(b",%s:%s" % (msgspec.json.encode(key), value) for key, value in tool.ext) + b"}"
    return Raw(text)


def flat_format(raw: Json) -> Json:
    """A custom tool's format; Chat nests the grammar in a member of its own name, this dialect does not."""
    grammar = member(raw, b"grammar")
    return b'{"type":"grammar",' + grammar.lstrip(b"{ \t\r\n") if grammar.startswith(b"{") else raw


def choice_json(choice: ToolChoice, fit: Callable[[str], str]) -> Json:
    """``tool_choice``; ``fit`` gives the name the upstream knows a tool by."""
    if choice.raw:
        return choice.raw
    kind = "custom" if choice.custom else "function"
    match choice.mode:
        case "named" if choice.names:
            return msgspec.json.encode({"type": kind, "name": fit(choice.names[0])})
        case "allowed":
            tools = [{"type": kind, "name": fit(name)} for name in choice.names]
            mode = "required" if choice.required else "auto"
            return msgspec.json.encode({"type": "allowed_tools", "mode": mode, "tools": tools})
        case "none" | "required":
            return msgspec.json.encode(choice.mode)
        case _:
            return b'"auto"'  # validated: arguments are checked by ``strict`` here
