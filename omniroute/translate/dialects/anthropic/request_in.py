"""A client's request, whole, into the hub (translation.md §5.1, §11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import reading
from omniroute.translate.canonical import (
    Block,
    ChatRequest,
    Format,
    Json,
    Opaque,
    Role,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
)
from omniroute.translate.dialect import Asked, Peeked
from omniroute.translate.dialects.anthropic import schema
from omniroute.translate.dialects.anthropic.content_in import read_blocks, read_cache, read_texts, with_call_signatures
from omniroute.translate.dialects.anthropic.errors import no_threads
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.members import word
from omniroute.translate.peeking import wrong

_body: Final = msgspec.json.Decoder(schema.RequestBody)
_members: Final = msgspec.json.Decoder(dict[str, Raw])
_tool: Final = msgspec.json.Decoder(schema.Tool)
_READ: Final = frozenset(schema.RequestBody.__struct_fields__)
_READ_OF_TOOL: Final = frozenset({*schema.Tool.__struct_fields__, "type"})
_ROLES: Final[Mapping[str, Role]] = MappingProxyType({"user": "user", "assistant": "assistant", "system": "system"})
_MODES: Final[Mapping[str, Literal["auto", "required", "named", "none"]]] = MappingProxyType(
    {"auto": "auto", "any": "required", "tool": "named", "none": "none"}
)
_TIERS: Final = {"standard_only": "default"}

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {"user": "metadata", "parallel": "tool_choice.disable_parallel_tool_use"}
)
_ELSEWHERE: Final = frozenset({"container"})


def read_request(asked: Asked, peeked: Peeked) -> ChatRequest:
    """The request; of a count, what is to be counted. Raises ClientError naming the field that is wrong.

    Raises Unsupported for a message thread.
    """
    if peeked.spans[1] is not None:
        raise no_threads()  # a conversation kept elsewhere cannot be understood
    body = reading.read_body(_body, asked.body)
    limit = reading.integer(body.max_tokens, "max_tokens", low=1)
    if limit is None and peeked.operation == "chat":
        raise ClientError(
            "'max_tokens' is missing: say how long the answer may be.",
            param="max_tokens",
            code="missing_required_parameter",
        )
    choice = body.tool_choice
    return ChatRequest(
        origin=ORIGIN,
        words=_WORDS,
        elsewhere=_ELSEWHERE,
        model=body.model,
        system=read_texts(body.system, "system"),
        turns=tuple(_turns(reading.bounded(body.messages, "messages", reading.MAX_MESSAGES))),
        tools=_tools(body.tools),
        tool_choice=_choice(choice),
        parallel=False if choice is not None and choice.disable_parallel_tool_use else None,
        max_output=None if limit is None else int(limit),
        temperature=reading.number(body.temperature, "temperature", low=0, high=2),
        top_p=reading.number(body.top_p, "top_p", low=0, high=1),
        top_k=reading.integer(body.top_k, "top_k", low=0),
        stop=reading.bounded(body.stop_sequences, "stop_sequences", reading.MAX_STOPS),
        stop_at="stop_sequences",
        format=_format(body.output_config),
        thinking=_thinking(body.thinking, body.output_config),
        user=(body.metadata.user_id or "") if body.metadata is not None else "",
        service_tier=_TIERS.get(body.service_tier or "", body.service_tier or ""),
        stream=body.stream,
        include_usage=True,
        ext=tuple(
            (name, bytes(raw))
            for name, raw in reading.read_body(_members, asked.body).items()
            if name not in _READ and raw != schema.NULL
        ),
    )


def _turns(messages: Sequence[schema.Message]) -> Iterator[Turn]:
    for number, message in enumerate(messages):
        at = f"messages[{number}]"
        role = _ROLES.get(message.role)
        if role is None:
            raise wrong(f"{at}.role", "must be user or assistant")
        blocks = with_call_signatures(read_blocks(message.content, f"{at}.content"))
        yield Turn(role=role, blocks=tuple(map(_asked, blocks)) if role == "user" else blocks, at=at)


def _asked(block: Block) -> Block:
    """``block`` of a user's message; results of the vendor's own tools belong to the answer they are part of."""
    if isinstance(block, Opaque) and not block.kind.endswith("_tool_result"):
        return msgspec.structs.replace(block, asked=True)
    return block


def _tools(tools: list[Raw] | None) -> tuple[Tool | ServerTool, ...]:
    listed = reading.bounded(tools, "tools", reading.MAX_TOOLS)
    return tuple(_read_tool(bytes(raw), f"tools[{number}]") for number, raw in enumerate(listed))


def _read_tool(raw: bytes, at: str) -> Tool | ServerTool:
    members = reading.read_body(_members, raw, at=at)
    kind = word(bytes(members.get("type", schema.NULL)))
    if kind not in ("", "custom"):
        return ServerTool(origin=ORIGIN, kind=kind, raw=raw, at=at)
    tool = reading.read_body(_tool, raw, at=at)
    if not tool.name:
        raise wrong(f"{at}.name", "is empty: name the tool")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        schema=reading.schema(tool.input_schema, f"{at}.input_schema"),
        strict=tool.strict,
        cache=read_cache(tool.cache_control),
        ext=tuple(
            (name, bytes(value))
            for name, value in members.items()
            if name not in _READ_OF_TOOL and value != schema.NULL
        ),
        ext_origin=ORIGIN,
        at=at,
    )


def _choice(choice: schema.Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    mode = _MODES.get(choice.type)
    if mode is None:
        raise wrong("tool_choice.type", "must be auto, any, tool or none")
    if mode == "named" and not choice.name:
        raise wrong("tool_choice.name", "is missing: name the tool")
    return ToolChoice(mode=mode, names=(choice.name,) if mode == "named" and choice.name else ())


def _format(config: schema.OutputConfig | None) -> Format | None:
    if config is None or config.format is None:
        return None
    at = "output_config.format"
    if config.format.type != "json_schema":
        raise wrong(f"{at}.type", "must be json_schema")
    wanted: Json = reading.schema(config.format.schema, f"{at}.schema")
    if not wanted:
        raise wrong(f"{at}.schema", "is missing")
    return Format(kind="json_schema", schema=wanted, at=at)


def _thinking(thinking: schema.ThinkingConfig | None, config: schema.OutputConfig | None) -> Thinking | None:
    effort = (config.effort or "") if config is not None else ""
    if thinking is None:
        return Thinking(mode="effort", effort=effort, at="output_config.effort") if effort else None
    show = thinking.display != "omitted"
    match thinking.type:
        case "disabled":
            return Thinking(mode="off", at="thinking")
        case "enabled":
            at = "thinking.budget_tokens"
            budget = reading.count(thinking.budget_tokens, at, low=1)
            if budget is None:
                raise wrong(at, "must be a whole number of tokens from 1024")
            return Thinking(mode="budget", budget=budget, show=show, at=at)
        case "adaptive" | "between_tools":
            at = "output_config.effort" if effort else "thinking"
            return Thinking(mode="adaptive", effort=effort, show=show, at=at)
        case _:
            raise wrong("thinking.type", "must be enabled, adaptive or disabled")
