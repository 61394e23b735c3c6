"""Requests as the gateway reads them, and this dialect on both sides: bytes go on (translation.md §1.2, lane 0)."""

from __future__ import annotations

from typing import Final, TypeVar, cast

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.dialect import Asked, Identity, Part, Peeked, Span
from omniroute.translate.dialects.openai_responses.request_out import PATH
from omniroute.translate.dialects.openai_responses.unfold import unfold
from omniroute.translate.dialects.openai_responses.usage import usage_of_body
from omniroute.translate.reading import no_object

MODEL_CHARS: Final = 256
"""A model name goes into headers, log lines and ledger rows; no vendor's comes near this."""

_KEYS: Final = (b"model", b"input", b"stream")

Value = TypeVar("Value", str, bool)

_DECODERS: Final = {kind: msgspec.json.Decoder(kind) for kind in (str, bool)}


def peek(asked: Asked) -> Peeked:
    """Model and streaming of a request. Raises ClientError naming the field and what to write instead.

    ``spans`` of the result: the value of ``model``.
    """
    body = asked.body
    try:
        model_span, input_span, stream_span = jsonspan.unique_spans(body, _KEYS)
    except jsonspan.RepeatedMemberError as error:
        # Readers differ in which of two they take: what was checked here would not be what the upstream does.
        field = error.key.decode()
        raise _wrong(field, "is given more than once: send it once") from error
    except ValueError as error:
        raise no_object(error, body, "Send one with 'model' and 'input'.") from error
    if model_span is None:
        raise ClientError(
            "'model' is missing: name the model to call.", param="model", code="missing_required_parameter"
        )
    model = _value(body, model_span, str, "model", "must be a string")
    if not model or len(model) > MODEL_CHARS or not model.isprintable():
        raise _wrong("model", f"must be a model name of 1 to {MODEL_CHARS} printable characters")
    if input_span is not None and not body.startswith((b'"', b"[", b"null"), input_span[0]):
        raise _wrong("input", "must be a text or a list of items")
    stream = stream_span is not None and bool(_value(body, stream_span, bool, "stream", "must be true or false"))
    return Peeked(model, stream, include_usage=True, choices=1, spans=(model_span,))


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` for an upstream that knows the model as ``model``: nothing else is touched, ``store`` neither."""
    del quirks
    (model_span,) = peeked.spans
    if model_span is None or model == peeked.model:
        return (body,)
    return jsonspan.patch(body, ((*model_span, msgspec.json.encode(model)),))


def path(_: Peeked, __: str) -> str:
    """The same for every model."""
    return PATH


def _value(body: bytes, span: Span, kind: type[Value], field: str, rule: str) -> Value | None:
    """The value at ``span``; null, which OpenAI takes for absent, is None."""
    raw = body[span[0] : span[1]]
    if raw == b"null":
        return None
    try:
        return cast("Value", _DECODERS[kind].decode(raw))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong(field, rule) from error


def _wrong(field: str, rule: str) -> ClientError:
    return ClientError(f"'{field}' {rule}.", param=field, code="invalid_value")


IDENTITY: Final = Identity(
    encode_request=encode_request,
    path=path,
    forwarded=(b"openai-beta", b"openai-organization", b"openai-project"),
    unfold=unfold,
    usage_of_body=usage_of_body,
)
