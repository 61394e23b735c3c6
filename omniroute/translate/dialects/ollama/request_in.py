"""A client's request, ``/api/chat`` or ``/api/generate``, as the hub's (translation.md §8, §11)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from omniroute.errors import ClientError
from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Block,
    ChatRequest,
    Format,
    Json,
    Reasoning,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.dialect import Asked, Peeked
from omniroute.translate.dialects.ollama.images import read_image
from omniroute.translate.dialects.ollama.peek import GENERATE
from omniroute.translate.dialects.ollama.schema import (
    AskedAnything,
    AskedCall,
    AskedMessage,
    AskedTool,
    ChatBody,
    GenerateBody,
)
from omniroute.translate.reading import (
    MAX_MESSAGES,
    MAX_STOPS,
    MAX_TOOLS,
    bounded,
    count,
    integer,
    number,
    read_body,
    schema,
)

_chat: Final = msgspec.json.Decoder(ChatBody)
_generate: Final = msgspec.json.Decoder(GenerateBody)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_stops: Final = msgspec.json.Decoder(list[str] | str | None)
_format: Final = msgspec.json.Decoder(str | None)

_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "user"}
_OPTIONS: Final = frozenset(
    {"num_predict", "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty"}
)
"""Those that other dialects know, too."""
MAX_EFFORT_CHARS: Final = 32

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "temperature": "options.temperature",
        "top_p": "options.top_p",
        "top_k": "options.top_k",
        "seed": "options.seed",
        "presence": "options.presence_penalty",
        "frequency": "options.frequency_penalty",
    }
)


def read_request(asked: Asked, peeked: Peeked) -> ChatRequest:
    """The whole request. Raises ClientError naming the field."""
    if peeked.variant == GENERATE:
        generate = read_body(_generate, asked.body)
        _refuse_templates(generate)
        return _request(asked.body, generate, peeked, system=_system(generate), turns=(_prompt(generate),))
    chat = read_body(_chat, asked.body)
    messages = bounded(chat.messages, "messages", MAX_MESSAGES)
    turns = tuple(_turn(message, f"messages[{place}]") for place, message in enumerate(messages))
    if not turns:
        raise ClientError(
            "'messages' is missing or empty: give the conversation as a list of messages.",
            param="messages",
            code="missing_required_parameter",
        )
    leading = next((place for place, turn in enumerate(turns) if turn.role != "system"), len(turns))
    system = tuple(block for turn in turns[:leading] for block in turn.blocks if isinstance(block, Text))
    tools = tuple(_tool(tool, f"tools[{place}]") for place, tool in enumerate(bounded(chat.tools, "tools", MAX_TOOLS)))
    return _request(asked.body, chat, peeked, system=system, turns=turns[leading:], tools=tools)


def _request(
    body: bytes,
    told: AskedAnything,
    peeked: Peeked,
    *,
    system: tuple[Text, ...],
    turns: tuple[Turn, ...],
    tools: tuple[Tool, ...] = (),
) -> ChatRequest:
    options = told.options or {}

    def sampling(name: str) -> Json | None:
        return number(options.get(name), f"options.{name}")

    limit = integer(options.get("num_predict"), "options.num_predict", low=-(2**31), high=2**31 - 1)
    return ChatRequest(
        origin="ollama",
        words=_WORDS,
        model=peeked.model,
        system=system,
        turns=turns,
        tools=tools,
        # -1 is "until it stops", -2 "until the context is full", and nobody wants an answer of no tokens
        max_output=int(limit) if limit is not None and int(limit) > 0 else None,
        max_output_at="options.num_predict",
        temperature=sampling("temperature"),
        top_p=sampling("top_p"),
        top_k=integer(options.get("top_k"), "options.top_k"),
        seed=integer(options.get("seed"), "options.seed"),
        presence=sampling("presence_penalty"),
        frequency=sampling("frequency_penalty"),
        stop=_stop(options.get("stop")),
        stop_at="options.stop",
        logprobs=told.logprobs,
        top_logprobs=count(told.top_logprobs, "top_logprobs"),
        format=_read_format(told.format),
        thinking=_thinking(told.think),
        stream=peeked.stream,
        include_usage=True,
        ext=_rest(body, told, options),
    )


def _rest(body: bytes, told: AskedAnything, options: dict[str, msgspec.Raw]) -> tuple[tuple[str, Json], ...]:
    """What only Ollama servers understand: runner switches as ``options.<name>``, and members nobody knows."""
    known = {field.encode_name for field in msgspec.structs.fields(told)} - {"keep_alive"}
    unknown = read_body(_members, body).items()
    members = [(name, bytes(raw)) for name, raw in unknown if name not in known and bytes(raw) != b"null"]
    switches = [(f"options.{name}", bytes(raw)) for name, raw in options.items() if name not in _OPTIONS]
    return (*members, *((name, raw) for name, raw in switches if raw != b"null"))


# -- messages ------------------------------------------------------------------------------------------------------


def _turn(message: AskedMessage, at: str) -> Turn:
    role = _ROLES.get(message.role)
    if role is None:
        raise ClientError(
            f"'{at}.role' is '{message.role[:64]}'; it must be system, user, assistant or tool.",
            param=f"{at}.role",
            code="invalid_value",
        )
    if message.role == "tool":
        return Turn(role=role, blocks=(_result(message, at),), at=at)
    blocks: list[Block] = []
    if message.thinking:
        blocks.append(Reasoning(text=message.thinking, at=f"{at}.thinking"))
    if message.content:
        # What a turn is about in one piece stands at the turn: an Ollama message has no parts to point at.
        blocks.append(Text(text=message.content, at=at if role == "system" else f"{at}.content"))
    blocks.extend(read_image(image, f"{at}.images[{place}]") for place, image in enumerate(message.images or ()))
    blocks.extend(_call(call, f"{at}.tool_calls[{place}]") for place, call in enumerate(message.tool_calls or ()))
    return Turn(role=role, blocks=tuple(blocks), at=at)


def _call(call: AskedCall, at: str) -> ToolCall:
    raw = call.function.arguments
    arguments = jsontext.inner(raw)
    if arguments is not None:
        text = jsontext.unescaped(arguments)
    elif bytes(raw) == b"null":
        text = "{}"
    elif bytes(raw).startswith(b"{"):
        text = _compact(raw, f"{at}.function.arguments")
    else:
        where = f"{at}.function.arguments"
        raise ClientError(f"'{where}' must be an object.", param=where, code="invalid_value")
    return ToolCall(call_id=call.id or "", name=call.function.name, arguments=text, at=at)


def _result(message: AskedMessage, at: str) -> ToolResult:
    blocks: list[Block] = [Text(text=message.content or "", at=f"{at}.content")]
    blocks.extend(read_image(image, f"{at}.images[{place}]") for place, image in enumerate(message.images or ()))
    return ToolResult(call_id=message.tool_call_id or "", name=message.tool_name or "", blocks=tuple(blocks), at=at)


def _compact(raw: msgspec.Raw, at: str) -> str:
    try:
        return jsontext.compact(raw).decode()
    except (ValueError, UnicodeDecodeError) as error:
        raise ClientError(f"'{at}' is nested too deeply, or not UTF-8.", param=at, code="invalid_value") from error


def _tool(tool: AskedTool, at: str) -> Tool:
    if tool.type not in (None, "function"):
        raise ClientError(
            f"'{at}.type' is '{tool.type[:64]}'; only functions can be called.",
            param=f"{at}.type",
            code="invalid_value",
        )
    function = tool.function
    return Tool(
        name=function.name,
        description=function.description or "",
        schema=schema(function.parameters, f"{at}.function.parameters"),
        at=at,
    )


# -- /api/generate -------------------------------------------------------------------------------------------------


def _refuse_templates(body: GenerateBody) -> None:
    """What builds the prompt's text by hand has no meaning for a provider that takes messages."""
    wrong = {
        "raw": bool(body.raw),
        "template": bool(body.template),
        "context": bool(body.context),
        "suffix": bool(body.suffix),
    }
    for name, given in wrong.items():
        if given:
            raise ClientError(
                f"'{name}' works with an Ollama server only, and the chosen model's provider is none. "
                f"Leave '{name}' out{', and use /api/chat to continue a conversation' if name == 'context' else ''}.",
                param=name,
                kind="unsupported",
                code="unsupported_feature",
            )


def _system(body: GenerateBody) -> tuple[Text, ...]:
    return (Text(text=body.system, at="system"),) if body.system else ()


def _prompt(body: GenerateBody) -> Turn:
    blocks: list[Block] = [Text(text=body.prompt, at="prompt")] if body.prompt else []
    blocks.extend(read_image(image, f"images[{place}]") for place, image in enumerate(body.images or ()))
    if not blocks:
        # On an Ollama server this only loads the model; elsewhere there is nothing to load.
        raise ClientError(
            "'prompt' is missing: give the text to answer.", param="prompt", code="missing_required_parameter"
        )
    return Turn(role="user", blocks=tuple(blocks), at="prompt")


# -- parameters ----------------------------------------------------------------------------------------------------


def _stop(raw: msgspec.Raw | None) -> tuple[str, ...]:
    at = "options.stop"
    try:
        found = _stops.decode(raw or b"null")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ClientError(f"'{at}' must be a list of strings.", param=at, code="invalid_value") from error
    if isinstance(found, str):
        return (found,)
    return bounded(found, at, MAX_STOPS)


def _read_format(raw: msgspec.Raw) -> Format | None:
    text = bytes(raw)
    if text.startswith(b"{"):
        return Format(kind="json_schema", schema=schema(raw, "format"), at="format")
    try:
        word = _format.decode(text or b"null")
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong_format() from error
    if not word:
        return None
    if word != "json":
        raise _wrong_format()
    return Format(kind="json_object", at="format")


def _wrong_format() -> ClientError:
    return ClientError("'format' must be \"json\" or a JSON Schema object.", param="format", code="invalid_value")


def _thinking(think: bool | str | None) -> Thinking | None:
    if think is None or think == "":
        return None
    if think is False:
        return Thinking(mode="off", at="think")
    if think is True:
        return Thinking(mode="effort", effort="medium", show=True, at="think")
    if len(think) > MAX_EFFORT_CHARS:
        raise ClientError("'think' must be true, false, low, medium or high.", param="think", code="invalid_value")
    return Thinking(mode="effort", effort=think, show=True, at="think")
