"""What the mock says, whatever the dialect: a request as far as its answer depends on it, and the answer in words.

The answer is the last thing the user said, again; with tools it is calls of them, until a tool's result is the last
message: that is said again. With a schema asked for it is a document that fits. Usage is counted in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import cycle, islice
from typing import Final, Literal, cast

import msgspec

from omniroute.mock.script import Script
from omniroute.mock.words import of_length, words

CREATED_EPOCH_S: Final = 1_700_000_000
"""The same in every answer: a transcript of the mock does not change from run to run."""
CREATED: Final = "2023-11-14T22:13:20Z"
"""The same instant, in words."""
IMAGE_TOKENS: Final = 85
"""What OpenAI counts for one image at low detail; here every picture, sound and file costs so much."""
MAX_DEPTH: Final = 8
"""Of a document made to fit a schema; deeper levels stay empty."""

Finish = Literal["stop", "length", "content_filter", "tool_calls"]
Schema = Mapping[str, object]

_NOTHING: Final[Schema] = {}
_SCALARS: Final[Schema] = {"integer": 1, "number": 1, "boolean": True, "null": None}
_encode: Final = msgspec.json.Encoder().encode


class Function(msgspec.Struct, frozen=True):
    """A tool that may be called."""

    name: str
    schema: Schema | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A request, as far as the answer depends on it."""

    model: str
    """As asked for, with the script behind it."""
    stream: bool
    prompt_tokens: int
    """Words of the prompt."""
    said: str
    """What is said again: the user's last words, or a tool's result."""
    answered: bool = False
    """A tool's result is the last message: no call follows."""
    functions: tuple[Function, ...] = ()
    """Empty if no tool may be called."""
    forced: str = ""
    """The tool the request names."""
    limit: int | None = None
    schema: Schema | None = None
    """What the answer's text is to fit."""
    choices: int = 1


class Call(msgspec.Struct, frozen=True):
    """One tool call."""

    name: str
    arguments: tuple[str, ...]
    """Words that join to a JSON object."""

    @property
    def json(self) -> str:
        """The arguments in one piece."""
        return "".join(self.arguments)

    @property
    def object(self) -> msgspec.Raw:
        """The same, for dialects that carry an object: spelled as it is."""
        return msgspec.Raw(self.json.encode())


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """One answer in words. Reasoning, then text, then calls."""

    thoughts: tuple[str, ...]
    words: tuple[str, ...]
    calls: tuple[Call, ...]
    finish: Finish
    prompt_tokens: int
    script: Script

    @property
    def text(self) -> str:
        """The words in one piece."""
        return "".join(self.words)

    @property
    def thought(self) -> str:
        """The reasoning in one piece."""
        return "".join(self.thoughts)

    @property
    def filler(self) -> str:
        """The text of the big event, "" if there is none."""
        return "x" * (self.script.big_event or 0)

    @property
    def cached(self) -> int:
        """Prompt tokens read from a cache."""
        return min(self.script.cached, self.prompt_tokens)

    @property
    def tokens(self) -> int:
        """Words of the answer, reasoning and arguments included."""
        return len(self.thoughts) + len(self.words) + sum(len(call.arguments) for call in self.calls)


def speak(heard: Heard, script: Script) -> Speech:
    """The answer to ``heard`` under ``script``."""
    calls = () if heard.answered else _calls(heard, script)
    finish: Finish = "stop"
    said: Sequence[str]
    if calls:
        finish, said = "tool_calls", of_length(heard.said, script.preamble)
    else:
        said = _words(heard, script)
        if heard.limit is not None and heard.limit < len(said):
            said, finish = said[: heard.limit], "length"
    return Speech(
        thoughts=tuple(of_length("mock thought", script.reasoning)),
        words=tuple(said),
        calls=calls,
        finish=script.finish or finish,
        prompt_tokens=heard.prompt_tokens,
        script=script,
    )


def sample(schema: object, text: str, *, root: Schema | None = None, depth: int = 0) -> object:
    """A value that fits a JSON schema, as far as types, enums and required members go; ``text`` for strings."""
    said: Schema = schema if isinstance(schema, Mapping) else _NOTHING
    root = said if root is None else root
    if depth > MAX_DEPTH:
        return text
    if (inner := _alternative(said, root)) is not None:
        return sample(inner, text, root=root, depth=depth + 1)
    if isinstance(options := [said["const"]] if "const" in said else said.get("enum"), list) and options:
        return options[0]
    kind = _type(said)
    if kind == "array":
        return [sample(said.get("items"), text, root=root, depth=depth + 1)] if said.get("minItems") else []
    if kind == "object":
        return _members(said, text, root, depth)
    return _SCALARS.get(kind, text)


def _members(schema: Schema, text: str, root: Schema, depth: int) -> dict[str, object]:
    properties, required = schema.get("properties"), schema.get("required")
    known: Schema = properties if isinstance(properties, Mapping) else _NOTHING
    wanted = required if isinstance(required, list) else list(known)
    return {str(name): sample(known.get(str(name)), text, root=root, depth=depth + 1) for name in wanted}


def _alternative(schema: Schema, root: Schema) -> object | None:
    """Where the schema says to look instead: a local ``$ref``, the first of ``anyOf``; None if nowhere."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        return _at(root, reference[2:].split("/"))
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(options := schema.get(name), list) and options:
            first: object = options[0]
            return first
    return None


def _at(document: object, steps: Sequence[str]) -> object:
    """What stands at the end of a path of members, None if nothing does."""
    return reduce(_member, steps, document)


def _member(of: object, name: str) -> object:
    return cast("Schema", of).get(name) if isinstance(of, Mapping) else None


def _type(schema: Schema) -> str:
    """The type in lower case (Gemini writes capitals), of several the first that is not null."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if isinstance(kind, str):
        return kind.lower()
    return "object" if "properties" in schema else ""


def _words(heard: Heard, script: Script) -> Sequence[str]:
    if script.document:
        return words(script.document)
    if heard.schema is not None:
        return words(_encode(sample(heard.schema, heard.said)).decode())
    return words(heard.said) if script.tokens is None else of_length(heard.said, script.tokens)


def _calls(heard: Heard, script: Script) -> tuple[Call, ...]:
    """Calls of the tools offered, beginning with the one that script or request names."""
    offered = heard.functions
    wanted = script.call or heard.forced
    if wanted:
        named = next((function for function in offered if function.name == wanted), None)
        if named is not None or script.call:
            others = (function for function in offered if function.name != wanted)
            offered = (named or Function(wanted), *others)
    called = islice(cycle(offered), script.calls) if offered else ()
    return tuple(Call(function.name, tuple(words(_arguments(function, heard, script)))) for function in called)


def _arguments(function: Function, heard: Heard, script: Script) -> str:
    if script.arguments:
        return script.arguments
    schema = {"type": "object"} | dict(function.schema or _NOTHING)
    return _encode(sample(schema, heard.said)).decode()
