"""Requests of Anthropic's Messages, and what the service refuses about them: a gateway that breaks a rule is told so.

Source: docs.anthropic.com/en/api/messages, the errors of the service in recordings (seen 2026-03).
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from omniroute.mock.dialect import BadAsk

MIN_BUDGET: Final = 1024
MAX_CACHE_MARKS: Final = 4
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_FOREIGN: Final = "omr1:"
"""Begins what a gateway hid in a signature: nothing this service made."""


class Mark(msgspec.Struct):
    """``cache_control``."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class Block(msgspec.Struct):
    """A content block of any type: the members the rules are about."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, object] = {}
    tool_use_id: str = ""
    content: str | list[Block] = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    cache_control: Mark | None = None


class Message(msgspec.Struct):
    """One of ``messages``."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(msgspec.Struct):
    """A tool; without a schema one that the vendor runs."""

    name: str
    input_schema: dict[str, object] | None = None
    cache_control: Mark | None = None


class Choice(msgspec.Struct):
    """``tool_choice``."""

    type: Literal["auto", "any", "tool", "none"]
    name: str = ""


class Thinking(msgspec.Struct):
    """``thinking``."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int = 0


class Format(msgspec.Struct):
    """``output_config.format``."""

    type: Literal["json_schema"]
    schema: dict[str, object]


class Output(msgspec.Struct):
    """``output_config``."""

    format: Format | None = None


class Count(msgspec.Struct, kw_only=True):
    """What ``count_tokens`` takes."""

    model: str
    messages: list[Message]
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: Choice | None = None
    thinking: Thinking | None = None
    output_config: Output | None = None


class Body(Count, kw_only=True):
    """What ``messages`` takes."""

    max_tokens: int
    stream: bool | None = None
    temperature: float | None = None


def texts_of(message: Message) -> list[str]:
    """The texts of a message, those of results included."""
    if isinstance(message.content, str):
        return [message.content]
    return [text_of(block) for block in message.content if block.type in {"text", "tool_result"}]


def text_of(block: Block) -> str:
    """The text of a block or of a tool's result."""
    if block.type != "tool_result":
        return block.text
    if isinstance(block.content, str):
        return block.content
    return "\n".join(inner.text for inner in block.content if inner.type == "text")


def media_of(message: Message) -> int:
    """How many pictures and documents there are."""
    if isinstance(message.content, str):
        return 0
    inside = [inner for block in message.content if isinstance(block.content, list) for inner in block.content]
    return sum(block.type in {"image", "document"} for block in [*message.content, *inside])


def check(body: Body) -> None:
    """Raise BadAsk for what the service answers with 400."""
    check_count(body)
    if body.max_tokens < 1:
        raise BadAsk("max_tokens: must be greater than or equal to 1")
    thinking = body.thinking
    if thinking is None or thinking.type == "disabled":
        return
    if thinking.type == "enabled" and not MIN_BUDGET <= thinking.budget_tokens < body.max_tokens:
        raise BadAsk(f"thinking.budget_tokens: must be at least {MIN_BUDGET} and less than `max_tokens`")
    if body.tool_choice is not None and body.tool_choice.type in {"any", "tool"}:
        raise BadAsk("Thinking may not be enabled when tool_choice forces tool use.")
    if thinking.type == "enabled" and body.temperature not in (None, 1):
        raise BadAsk("`temperature` may only be set to 1 when thinking is enabled.")


def check_count(body: Count) -> None:
    """Raise BadAsk for what both endpoints answer with 400."""
    if not body.messages:
        raise BadAsk("messages: at least one message is required")
    for place, message in enumerate(body.messages):
        if not message.content:
            raise BadAsk(f"messages.{place}: all messages must have non-empty content")
        for number, block in enumerate(message.content if isinstance(message.content, list) else ()):
            _check_block(block, f"messages.{place}.content.{number}")
    _check_calls(body.messages)
    _check_marks(body)


def _check_block(block: Block, at: str) -> None:
    match block.type:
        case "text" if not block.text.strip():
            raise BadAsk(f"{at}: text content blocks must contain non-whitespace text")
        case "tool_use" if not _ID.fullmatch(block.id):
            raise BadAsk(f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        case "thinking" if not block.signature or block.signature.startswith(_FOREIGN):
            raise BadAsk(f"{at}: Invalid `signature` in `thinking` block")
        case "redacted_thinking" if not block.data or block.data.startswith(_FOREIGN):
            raise BadAsk(f"{at}: Invalid `data` in `redacted_thinking` block")
        case _:
            pass


def _check_calls(messages: list[Message]) -> None:
    """Every call is answered in the message right after it, and nothing else is, results first."""
    waiting: list[str] = []
    for place, message in enumerate(messages):
        blocks = message.content if isinstance(message.content, list) else []
        results = [block.tool_use_id for block in blocks if block.type == "tool_result"]
        missing = [one for one in waiting if one not in results]
        if missing:
            raise BadAsk(
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}."
            )
        if any(one not in waiting for one in results) or len(set(results)) < len(results):
            raise BadAsk(f"messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks.")
        if any(block.type != "tool_result" for block in blocks[: len(results)]):
            raise BadAsk(f"messages.{place}: `tool_result` blocks must come before any other block.")
        waiting = [block.id for block in blocks if block.type == "tool_use"]
    if waiting:
        raise BadAsk("messages: `tool_use` ids were found without `tool_result` blocks after the last message.")


def _check_marks(body: Count) -> None:
    content = [message.content for message in body.messages if isinstance(message.content, list)]
    system = body.system if isinstance(body.system, list) else []
    blocks = [*system, *(block for blocks in content for block in blocks)]
    marks = sum(block.cache_control is not None for block in blocks)
    marks += sum(tool.cache_control is not None for tool in body.tools or ())
    if marks > MAX_CACHE_MARKS:
        raise BadAsk(f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. Found {marks}.")
