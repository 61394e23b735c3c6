"""A whole answer in the vendor's words: the response that its stream would have ended with (translation.md §13.4)."""

from __future__ import annotations

from omniroute.translate.canonical import ChatResponse
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses.encoder import Encoder
from omniroute.translate.fold import unfold


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The body. One state machine writes streams and bodies, so they cannot disagree; of several answers the first."""
    encoder = Encoder(context)
    for event in unfold(response):
        encoder.encode(event)
    return encoder.body()
