"""A whole response as the stream it should have been: for upstreams that take no notice of ``stream``."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses.decoder import Decoder
from omniroute.translate.dialects.openai_responses.encoder import Encoder
from omniroute.translate.dialects.openai_responses.schema import ResponseBody
from omniroute.translate.members import members, word

_members: Final = msgspec.json.Decoder(dict[str, Raw])
_WRITTEN: Final = frozenset(ResponseBody.__struct_fields__)


def unfold(body: bytes) -> bytes | None:
    """The stream of a whole response, None if ``body`` is none. What it repeats of its request stays as it is."""
    kind, output, response_id = members(body, (b"object", b"output", b"id"))
    if word(kind) != "response" or not output.startswith(b"["):
        return None
    try:
        rest = {name: value for name, value in _members.decode(body).items() if name not in _WRITTEN}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    context = AnswerContext(attempt_id=word(response_id).removeprefix("resp_") or "unfolded")
    encoder = Encoder(context, echo=msgspec.json.encode(rest)[1:-1])
    return b"".join(encoder.encode(event) for event in Decoder(Quirks()).whole(body))
