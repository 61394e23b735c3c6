"""Server-sent events and plain JSON, as the mock's dialects write them."""

from __future__ import annotations

from typing import Final

import msgspec

MEDIA_TYPE: Final = "text/event-stream; charset=utf-8"

encode: Final = msgspec.json.Encoder().encode


def event(data: object, name: str = "") -> bytes:
    """One event, with a name in front where the dialect has names."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + encode(data) + b"\n\n"
