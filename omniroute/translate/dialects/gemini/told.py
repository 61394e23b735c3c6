"""Answers and chunks in Google's words, as read: lenient in everything but their structure (translation.md §6.3).

Texts stay JSON text: their bytes go to the client as they came. Scalars are taken for what they are when they are
looked at, so that a vendor's surprise costs one member and not the answer.
"""

from __future__ import annotations

import re
from datetime import datetime
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
    Inline,
    Json,
    Link,
    Opaque,
    Source,
)
from omniroute.translate.dialects.gemini.schema import NOTHING, wire_name
from omniroute.translate.dialects.gemini.words import ORIGIN


class Told(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of what is read."""


class PartialArg(Told, frozen=True):
    """A piece of a call's arguments."""

    json_path: object = None
    string_value: msgspec.Raw = NOTHING
    number_value: msgspec.Raw = NOTHING
    bool_value: msgspec.Raw = NOTHING
    null_value: object = None
    will_continue: object = None


class FunctionCall(Told, frozen=True):
    """A call, whole or in pieces."""

    id: object = None
    name: object = None
    args: msgspec.Raw = NOTHING
    partial_args: list[PartialArg] | None = None
    will_continue: object = None


class Media(Told, frozen=True):
    """``inlineData`` or ``fileData``."""

    mime_type: object = None
    data: object = None
    file_uri: object = None


class ExecutableCode(Told, frozen=True):
    """Code Google ran."""

    language: object = None
    code: msgspec.Raw = NOTHING


class CodeExecutionResult(Told, frozen=True):
    """What that printed."""

    output: msgspec.Raw = NOTHING


class Part(Told, frozen=True):
    """One part of an answer."""

    text: msgspec.Raw = NOTHING
    thought: object = None
    thought_signature: object = None
    function_call: FunctionCall | None = None
    inline_data: Media | None = None
    file_data: Media | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    tool_call: msgspec.Raw = NOTHING
    tool_response: msgspec.Raw = NOTHING


class Content(Told, frozen=True):
    """What a candidate says; maybe nothing."""

    parts: list[Part] | None = None


class CitationSource(Told, frozen=True):
    """A source Google recognised in the text."""

    start_index: object = None
    end_index: object = None
    uri: object = None
    title: object = None


class CitationMetadata(Told, frozen=True):
    """Sources: ``citationSources`` in the Gemini API, ``citations`` on Vertex."""

    citation_sources: list[CitationSource] | None = None
    citations: list[CitationSource] | None = None


class Web(Told, frozen=True):
    """A page."""

    uri: object = None
    title: object = None


class GroundingChunk(Told, frozen=True):
    """A source that was searched for."""

    web: Web | None = None


class Segment(Told, frozen=True):
    """A piece of the answer; indices are of bytes."""

    start_index: object = None
    end_index: object = None
    text: object = None


class GroundingSupport(Told, frozen=True):
    """Which sources stand behind which piece."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(Told, frozen=True):
    """Search results behind an answer."""

    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class TokenProbability(Told, frozen=True):
    """One token of ``logprobsResult``."""

    token: str = ""
    log_probability: msgspec.Raw = msgspec.Raw(b"0")


class TopCandidates(Told, frozen=True):
    """The likeliest tokens at one place."""

    candidates: list[TokenProbability] | None = None


class LogprobsResult(Told, frozen=True):
    """Log probabilities of an answer."""

    chosen_candidates: list[TokenProbability] | None = None
    top_candidates: list[TopCandidates] | None = None


class Candidate(Told, frozen=True):
    """One answer, or more of it."""

    index: object = None
    content: Content | None = None
    finish_reason: object = None
    finish_message: object = None
    citation_metadata: CitationMetadata | None = None
    grounding_metadata: GroundingMetadata | None = None
    logprobs_result: msgspec.Raw = NOTHING


class PromptFeedback(Told, frozen=True):
    """What Google thought of the prompt."""

    block_reason: object = None


class Chunk(Told, frozen=True):
    """A whole answer, or a piece of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: msgspec.Raw = NOTHING
    model_version: object = None
    response_id: object = None
    create_time: object = None
    error: msgspec.Raw = NOTHING


class ChatTop(msgspec.Struct, frozen=True):
    """An alternative token in Chat's form."""

    token: str
    logprob: msgspec.Raw
    bytes: None = None


class ChatToken(msgspec.Struct, frozen=True):
    """A token in Chat's form."""

    token: str
    logprob: msgspec.Raw
    top_logprobs: list[ChatTop]
    bytes: None = None


_FENCE: Final = jsontext.escaped("\n```\n")
_MAX_CITATIONS: Final = 512
"""Of one chunk: supports times sources; more is no list anybody reads."""
_FRACTION: Final = re.compile(r"\.[0-9]+")

_logprobs: Final = msgspec.json.Decoder(LogprobsResult)


def string(value: object) -> str:
    """``value`` if it is text, else ""."""
    return value if isinstance(value, str) else ""


def is_given(raw: msgspec.Raw) -> bool:
    """Whether a member is there, and not null."""
    return bytes(raw) not in (b"", b"null")


def created_of(chunk: Chunk) -> int:
    """``createTime`` in seconds, 0 if it is not told or cannot be read."""
    try:
        told = datetime.fromisoformat(_FRACTION.sub("", string(chunk.create_time)))
        return max(0, int(told.timestamp())) if told.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return 0


def media_of(media: Media) -> Block | None:
    """A picture, sound or file of an answer; None if there is nothing in it."""
    kind, data, uri = string(media.mime_type).lower(), string(media.data), string(media.file_uri)
    source: Source
    if data:
        source = Inline(kind or "application/octet-stream", data)
    elif uri.startswith(("http://", "https://")):
        source = Link(uri, kind)
    elif uri:
        source = Held(uri, ORIGIN)
    else:
        return None
    if kind.startswith("image/"):
        return Image(source=source)
    if kind.startswith("audio/"):
        return Audio(source=source, format=kind.partition("/")[2])
    return Document(source=source)


def opaque_of(part: Part) -> Opaque | None:
    """A call of one of Google's own tools, or its result."""
    for name in ("tool_call", "tool_response"):
        raw: msgspec.Raw = getattr(part, name)
        if is_given(raw):
            kind = wire_name(name)
            return Opaque(origin=ORIGIN, kind=kind, raw=msgspec.json.encode({kind: raw}))
    return None


def fenced(part: Part) -> bytes:
    """Code that Google ran, or what it printed, as escaped text in fences; b"" if the part has neither."""
    if part.executable_code is not None:
        word = string(part.executable_code.language).lower()
        word = word if word.isidentifier() and word != "language_unspecified" else ""
        code = jsontext.inner(part.executable_code.code) or b""
        return b"\\n```" + jsontext.escaped(word) + b"\\n" + code + _FENCE if code else b""
    if part.code_execution_result is not None:
        output = jsontext.inner(part.code_execution_result.output) or b""
        return b"\\n```\\n" + output + _FENCE if output else b""
    return b""


def citations_of(candidate: Candidate) -> list[Citation]:
    """The sources a candidate names. Places are left out: Google counts bytes of all the text before them."""
    found: list[Citation] = []
    told = candidate.citation_metadata
    if told is not None:
        found += [
            Citation(url=uri, title=string(source.title), origin=ORIGIN)
            for source in (*(told.citation_sources or ()), *(told.citations or ()))
            if (uri := string(source.uri))
        ]
    if candidate.grounding_metadata is not None:
        found += _grounding(candidate.grounding_metadata)
    return found[:_MAX_CITATIONS]


def _grounding(told: GroundingMetadata) -> list[Citation]:
    pages = [chunk.web or Web() for chunk in told.grounding_chunks or ()]
    found: list[Citation] = []
    for support in told.grounding_supports or ():
        text = string(support.segment.text) if support.segment is not None else ""
        for index in support.grounding_chunk_indices or ():
            if len(found) >= _MAX_CITATIONS:
                return found
            if 0 <= index < len(pages) and (uri := string(pages[index].uri)):
                found.append(Citation(url=uri, title=string(pages[index].title), cited_text=text, origin=ORIGIN))
    if found:
        return found
    return [
        Citation(url=string(page.uri), title=string(page.title), origin=ORIGIN) for page in pages if string(page.uri)
    ]


def probabilities_of(candidate: Candidate) -> Json:
    """``logprobsResult`` in Chat's form; b"" if there is none that can be read."""
    if not is_given(candidate.logprobs_result):
        return b""
    try:
        told = _logprobs.decode(candidate.logprobs_result)
    except (msgspec.DecodeError, UnicodeError):
        return b""
    tops = told.top_candidates or []
    tokens = [
        ChatToken(
            chosen.token,
            chosen.log_probability,
            [ChatTop(top.token, top.log_probability) for top in (tops[number].candidates or ())]
            if number < len(tops)
            else [],
        )
        for number, chosen in enumerate(told.chosen_candidates or ())
    ]
    return msgspec.json.encode(tokens) if tokens else b""
