"""Both sides speak Anthropic's: the client's bytes go on, but for the model's name (translation.md §1.2, lane 0)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.canonical import ChatResponse
from omniroute.translate.dialect import AnswerContext, Asked, Part, Peeked, Span
from omniroute.translate.dialects.anthropic.answer import read_answer
from omniroute.translate.dialects.anthropic.encoder import Encoder
from omniroute.translate.dialects.anthropic.errors import no_threads
from omniroute.translate.events import End
from omniroute.translate.fold import unfold as events_of
from omniroute.translate.members import member
from omniroute.translate.reading import no_object

PATH: Final = "/messages"
COUNT_PATH: Final = "/messages/count_tokens"
COUNT: Final = "/count_tokens"

MODEL_CHARS: Final = 256
"""A model name goes into headers, log lines and ledger rows; no vendor's comes near this."""

_KEYS: Final = (b"model", b"messages", b"stream", b"thread")
_text: Final = msgspec.json.Decoder(str)
_switch: Final = msgspec.json.Decoder(bool)


def peek(asked: Asked) -> Peeked:
    """What the gateway must know of a request. Raises ClientError naming the field and what to write instead.

    ``spans`` of the result: the values of ``model`` and of ``thread``. What the upstream will check itself is not
    checked here.
    """
    body = asked.body
    try:
        model_span, messages_span, stream_span, thread_span = jsonspan.unique_spans(body, _KEYS)
    except jsonspan.RepeatedMemberError as error:
        # Readers differ in which of two they take: what was checked here would not be what the upstream does.
        field = error.key.decode()
        raise ClientError(f"'{field}' is given more than once: send it once.", param=field) from error
    except ValueError as error:
        raise no_object(error, body, "Send one with 'model' and 'messages'.") from error
    if model_span is None:
        raise _missing("model", "name the model to call")
    model = _read_model(body, model_span)
    if messages_span is None:
        raise _missing("messages", "give the conversation as a list of messages")
    if body[messages_span[0]] != ord("["):
        raise _wrong("messages", "must be a list of messages")
    counts = asked.path.rstrip("/").endswith(COUNT)
    return Peeked(
        model,
        stream=not counts and _read_stream(body, stream_span),
        include_usage=True,
        choices=1,
        spans=(model_span, thread_span if thread_span and not body.startswith(b"null", thread_span[0]) else None),
        operation="count" if counts else "chat",
    )


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` for an upstream that knows the model as ``model``, as parts to be written in order.

    Raises Unsupported for a message thread where the upstream keeps none.
    """
    span, thread = peeked.spans
    if thread is not None and not quirks.anthropic_threads:
        raise no_threads()
    if model == peeked.model or span is None:
        return (body,)
    return jsonspan.patch(body, ((*span, msgspec.json.encode(model)),))


def path(peeked: Peeked, model: str) -> str:
    """Where the request goes."""
    del model
    return COUNT_PATH if peeked.operation == "count" else PATH


def unfold(body: bytes) -> bytes | None:
    """A whole message, sent where a stream was asked for, as its stream; None if it is none."""
    try:
        return _streamed(read_answer(body, Quirks())) if member(body, b"type") == b'"message"' else None
    except ValueError:
        return None


def _streamed(answer: ChatResponse) -> bytes:
    encoder = Encoder(AnswerContext(attempt_id=answer.id, model=answer.model))
    written = b"".join(encoder.encode(event) for event in events_of(answer))
    return written + encoder.encode(End())


def _read_model(body: bytes, span: Span) -> str:
    try:
        model = _text.decode(body[span[0] : span[1]])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong("model", "must be a string") from error
    if not model or len(model) > MODEL_CHARS or not model.isprintable():
        raise _wrong("model", f"must be a model name of 1 to {MODEL_CHARS} printable characters")
    return model


def _read_stream(body: bytes, span: Span | None) -> bool:
    raw = b"null" if span is None else body[span[0] : span[1]]
    if raw == b"null":
        return False
    try:
        return _switch.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong("stream", "must be true or false") from error


def _missing(field: str, fix: str) -> ClientError:
    return ClientError(f"'{field}' is missing: {fix}.", param=field, code="missing_required_parameter")


def _wrong(field: str, rule: str) -> ClientError:
    return ClientError(f"'{field}' {rule}.", param=field, code="invalid_value")
