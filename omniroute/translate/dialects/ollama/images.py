"""What kind of picture base64 holds: Ollama's messages do not say, so it is told by the first bytes."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from omniroute.errors import ClientError
from omniroute.translate.canonical import Image, Inline, Link
from omniroute.translate.media import checked_base64, read_url, standard_base64

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


def media_type_of(data: str) -> str:
    """The media type of base64 ``data``, "" if its first bytes are of no picture known here."""
    try:
        head = base64.b64decode(standard_base64(data[:_HEAD_CHARS]))
    except (binascii.Error, ValueError):
        return ""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    return next((media_type for mark, media_type in _MARKS if head.startswith(mark)), "")


def read_image(data: str, at: str) -> Image:
    """A picture of a request: base64, or a data URL as some clients write it. Raises ClientError naming ``at``."""
    if data[:5].lower() == "data:":
        source = read_url(data, at)
        data = "" if isinstance(source, Link) else source.data
    data = checked_base64(data, at)
    media_type = media_type_of(data)
    if not media_type:
        raise ClientError(
            f"'{at}' must be a picture (PNG, JPEG, GIF, WebP, BMP, TIFF, HEIF or AVIF) in base64.",
            param=at,
            code="invalid_value",
        )
    return Image(source=Inline(media_type, data), at=at)
