"""Bytes of stream events: framed as SSE, and what stands around a delta's text."""

from __future__ import annotations

import msgspec

from omniroute.translate.dialects.openai_responses.schema import Event
from omniroute.translate.jsontext import literal
from omniroute.translate.stream import Frame


def sse(event: Event) -> bytes:
    """One event, named by its type."""
    return b"event: " + event.type.encode() + b"\ndata: " + msgspec.json.encode(event) + b"\n\n"


def delta_frame(kind: str, item_id: str, output_index: int, part: tuple[str, int] | None, tail: bytes = b"") -> Frame:
    """What stands around the text of a delta event ``kind``. ``part``: name and value of the part's index."""
    name = kind.encode()
    where = b"" if part is None else b',"%s":%d' % (part[0].encode(), part[1])
    return Frame(
        head=b'event: %s\ndata: {"type":"%s","sequence_number":' % (name, name),
        middle=b',"item_id":%s,"output_index":%d%s,"delta":"' % (literal(item_id), output_index, where),
        tail=b'"%s}\n\n' % tail,
        keep=True,
    )


def framed(frame: Frame, sequence: int, text: bytes) -> bytes:
    """One event as a lane would write it."""
    return b"%s%d%s%s%s" % (frame.head, sequence, frame.middle or b"", text, frame.tail)
