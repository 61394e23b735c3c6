"""Content parts of input items and of tool outputs, written (translation.md §11.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.translate import media
from omniroute.translate.canonical import Audio, Block, Document, Held, Image, Inline, Link, Refusal, Source, Text
from omniroute.translate.notes import Notes, UnsupportedContent

_FILES_OF: Final = frozenset({"openai_responses", "openai_chat"})
"""Dialects whose files are this vendor's too."""
_NEUTRAL_NAME: Final = "document"
_EXTENSIONS: Final = {"application/pdf": ".pdf", "text/plain": ".txt", "text/markdown": ".md", "text/html": ".html"}


class InputText(msgspec.Struct, frozen=True, tag="input_text"):
    """Text of everybody but the model."""

    text: str


class OutputText(msgspec.Struct, frozen=True, tag="output_text"):
    """Text the model said earlier."""

    text: str
    annotations: tuple[Raw, ...] = ()


class RefusalPart(msgspec.Struct, frozen=True, tag="refusal"):
    """What it refused earlier."""

    refusal: str


class InputImage(msgspec.Struct, frozen=True, tag="input_image", omit_defaults=True, kw_only=True):
    """A picture; the vendor's type demands ``detail``."""

    image_url: str | None = None
    file_id: str | None = None
    detail: str


class InputFile(msgspec.Struct, frozen=True, tag="input_file", omit_defaults=True):
    """A file to read."""

    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None


class Sound(msgspec.Struct, frozen=True):
    """Base64 and the kind of it."""

    data: str
    format: str


class InputAudio(msgspec.Struct, frozen=True, tag="input_audio"):
    """Sound."""

    input_audio: Sound


Part = InputText | OutputText | RefusalPart | InputImage | InputFile | InputAudio


def user_parts(blocks: Iterable[Block], notes: Notes) -> Iterator[Part]:
    """Parts of a user's message or of a tool's output. Raises UnsupportedContent for what has no form here."""
    for block in blocks:
        match block:
            case Text():
                note_cache(block, notes)
                if block.text:
                    yield InputText(block.text)
            case Image():
                note_cache(block, notes)
                yield _image(block)
            case Audio():
                note_cache(block, notes)
                yield _audio(block)
            case Document():
                note_cache(block, notes)
                yield from _document(block, notes)
            case Refusal():
                yield InputText(block.text)
            case _:
                notes.add(block.at, "dropped", "only another vendor can read it")


def said_parts(blocks: Iterable[Text | Refusal]) -> str | tuple[Part, ...]:
    """What the model said earlier: a plain string if it is one text."""
    parts: tuple[Part, ...] = tuple(
        OutputText(block.text) if isinstance(block, Text) else RefusalPart(block.text) for block in blocks
    )
    if len(parts) == 1 and isinstance(parts[0], OutputText):
        return parts[0].text
    return parts


def note_cache(block: Text | Image | Audio | Document, notes: Notes) -> None:
    """A cache mark has no place here."""
    if block.cache is not None:
        notes.add(f"{block.at}.cache_control", "dropped", "the provider caches by itself", info=True)


def _image(block: Image) -> InputImage:
    detail = block.detail or "auto"
    match block.source:
        case Inline():
            return InputImage(image_url=media.data_url(block.source), detail=detail)
        case Link(url=url):
            return InputImage(image_url=_on_the_web(url, block.at), detail=detail)
        case Held():
            return InputImage(file_id=_file_id(block.source, block.at), detail=detail)


def _audio(block: Audio) -> InputAudio:
    if not isinstance(block.source, Inline):
        raise UnsupportedContent(f"'{block.at}' must hold its sound as base64 for the chosen model.", param=block.at)
    return InputAudio(Sound(block.source.data, block.format or media.audio_format(block.source.media_type)))


def _document(block: Document, notes: Notes) -> Iterator[Part]:
    if block.context:
        notes.add(f"{block.at}.context", "dropped", "a file has only a name here", info=True)
    if block.citations:
        notes.add(f"{block.at}.citations", "dropped", "the provider cites no documents", info=True)
    if block.source is not None:
        yield _file(block.source, block.filename or block.title, block.at)
        return
    notes.add(block.at, "approximated", "a document of text is sent as text")
    if block.blocks:
        yield from user_parts(block.blocks, notes)
    else:
        title = block.title or block.filename
        yield InputText(f"{title}\n{block.text}" if title else block.text)


def _file(source: Source, name: str, at: str) -> InputFile:
    match source:
        case Inline(media_type=media_type):
            if media_type.startswith("video/"):
                raise UnsupportedContent(f"'{at}' is a video: the chosen model takes none.", param=at)
            return InputFile(filename=name or _name_for(media_type), file_data=media.data_url(source))
        case Link(url=url, media_type=media_type):
            if media_type.startswith("video/"):
                raise UnsupportedContent(f"'{at}' is a video: the chosen model takes none.", param=at)
            return InputFile(file_url=_on_the_web(url, at))
        case Held():
            return InputFile(file_id=_file_id(source, at))


def _on_the_web(url: str, at: str) -> str:
    if media.urlsplit_scheme(url) not in {"http", "https"}:
        raise UnsupportedContent(f"'{at}' is not on the web: the chosen model's provider cannot fetch it.", param=at)
    return url


def _name_for(media_type: str) -> str:
    return _NEUTRAL_NAME + _EXTENSIONS.get(media_type, "")


def _file_id(held: Held, at: str) -> str:
    if held.origin not in _FILES_OF:
        raise UnsupportedContent(f"'{at}' is a file that another provider holds: send its content.", param=at)
    return held.file_id
