"""What stands beside a candidate's text: sources and log probabilities, read."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.translate.canonical import Citation, Json
from omniroute.translate.dialects.gemini.told import MAX_ITEMS
from omniroute.translate.dialects.gemini.words import ORIGIN
from omniroute.translate.members import count, items, member, members, word

MAX_CITATIONS: Final = 512
"""Of one chunk: supports times sources; more is no list anybody reads."""


class Probability(msgspec.Struct, frozen=True, rename="camel"):
    """One token of ``logprobsResult``."""

    token: str = ""
    log_probability: msgspec.Raw = msgspec.Raw(b"0")


class TopCandidates(msgspec.Struct, frozen=True):
    """The likeliest tokens at one place."""

    candidates: list[Probability] = []


class LogprobsResult(msgspec.Struct, frozen=True, rename="camel"):
    """Log probabilities of an answer."""

    chosen_candidates: list[Probability] = []
    top_candidates: list[TopCandidates] = []


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


_logprobs: Final = msgspec.json.Decoder(LogprobsResult)


def citations_of(cited: Json, grounding: Json) -> list[Citation]:
    """The sources a candidate names in its two members for them, each maybe b"".

    Places are left out: Google counts bytes of all the text before them. ``citationMetadata`` calls its list
    ``citationSources`` in the Gemini API and ``citations`` on Vertex.
    """
    if not cited and not grounding:
        return []
    sources, vertex = members(cited, (b"citationSources", b"citations"))
    found = [_page(source) for source in (*items(sources, MAX_ITEMS), *items(vertex, MAX_ITEMS))]
    found += _grounded(grounding)
    return [citation for citation in found[:MAX_CITATIONS] if citation.url]


def _grounded(raw: Json) -> list[Citation]:
    """Pages that were searched for, with what they stand behind; all of them if that is not told."""
    chunks, supports = members(raw, (b"groundingChunks", b"groundingSupports"))
    pages = [_page(member(chunk, b"web")) for chunk in items(chunks, MAX_ITEMS)]
    found: list[Citation] = []
    for support in items(supports, MAX_ITEMS):
        segment, indices = members(support, (b"segment", b"groundingChunkIndices"))
        text = word(member(segment, b"text"))
        for index in items(indices, MAX_ITEMS):
            number = count(index)
            if number is not None and number < len(pages) and len(found) < MAX_CITATIONS:
                found.append(msgspec.structs.replace(pages[number], cited_text=text))
    return found or pages


def _page(raw: Json) -> Citation:
    uri, title = members(raw, (b"uri", b"title"))
    return Citation(url=word(uri), title=word(title), origin=ORIGIN)


def probabilities_of(raw: Json) -> Json:
    """A ``logprobsResult`` in Chat's form; b"" if it is absent, or cannot be read."""
    if not raw:
        return b""
    try:
        told = _logprobs.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return b""
    tops = [[ChatTop(top.token, top.log_probability) for top in place.candidates] for place in told.top_candidates]
    tokens = [
        ChatToken(chosen.token, chosen.log_probability, tops[number] if number < len(tops) else [])
        for number, chosen in enumerate(told.chosen_candidates)
    ]
    return msgspec.json.encode(tokens) if tokens else b""
