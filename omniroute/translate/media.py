"""Pictures, sounds and files between dialects: data URLs, media types, base64 (translation.md §11.9)."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from omniroute.errors import ClientError
from omniroute.translate.canonical import Inline, Link

_DATA_URL: Final = re.compile(r"data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*?)(?P<base64>;base64)?,", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_URL_SAFE: Final = str.maketrans("-_", "+/")
_FORMATS: Final = {
    "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3",
    "audio/flac": "flac", "audio/ogg": "ogg", "audio/aac": "aac", "audio/aiff": "aiff", "audio/opus": "opus",
}  # fmt: skip

_HEAD_CHARS: Final = 32
"""Of the base64: enough for every mark below."""

_MARKS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BRANDS: Final = {b"avif": "image/avif", b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif"}
"""Of the file type box that HEIF files begin with."""


def read_url(url: str, at: str, *, default_type: str = "application/octet-stream") -> Inline | Link:
    """What a URL in a message points at: its own bytes (``data:``), or something on the web.

    A data URL that is not base64 is made so; only its bare media type is kept. Raises ClientError naming ``at`` for a
    URL that is neither, or bytes that are not base64.
    """
    if url[:5].lower() != "data:":
        if urlsplit_scheme(url) not in {"http", "https", "gs", "file"}:
            raise ClientError(
                f"'{at}' must be an http(s) URL or a data URL with base64 content.", param=at, code="invalid_value"
            )
        return Link(url)
    match = _DATA_URL.match(url)
    if match is None:
        raise ClientError(f"'{at}' is a data URL without a comma before its content.", param=at, code="invalid_value")
    media_type = match["type"].strip().lower() or default_type
    data = url[match.end() :]
    if match["base64"] is None:
        return Inline(media_type, base64.b64encode(unquote_to_bytes(data)).decode())
    return Inline(media_type, checked_base64(data, at))


def read_picture_url(url: str, at: str) -> Inline | Link:
    """The same for a picture. A type that is no picture's is told by the bytes. Raises ClientError if they are none."""
    source = read_url(url, at, default_type="image/png")
    if isinstance(source, Link) or source.media_type.startswith("image/"):
        return source
    media_type = picture_type(source.data)
    if not media_type:
        raise ClientError(
            f"'{at}' holds '{source.media_type[:64]}', which is no picture.", param=at, code="invalid_value"
        )
    return Inline(media_type, source.data)


def urlsplit_scheme(url: str) -> str:
    """The scheme of ``url`` in lower case, "" if it has none or is no URL."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def checked_base64(data: str, at: str) -> str:
    """``data`` without white space. Raises ClientError naming ``at`` if it is empty or in no alphabet of base64."""
    data = _BLANKS.sub("", data)
    if not data or _BASE64.fullmatch(data) is None:
        raise ClientError(f"'{at}' must hold base64 data.", param=at, code="invalid_value")
    return data


def standard_base64(data: str) -> str:
    """``data`` in the standard alphabet, padded: for those who read no other."""
    return data.translate(_URL_SAFE).rstrip("=") + "=" * (-len(data.rstrip("=")) % 4)


def decoded_text(data: str) -> str | None:
    """What base64 ``data`` says in UTF-8; None if it does not."""
    try:
        return base64.b64decode(standard_base64(data), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def picture_type(data: str) -> str:
    """The media type of the picture in base64 ``data``, "" if its first bytes are of none known here."""
    try:
        head = base64.b64decode(standard_base64(data[:_HEAD_CHARS]))
    except (binascii.Error, ValueError):
        return ""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    return next((media_type for mark, media_type in _MARKS if head.startswith(mark)), "")


def data_url(inline: Inline) -> str:
    """``inline`` as a data URL."""
    return f"data:{inline.media_type};base64,{inline.data}"


def guess_media_type(url: str, default: str) -> str:
    """By the end of the URL's path."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return default
    return mimetypes.guess_type(path, strict=False)[0] or default


def audio_format(media_type: str) -> str:
    """Chat's word for a kind of sound: ``wav``, ``mp3``; else the media type's second half."""
    return _FORMATS.get(media_type.lower(), media_type.partition("/")[2] or media_type)


def audio_media_type(form: str) -> str:
    """The media type of one of Chat's formats, as Gemini writes them: ``audio/wav``, ``audio/mp3``."""
    return f"audio/{form.lower()}"
