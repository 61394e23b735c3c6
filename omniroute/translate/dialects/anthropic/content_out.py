"""Turns of a conversation, in Anthropic's words (translation.md §11.3, §11.4, §11.9)."""

from __future__ import annotations

from typing import assert_never

import msgspec
from msgspec import Raw

from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Audio,
    Block,
    Cache,
    Document,
    Held,
    Image,
    Inline,
    Link,
    Opaque,
    Reasoning,
    Refusal,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.media import decoded_text, standard_base64, urlsplit_scheme
from omniroute.translate.naming import Renamer
from omniroute.translate.notes import Notes, UnsupportedContent

FAILED = "The tool failed."
"""Stands in an error result that says nothing: the service refuses an empty one."""


class CacheOut(msgspec.Struct, frozen=True, omit_defaults=True, tag="ephemeral", tag_field="type"):
    """``cache_control``."""

    ttl: str = ""


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="text", tag_field="type"):
    """``text``."""

    text: str
    cache_control: CacheOut | None = None
    citations: tuple[Raw, ...] = ()


class Base64Out(msgspec.Struct, frozen=True, tag="base64", tag_field="type"):
    """A source of bytes."""

    media_type: str
    data: str


class UrlOut(msgspec.Struct, frozen=True, tag="url", tag_field="type"):
    """A source on the web."""

    url: str


class FileOut(msgspec.Struct, frozen=True, tag="file", tag_field="type"):
    """A source the service holds."""

    file_id: str


class PlainOut(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    """A source that is text."""

    data: str
    media_type: str = "text/plain"


class ContentOut(msgspec.Struct, frozen=True, tag="content", tag_field="type"):
    """A source of blocks."""

    content: tuple[PartOut, ...]


class ImagePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="image", tag_field="type"):
    """``image``."""

    source: Base64Out | UrlOut | FileOut
    cache_control: CacheOut | None = None


class CitationsOut(msgspec.Struct, frozen=True):
    """``citations`` of a document."""

    enabled: bool


class DocumentPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="document", tag_field="type"):
    """``document``."""

    source: Base64Out | UrlOut | FileOut | PlainOut | ContentOut
    title: str = ""
    context: str = ""
    citations: CitationsOut | None = None
    cache_control: CacheOut | None = None


class ThinkingPart(msgspec.Struct, frozen=True, tag="thinking", tag_field="type"):
    """``thinking``."""

    thinking: str
    signature: str


class RedactedPart(msgspec.Struct, frozen=True, tag="redacted_thinking", tag_field="type"):
    """``redacted_thinking``."""

    data: str


class ToolUsePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_use", tag_field="type"):
    """``tool_use``."""

    id: str
    name: str
    input: Raw
    cache_control: CacheOut | None = None


class ToolResultPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="tool_result", tag_field="type"):
    """``tool_result``."""

    tool_use_id: str
    content: str | tuple[PartOut, ...] | msgspec.UnsetType = msgspec.UNSET
    is_error: bool = False
    cache_control: CacheOut | None = None


PartOut = TextPart | ImagePart | DocumentPart | ThinkingPart | RedactedPart | ToolUsePart | ToolResultPart | Raw


class MessageOut(msgspec.Struct, frozen=True):
    """A turn."""

    role: str
    content: str | tuple[PartOut, ...]


def is_own(block: Block) -> bool:
    """Whether a block may be shown to Anthropic: not another vendor's reasoning or tools (translation.md §15)."""
    if isinstance(block, Reasoning):
        return block.origin == ORIGIN and bool(block.data if block.redacted else block.signature)
    return not isinstance(block, Opaque) or block.origin == ORIGIN


class TurnWriter:
    """Writes turns; names and ids that do not fit are replaced, and remembered."""

    __slots__ = ("_ids", "_names", "_notes")

    def __init__(self, names: Renamer, ids: Renamer, notes: Notes) -> None:
        self._names = names
        self._ids = ids
        self._notes = notes

    def write(self, turn: Turn) -> MessageOut:
        """A turn that holds only what ``is_own`` lets through. Raises UnsupportedContent."""
        blocks = turn.blocks
        if len(blocks) == 1 and isinstance(blocks[0], (Text, Refusal)):
            part = self._text(blocks[0])
            plain = part.cache_control is None and not part.citations
            return MessageOut(turn.role, part.text if plain else (part,))
        return MessageOut(turn.role, self._parts(blocks))

    def write_texts(self, texts: tuple[Text, ...]) -> str | tuple[TextPart, ...]:
        """``system``: one plain text stays a string."""
        parts = tuple(TextPart(text.text, _cache(text.cache)) for text in texts)
        return parts[0].text if len(parts) == 1 and parts[0].cache_control is None else parts

    def _parts(self, blocks: tuple[Block, ...]) -> tuple[PartOut, ...]:
        return tuple([self._part(block) for block in blocks])

    def _part(self, block: Block) -> PartOut:
        match block:
            case Text() | Refusal():
                return self._text(block)
            case Image() | Document() | Audio():
                return self._media(block)
            case ToolCall():
                return self._call(block)
            case ToolResult():
                return self._result(block)
            case Reasoning():
                return RedactedPart(block.data) if block.redacted else ThinkingPart(block.text, block.signature)
            case Opaque():
                return Raw(block.raw)
            case _:
                assert_never(block)

    def _text(self, block: Text | Refusal) -> TextPart:
        if isinstance(block, Refusal):
            self._notes.add(block.at, "approximated", "a refusal is sent as the text it is")
            return TextPart(block.text)
        if not block.citations:
            return TextPart(block.text, _cache(block.cache))
        kept = tuple(Raw(cited.raw) for cited in block.citations if cited.origin == ORIGIN)
        if len(kept) < len(block.citations):
            self._notes.add(f"{block.at}.citations", "dropped", "only Anthropic's own citations may be sent back")
        return TextPart(block.text, _cache(block.cache), kept)

    def _media(self, block: Image | Document | Audio) -> PartOut:
        match block:
            case Image():
                if block.detail and block.detail != "auto":
                    # Chat nests it one deeper than Responses do.
                    nested = ".image_url" if block.at.startswith("messages[") else ""
                    self._notes.add(f"{block.at}{nested}.detail", "dropped", "there is no such setting", info=True)
                return ImagePart(_source(block.source, block.at), _cache(block.cache))
            case Document():
                return self._document(block)
            case Audio():
                raise UnsupportedContent(
                    f"'{block.at}' is sound, which the chosen model's API cannot take. Send text, or choose another.",
                    param=block.at,
                )
            case _:
                assert_never(block)

    def _document(self, block: Document) -> DocumentPart:
        source: Base64Out | UrlOut | FileOut | PlainOut | ContentOut
        if block.source is None:
            source = ContentOut(self._parts(block.blocks)) if block.blocks else PlainOut(block.text)
        else:
            source = _document_source(block)
        return DocumentPart(
            source,
            title=block.title or block.filename,
            context=block.context,
            citations=None if block.citations is None else CitationsOut(block.citations),
            cache_control=_cache(block.cache),
        )

    def _call(self, call: ToolCall) -> ToolUsePart:
        given, whole = (
            (msgspec.json.encode({"input": call.arguments}), True)
            if call.custom
            else jsontext.arguments_object(call.arguments)
        )
        if not whole:
            suffix = ".function.arguments" if ".tool_calls[" in call.at else ".arguments"
            self._notes.add(f"{call.at}{suffix}", "approximated", "no JSON object: sent as the text inside one")
        return ToolUsePart(self._ids.fit(call.call_id), self._names.fit(call.name), Raw(given), _cache(call.cache))

    def _result(self, result: ToolResult) -> ToolResultPart:
        content: str | tuple[PartOut, ...] | msgspec.UnsetType
        blocks = result.blocks
        if len(blocks) == 1 and isinstance(blocks[0], Text) and blocks[0].cache is None:
            content = blocks[0].text
        else:
            content = self._parts(tuple(b for b in blocks if not isinstance(b, Text) or b.text.strip()))
        if not content:
            content = FAILED if result.is_error else content if isinstance(content, str) else msgspec.UNSET
        return ToolResultPart(self._ids.fit(result.call_id), content, result.is_error, _cache(result.cache))


def _cache(mark: Cache | None) -> CacheOut | None:
    return None if mark is None else CacheOut(mark.ttl)


def _source(source: Source, at: str) -> Base64Out | UrlOut | FileOut:
    match source:
        case Inline():
            return Base64Out(source.media_type, standard_base64(source.data))
        case Link():
            if urlsplit_scheme(source.url) not in {"http", "https"}:
                raise UnsupportedContent(
                    f"'{at}' is at a place only its own vendor can read. Send the bytes, or an https URL.", param=at
                )
            return UrlOut(source.url)
        case Held():
            if source.origin != ORIGIN:
                raise UnsupportedContent(
                    f"'{at}' is a file another vendor holds. Send the bytes, or an https URL.", param=at
                )
            return FileOut(source.file_id)
        case _:
            assert_never(source)


def _document_source(block: Document) -> Base64Out | UrlOut | FileOut | PlainOut:
    source, at = block.source, block.at
    assert source is not None
    if isinstance(source, Inline) and source.media_type != "application/pdf":
        text = decoded_text(source.data) if source.media_type.startswith("text/") else None
        if text is None:
            raise UnsupportedContent(
                f"'{at}' is {source.media_type}, which the chosen model's API cannot take. Send a PDF or text.",
                param=at,
            )
        return PlainOut(text)
    if isinstance(source, Link) and source.media_type.startswith(("video/", "audio/")):
        raise UnsupportedContent(
            f"'{at}' is {source.media_type}, which the chosen model's API cannot take. Send a PDF or text.", param=at
        )
    return _source(source, at)
