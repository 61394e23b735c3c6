"""Pictures in Ollama's messages: their kind is not said, so it is told by the first bytes."""

from __future__ import annotations

from omniroute.errors import ClientError
from omniroute.translate.canonical import Image, Inline, Link
from omniroute.translate.media import checked_base64, picture_type, read_url


def read_image(data: str, at: str) -> Image:
    """A picture of a request: base64, or a data URL as some clients write it. Raises ClientError naming ``at``."""
    if data[:5].lower() == "data:":
        source = read_url(data, at)
        data = "" if isinstance(source, Link) else source.data
    data = checked_base64(data, at)
    media_type = picture_type(data)
    if not media_type:
        raise ClientError(
            f"'{at}' must be a picture (PNG, JPEG, GIF, WebP, BMP, TIFF, HEIF or AVIF) in base64.",
            param=at,
            code="invalid_value",
        )
    return Image(source=Inline(media_type, data), at=at)
