"""A client's request as the hub's (translation.md §4.1, §11)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Cache,
    ChatRequest,
    Format,
    Json,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
)
from omniroute.translate.dialect import Asked, Peeked
from omniroute.translate.dialects.openai_chat.messages_in import ORIGIN, read_messages
from omniroute.translate.dialects.openai_chat.schema import (
    AskedBody,
    AskedChoice,
    AskedFormat,
    AskedFunction,
    AskedFunctionTool,
    AskedName,
    AskedReasoning,
    AskedTool,
    KnownBody,
)
from omniroute.translate.notes import Unsupported
from omniroute.translate.openai_bodies import PARAMETER_WORDS
from omniroute.translate.reading import (
    MAX_MESSAGES,
    MAX_SCHEMA_BYTES,
    MAX_STOPS,
    MAX_TOOLS,
    bounded,
    count,
    integer,
    number,
    read_body,
    schema,
)

_known_body: Final = msgspec.json.Decoder(KnownBody)
_body: Final = msgspec.json.Decoder(AskedBody)
_members: Final = msgspec.json.Decoder(dict[str, Raw])
_function_tools: Final = msgspec.json.Decoder(list[AskedFunctionTool])
_any_tools: Final = msgspec.json.Decoder(list[Raw] | None)
_tool: Final = msgspec.json.Decoder(AskedTool)
_choice: Final = msgspec.json.Decoder(str | AskedChoice | None)
_legacy: Final = msgspec.json.Decoder(str | AskedName | None)

KNOWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(AskedBody))
MAX_EFFORT_CHARS: Final = 32
_NULL: Final = (b"", b"null")


def read_request(asked: Asked, peeked: Peeked) -> ChatRequest:
    """The whole request. Raises ClientError naming the field, Unsupported for an answer in sound."""
    told, ext = _read(asked.body)
    system, turns = read_messages(bounded(told.messages, "messages", MAX_MESSAGES))
    if not turns and not system:
        raise ClientError("'messages' is empty: give at least one message.", param="messages", code="invalid_value")
    if "audio" in (told.modalities or ()):
        raise Unsupported(
            "'modalities' asks for sound, which the chosen model's provider cannot give in this dialect.",
            param="modalities",
        )
    limit, limit_at = _limit(told)
    legacy = told.functions is not None and bytes(told.tools) in _NULL
    return ChatRequest(
        origin=ORIGIN,
        words=PARAMETER_WORDS,
        model=peeked.model,
        system=system,
        turns=turns,
        tools=_functions(told.functions or ()) if legacy else _tools(told.tools),
        tool_choice=_legacy_choice(told.function_call) if legacy else _tool_choice(told.tool_choice),
        parallel=told.parallel_tool_calls,
        legacy_functions=legacy,
        max_output=limit,
        max_output_at=limit_at,
        temperature=number(told.temperature, "temperature"),
        top_p=number(told.top_p, "top_p"),
        top_k=integer(told.top_k, "top_k"),
        seed=integer(told.seed, "seed") or integer(told.random_seed, "random_seed"),
        presence=number(told.presence_penalty, "presence_penalty"),
        frequency=number(told.frequency_penalty, "frequency_penalty"),
        logit_bias=_object(told.logit_bias, "logit_bias"),
        stop=_stop(told.stop),
        logprobs=told.logprobs,
        top_logprobs=count(told.top_logprobs, "top_logprobs"),
        choices=told.n,
        format=_format(told.response_format),
        thinking=_thinking(told),
        verbosity=told.verbosity or "",
        user=told.user or told.safety_identifier or "",
        metadata=_object(told.metadata, "metadata"),
        service_tier=told.service_tier or "",
        store=told.store,
        cache_key=told.prompt_cache_key or "",
        cache_retention=told.prompt_cache_retention or "",
        stream=peeked.stream,
        include_usage=peeked.include_usage,
        ext=ext,
    )


def _read(body: bytes) -> tuple[AskedBody, tuple[tuple[str, Json], ...]]:
    """The body, and the members at its top that nobody knows: looked for only where there are any."""
    with suppress(ClientError):  # a member nobody knows; what else may be wrong is said below
        return read_body(_known_body, body), ()
    return read_body(_body, body), unknown_members(body, KNOWN)


def unknown_members(body: bytes, known: frozenset[str]) -> tuple[tuple[str, Json], ...]:
    """Members at the top that are not ``known``; null ones say nothing."""
    found = read_body(_members, body)
    return tuple((name, bytes(raw)) for name, raw in found.items() if name not in known and bytes(raw) != b"null")


# -- parameters ----------------------------------------------------------------------------------------------------
def _limit(told: AskedBody) -> tuple[int | None, str]:
    """The limit of the answer and the member that set it: the newer name wins."""
    for name, raw in (("max_completion_tokens", told.max_completion_tokens), ("max_tokens", told.max_tokens)):
        found = integer(raw, name, low=1, high=2**31 - 1)
        if found is not None:
            return int(found), name
    return None, "max_tokens"


def _stop(told: str | list[str] | None) -> tuple[str, ...]:
    return (told,) if isinstance(told, str) else bounded(told, "stop", MAX_STOPS)


def _object(raw: Raw, at: str) -> Json | None:
    text = bytes(raw)
    if text in _NULL:
        return None
    if not text.startswith(b"{"):
        raise ClientError(f"'{at}' must be an object.", param=at, code="invalid_value")
    return text


def _format(told: AskedFormat | None) -> Format | None:
    if told is None:
        return None
    match told.type:
        case "text":
            return Format(kind="text")
        case "json_object":
            return Format(kind="json_object")
        case "json_schema" if told.json_schema is not None:
            inner = told.json_schema
            return Format(
                kind="json_schema",
                name=inner.name,
                description=inner.description or "",
                schema=schema(inner.schema, "response_format.json_schema.schema"),
                strict=inner.strict,
            )
        case "json_schema":
            raise ClientError(
                "'response_format.json_schema' is missing: give the schema of the answer.",
                param="response_format.json_schema",
                code="missing_required_parameter",
            )
        case _:
            pass
    raise ClientError(
        "'response_format.type' must be text, json_object or json_schema.",
        param="response_format.type",
        code="invalid_value",
    )


def _thinking(told: AskedBody) -> Thinking | None:
    """How much to reason, by the first member that says it: OpenAI's own, then those of other vendors."""
    if told.reasoning_effort is not None:
        return _by_effort(told.reasoning_effort, "reasoning_effort")
    if told.reasoning is not None:
        return _by_reasoning(told.reasoning)
    if told.thinking is not None:
        return _by_switch(told.thinking.type != "disabled", told.thinking.budget_tokens, "thinking", ".budget_tokens")
    if told.enable_thinking is not None or told.thinking_budget is not None:
        return _by_switch(told.enable_thinking is not False, told.thinking_budget, "enable_thinking", "")
    return None


def _by_switch(on: bool, budget: int | None, at: str, budget_member: str) -> Thinking:
    if not on:
        return Thinking(mode="off", at=at)
    return _by_budget(budget, at, at + budget_member if budget_member else "thinking_budget")


def _by_effort(effort: str, at: str, *, show: bool | None = None) -> Thinking:
    if not effort or len(effort) > MAX_EFFORT_CHARS or not effort.isprintable():
        raise ClientError(
            f"'{at}' must be none, minimal, low, medium, high, xhigh or max.", param=at, code="invalid_value"
        )
    if effort == "none":
        return Thinking(mode="off", at=at)
    return Thinking(mode="effort", effort=effort, show=show, at=at)


def _by_budget(budget: int | None, at: str, budget_at: str, *, show: bool | None = None) -> Thinking:
    if budget is None:
        return Thinking(mode="adaptive", show=show, at=at)
    count(budget, budget_at)
    return Thinking(mode="budget" if budget else "off", budget=budget, show=show, at=budget_at)


def _by_reasoning(told: AskedReasoning) -> Thinking | None:
    show = not told.exclude
    if told.enabled is False:
        return Thinking(mode="off", at="reasoning")
    if told.effort is not None:
        return _by_effort(told.effort, "reasoning.effort", show=show)
    if told.max_tokens is None and told.enabled is None and told.exclude is None:
        return None
    return _by_budget(told.max_tokens, "reasoning", "reasoning.max_tokens", show=show)


# -- tools ---------------------------------------------------------------------------------------------------------
def _tools(raw: Raw) -> tuple[Tool | ServerTool, ...]:
    """Tools, read at once if all are functions that are described as they should be, else one by one."""
    if not raw:
        return ()
    try:
        functions = _function_tools.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):  # the other way says what is wrong, if anything is
        tools = bounded(read_body(_any_tools, bytes(raw), "tools"), "tools", MAX_TOOLS)
        return tuple(_read_tool(bytes(tool), f"tools[{place}]") for place, tool in enumerate(tools))
    listed = bounded(functions, "tools", MAX_TOOLS)
    return tuple([_function_tool(tool, f"tools[{place}]") for place, tool in enumerate(listed)])


def _function_tool(tool: AskedFunctionTool, at: str) -> Tool:
    mark = tool.cache_control
    return _function(tool.function, at, ".function", None if mark is None else Cache(mark.ttl or ""))


def _read_tool(raw: bytes, at: str) -> Tool | ServerTool:
    tool = read_body(_tool, raw, at)
    cache = None if tool.cache_control is None else Cache(tool.cache_control.ttl or "")
    if tool.type == "function":
        if tool.function is None:
            raise ClientError(
                f"'{at}.function' is missing: describe the function.",
                param=f"{at}.function",
                code="missing_required_parameter",
            )
        return _function(tool.function, at, ".function", cache)
    if tool.type == "custom" and tool.custom is not None:
        custom = tool.custom
        return Tool(
            name=custom.name,
            description=custom.description or "",
            custom=True,
            format=_object(custom.format, f"{at}.custom.format") or b"",
            cache=cache,
            at=at,
        )
    return ServerTool(origin=ORIGIN, kind=tool.type, raw=raw, at=at)


def _functions(told: Sequence[AskedFunction]) -> tuple[Tool, ...]:
    listed = bounded(told, "functions", MAX_TOOLS)
    return tuple(_function(function, f"functions[{place}]", "", None) for place, function in enumerate(listed))


def _function(function: AskedFunction, at: str, member: str, cache: Cache | None) -> Tool:
    """``function``, described in ``member`` of what stands at ``at``."""
    if not function.name:
        raise ClientError(f"'{at}{member}.name' is empty.", param=f"{at}{member}.name", code="invalid_value")
    parameters = bytes(function.parameters)
    if not parameters.startswith(b"{") or len(parameters) > MAX_SCHEMA_BYTES:
        parameters = schema(parameters, f"{at}{member}.parameters")
    return Tool(
        name=function.name,
        description=function.description or "",
        schema=parameters,
        strict=function.strict,
        cache=cache,
        at=at,
    )


def _tool_choice(raw: Raw) -> ToolChoice | None:
    told = read_body(_choice, bytes(raw), "tool_choice") if raw else None
    match told:
        case None:
            return None
        case "none" | "auto" | "required":
            return ToolChoice(mode=told)
        case "any":  # Mistral
            return ToolChoice(mode="required")
        case AskedChoice(type="function", function=named) if named is not None:
            return ToolChoice(mode="named", names=(named.name,))
        case AskedChoice(type="custom", custom=named) if named is not None:
            return ToolChoice(mode="named", names=(named.name,), custom=True)
        case AskedChoice(type="allowed_tools", allowed_tools=allowed) if allowed is not None:
            names = (tool.function or tool.custom for tool in allowed.tools)
            listed = tuple(name.name for name in names if name is not None)
            return ToolChoice(mode="allowed", names=listed, required=allowed.mode == "required")
    raise ClientError(
        "'tool_choice' must be none, auto, required, or an object that names a function, a custom tool or the allowed "
        "tools.",
        param="tool_choice",
        code="invalid_value",
    )


def _legacy_choice(raw: Raw) -> ToolChoice | None:
    told = read_body(_legacy, bytes(raw) or b"null", "function_call")
    if told is None:
        return None
    if isinstance(told, str):
        if told not in ("none", "auto"):
            raise ClientError(
                "'function_call' must be none, auto or an object with the name of a function.",
                param="function_call",
                code="invalid_value",
            )
        return ToolChoice(mode="none" if told == "none" else "auto", at="function_call")
    return ToolChoice(mode="named", names=(told.name,), at="function_call")
