"""What Anthropic and those who speak like it send, taken apart without trusting it: members, texts, blocks.

Values are found by their place (``jsonspan``) and read one by one, so that half a surrogate pair in one text, or a member
of an unexpected type, costs that text or member and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from omniroute._speedups import jsonspan
from omniroute.translate import jsontext
from omniroute.translate.canonical import Block, Citation, Finish, FinishClass, Json, Reasoning, Text, ToolCall
from omniroute.translate.canonical import Opaque as OpaqueBlock

ORIGIN: Final = "anthropic"

_ESCAPED: Final = re.compile(rb'(?:[^\x00-\x1f"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')

_CLASSES: Final[Mapping[str, FinishClass]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool",
    "pause_turn": "pause",
    "refusal": "filter",
}


def members(data: bytes, *names: bytes) -> tuple[bytes, ...]:
    """The JSON of each of ``names`` in the object ``data``, b"" where absent. Raises ValueError if it is no object."""
    return tuple(b"" if span is None else data[span[0] : span[1]] for span in jsonspan.spans(data, names))


def escaped_of(raw: bytes) -> bytes:
    """The text of a JSON string, still escaped and well-formed; b"" for anything else."""
    text = jsontext.inner(raw)
    if text is None:
        return b""
    if _ESCAPED.fullmatch(text) is None or not _is_utf8(text):
        return jsontext.escaped(jsontext.unescaped(text))
    return text


def text_of(raw: bytes) -> str:
    """The text of a JSON string; "" for anything else."""
    text = jsontext.inner(raw)
    return "" if text is None else jsontext.unescaped(text)


def index_of(raw: bytes) -> int:
    """A block's index; 0 if it is none."""
    return int(raw) if raw.isdigit() and len(raw) < 10 else 0


def object_text(raw: bytes) -> str:
    """A tool's ``input`` as text: compact, nothing spelled anew; "" if there is none."""
    if not raw or raw == b"null":
        return ""
    try:
        return jsontext.compact(raw).decode()
    except (ValueError, UnicodeError):  # half a surrogate pair: the text stays as it came
        return raw.decode("utf-8", "replace")


def compact_or_nothing(raw: bytes) -> Json:
    """``raw`` as JSON another document may hold; b"" if it is not fit for that."""
    try:
        return jsontext.compact(raw)
    except ValueError:
        return b""


def with_member(raw: bytes, name: bytes, value: bytes) -> bytes:
    """The object ``raw`` with one member set."""
    (span,) = jsonspan.spans(raw, (name,))
    if span is not None:
        return raw[: span[0]] + value + raw[span[1] :]
    at = jsonspan.open_brace(raw)
    comma = b"" if jsonspan.is_empty_object(raw) else b","
    return raw[:at] + b'"' + name + b'":' + value + comma + raw[at:]


def read_block(raw: bytes) -> Block | None:
    """One block of an answer's ``content``; None if it says nothing. Raises ValueError if it is no object."""
    kind_raw, text, citations = members(raw, b"type", b"text", b"citations")
    kind = text_of(kind_raw)
    match kind:
        case "text":
            return Text(text=text_of(text), citations=read_citations(citations))
        case "thinking":
            thinking, signature = members(raw, b"thinking", b"signature")
            return Reasoning(text=text_of(thinking), signature=text_of(signature), origin=ORIGIN)
        case "redacted_thinking":
            (data,) = members(raw, b"data")
            return Reasoning(data=text_of(data), redacted=True, origin=ORIGIN)
        case "tool_use":
            call_id, name, given = members(raw, b"id", b"name", b"input")
            if not text_of(name):
                return None  # no call is made of something nameless
            return ToolCall(call_id=text_of(call_id), name=text_of(name), arguments=object_text(given))
        case _:
            known = compact_or_nothing(raw)
            return OpaqueBlock(origin=ORIGIN, raw=known, kind=kind) if known else None


def read_citations(raw: bytes) -> tuple[Citation, ...]:
    """A block's ``citations``."""
    try:
        spans = jsonspan.item_spans(raw) if raw.startswith(b"[") else ()
        return tuple(cited for start, end in spans if (cited := read_citation(raw[start:end])) is not None)
    except ValueError:
        return ()


def read_citation(raw: bytes) -> Citation | None:
    """One citation. Web sources are understood by all dialects, others by Anthropic alone."""
    known = compact_or_nothing(raw)
    if not known.startswith(b"{"):
        return None
    url, title, document, cited = members(known, b"url", b"title", b"document_title", b"cited_text")
    return Citation(
        url=text_of(url),
        title=text_of(title) or text_of(document),
        cited_text=text_of(cited),
        origin=ORIGIN,
        raw=known,
    )


def read_finish(reason: str, sequence: str, details: bytes, *, called: bool) -> Finish:
    """Why an answer ended. ``called``: it holds a tool call, which is why, whatever a relay says of a normal end."""
    kind = _CLASSES.get(reason)
    if kind in (None, "stop") and called:
        return Finish(reason="tool", raw=reason, unknown=kind is None)
    if kind == "filter":
        category, explanation = members(details, b"category", b"explanation") if details[:1] == b"{" else (b"", b"")
        return Finish(reason="filter", detail=text_of(explanation), category=text_of(category), raw=reason)
    detail = sequence if kind == "stop_sequence" else ""
    return Finish(reason=kind or "stop", detail=detail, raw=reason, unknown=kind is None)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
