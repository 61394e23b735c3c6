"""Answers and chunks in Google's words, as read (translation.md §6.3).

Values are slices of what came, so text goes to the client byte for byte; a member of the wrong kind is as good as
absent, so that a vendor's surprise costs one member and not the answer.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.translate import jsontext
from omniroute.translate.canonical import Audio, Block, Document, Held, Image, Inline, Json, Link, Opaque, Source
from omniroute.translate.dialects.gemini.words import ORIGIN
from omniroute.translate.members import count, items, member, members, text, word

MAX_ITEMS: Final = 4096
"""Of one list in a chunk: chunks, candidates, parts, pieces of arguments."""

TRUE: Final = b"true"

_CHUNK: Final = (
    b"candidates", b"promptFeedback", b"usageMetadata", b"modelVersion", b"responseId", b"createTime", b"error",
)  # fmt: skip
_CANDIDATE: Final = (
    b"index", b"content", b"finishReason", b"finishMessage", b"citationMetadata", b"groundingMetadata",
    b"logprobsResult",
)  # fmt: skip
_PART: Final = (
    b"text", b"thought", b"thoughtSignature", b"functionCall", b"inlineData", b"fileData", b"executableCode",
    b"codeExecutionResult", b"toolCall", b"toolResponse",
)  # fmt: skip
_CALL: Final = (b"id", b"name", b"args", b"partialArgs", b"willContinue")
_PIECE: Final = (b"jsonPath", b"stringValue", b"numberValue", b"boolValue", b"nullValue")

_FENCE: Final = b"\\n```\\n"
_FRACTION: Final = re.compile(r"\.[0-9]+")


class Candidate(msgspec.Struct, frozen=True):
    """One answer, or more of it."""

    index: int
    parts: tuple[Json, ...]
    reason: str
    message: str
    cited: Json
    grounding: Json
    logprobs: Json


class Chunk(msgspec.Struct, frozen=True):
    """A whole answer, or a piece of a stream."""

    candidates: tuple[Candidate, ...]
    blocked: str
    usage: Json
    """b"" if it is absent; ``null`` is a count of nothing."""
    model: str
    id: str
    created_epoch_s: int
    error: Json


class Part(msgspec.Struct, frozen=True):
    """One part of an answer."""

    text: bytes
    """Escaped; what Google's own code said and printed in fences."""
    is_text: bool
    """There is a member ``text``, if only an empty one."""
    thought: bool
    signature: str
    call: Json
    block: Block | None
    """Anything else it holds."""


class Call(msgspec.Struct, frozen=True):
    """A call, whole or in pieces."""

    id: str
    name: str
    args: Json
    pieces: tuple[Json, ...]
    goes_on: bool


class Piece(msgspec.Struct, frozen=True):
    """A piece of a call's arguments."""

    path: str
    text: bytes | None
    """Escaped, of a string."""
    value: Json
    """Of anything else; b"" if it says nothing."""


def read_chunks(data: bytes) -> tuple[Chunk, ...]:
    """The chunks of an event: one, or a list of them. Raises ValueError if it holds something else."""
    if not data.startswith(b"["):
        return (_chunk(data),)
    return tuple(_chunk(data[start:end]) for start, end in jsonspan.item_spans(data)[:MAX_ITEMS])


def _chunk(raw: Json) -> Chunk:
    found = [b"" if span is None else raw[span[0] : span[1]] for span in jsonspan.spans(raw, _CHUNK)]
    candidates, feedback, usage, model, response_id, created, error = found
    return Chunk(
        candidates=tuple(_candidate(item, place) for place, item in enumerate(items(candidates, MAX_ITEMS))),
        blocked=word(member(feedback, b"blockReason")) if feedback else "",
        usage=usage,
        model=word(model),
        id=word(response_id),
        created_epoch_s=_instant(word(created)) if created else 0,
        error=b"" if error == b"null" else error,
    )


def _candidate(raw: Json, place: int) -> Candidate:
    index, content, reason, message, cited, grounding, logprobs = members(raw, _CANDIDATE)
    told = count(index)
    return Candidate(
        index=(place if index else 0) if told is None else told,
        parts=items(member(content, b"parts"), MAX_ITEMS) if content else (),
        reason=word(reason),
        message=word(message),
        cited=cited,
        grounding=grounding,
        logprobs=logprobs,
    )


def read_part(raw: Json) -> Part:
    """A part."""
    said, thought, signature, call, inline, file, code, output, tool_call, tool_response = members(raw, _PART)
    block = _media(inline or file) if inline or file else None
    return Part(
        text=text(said) if said else _code(code) if code else _output(output) if output else b"",
        is_text=bool(said),
        thought=thought == TRUE,
        signature=word(signature),
        call=call if call.startswith(b"{") else b"",
        block=block or _own(b"toolCall", tool_call) or _own(b"toolResponse", tool_response),
    )


def read_call(raw: Json) -> Call:
    """A ``functionCall``."""
    call_id, name, args, pieces, goes_on = members(raw, _CALL)
    return Call(id=word(call_id), name=word(name), args=args, pieces=items(pieces, MAX_ITEMS), goes_on=goes_on == TRUE)


def read_piece(raw: Json) -> Piece:
    """One of ``partialArgs``."""
    path, string, number, flag, null = members(raw, _PIECE)
    if string:
        return Piece(word(path), text(string), b"")
    value = next((found for found in (number, flag) if _is_scalar(found)), b"null" if null else b"")
    return Piece(word(path), None, value)


def arguments_of(args: Json) -> bytes:
    """Whole arguments, escaped; ``{}`` if there are none."""
    if not args:
        return b"{}"
    with suppress(ValueError):  # half a surrogate pair, or no JSON: the model's own text all the same
        args = jsontext.compact(args)
    return jsontext.escaped(args.decode("utf-8", "replace"))


# -- parts that are neither text nor calls -----------------------------------------------------------------------------
def _media(raw: Json) -> Block | None:
    kind, data, uri = (word(value) for value in members(raw, (b"mimeType", b"data", b"fileUri")))
    kind = kind.lower()
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


def _own(name: bytes, raw: Json) -> Opaque | None:
    """A call of one of Google's own tools, or its result."""
    if not raw.startswith(b"{"):
        return None
    return Opaque(origin=ORIGIN, kind=name.decode(), raw=b'{"' + name + b'":' + raw + b"}")


def _code(raw: Json) -> bytes:
    """Code that Google ran, in fences."""
    language, code = members(raw, (b"language", b"code"))
    name = word(language).lower()
    name = name if name.isidentifier() and name != "language_unspecified" else ""
    return b"\\n```" + name.encode() + b"\\n" + text(code) + _FENCE if text(code) else b""


def _output(raw: Json) -> bytes:
    """What it printed."""
    output = text(member(raw, b"output"))
    return b"\\n```\\n" + output + _FENCE if output else b""


def _is_scalar(raw: Json) -> bool:
    if not raw or raw[:1] in b'"{[':
        return False
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        return False
    return True


def _instant(told: str) -> int:
    """An instant in seconds, 0 if it cannot be read."""
    try:
        instant = datetime.fromisoformat(_FRACTION.sub("", told))
        return max(0, int(instant.timestamp())) if instant.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return 0
