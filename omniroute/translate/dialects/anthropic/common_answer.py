"""Whole answers of the common shape, read in one go.

Text, thinking and tool calls whose members are of the types the vendor documents: nearly every answer. Whatever else
there may be (citations, server tools, halves of surrogate pairs, a member of a wrong type) is declined, and then
``read_failure`` and ``read_answer`` judge it. What is not declined reads as it would there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, assert_never

import msgspec

from omniroute.domain import Usage
from omniroute.translate.canonical import Block, Candidate, ChatResponse, Reasoning, Text, ToolCall
from omniroute.translate.dialects.anthropic import vendor
from omniroute.translate.dialects.anthropic.answer import MAX_BLOCKS
from omniroute.translate.dialects.anthropic.usage import MAX_TOKENS, added_up

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]


# A member of type ``None`` is one that is declined where it says anything.
class _Text(msgspec.Struct, frozen=True, gc=False, tag="text", tag_field="type"):
    text: str
    citations: None = None


class _Thinking(msgspec.Struct, frozen=True, gc=False, tag="thinking", tag_field="type"):
    thinking: str
    signature: str = ""


class _ToolUse(msgspec.Struct, frozen=True, gc=False, tag="tool_use", tag_field="type"):
    id: str
    name: str
    input: msgspec.Raw


class _CacheCreation(msgspec.Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: _Count = 0
    ephemeral_1h_input_tokens: _Count = 0


class _OutputDetails(msgspec.Struct, frozen=True, gc=False):
    thinking_tokens: _Count = 0


class _Usage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: _Count
    output_tokens: _Count
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None


_Block = _Text | _Thinking | _ToolUse


class _Message(msgspec.Struct, frozen=True, gc=False):
    content: Annotated[list[_Block], msgspec.Meta(max_length=MAX_BLOCKS)]
    usage: _Usage
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: None = None
    container: None = None
    diagnostics: None = None


_message: Final = msgspec.json.Decoder(_Message)


def read_common_answer(body: bytes) -> ChatResponse | None:
    """The answer that ``body`` is; None: not of the common shape, whatever else it is."""
    try:
        message = _message.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    blocks, called = _read_blocks(message.content)
    finish = vendor.read_finish(message.stop_reason or "", message.stop_sequence or "", b"", called=called)
    return ChatResponse(
        id=message.id or "",
        model=message.model or "",
        candidates=(Candidate(blocks=blocks, finish=finish),),
        usage=_read_usage(message.usage),
        service_tier=message.usage.service_tier or "",
        origin=vendor.ORIGIN,
    )


def _read_blocks(content: Sequence[_Block]) -> tuple[tuple[Block, ...], bool]:
    """The blocks, and whether a call is among them."""
    blocks: list[Block] = []
    called = False
    for block in content:
        match block:
            case _Text():
                blocks.append(Text(text=block.text))
            case _Thinking():
                blocks.append(Reasoning(text=block.thinking, signature=block.signature, origin=vendor.ORIGIN))
            case _ToolUse():
                given = bytes(block.input)
                if block.name:  # no call is made of something nameless
                    arguments = "" if given == b"null" else vendor.object_text(given)
                    blocks.append(ToolCall(call_id=block.id, name=block.name, arguments=arguments))
                    called = True
            case _:
                assert_never(block)
    return tuple(blocks), called


def _read_usage(usage: _Usage) -> Usage:
    cached, details = usage.cache_creation, usage.output_tokens_details
    return added_up(
        usage.input_tokens,
        usage.output_tokens,
        read=usage.cache_read_input_tokens or 0,
        written=usage.cache_creation_input_tokens,
        written_5m=0 if cached is None else cached.ephemeral_5m_input_tokens,
        written_1h=0 if cached is None else cached.ephemeral_1h_input_tokens,
        thinking=0 if details is None else details.thinking_tokens,
    )
