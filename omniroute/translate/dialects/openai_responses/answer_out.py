"""A whole answer in the vendor's words: the response that its stream would have ended with (translation.md §13.4)."""

from __future__ import annotations

from omniroute.translate import events
from omniroute.translate.canonical import Candidate, ChatResponse
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses.encoder import Encoder


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The body. One state machine writes streams and bodies, so they cannot disagree; of several answers the first."""
    encoder = Encoder(context)
    encoder.encode(
        events.Start(
            id=response.id,
            model=response.model,
            created_epoch_s=response.created_epoch_s,
            service_tier=response.service_tier,
            usage=response.usage,
        )
    )
    first = min(response.candidates, key=_index, default=None)
    if first is not None:
        for number, block in enumerate(first.blocks):
            encoder.encode(events.Whole(block=number, value=block))
        if first.finish is not None:
            encoder.encode(events.Finish(0, first.finish))
    return encoder.body()


def _index(candidate: Candidate) -> int:
    return candidate.index
