"""Pictures, sounds and files as Gemini's parts (translation.md §11.9), for requests and answers alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from omniroute.translate import media
from omniroute.translate.canonical import Audio, Document, Held, Image, Inline, Opaque, Refusal, Source, Text
from omniroute.translate.dialects.gemini.schema import Blob, FileData, Part
from omniroute.translate.dialects.gemini.words import ORIGIN
from omniroute.translate.notes import Notes, UnsupportedContent

_UNTOLD: Final = frozenset({"", "application/octet-stream"})
_MAX_DEPTH: Final = 4
"""Documents of blocks inside one another; Anthropic nests them once."""

Media = Image | Audio | Document


def media_parts(block: Media, notes: Notes, depth: int = 0) -> Iterator[Part]:
    """The parts ``block`` becomes. Raises UnsupportedContent for a file that only another vendor holds."""
    match block:
        case Image():
            if block.detail not in {"", "auto"}:
                notes.add(f"{block.at}.detail", "dropped", "Gemini takes no detail per image", info=True)
            yield _placed(block.source, "image/jpeg", block.at)
        case Audio():
            default = media.audio_media_type(block.format) if block.format else "audio/wav"
            source = block.source
            if isinstance(source, Inline) and block.format:
                source = Inline(default, source.data)
            yield _placed(source, default, block.at)
        case Document():
            yield from _document(block, notes, depth)
    if block.cache is not None:
        notes.add(f"{block.at}.cache_control", "dropped", "Gemini has no cache marks", info=True)


def _document(block: Document, notes: Notes, depth: int) -> Iterator[Part]:
    for name in ("context", "citations") if block.source is None else ("title", "context", "citations"):
        if getattr(block, name):
            notes.add(f"{block.at}.{name}", "dropped", "Gemini's parts have none", info=name != "citations")
    if block.source is not None:
        yield _placed(block.source, media.guess_media_type(block.filename, "application/pdf"), block.at)
        return
    notes.add(block.at, "approximated", "a document of text is sent as text", info=True)
    title = f"{block.title or block.filename}\n" if block.title or block.filename else ""
    if block.text or title:
        yield Part(text=title + block.text)
    for inner in block.blocks:
        if isinstance(inner, Text | Refusal):
            yield Part(text=inner.text)
        elif isinstance(inner, Image | Audio | Document) and depth < _MAX_DEPTH:
            yield from media_parts(inner, notes, depth + 1)
        elif isinstance(inner, Opaque):
            notes.add(inner.at or block.at, "dropped", "only its own vendor understands it")


def _placed(source: Source, default_type: str, at: str) -> Part:
    """``source`` in one part; ``default_type`` where nobody said what it is and its name does not tell."""
    match source:
        case Inline():
            kind = default_type if source.media_type in _UNTOLD else source.media_type
            return Part(inline_data=Blob(mime_type=kind, data=media.standard_base64(source.data)))
        case Held() if source.origin != ORIGIN:
            raise UnsupportedContent(
                f"'{at}' is a file that only its own provider holds. Send its content, or a URL.", param=at
            )
        case Held():
            return Part(file_data=FileData(mime_type=_guessed(source.file_id, default_type), file_uri=source.file_id))
        case _:
            kind = source.media_type or _guessed(source.url, default_type)
            return Part(file_data=FileData(mime_type=kind, file_uri=source.url))


def _guessed(url: str, default: str) -> str:
    return media.guess_media_type(url, default)
