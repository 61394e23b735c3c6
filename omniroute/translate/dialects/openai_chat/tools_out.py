"""Tools and the choice among them for an upstream (translation.md §11.5)."""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, ServerTool, Tool, ToolChoice
from omniroute.translate.dialects.openai_chat import request_schema as schema
from omniroute.translate.naming import OPENAI_NAME, Renamer
from omniroute.translate.notes import Notes, Unsupported

_OURS: Final = "openai_chat"
_NO_PARAMETERS: Final = b'{"type":"object","properties":{}}'
_FREE_TEXT: Final = b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'


class ToolWriter:
    """Writes one request's tools."""

    __slots__ = ("_notes", "_quirks", "_request", "_sent", "custom", "names")

    def __init__(self, request: ChatRequest, quirks: Quirks, notes: Notes) -> None:
        self._request = request
        self._quirks = quirks
        self._notes = notes
        self.custom = quirks.developer_role or request.origin == _OURS
        """The upstream knows custom tools and lists of allowed ones: OpenAI, known by the role it alone has."""
        self.names = Renamer(OPENAI_NAME, (tool.name for tool in request.tools if isinstance(tool, Tool)))
        self._sent = 0

    def tools(self) -> tuple[schema.Tool | Raw, ...]:
        """Those the upstream is told of. Raises Unsupported for a tool another vendor runs."""
        choice = self._request.tool_choice
        only = None
        if choice is not None and choice.mode == "allowed" and not self.custom:
            self._notes.add(choice.at, "emulated", "the other tools are not sent")
            only = frozenset(choice.names)
        written: list[schema.Tool | Raw] = []
        for tool in self._request.tools:
            if isinstance(tool, ServerTool):
                written += self._hosted(tool)
            elif only is None or tool.name in only:
                written.append(self._tool(tool))
        self._sent = len(written)
        return tuple(written)

    def choice(self) -> str | schema.Choice:
        """``tool_choice``, "" for none; said after ``tools``."""
        choice = self._request.tool_choice
        if choice is None:
            return ""
        if not self._sent:
            if choice.mode not in ("none", "auto"):
                self._notes.add(choice.at, "dropped", "there is no tool to choose")
            return ""
        required = "any" if self._quirks.mistral else "required"
        match choice.mode:
            case "named":
                return self._named(choice.names[0])
            case "allowed" if self.custom:
                return self._allowed(choice)
            case "allowed":
                return required if choice.required else "auto"
            case "none" | "auto" | "required" | "validated":
                return {"none": "none", "required": required}.get(choice.mode, "auto")

    def _allowed(self, choice: ToolChoice) -> schema.Choice:
        named = tuple(self._named(name) for name in choice.names)
        return schema.Choice(
            "allowed_tools", allowed_tools=schema.Allowed("required" if choice.required else "auto", named)
        )

    def _named(self, name: str) -> schema.Choice:
        known = (tool for tool in self._request.tools if isinstance(tool, Tool) and tool.name == name)
        fitted = schema.Named(self.names.fit(name))
        if self.custom and any(tool.custom for tool in known):
            return schema.Choice("custom", custom=fitted)
        return schema.Choice("function", function=fitted)

    def _hosted(self, tool: ServerTool) -> tuple[Raw, ...]:
        if tool.origin == _OURS == self._request.origin:
            return (Raw(tool.raw),)
        if tool.origin == "openai_responses":
            raise Unsupported(
                f"'{tool.at}' is a tool that OpenAI runs ('{tool.kind}'), and the chosen model's provider does not.",
                param=tool.at,
            )
        if tool.origin == "anthropic" and not any(isinstance(other, Tool) for other in self._request.tools):
            # without any of its tools the model would make up what it was to look up
            raise Unsupported(
                f"'{tool.at}' is a tool of Anthropic's own ('{tool.kind}'): the chosen model's provider has none.",
                param=tool.at,
            )
        self._notes.add(tool.at, "dropped", f"'{tool.kind}' is run by its own vendor only")
        return ()

    def _tool(self, tool: Tool) -> schema.Tool:
        mark = None
        if tool.cache is not None and self._quirks.chat_cache_control:
            mark = schema.CacheControl("ephemeral", tool.cache.ttl)
        elif tool.cache is not None:
            self._notes.add(f"{tool.at}.cache_control", "dropped", "this provider caches without marks", info=True)
        for name, _ in tool.ext:
            self._notes.add(f"{tool.at}.{name}", "dropped", "functions have no such member here", info=True)
        fitted = self.names.fit(tool.name)
        if tool.custom and self.custom:
            form = Raw(tool.format) if tool.format else None
            return schema.Tool("custom", custom=schema.ToolCustom(fitted, tool.description, form), cache_control=mark)
        if tool.custom:
            self._notes.add(tool.at, "emulated", "a free-text tool becomes a function with one string")
            parameters = Raw(_FREE_TEXT)
        else:
            parameters = Raw(tool.schema or _NO_PARAMETERS)
        function = schema.ToolFunction(fitted, tool.description, parameters, bool(tool.strict))
        return schema.Tool("function", function=function, cache_control=mark)
