"""Whole answers: read from an upstream, written for a client (translation.md §5.3, §12.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, assert_never

import msgspec

from omniroute.domain import Quirks
from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Audio,
    Block,
    Candidate,
    ChatResponse,
    Document,
    Finish,
    Image,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.anthropic import outgoing, vendor
from omniroute.translate.dialects.anthropic.plain_answer import read_plain
from omniroute.translate.dialects.anthropic.usage import WireUsage, counters, usage_of, write_usage
from omniroute.translate.estimate import estimated_usage
from omniroute.translate.members import items, member, members, word

_OWN_MEMBERS: Final = {"container": b"container", "diagnostics": b"diagnostics"}
_NO_FINISH: Final = Finish(reason="stop")

Written = outgoing.TextOut | outgoing.ThinkingOut | outgoing.RedactedOut | outgoing.ToolUseOut | msgspec.Raw


class AnswerOut(msgspec.Struct, frozen=True, kw_only=True, tag="message", tag_field="type"):
    """A whole message."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: tuple[Written, ...]
    stop_reason: str
    stop_sequence: str | None
    stop_details: outgoing.StopDetails | msgspec.UnsetType = msgspec.UNSET
    container: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    diagnostics: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    usage: WireUsage


def read_answer(body: bytes, quirks: Quirks) -> ChatResponse:
    """An upstream's message. Raises ValueError if it is none."""
    del quirks
    return read_plain(body) or read_any(body)


def read_any(body: bytes) -> ChatResponse:
    """The same without the fast path: member by member."""
    message_id, model, content, usage, reason, sequence, details, *own = members(
        body,
        (
            b"id",
            b"model",
            b"content",
            b"usage",
            b"stop_reason",
            b"stop_sequence",
            b"stop_details",
            *_OWN_MEMBERS.values(),
        ),
    )
    if not content.startswith(b"["):
        raise ValueError("a message without content")
    blocks = tuple(
        block for item in items(content, vendor.MAX_BLOCKS) if (block := vendor.read_block(item)) is not None
    )
    called = any(isinstance(block, ToolCall) for block in blocks)
    finish = vendor.read_finish(word(reason), word(sequence), details, called=called)
    tier = member(usage, b"service_tier")
    return ChatResponse(
        id=word(message_id),
        model=word(model),
        candidates=(Candidate(blocks=blocks, finish=finish),),
        usage=usage_of(counters(usage)),
        service_tier=word(tier),
        ext=tuple((name, raw) for name, raw in zip(_OWN_MEMBERS, own, strict=True) if raw),
        origin=vendor.ORIGIN,
    )


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The message for a client: of several answers the first, the others have no place."""
    candidate = min(response.candidates, key=lambda each: each.index, default=Candidate(blocks=()))
    blocks = candidate.blocks
    stop = outgoing.write_stop(
        candidate.finish or _NO_FINISH,
        called=any(isinstance(block, ToolCall) for block in blocks),
        refused=any(isinstance(block, Refusal) for block in blocks),
    )
    own = dict(response.ext) if response.origin == vendor.ORIGIN else {}
    usage = response.usage
    if not usage.known:
        usage = estimated_usage(response.candidates[:1], context.estimated_input_tokens)
    message = AnswerOut(
        id=outgoing.message_id(response.id, context.attempt_id),
        model=response.model or context.model,
        content=tuple(_write_blocks(blocks, context)),
        stop_reason=stop.stop_reason,
        stop_sequence=stop.stop_sequence,
        stop_details=stop.stop_details,
        container=_own(own, "container"),
        diagnostics=_own(own, "diagnostics"),
        usage=msgspec.structs.replace(write_usage(usage, whole=True), estimated=not usage.known),
    )
    return msgspec.json.encode(message)


def _own(known: dict[str, bytes], name: str) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.Raw(known[name]) if name in known else msgspec.UNSET


def _write_blocks(blocks: tuple[Block, ...], context: AnswerContext) -> Iterator[Written]:
    for number, block in enumerate(blocks):
        match block:
            case Text() | Refusal() | Image():
                yield from _write_text(block)
            case Reasoning():
                yield from _write_reasoning(block)
            case ToolCall():
                yield from _write_call(block, number, context)
            case Opaque():
                if block.origin == vendor.ORIGIN:
                    yield msgspec.Raw(block.raw)
            case Audio() | Document() | ToolResult():
                continue  # no answer of an Anthropic client's holds them
            case _:
                assert_never(block)


def _write_text(block: Text | Refusal | Image) -> Iterator[Written]:
    said = outgoing.image_note(block) if isinstance(block, Image) else block.text
    if said:
        yield outgoing.TextOut(said, outgoing.write_citations(block.citations) if isinstance(block, Text) else ())


def _write_reasoning(block: Reasoning) -> Iterator[Written]:
    foreign = block.origin != vendor.ORIGIN
    if block.data and (block.redacted or (foreign and not block.text)):
        yield outgoing.RedactedOut(outgoing.write_redacted(block.origin, block.data, block.item_id))
        return
    signature = outgoing.write_signature(block.origin, block.signature, block.data, block.item_id)
    if block.text or signature:
        yield outgoing.ThinkingOut(block.text, signature)


def _write_call(call: ToolCall, number: int, context: AnswerContext) -> Iterator[Written]:
    if call.signature:
        yield outgoing.ThinkingOut("", outgoing.write_signature("gemini", call.signature, "", ""))
    if call.custom:
        given = msgspec.json.encode({"input": call.arguments})
    else:
        given, _ = jsontext.arguments_object(call.arguments)
    call_id = outgoing.call_id(call.call_id, context, number)
    yield outgoing.ToolUseOut(call_id, context.names.get(call.name, call.name), msgspec.Raw(given))
