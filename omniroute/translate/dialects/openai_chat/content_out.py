"""Content of messages for an upstream: texts as a string where that says it all, else parts (translation.md §11.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from omniroute.domain import Quirks
from omniroute.translate import media
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
    Refusal,
    Source,
    Text,
)
from omniroute.translate.dialects.openai_chat import request_schema as schema
from omniroute.translate.notes import Notes, UnsupportedContent

_VENDOR: Final = frozenset({"openai_chat", "openai_responses"})
"""Dialects of the vendor whose files a ``file_id`` names."""
_NEUTRAL_NAME: Final = "document"
_EXTENSIONS: Final = {"application/pdf": ".pdf", "text/plain": ".txt", "text/markdown": ".md", "text/html": ".html"}
_WEB: Final = frozenset({"http", "https"})


class ContentWriter:
    """Writes the content of one request's messages, and notes what is lost."""

    __slots__ = ("_notes", "_quirks")

    def __init__(self, quirks: Quirks, notes: Notes) -> None:
        self._quirks = quirks
        self._notes = notes

    def content(self, blocks: Iterable[Block]) -> str | tuple[schema.Part, ...]:
        """A string for one text without a mark, else parts. Raises UnsupportedContent."""
        parts = tuple(self.parts(blocks))
        if len(parts) == 1 and isinstance(parts[0], schema.TextPart) and parts[0].cache_control is None:
            return parts[0].text
        return parts

    def joined(self, texts: Iterable[Text], separator: str) -> str | tuple[schema.TextPart, ...]:
        """Texts as one string; as parts where a mark stands at one of them and the upstream takes marks."""
        listed = tuple(texts)
        for text in listed:
            self._note_citations(text)
        if self._quirks.chat_cache_control and any(text.cache is not None for text in listed):
            return tuple(schema.TextPart(text.text, self.mark(text.cache, text.at)) for text in listed)
        said: list[str] = []
        for text in listed:
            self.mark(text.cache, text.at)
            said += [separator or ("\n\n" if text.apart else "")] if said else []
            said.append(text.text)
        return "".join(said)

    def parts(self, blocks: Iterable[Block]) -> Iterator[schema.Part]:
        """One part for each block, more for a document of blocks. Raises UnsupportedContent."""
        for block in blocks:
            match block:
                case Text():
                    self._note_citations(block)
                    yield schema.TextPart(block.text, self.mark(block.cache, block.at))
                case Image():
                    url = schema.Url(self._picture(block), block.detail)
                    yield schema.ImagePart(url, self.mark(block.cache, block.at))
                case Audio():
                    yield schema.AudioPart(self._sound(block), self.mark(block.cache, block.at))
                case Document():
                    yield from self._document(block)
                case Refusal():
                    yield schema.TextPart(block.text)
                case Opaque():
                    self._notes.add(block.at, "dropped", f"'{block.kind}' is understood by its own vendor only")
                case _:
                    self._notes.add(block.at, "dropped", "it has no place here")

    def mark(self, cache: Cache | None, at: str) -> schema.CacheControl | None:
        """A cache mark, if the upstream takes them."""
        if cache is None:
            return None
        if self._quirks.chat_cache_control:
            return schema.CacheControl("ephemeral", cache.ttl)
        self._notes.add(f"{at}.cache_control", "dropped", "this provider caches without marks", info=True)
        return None

    def _note_citations(self, text: Text) -> None:
        if text.citations:
            self._notes.add(f"{text.at}.citations", "dropped", "earlier answers go without their citations", info=True)

    def _picture(self, image: Image) -> str:
        match image.source:
            case Inline():
                return media.data_url(image.source)
            case Link(url=url) if media.urlsplit_scheme(url) in _WEB:
                return url
            case Link():
                raise UnsupportedContent(f"'{image.at}' is not on the web: nobody could fetch it.", param=image.at)
            case Held():
                raise UnsupportedContent(
                    f"'{image.at}' is a file that another provider holds: send the picture itself, or a URL.",
                    param=image.at,
                )

    def _sound(self, audio: Audio) -> schema.Sound:
        source = audio.source
        if not isinstance(source, Inline):
            raise UnsupportedContent(f"'{audio.at}' must hold its sound as base64.", param=audio.at)
        form = audio.format or media.audio_format(source.media_type)
        return schema.Sound(media.standard_base64(source.data), form)

    def _document(self, document: Document) -> Iterator[schema.Part]:
        at = document.at
        if document.citations:
            self._notes.add(f"{at}.citations", "dropped", "this dialect cites no documents")
        if document.context:
            self._notes.add(f"{at}.context", "dropped", "a file has no context here", info=True)
        cache = self.mark(document.cache, at)
        if document.blocks:
            self._notes.add(at, "approximated", "a document of blocks becomes its blocks")
            if document.title:
                yield schema.TextPart(document.title)
            yield from self.parts(document.blocks)
            return
        source = document.source
        said = media.decoded_text(source.data) if isinstance(source, Inline) and _is_text(source) else None
        if source is None or said is not None:
            self._notes.add(at, "approximated", "a document of plain text becomes text")
            text = said if said is not None else document.text
            yield schema.TextPart(f"{document.title}\n{text}" if document.title else text, cache)
            return
        yield schema.FilePart(self._file(document, source), cache)

    def _file(self, document: Document, source: Source) -> schema.File:
        at = document.at
        match source:
            case Held(file_id=file_id, origin=origin) if origin in _VENDOR:
                return schema.File(file_id=file_id)
            case Held():
                raise UnsupportedContent(f"'{at}' is a file that another provider holds: send its bytes.", param=at)
            case Link():
                raise UnsupportedContent(
                    f"'{at}' is a URL of a document, which the chosen model's provider does not fetch: send its bytes.",
                    param=at,
                )
            case Inline(media_type=media_type) if media_type.startswith(("video/", "audio/")):
                raise UnsupportedContent(f"'{at}': the chosen model's provider takes no {media_type}.", param=at)
            case Inline():
                name = document.filename or document.title
                name = name or _NEUTRAL_NAME + _EXTENSIONS.get(source.media_type, "")
                return schema.File(filename=name, file_data=media.data_url(source))


def _is_text(source: Inline) -> bool:
    return source.media_type.startswith("text/")
