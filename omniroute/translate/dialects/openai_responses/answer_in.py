"""A whole answer of an upstream (translation.md §12.1): a response is what its own stream ends with."""

from __future__ import annotations

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatResponse
from omniroute.translate.dialects.openai_responses.content_in import NAME
from omniroute.translate.dialects.openai_responses.decoder import Decoder
from omniroute.translate.fold import Folder
from omniroute.translate.members import member


def read_answer(body: bytes, quirks: Quirks) -> ChatResponse:
    """The answer. Raises ValueError if ``body`` is none; for one that failed see ``read_failure``."""
    if not member(body, b"output").startswith(b"["):
        raise ValueError("no list of output items")
    folder = Folder()
    for event in Decoder(quirks).whole(body):
        folder.encode(event)
    return msgspec.structs.replace(folder.response(), origin=NAME)
