"""Requests: read the few fields the gateway acts on. What an upstream will check itself is not checked here."""

from __future__ import annotations

from typing import Final

from omniroute._speedups import chat
from omniroute.translate.dialect import Asked, Peeked, Span
from omniroute.translate.peeking import (
    CHOICES_RULE,
    choices_of,
    list_at,
    model_at,
    spans_of,
    switch_at,
    value_at,
    wrong,
)

_KEYS: Final = (b"model", b"messages", b"stream", b"stream_options", b"n")


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
    spans = spans_of(body, _KEYS, "'model' and 'messages'")
    model_span, messages_span, stream_span, options_span, n_span = spans
    model = model_at(body, model_span)
    list_at(body, messages_span, "messages", "messages")
    stream = switch_at(body, stream_span, "stream")
    choices = choices_of(value_at(body, n_span, int, "n", CHOICES_RULE), "n")
    option_span: Span | None = None
    include_usage = False
    if stream and options_span is not None:
        include_usage, option_span = _include_usage(body, options_span)
    return Peeked(model, stream, include_usage, choices, (model_span, options_span if stream else None, option_span))


def _include_usage(body: bytes, options_span: Span) -> tuple[bool, Span | None]:
    """Whether ``stream_options`` asks for usage, and where in the body it says so."""
    start, end = options_span
    options = body[start:end]
    if options == b"null":
        return False, None
    if not options.startswith(b"{"):
        raise wrong("stream_options", 'must be an object, e.g. {"include_usage": true}')
    (span,) = spans_of(options, (b"include_usage",), "'include_usage'", at="stream_options")
    if span is None:
        return False, None
    asked = switch_at(options, span, "stream_options.include_usage")
    return asked, (start + span[0], start + span[1])
