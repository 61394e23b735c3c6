"""Blocks of a client's messages, into the hub (translation.md §5.2). Errors name the block's field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import carriers, jsontext
from omniroute.translate.canonical import (
    Block,
    Cache,
    Citation,
    Document,
    Held,
    Image,
    Inline,
    Link,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from omniroute.translate.canonical import Source as CanonicalSource
from omniroute.translate.dialects.anthropic import schema
from omniroute.translate.dialects.anthropic.vendor import ORIGIN, read_citation
from omniroute.translate.media import checked_base64, read_url
from omniroute.translate.peeking import wrong
from omniroute.translate.reading import read_body

Value = TypeVar("Value")

MAX_NESTING: Final = 3
"""A document of blocks inside a tool result is the deepest there is."""

_kind: Final = msgspec.json.Decoder(schema.Kind)
_text: Final = msgspec.json.Decoder(schema.TextBlock)
_image: Final = msgspec.json.Decoder(schema.ImageBlock)
_document: Final = msgspec.json.Decoder(schema.DocumentBlock)
_search_result: Final = msgspec.json.Decoder(schema.SearchResultBlock)
_thinking: Final = msgspec.json.Decoder(schema.ThinkingBlock)
_redacted: Final = msgspec.json.Decoder(schema.RedactedBlock)
_tool_use: Final = msgspec.json.Decoder(schema.ToolUseBlock)
_tool_result: Final = msgspec.json.Decoder(schema.ToolResultBlock)


def read_blocks(content: str | list[Raw] | None, at: str, *, depth: int = 0) -> tuple[Block, ...]:
    """A ``content``: a text, or a list of blocks. ``depth``: how many blocks it is inside of."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(text=content, at=at),)
    if depth > MAX_NESTING:
        raise ClientError(f"'{at}' is nested too deeply.", param=at, code="invalid_value")
    return tuple(_read_block(bytes(raw), f"{at}[{number}]", depth) for number, raw in enumerate(content))


def read_texts(content: str | list[Raw] | None, at: str) -> tuple[Text, ...]:
    """A ``content`` that may hold texts only."""
    blocks = read_blocks(content, at)
    for block in blocks:
        if not isinstance(block, Text):
            raise ClientError(f"'{block.at}' must be a text block.", param=block.at, code="invalid_value")
    return tuple(block for block in blocks if isinstance(block, Text) and block.text.strip())


def with_call_signatures(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Signatures of calls, carried in a thinking block before the call, back on their calls (translation.md §15)."""
    if not any(isinstance(block, Reasoning) for block in blocks):
        return blocks
    out: list[Block] = []
    for block in blocks:
        last = out[-1] if out else None
        if isinstance(block, ToolCall) and isinstance(last, Reasoning) and last.origin == "gemini" and last.signature:
            out.pop()
            if last.text:
                out.append(msgspec.structs.replace(last, signature=""))
            block = msgspec.structs.replace(block, signature=last.signature)  # noqa: PLW2901
        out.append(block)
    return tuple(out)


def read_cache(mark: schema.CacheControl | None) -> Cache | None:
    """A cache mark."""
    return None if mark is None else Cache(mark.ttl or "")


def _read_block(raw: bytes, at: str, depth: int) -> Block:
    kind = read_body(_kind, raw, at=at).type
    read = _READERS.get(kind)
    if read is None:
        return Opaque(origin=ORIGIN, raw=raw, kind=kind, at=at)
    return read(raw, at, depth)


def _read_text(raw: bytes, at: str, depth: int) -> Block:
    del depth
    block = read_body(_text, raw, at=at)
    return Text(text=block.text, cache=read_cache(block.cache_control), citations=_citations(block.citations), at=at)


def _citations(raw: list[Raw] | None) -> tuple[Citation, ...]:
    return tuple(citation for each in raw or () if (citation := read_citation(bytes(each))) is not None)


def _read_image(raw: bytes, at: str, depth: int) -> Block:
    del depth
    block = read_body(_image, raw, at=at)
    source = _read_source(block.source, f"{at}.source", "image/png")
    if isinstance(source, Inline) and not source.media_type.startswith("image/"):
        raise wrong(f"{at}.source.media_type", "must be a picture's, e.g. image/png")
    return Image(source=source, cache=read_cache(block.cache_control), at=at)


def _read_document(raw: bytes, at: str, depth: int) -> Block:
    block = read_body(_document, raw, at=at)
    told, source_at = block.source, f"{at}.source"
    source: CanonicalSource | None = None
    text = ""
    blocks: tuple[Block, ...] = ()
    if told.type == "text":
        text = told.data
    elif told.type == "content":
        blocks = read_blocks(told.content, f"{source_at}.content", depth=depth + 1)
    else:
        source = _read_source(told, source_at, "application/pdf")
    return Document(
        source=source, text=text, blocks=blocks, title=block.title or "", context=block.context or "",
        citations=None if block.citations is None else block.citations.enabled,
        cache=read_cache(block.cache_control), at=at,
    )  # fmt: skip


def _read_search_result(raw: bytes, at: str, depth: int) -> Block:
    """Read as what it comes to: a document of texts, whose place stands in its context."""
    block = read_body(_search_result, raw, at=at)
    return Document(
        blocks=read_blocks(block.content, f"{at}.content", depth=depth + 1), title=block.title, context=block.source,
        citations=None if block.citations is None else block.citations.enabled,
        cache=read_cache(block.cache_control), at=at,
    )  # fmt: skip


def _read_source(source: schema.Source, at: str, default_type: str) -> CanonicalSource:
    match source.type:
        case "base64":
            return Inline(source.media_type.lower() or default_type, checked_base64(source.data, f"{at}.data"))
        case "url":
            found = read_url(source.url, f"{at}.url", default_type=default_type)
            return (
                Link(found.url, "" if default_type.startswith("image/") else default_type)
                if isinstance(found, Link)
                else found
            )
        case "file":
            if not source.file_id:
                raise wrong(f"{at}.file_id", "is missing")
            return Held(source.file_id, ORIGIN)
        case _:
            raise wrong(f"{at}.type", "must be base64, url or file (documents: text or content, too)")


def _read_thinking(raw: bytes, at: str, depth: int) -> Block:
    del depth
    block = read_body(_thinking, raw, at=at)
    carried = carriers.unwrap(block.signature)
    if carried is None:
        return Reasoning(
            text=block.thinking, signature=block.signature, origin=ORIGIN if block.signature else "", at=at
        )
    if carried.origin == "openai_responses":
        return Reasoning(
            text=block.thinking, data=carried.data, item_id=carried.item_id, origin=carried.origin, summary=True, at=at
        )
    return Reasoning(text=block.thinking, signature=carried.data, origin=carried.origin, at=at)


def _read_redacted(raw: bytes, at: str, depth: int) -> Block:
    del depth
    data = read_body(_redacted, raw, at=at).data
    carried = carriers.unwrap(data)
    if carried is None:
        return Reasoning(data=data, redacted=True, origin=ORIGIN, at=at)
    return Reasoning(
        data=carried.data, redacted=True, item_id=carried.item_id, origin=carried.origin, at=at,
        summary=carried.origin == "openai_responses",
    )  # fmt: skip


def _read_tool_use(raw: bytes, at: str, depth: int) -> Block:
    del depth
    block = read_body(_tool_use, raw, at=at)
    if not block.name:
        raise wrong(f"{at}.name", "is empty: name the tool")
    given = bytes(block.input)
    if not given.startswith(b"{"):
        raise wrong(f"{at}.input", "must be an object")
    return ToolCall(
        call_id=block.id, name=block.name, arguments=jsontext.compact(given).decode(),
        cache=read_cache(block.cache_control), at=at,
    )  # fmt: skip


def _read_tool_result(raw: bytes, at: str, depth: int) -> Block:
    block = read_body(_tool_result, raw, at=at)
    blocks = read_blocks(block.content, f"{at}.content", depth=depth + 1)
    for inner in blocks:
        if isinstance(inner, Reasoning | ToolCall | ToolResult):
            raise wrong(inner.at, "has no place inside a tool result")
    return ToolResult(
        call_id=block.tool_use_id, blocks=blocks, is_error=bool(block.is_error), cache=read_cache(block.cache_control),
        at=at,
    )  # fmt: skip


_READERS: Final[Mapping[str, Callable[[bytes, str, int], Block]]] = MappingProxyType(
    {
        "text": _read_text,
        "image": _read_image,
        "document": _read_document,
        "search_result": _read_search_result,
        "thinking": _read_thinking,
        "redacted_thinking": _read_redacted,
        "tool_use": _read_tool_use,
        "tool_result": _read_tool_result,
    }
)
"""Of the kinds every dialect has a word for; the others are Anthropic's own."""
