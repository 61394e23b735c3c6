"""Requests: read the few fields the gateway acts on. What an upstream will check itself is not checked here."""

from __future__ import annotations

from typing import Final, TypeVar, cast

import msgspec

from omniroute._speedups import chat, jsonspan
from omniroute.errors import ClientError
from omniroute.translate.dialect import Asked, Peeked, Span
from omniroute.translate.reading import no_object

MODEL_CHARS: Final = 256
"""A model name goes into headers, log lines and ledger rows; no vendor's comes near this."""

MAX_CHOICES: Final = 256
"""Answers one request may ask for: as many as ``SseTap`` can tell apart at a stream's end. Vendors stop at 128."""

_KEYS: Final = (b"model", b"messages", b"stream", b"stream_options", b"n")
_CHOICES_RULE: Final = f"must be a whole number from 1 to {MAX_CHOICES}"

Value = TypeVar("Value", str, bool, int)

_DECODERS: Final = {kind: msgspec.json.Decoder(kind) for kind in (str, bool, int)}


def peek(asked: Asked) -> Peeked:
    """Model, streaming and number of answers of a request. Raises ``ClientError``, see :func:`peek_any`."""
    body = asked.body
    found = chat.scan_request(body)
    return peek_any(body) if found is None else Peeked(*found)


def peek_any(body: bytes) -> Peeked:
    """The same without the fast path, which declines what is unusual or wrong.

    Raises ``ClientError`` naming the field and what to write instead. ``spans`` of the result are: the value of
    ``model``; the value of ``stream_options`` if the body streams and has one that is not null or absent; the value
    of ``include_usage`` in it.
    """
    try:
        model_span, messages_span, stream_span, options_span, n_span = jsonspan.unique_spans(body, _KEYS)
    except jsonspan.RepeatedMemberError as error:
        raise _repeated(error.key.decode()) from error
    except ValueError as error:
        raise no_object(error, body, "Send one with 'model' and 'messages'.") from error
    if model_span is None:
        raise _missing("model", "name the model to call")
    model = _value(body, model_span, str, "model", "must be a string")
    if not model or len(model) > MODEL_CHARS or not model.isprintable():
        raise _wrong("model", f"must be a model name of 1 to {MODEL_CHARS} printable characters")
    if messages_span is None:
        raise _missing("messages", "give the conversation as a list of messages")
    if body[messages_span[0]] != ord("["):
        raise _wrong("messages", "must be a list of messages")
    stream = stream_span is not None and bool(_value(body, stream_span, bool, "stream", "must be true or false"))
    choices = None if n_span is None else _value(body, n_span, int, "n", _CHOICES_RULE)
    if choices is not None and not 1 <= choices <= MAX_CHOICES:
        raise _wrong("n", _CHOICES_RULE)
    option_span: Span | None = None
    include_usage = False
    if stream and options_span is not None:
        include_usage, option_span = _include_usage(body, options_span)
    return Peeked(
        model, stream, include_usage, choices or 1, (model_span, options_span if stream else None, option_span)
    )


def _include_usage(body: bytes, options_span: Span) -> tuple[bool, Span | None]:
    """Whether ``stream_options`` asks for usage, and where in the body it says so."""
    start, end = options_span
    options = body[start:end]
    if options == b"null":
        return False, None
    if not options.startswith(b"{"):
        raise _wrong("stream_options", 'must be an object, e.g. {"include_usage": true}')
    try:
        (span,) = jsonspan.unique_spans(options, (b"include_usage",))
    except jsonspan.RepeatedMemberError as error:
        raise _repeated("stream_options.include_usage") from error
    if span is None:
        return False, None
    asked = _value(options, span, bool, "stream_options.include_usage", "must be true or false")
    return bool(asked), (start + span[0], start + span[1])


def _value(body: bytes, span: Span, kind: type[Value], field: str, rule: str) -> Value | None:
    """The value at ``span``; null, which OpenAI takes for absent, is None."""
    raw = body[span[0] : span[1]]
    if raw == b"null":
        return None
    try:
        return cast("Value", _DECODERS[kind].decode(raw))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong(field, rule) from error


def _missing(field: str, fix: str) -> ClientError:
    return ClientError(f"'{field}' is missing: {fix}.", param=field, code="missing_required_parameter")


def _repeated(field: str) -> ClientError:
    # Readers differ in which of two they take: what was checked here would not be what the upstream does.
    return ClientError(f"'{field}' is given more than once: send it once.", param=field, code="invalid_value")


def _wrong(field: str, rule: str) -> ClientError:
    return ClientError(f"'{field}' {rule}.", param=field, code="invalid_value")
