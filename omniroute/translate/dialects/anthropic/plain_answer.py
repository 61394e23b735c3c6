"""Whole answers of the usual kind, read at once: texts, thoughts and calls, every member as Anthropic writes it.

A fast path of ``answer.read_answer``: it declines what is not so, and where it does not both say the same.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from omniroute.domain import Usage
from omniroute.translate.canonical import Block, Candidate, ChatResponse, Reasoning, Text, ToolCall
from omniroute.translate.dialects.anthropic.usage import MAX_TOKENS, added_up
from omniroute.translate.dialects.anthropic.vendor import MAX_BLOCKS, ORIGIN, object_text, read_finish

_Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]


class _Text(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    text: str
    citations: None = None


class _Thinking(msgspec.Struct, frozen=True, tag="thinking", tag_field="type"):
    thinking: str
    signature: str = ""


class _Call(msgspec.Struct, frozen=True, tag="tool_use", tag_field="type"):
    id: str
    name: Annotated[str, Meta(min_length=1)]
    input: Raw


class _Written(msgspec.Struct, frozen=True):
    ephemeral_5m_input_tokens: _Tokens = 0
    ephemeral_1h_input_tokens: _Tokens = 0


class _Output(msgspec.Struct, frozen=True):
    thinking_tokens: _Tokens = 0


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: _Tokens
    output_tokens: _Tokens
    cache_read_input_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_creation: _Written | None = None
    output_tokens_details: _Output | None = None
    service_tier: str | None = None


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    model: str
    content: Annotated[list[_Text | _Thinking | _Call], Meta(max_length=MAX_BLOCKS)]
    stop_reason: str
    stop_sequence: str | None = None
    stop_details: None = None
    container: None = None
    diagnostics: None = None
    usage: _Usage


_message: Final = msgspec.json.Decoder(_Message)
_NULL: Final = b"null"


def read_plain(body: bytes) -> ChatResponse | None:
    """An upstream's message; None for one that is to be read member by member."""
    try:
        told = _message.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    blocks: list[Block] = []
    called = False
    for block in told.content:
        if isinstance(block, _Text):
            blocks.append(Text(text=block.text))
        elif isinstance(block, _Thinking):
            blocks.append(Reasoning(text=block.thinking, signature=block.signature, origin=ORIGIN))
        else:
            given = bytes(block.input)
            if given == _NULL:
                return None
            called = True
            blocks.append(ToolCall(call_id=block.id, name=block.name, arguments=object_text(given)))
    finish = read_finish(told.stop_reason, told.stop_sequence or "", b"", called=called)
    return ChatResponse(
        id=told.id,
        model=told.model,
        candidates=(Candidate(blocks=tuple(blocks), finish=finish),),
        usage=_usage(told.usage),
        service_tier=told.usage.service_tier or "",
        origin=ORIGIN,
    )


def _usage(told: _Usage) -> Usage:
    written, details = told.cache_creation, told.output_tokens_details
    return added_up(
        told.input_tokens,
        told.output_tokens,
        read=told.cache_read_input_tokens or 0,
        written=told.cache_creation_input_tokens,
        written_5m=0 if written is None else written.ephemeral_5m_input_tokens,
        written_1h=0 if written is None else written.ephemeral_1h_input_tokens,
        thinking=0 if details is None else details.thinking_tokens,
    )
