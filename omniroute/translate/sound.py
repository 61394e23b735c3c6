"""What a broken upstream sends inside strings is made sound before it is written: a client is only ever sent JSON.

Decoders slice text, log probabilities and blocks out of events without looking into them. Lanes look themselves
(``_speedups.shapes_py``); what comes by way of a machine comes through here.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from omniroute.translate import jsontext
from omniroute.translate.canonical import Opaque
from omniroute.translate.events import Cite, Delta, Probabilities, StreamEvent, Whole
from omniroute.translate.vendor_json import is_json

_TEXT: Final = re.compile(rb'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')


def sound(event: StreamEvent) -> StreamEvent | None:
    """``event`` as it may be written; None if nothing of it may."""
    match event:
        case Delta():
            text = sound_text(event.text)
            return event if text is event.text else Delta(event.choice, event.block, text) if text else None
        case Probabilities():
            return event if event.content.startswith(b"[") and is_json(event.content) else None
        case Cite() if event.citation.raw and not is_json(event.citation.raw):
            return Cite(event.choice, event.block, msgspec.structs.replace(event.citation, raw=b""))
        case Whole(value=Opaque() as opaque):
            return event if is_json(opaque.raw) else None
        case _:
            return event


def sound_text(text: bytes) -> bytes:
    """Escaped ``text``; if it is not UTF-8, or has an escape that is none, with U+FFFD in its place."""
    if _TEXT.fullmatch(text) and _is_utf8(text):
        return text
    return jsontext.escaped(jsontext.unescaped(text))


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
