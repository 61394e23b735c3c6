"""Both sides speak Anthropic's: the client's bytes go on, but for the model's name (translation.md §1.2, lane 0)."""

from __future__ import annotations

from typing import Final

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatResponse
from omniroute.translate.dialect import AnswerContext, Asked, Part, Peeked
from omniroute.translate.dialects.anthropic.answer import read_answer
from omniroute.translate.dialects.anthropic.encoder import Encoder
from omniroute.translate.dialects.anthropic.errors import no_threads
from omniroute.translate.events import End
from omniroute.translate.fold import unfold as events_of
from omniroute.translate.members import member
from omniroute.translate.peeking import list_at, model_at, spans_of, switch_at, with_model

PATH: Final = "/messages"
COUNT_PATH: Final = "/messages/count_tokens"
COUNT: Final = "/count_tokens"

_KEYS: Final = (b"model", b"messages", b"stream", b"thread")


def peek(asked: Asked) -> Peeked:
    """What the gateway must know of a request. Raises ClientError naming the field and what to write instead.

    ``spans`` of the result: the values of ``model`` and of ``thread``. What the upstream will check itself is not
    checked here.
    """
    body = asked.body
    spans = spans_of(body, _KEYS, "'model' and 'messages'")
    model_span, messages_span, stream_span, thread_span = spans
    model = model_at(body, model_span)
    list_at(body, messages_span, "messages", "messages")
    counts = asked.path.rstrip("/").endswith(COUNT)
    return Peeked(
        model,
        stream=not counts and switch_at(body, stream_span, "stream"),
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
    return with_model(body, None if model == peeked.model else span, model)


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
