"""Streams: what to read along with, and which events may still be held back."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

import msgspec

from omniroute._speedups import SseTap, jsonspan
from omniroute.domain import Quirks
from omniroute.translate.dialect import Peeked
from omniroute.translate.dialects.openai_chat.decoder import ChatDecoder
from omniroute.translate.observer import Observer
from omniroute.translate.tags import INTERNAL
from omniroute.translate.vendor_json import decode_vendor

_BLANKS: Final = b" \t\r\n"
# Members that are set before anything is said. Everything else that is not empty is an answer, known to us or not.
_SILENT_IN_CHOICE: Final = frozenset({"index", "delta", "content_filter_results", "content_filter_offsets"})
_SILENT_IN_DELTA: Final = frozenset({"role"})

Members = dict[str, msgspec.Raw]

_members: Final = msgspec.json.Decoder(Members)
_choices: Final = msgspec.json.Decoder(list[Members])
_NOTHING: Final = msgspec.Raw(b"null")
_CHUNK: Final = msgspec.Raw(b'"chat.completion.chunk"')
_UNFINISHED: Final = (b"null", b'""')


class _SaidDelta(msgspec.Struct, gc=False):
    content: str = ""


class _SaidChoice(msgspec.Struct, gc=False):
    delta: _SaidDelta


class _Said(msgspec.Struct, gc=False):
    """A chunk as most are: a text, and no error. Whatever else is declined."""

    object: Literal["chat.completion.chunk"]
    choices: list[_SaidChoice]
    error: None = None


_said: Final = msgspec.json.Decoder(_Said)


class EventKind(Enum):
    """What an SSE event means while the answer is still held back (design.md §8, commit point)."""

    HANDSHAKE = "handshake"
    """Says nothing to the user yet: a comment, a role, empty deltas, an advance notice. Held."""
    CONTENT = "content"
    """An answer has begun: commit."""
    ERROR = "error"
    """The upstream failed inside HTTP 200: try the next target."""
    DONE = "done"
    """The end mark."""


def tap(peeked: Peeked) -> SseTap:
    """What reads along with the answer to this request; it hides the usage chunk the client has not asked for.

    An event in which one of our tags may begin is an observer's to judge, until that has nothing held back any more.
    """
    return SseTap(
        hide_usage=not peeked.include_usage,
        choices=peeked.choices,
        tags=INTERNAL,
        guard=lambda: Observer(ChatDecoder(Quirks()), None, peeked),
    )


def classify_event(data: bytes) -> EventKind:
    """What an event means before the commit point; ``data`` is what ``event_data`` gives, b"" for a comment.

    In doubt it is CONTENT: committing early costs a failover, holding back what the user should see costs the answer.
    """
    text = data.strip(_BLANKS)
    if text in (b"", b"[DONE]"):
        return EventKind.DONE if text else EventKind.HANDSHAKE
    return EventKind.CONTENT if _says_text(text) else _judged(text)


def _says_text(text: bytes) -> bool:
    """Whether this is a chunk as most are, with text in it: the quick answer."""
    try:
        return any(choice.delta.content for choice in _said.decode(text).choices)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def _judged(text: bytes) -> EventKind:
    try:
        chunk = decode_vendor(text)
    except ValueError:
        return EventKind.CONTENT
    if not isinstance(chunk, dict):
        return EventKind.CONTENT
    if chunk.get("error") is not None or chunk.get("object") == "error":
        return EventKind.ERROR
    choices = chunk.get("choices", chunk)  # no choices at all: not a chunk we know, so not known to be empty
    if choices is None or (isinstance(choices, list) and all(_is_silent(choice) for choice in choices)):
        return EventKind.HANDSHAKE
    return EventKind.CONTENT


def is_usage_chunk(data: bytes) -> bool:
    """Whether an event has usage and no choices: the last chunk of a stream that was asked for usage."""
    if b'"usage"' not in data:
        return False
    try:
        choices, usage, error = jsonspan.spans(data, (b"choices", b"usage", b"error"))
        return (
            choices is not None
            and usage is not None
            and data.startswith(b"{", usage[0])
            and data.startswith(b"[", choices[0])
            and not jsonspan.item_spans(data[slice(*choices)])
            and (error is None or data.startswith(b"null", error[0]))
        )
    except ValueError:
        return False


def unfold(body: bytes) -> bytes | None:
    """The answer ``body`` (a whole ``chat.completion``) as a stream of one chunk; None if it is anything else.

    For upstreams that take no notice of ``stream``. Every member stays as it is spelled; ``[DONE]`` follows if every
    choice is finished.
    """
    try:
        answer = _members.decode(body)
        choices = _choices.decode(answer.get("choices", _NOTHING))
        chunk = answer | {"object": _CHUNK, "choices": _raw([_unfolded(choice) for choice in choices])}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not any(_is_whole(choice) for choice in choices):
        return None
    finished = all(bytes(choice.get("finish_reason", _NOTHING)) not in _UNFINISHED for choice in choices)
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n" + (b"data: [DONE]\n\n" if finished else b"")


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _is_whole(choice: Members) -> bool:
    """Whether ``choice`` is of a whole answer, not of a chunk; Perplexity's chunks have both members."""
    return bytes(choice.get("message", _NOTHING)).startswith(b"{") and "delta" not in choice


def _unfolded(choice: Members) -> Members:
    if not _is_whole(choice):
        return choice
    delta = _members.decode(choice["message"])
    calls = delta.get("tool_calls", _NOTHING)
    if bytes(calls).startswith(b"["):
        listed = _choices.decode(calls)
        delta = delta | {"tool_calls": _raw([{"index": _raw(number)} | call for number, call in enumerate(listed)])}
    return {name: value for name, value in choice.items() if name != "message"} | {"delta": _raw(delta)}


def _is_silent(choice: object) -> bool:
    if not isinstance(choice, dict):
        return False
    delta = choice.get("delta")
    if isinstance(delta, dict):
        delta = {name: value for name, value in delta.items() if name not in _SILENT_IN_DELTA}
    rest = [value for name, value in choice.items() if name not in _SILENT_IN_CHOICE]
    return _is_empty(delta) and _is_empty(rest)


def _is_empty(value: object) -> bool:
    """Null, "", or a list or object of nothing else, as ``"logprobs":{"content":[],"refusal":null}``.

    Source: recording logprobs-stream. A loop, since the nesting is the vendor's.
    """
    todo = [value]
    while todo:
        inner = todo.pop()
        if isinstance(inner, dict):
            todo.extend(inner.values())
        elif isinstance(inner, list):
            todo.extend(inner)
        elif inner is not None and inner != "":
            return False
    return True
