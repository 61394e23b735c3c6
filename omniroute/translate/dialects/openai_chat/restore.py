"""What an answer calls things, in the client's words: ids of its shape, tools by the names and kinds it gave."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.translate.canonical import Tool
from omniroute.translate.dialect import AnswerContext

_PREFIX: Final = "chatcmpl-"
_KNOWN_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_TIERS: Final = {"standard": "default"}
"""Anthropic's and Gemini's word for the tier between."""


class _CustomInput(msgspec.Struct):
    input: str


_custom_input: Final = msgspec.json.Decoder(_CustomInput)


class Restorer:
    """Names for one answer; numbers the calls it has to find an id for."""

    __slots__ = ("_context", "_custom", "_made", "legacy")

    def __init__(self, context: AnswerContext) -> None:
        request = context.request
        self._context = context
        self._custom: frozenset[str] | None = None
        self._made = 0
        self.legacy = request is not None and request.legacy_functions
        """The client asked with ``functions`` and looks for ``function_call``."""

    def answer_id(self, given: str) -> str:
        """The upstream's id if it has the dialect's shape, else one of ours."""
        return given if given.startswith(_PREFIX) else _PREFIX + self._context.attempt_id

    @staticmethod
    def tier(given: str) -> str:
        """The service tier in OpenAI's words; "" for one it has no word for."""
        given = _TIERS.get(given, given)
        return given if given in _KNOWN_TIERS else ""

    def call_id(self, given: str) -> str:
        """The id of a call as the client knows it; a new one if the upstream gave none."""
        if given:
            return self._context.call_ids.get(given, given)
        self._made += 1
        return f"call_{self._context.attempt_id}_{self._made - 1}"

    def tool(self, given: str) -> str:
        """The tool's name as the client knows it."""
        return self._context.names.get(given, given)

    def emulated(self, name: str) -> bool:
        """Whether the client's tool ``name`` is a custom one, which the upstream was told of as a function."""
        if self._custom is None:
            tools = () if self._context.request is None else self._context.request.tools
            self._custom = frozenset(tool.name for tool in tools if isinstance(tool, Tool) and tool.custom)
        return name in self._custom


def custom_input(arguments: str) -> str:
    """The free text in the arguments of a function that stands for a custom tool; the arguments if there is none."""
    try:
        return _custom_input.decode(arguments).input
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
