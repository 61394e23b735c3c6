"""What the writer of an answer must know of the request and the attempt: clock and chance, as values."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from omniroute.pipeline.values import Encoded, Request, Served
from omniroute.translate import BYTES_PER_TOKEN, AnswerContext, ChatRequest, Remembered, texts_of

MEDIA_BYTES: Final = 32 * 1024
"""Longer requests may hold pictures or files, whose length says nothing about their tokens: these are looked at."""

NO_CONTEXT: Final = AnswerContext(attempt_id="")
"""For a whole answer whose bytes pass: nobody looks at it."""


def context_of(request: Request, served: Served, encoded: Encoded) -> AnswerContext:
    """The context of one attempt's answer."""
    incoming, peeked = request.incoming, request.peeked
    if encoded.passed:  # of a stream whose bytes pass only an error of ours says more than the upstream does
        return AnswerContext(attempt_id=served.attempt_id, request_id=incoming.request_id)
    received_at = incoming.received_at
    return AnswerContext(
        attempt_id=served.attempt_id,
        request_id=incoming.request_id,
        created_epoch_s=int(served.started_epoch_s),
        model=served.target.model,
        include_usage=peeked.include_usage,
        choices=peeked.choices,
        variant=peeked.variant,
        request=request.read,
        continues=request.kept.previous_response_id if request.kept is not None else "",
        names=encoded.names,
        call_ids=encoded.call_ids,
        learn=partial(_learn, request, encoded) if request.door.client.forgets else None,
        estimated_input_tokens=_about_tokens(encoded.wire.body_bytes, request.read),
        elapsed_ns=lambda: int((trio.current_time() - received_at) * 1e9),
    )


def _learn(request: Request, encoded: Encoded, call_id: str, remembered: Remembered) -> None:
    known_as = encoded.call_ids.get(call_id, call_id)
    request.recollection.learn(request.caller.key_id, known_as, remembered)


def _about_tokens(body_bytes: int, request: ChatRequest | None) -> int:
    """A number for clients whose dialect demands one where the upstream tells none; marked as an estimate there."""
    if body_bytes <= MEDIA_BYTES or request is None:
        return body_bytes // BYTES_PER_TOKEN
    texts, more = texts_of(request)
    return sum(map(len, texts)) // BYTES_PER_TOKEN + more
