"""Content parts of input items and of tool outputs, read (translation.md §7.2, §11.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import media, reading
from omniroute.translate.canonical import (
    Audio,
    Block,
    Citation,
    Document,
    Held,
    Image,
    Inline,
    Json,
    Refusal,
    Source,
    Text,
)

NAME: Final = "openai_responses"
MAX_PARTS: Final = 4096
"""Of one item; vendors stop far below."""


class _Sound(msgspec.Struct, frozen=True):
    data: str
    format: str = ""


class _Part(msgspec.Struct, frozen=True):
    """Any part: they share their members' names, and none of their types disagree."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    input_audio: _Sound | None = None
    annotations: list[Raw] | None = None
    logprobs: Raw = Raw()


class _Annotation(msgspec.Struct, frozen=True):
    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


_content: Final = msgspec.json.Decoder(str | list[Raw] | None)
_part: Final = msgspec.json.Decoder(_Part)
_annotation: Final = msgspec.json.Decoder(_Annotation)


def read_content(raw: Raw, at: str) -> tuple[Block, ...]:
    """``content`` or ``output``: a string or parts. Raises ClientError naming what is wrong."""
    content = reading.read_body(_content, bytes(raw or b"null"), at=at)
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(text=content, at=at),)
    parts = reading.bounded(content, at, MAX_PARTS)
    return tuple(_read_part(bytes(part), f"{at}[{index}]") for index, part in enumerate(parts))


def _read_part(raw: Json, at: str) -> Block:
    part = reading.read_body(_part, raw, at=at)
    read = _READERS.get(part.type)
    if read is None:
        raise ClientError(
            f"'{at}.type' is '{part.type[:64]}': this gateway knows {', '.join(_READERS)}.",
            param=at,
            code="unsupported_content",
        )
    return read(part, at)


def _text(part: _Part, at: str) -> Text:
    if part.text is None:
        raise _missing(at, "text")
    citations = tuple(citation_of(bytes(raw)) for raw in part.annotations or ())
    logprobs = bytes(part.logprobs)
    return Text(text=part.text, citations=citations, logprobs=b"" if logprobs in (b"null", b"[]") else logprobs, at=at)


def _refusal(part: _Part, at: str) -> Refusal:
    if part.refusal is None:
        raise _missing(at, "refusal")
    return Refusal(text=part.refusal, at=at)


def _image(part: _Part, at: str) -> Image:
    source: Source
    if part.image_url is not None:
        source = media.read_picture_url(part.image_url, f"{at}.image_url")
    elif part.file_id:
        source = Held(part.file_id, NAME)
    else:
        raise _missing(at, "image_url")
    return Image(source=source, detail=part.detail or "", at=at)


def _file(part: _Part, at: str) -> Document:
    source: Source
    if part.file_data is not None:
        source = _file_bytes(part.file_data, f"{at}.file_data", part.filename or "")
    elif part.file_url is not None:
        source = media.read_url(part.file_url, f"{at}.file_url", default_type="application/pdf")
    elif part.file_id:
        source = Held(part.file_id, NAME)
    else:
        raise _missing(at, "file_data")
    return Document(source=source, filename=part.filename or "", at=at)


def _file_bytes(data: str, at: str, filename: str) -> Source:
    """The vendor's page says data URL, its type says base64: both are sent."""
    if data[:5].lower() == "data:":
        return media.read_url(data, at)
    return Inline(media.guess_media_type(filename, "application/pdf"), media.checked_base64(data, at))


def _audio(part: _Part, at: str) -> Audio:
    sound = part.input_audio
    if sound is None:
        raise _missing(at, "input_audio")
    form = sound.format or "wav"
    data = media.checked_base64(sound.data, f"{at}.input_audio.data")
    return Audio(source=Inline(media.audio_media_type(form), data), format=form, at=at)


_READERS: Final[dict[str, Callable[[_Part, str], Block]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "summary_text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


def citation_of(raw: Json) -> Citation:
    """An annotation: web sources are everybody's, others only this dialect's. Never raises."""
    try:
        told = _annotation.decode(raw)
    except msgspec.MsgspecError:
        told = _Annotation()
    if told.type != "url_citation" or not told.url:
        return Citation(origin=NAME, raw=raw)
    return Citation(
        url=told.url,
        title=told.title or "",
        start=told.start_index,
        end=told.end_index,
        origin=NAME,
        raw=raw,
    )


def _missing(at: str, name: str) -> ClientError:
    return ClientError(f"'{at}.{name}' is missing.", param=f"{at}.{name}", code="missing_required_parameter")
