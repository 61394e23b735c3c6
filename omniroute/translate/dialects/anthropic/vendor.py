"""What Anthropic and those who speak like it send, taken apart without trusting it: members, texts, blocks.

Values are found by their place and read one by one, so that half a surrogate pair in one text, or a member of an
unexpected type, costs that text or member and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from omniroute._speedups import jsonspan
from omniroute.translate import jsontext
from omniroute.translate.canonical import Block, Citation, Finish, FinishClass, Json, Reasoning, Text, ToolCall
from omniroute.translate.canonical import Opaque as OpaqueBlock
from omniroute.translate.members import items, member, members, word

ORIGIN: Final = "anthropic"

MAX_BLOCKS: Final = 65536
"""Of one message; a long turn of server tools has some hundreds."""

MAX_CITATIONS: Final = 4096
"""Of one text."""

_CLASSES: Final[Mapping[str, FinishClass]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool",
    "pause_turn": "pause",
    "refusal": "filter",
}


def object_text(raw: bytes) -> str:
    """A tool's ``input`` as text: compact, nothing spelled anew; "" if there is none."""
    if not raw:
        return ""
    try:
        return jsontext.compact(raw).decode()
    except (ValueError, UnicodeError):  # half a surrogate pair: the text stays as it came
        return raw.decode("utf-8", "replace")


def compact_or_nothing(raw: bytes) -> Json:
    """``raw`` as JSON another document may hold; b"" if it is not fit for that."""
    try:
        known = jsontext.compact(raw)
    except ValueError:
        return b""
    return known if known.isascii() else known.decode("utf-8", "replace").encode()


def with_member(raw: bytes, name: bytes, value: bytes) -> bytes:
    """The object ``raw`` with one member set."""
    (span,) = jsonspan.spans(raw, (name,))
    if span is not None:
        return raw[: span[0]] + value + raw[span[1] :]
    at = jsonspan.open_brace(raw)
    comma = b"" if jsonspan.is_empty_object(raw) else b","
    return raw[:at] + b'"' + name + b'":' + value + comma + raw[at:]


def read_block(raw: bytes) -> Block | None:
    """One block of an answer's ``content``; None if it says nothing."""
    kind = word(member(raw, b"type"))
    match kind:
        case "text":
            said, citations = members(raw, (b"text", b"citations"))
            return Text(text=word(said), citations=read_citations(citations))
        case "thinking":
            thinking, signature = members(raw, (b"thinking", b"signature"))
            return Reasoning(text=word(thinking), signature=word(signature), origin=ORIGIN)
        case "redacted_thinking":
            return Reasoning(data=word(member(raw, b"data")), redacted=True, origin=ORIGIN)
        case "tool_use":
            call_id, name, given = members(raw, (b"id", b"name", b"input"))
            if not word(name):
                return None  # no call is made of something nameless
            return ToolCall(call_id=word(call_id), name=word(name), arguments=object_text(given))
        case _:
            known = compact_or_nothing(raw)
            return OpaqueBlock(origin=ORIGIN, raw=known, kind=kind) if kind and known else None


def read_citations(raw: bytes) -> tuple[Citation, ...]:
    """A block's ``citations``."""
    read = map(read_citation, items(raw, MAX_CITATIONS))
    return tuple(citation for citation in read if citation is not None)


def read_citation(raw: bytes) -> Citation | None:
    """One citation. Web sources are understood by all dialects, others by Anthropic alone."""
    known = compact_or_nothing(raw)
    if not known.startswith(b"{"):
        return None
    url, title, document, cited, index = members(
        known, (b"url", b"title", b"document_title", b"cited_text", b"encrypted_index")
    )
    foreign = index == b'""'  # ours, for a web source of another vendor's
    return Citation(
        url=word(url),
        title=word(title) or word(document),
        cited_text=word(cited),
        origin="" if foreign else ORIGIN,
        raw=b"" if foreign else known,
    )


def read_finish(reason: str, sequence: str, details: bytes, *, called: bool) -> Finish:
    """Why an answer ended. ``called``: it holds a tool call, which is why, whatever a relay says of a normal end."""
    kind = _CLASSES.get(reason)
    if kind in (None, "stop") and called:
        return Finish(reason="tool", raw=reason, unknown=kind is None)
    if kind == "filter":
        category, explanation = members(details, (b"category", b"explanation"))
        return Finish(reason="filter", detail=word(explanation), category=word(category), raw=reason)
    detail = sequence if kind == "stop_sequence" else ""
    return Finish(reason=kind or "stop", detail=detail, raw=reason, unknown=kind is None)
