"""Whole answers: read through the stream's decoder, so that both agree, and written (translation.md §12.1, §13.4)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Quirks
from omniroute.translate import jsontext
from omniroute.translate.canonical import Candidate, ChatResponse, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.gemini.decoder import Decoder
from omniroute.translate.dialects.gemini.parts_out import CitationMetadata, logprobs_result, parts_of, sources_of
from omniroute.translate.dialects.gemini.schema import NOTHING, Content, Wire
from omniroute.translate.dialects.gemini.usage import UsageMetadata, written
from omniroute.translate.dialects.gemini.words import write_finish
from omniroute.translate.estimate import estimated_usage
from omniroute.translate.events import Failure
from omniroute.translate.fold import Folder

_KEYS: Final = (b"candidates", b"promptFeedback", b"usageMetadata", b"error")


class WireCandidate(Wire, frozen=True, kw_only=True):
    """One answer."""

    content: Content
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    citation_metadata: CitationMetadata | None = None
    logprobs_result: msgspec.Raw = NOTHING


class GenerateContentResponse(Wire, frozen=True):
    """An answer's body, or an object of a stream."""

    candidates: list[WireCandidate]
    usage_metadata: UsageMetadata
    model_version: str
    response_id: str


def read_answer(body: bytes, quirks: Quirks) -> ChatResponse:
    """The answer ``body`` holds. Raises ValueError if it is none, UpstreamError if it says that there will be none."""
    if not jsontext.is_object(body):
        raise ValueError("an answer of Gemini's is a JSON object")
    decoder, folder = Decoder(quirks, whole=True), Folder()
    for event in (*decoder.decode(b"", body), *decoder.finish()):
        if isinstance(event, Failure):
            raise event.error
        folder.encode(event)
    return folder.response()


def read_failure(body: bytes) -> bytes | None:
    """The error that a body under HTTP 200 is, None for an answer. Raises ValueError if it is neither."""
    listed = body.lstrip(b" \t\r\n").startswith(b"[")
    if listed:  # an error in a list is one; anything else in it is a stream
        items = jsonspan.item_spans(body)
        body = body[items[0][0] : items[0][1]] if len(items) == 1 else b""
    candidates, feedback, usage, error = jsonspan.spans(body, _KEYS)
    if error is not None and body[error[0] : error[1]] != b"null" and candidates is None:
        return body[error[0] : error[1]]
    if listed or (candidates is None and feedback is None and usage is None):
        raise ValueError("neither an answer nor an error of Gemini's")
    return None


def write_answer(response: ChatResponse, context: AnswerContext) -> bytes:
    """The body of an answer."""
    usage = response.usage
    if not usage.known:
        usage = estimated_usage(response.candidates, context.estimated_input_tokens)
    return msgspec.json.encode(
        GenerateContentResponse(
            candidates=[_candidate(candidate, context) for candidate in response.candidates],
            usage_metadata=written(usage),
            model_version=response.model or context.model,
            response_id=response.id or context.attempt_id,
        )
    )


def _candidate(candidate: Candidate, context: AnswerContext) -> WireCandidate:
    parts = [part for block in candidate.blocks for part in parts_of(block, context)]
    texts = [block for block in candidate.blocks if isinstance(block, Text)]
    finish = candidate.finish
    return WireCandidate(
        content=Content(role="model", parts=parts or None),
        finish_reason=write_finish(finish) if finish is not None else None,
        finish_message=(finish.detail or None) if finish is not None and finish.reason == "filter" else None,
        index=candidate.index,
        citation_metadata=sources_of([citation for text in texts for citation in text.citations]),
        logprobs_result=logprobs_result(next((text.logprobs for text in texts if text.logprobs), b"")),
    )
