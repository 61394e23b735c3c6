"""Ollama's own words: bodies of ``/api/chat`` and ``/api/generate``, asked and answered (translation.md §8).

Source: github.com/ollama/ollama/blob/main/docs/api.md and the types of the ``ollama`` package, 0.6.3 (seen 2026-03);
recordings ``ollama/*``. Opaque members stay JSON text; texts of answers stay escaped.
"""

from __future__ import annotations

import msgspec

# -- requests, read ------------------------------------------------------------------------------------------------


class AskedFunction(msgspec.Struct, frozen=True):
    """A call in the history. ``arguments`` is an object."""

    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class AskedCall(msgspec.Struct, frozen=True):
    """One of ``tool_calls``."""

    function: AskedFunction
    id: str | None = None


class AskedMessage(msgspec.Struct, frozen=True):
    """One of ``messages``."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[AskedCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class AskedToolFunction(msgspec.Struct, frozen=True):
    """What a tool is."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = msgspec.Raw()


class AskedTool(msgspec.Struct, frozen=True):
    """One of ``tools``: functions only."""

    function: AskedToolFunction
    type: str | None = None


class AskedAnything(msgspec.Struct, frozen=True, kw_only=True):
    """What both endpoints take."""

    model: str
    stream: bool | None = None
    format: msgspec.Raw = msgspec.Raw()
    options: dict[str, msgspec.Raw] | None = None
    think: bool | str | None = None
    keep_alive: msgspec.Raw = msgspec.Raw()
    logprobs: bool | None = None
    top_logprobs: int | None = None


class ChatBody(AskedAnything, frozen=True, kw_only=True):
    """``POST /api/chat``."""

    messages: list[AskedMessage] | None = None
    tools: list[AskedTool] | None = None


class GenerateBody(AskedAnything, frozen=True, kw_only=True):
    """``POST /api/generate``."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: list[int] | None = None
    raw: bool | None = None
    images: list[str] | None = None


# -- requests, written ---------------------------------------------------------------------------------------------


class Function(msgspec.Struct, frozen=True):
    """A call's function."""

    index: int
    name: str
    arguments: msgspec.Raw


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool call, in a request's history or in an answer."""

    function: Function
    id: str = ""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message of a request."""

    role: str
    content: str
    thinking: str = ""
    images: tuple[str, ...] = ()
    tool_calls: tuple[Call, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""


class ToolFunction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool's function."""

    name: str
    parameters: msgspec.Raw
    description: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A tool."""

    function: ToolFunction
    type: str = "function"


class ChatRequestBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """``POST /api/chat`` as we send it. ``stream`` is always written: Ollama streams if it is absent."""

    model: str
    messages: tuple[Message, ...]
    stream: bool
    tools: tuple[Tool, ...] = ()
    format: msgspec.Raw | None = None
    options: dict[str, msgspec.Raw] = {}
    think: bool | str | None = None
    keep_alive: msgspec.Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


# -- answers, read -------------------------------------------------------------------------------------------------


class ToldFunction(msgspec.Struct):
    """A call's function, whatever its members are."""

    name: msgspec.Raw = msgspec.Raw()
    arguments: msgspec.Raw = msgspec.Raw()


class ToldCall(msgspec.Struct):
    """One of ``tool_calls``. ``function.index`` may repeat [rec] and is not read."""

    function: ToldFunction
    id: msgspec.Raw = msgspec.Raw()


class ToldMessage(msgspec.Struct):
    """``message`` of a line or a whole answer."""

    content: msgspec.Raw = msgspec.Raw()
    thinking: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    images: msgspec.Raw = msgspec.Raw()


class ToldTop(msgspec.Struct, omit_defaults=True):
    """A token that might have stood there. The words are those of OpenAI's Chat, of which Ollama took them."""

    token: msgspec.Raw
    logprob: msgspec.Raw
    bytes: msgspec.Raw = msgspec.Raw(b"null")


class ToldLogprob(msgspec.Struct):
    """The probability of one token."""

    token: msgspec.Raw
    logprob: msgspec.Raw
    bytes: msgspec.Raw = msgspec.Raw(b"null")
    top_logprobs: list[ToldTop] = []


class Told(msgspec.Struct):
    """A line of a stream, or a whole answer, of either endpoint. A member of a wrong type does not spoil the rest."""

    model: msgspec.Raw = msgspec.Raw()
    created_at: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    """``/api/generate``: the text."""
    thinking: msgspec.Raw = msgspec.Raw()
    """``/api/generate``."""
    image: msgspec.Raw = msgspec.Raw()
    """``/api/generate`` of models that make pictures: base64."""
    done: msgspec.Raw = msgspec.Raw()
    done_reason: msgspec.Raw = msgspec.Raw()
    prompt_eval_count: msgspec.Raw = msgspec.Raw()
    eval_count: msgspec.Raw = msgspec.Raw()
    logprobs: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


# -- answers, written ----------------------------------------------------------------------------------------------


class AnswerMessage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``message`` of an answer of ours."""

    role: str
    content: msgspec.Raw
    thinking: msgspec.Raw | None = None
    images: tuple[str, ...] = ()
    tool_calls: tuple[Call, ...] = ()


class Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A line of a stream, or a whole answer, of either endpoint."""

    model: str
    created_at: str
    message: AnswerMessage | None = None
    response: msgspec.Raw | None = None
    thinking: msgspec.Raw | None = None
    image: str = ""
    done: bool
    logprobs: msgspec.Raw | None = None
    done_reason: str = ""
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    estimated: bool = False
    """Ours: the upstream told no counts."""
