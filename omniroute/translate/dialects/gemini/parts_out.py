"""What an answer says as Gemini's parts, for whole answers and streams alike (translation.md §12.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Audio,
    Block,
    Citation,
    Document,
    Held,
    Image,
    Json,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.gemini.media_out import media_parts
from omniroute.translate.dialects.gemini.schema import NOTHING, FunctionCall, Part, Wire
from omniroute.translate.dialects.gemini.words import ORIGIN
from omniroute.translate.notes import Notes


class CitationSource(Wire, frozen=True):
    """A source. Google counts places in bytes of the whole answer, others in characters of a block: none are told."""

    uri: str
    title: str | None = None


class CitationMetadata(Wire, frozen=True):
    """Sources of a candidate."""

    citation_sources: list[CitationSource]


class TokenProbability(Wire, frozen=True):
    """A token and its logarithmic probability."""

    token: str
    log_probability: msgspec.Raw


class TopCandidates(Wire, frozen=True):
    """The likeliest tokens at one place."""

    candidates: list[TokenProbability]


class LogprobsResult(Wire, frozen=True):
    """Log probabilities of an answer."""

    chosen_candidates: list[TokenProbability]
    top_candidates: list[TopCandidates] | None = None


class _ChatToken(msgspec.Struct, frozen=True):
    token: str
    logprob: msgspec.Raw
    top_logprobs: list[_ChatToken] | None = None


_part: Final = msgspec.json.Decoder(Part)
_tokens: Final = msgspec.json.Decoder(list[_ChatToken])


def parts_of(block: Block, context: AnswerContext) -> Iterator[Part]:
    """The parts of one block; none for what only another vendor's clients understand."""
    match block:
        case Text() | Refusal() if block.text:
            signature = block.signature if isinstance(block, Text) else ""
            yield Part(text=block.text, thought_signature=signature or None)
        case Text() if block.signature:
            yield Part(text="", thought_signature=block.signature)
        case Reasoning():
            signature = block.signature if block.origin == ORIGIN else ""
            if block.text or signature:
                yield Part(text=block.text, thought=True, thought_signature=signature or None)
        case ToolCall():
            yield call_part(block, context)
        case Image() | Audio() | Document():
            if not isinstance(block.source, Held) or block.source.origin == ORIGIN:
                yield from media_parts(block, Notes())
        case Opaque() if block.origin == ORIGIN:
            yield _part.decode(block.raw)
        case _:
            return


def call_part(call: ToolCall, context: AnswerContext) -> Part:
    """A whole call, by the names its client knows. Without an id if the upstream gave none, as Google's own are.

    The free text of a custom tool is the one member of an object, as the tool itself is told of (translation.md §11.5).
    """
    if call.custom:
        args = b'{"input":' + jsontext.literal(call.arguments) + b"}"
    else:
        args, _ = jsontext.arguments_object(call.arguments)
    written = FunctionCall(
        id=context.call_ids.get(call.call_id, call.call_id) or None,
        name=context.names.get(call.name, call.name),
        args=msgspec.Raw(args),
    )
    return Part(function_call=written, thought_signature=call.signature or None)


def sources_of(citations: tuple[Citation, ...] | list[Citation]) -> CitationMetadata | None:
    """Sources on the web, each once; None if there are none."""
    sources = {citation.url: CitationSource(uri=citation.url, title=citation.title or None) for citation in citations}
    sources.pop("", None)
    return CitationMetadata(citation_sources=list(sources.values())) if sources else None


def logprobs_result(content: Json) -> msgspec.Raw:
    """Chat's list of log probabilities in Google's form."""
    try:
        tokens = _tokens.decode(content) if content else []
    except (msgspec.DecodeError, UnicodeError):
        return NOTHING
    if not tokens:
        return NOTHING
    tops = [
        TopCandidates(candidates=[TokenProbability(token=top.token, log_probability=top.logprob) for top in found])
        for token in tokens
        if (found := token.top_logprobs)
    ]
    chosen = [TokenProbability(token=token.token, log_probability=token.logprob) for token in tokens]
    return msgspec.Raw(msgspec.json.encode(LogprobsResult(chosen_candidates=chosen, top_candidates=tops or None)))
