"""The few facts of a request the gateway acts on, found without building it; and the request patched in place."""

from __future__ import annotations

from typing import Final

from omniroute.domain import Quirks
from omniroute.translate.dialect import Asked, Part, Peeked
from omniroute.translate.peeking import model_at, spans_of, switch_at, with_model

CHAT_PATH: Final = "/api/chat"
GENERATE_PATH: Final = "/api/generate"
GENERATE: Final = "generate"
"""``Peeked.variant`` of a request to ``/api/generate``."""

_KEYS: Final = (b"model", b"stream")


def peek(asked: Asked) -> Peeked:
    """Model and streaming of a request; Ollama streams unless told not to. Raises ClientError naming the field."""
    body = asked.body
    model_span, stream_span = spans_of(body, _KEYS, "'model'")
    model = model_at(body, model_span)
    streams = stream_span is None or body.startswith(b"null", stream_span[0]) or switch_at(body, stream_span, "stream")
    variant = GENERATE if asked.path.endswith(GENERATE_PATH) else ""
    return Peeked(
        model,
        streams,
        include_usage=True,
        choices=1,
        spans=(model_span,),
        variant=variant,
    )


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` for an upstream that knows the model as ``model``, as parts to be written in order."""
    del quirks  # none of them changes what an Ollama client may say to an Ollama server
    (span,) = peeked.spans
    return with_model(body, None if model == peeked.model else span, model)


def path(peeked: Peeked, model: str) -> str:
    """Where a request goes on, as it came."""
    del model  # it is in the body
    return GENERATE_PATH if peeked.variant == GENERATE else CHAT_PATH
