"""Requests as the gateway reads them, and this dialect on both sides: bytes go on (translation.md §1.2, lane 0)."""

from __future__ import annotations

from typing import Final

from omniroute.domain import Quirks
from omniroute.translate.dialect import Asked, Identity, Part, Peeked
from omniroute.translate.dialects.openai_responses.foreign import is_foreign
from omniroute.translate.dialects.openai_responses.request_out import PATH
from omniroute.translate.dialects.openai_responses.unfold import unfold
from omniroute.translate.dialects.openai_responses.usage import usage_of_body
from omniroute.translate.peeking import model_at, spans_of, switch_at, with_model, wrong

_KEYS: Final = (b"model", b"input", b"stream")


def peek(asked: Asked) -> Peeked:
    """Model and streaming of a request. Raises ClientError naming the field and what to write instead.

    ``spans`` of the result: the value of ``model``.
    """
    body = asked.body
    model_span, input_span, stream_span = spans_of(body, _KEYS, "'model' and 'input'")
    model = model_at(body, model_span)
    if input_span is not None and not body.startswith((b'"', b"[", b"null"), input_span[0]):
        raise wrong("input", "must be a text or a list of items")
    return Peeked(model, switch_at(body, stream_span, "stream"), include_usage=True, choices=1, spans=(model_span,))


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` for an upstream that knows the model as ``model``: nothing else is touched, ``store`` neither."""
    del quirks
    (model_span,) = peeked.spans
    return with_model(body, None if model == peeked.model else model_span, model)


def path(_: Peeked, __: str) -> str:
    """The same for every model."""
    return PATH


IDENTITY: Final = Identity(
    encode_request=encode_request,
    path=path,
    forwarded=(b"openai-beta", b"openai-organization", b"openai-project"),
    foreign=is_foreign,
    unfold=unfold,
    usage_of_body=usage_of_body,
)
