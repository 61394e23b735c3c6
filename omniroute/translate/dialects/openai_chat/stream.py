"""Streams: what to read along with, and which events may still be held back."""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from omniroute._speedups import SseTap, jsonspan
from omniroute.translate.dialect import Peeked
from omniroute.translate.vendor_json import decode_vendor

_BLANKS: Final = b" \t\r\n"
# Members that are set before anything is said. Everything else that is not empty is an answer, known to us or not.
_SILENT_IN_CHOICE: Final = frozenset({"index", "delta", "content_filter_results", "content_filter_offsets"})
_SILENT_IN_DELTA: Final = frozenset({"role"})


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
    """What reads along with the answer to this request; it hides the usage chunk the client has not asked for."""
    return SseTap(hide_usage=not peeked.include_usage, choices=peeked.choices)


def classify_event(data: bytes) -> EventKind:
    """What an event means before the commit point; ``data`` is what ``event_data`` gives, b"" for a comment.

    In doubt it is CONTENT: committing early costs a failover, holding back what the user should see costs the answer.
    """
    text = data.strip(_BLANKS)
    if text in (b"", b"[DONE]"):
        return EventKind.DONE if text else EventKind.HANDSHAKE
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

    For upstreams that take no notice of ``stream``. Every member stays; ``[DONE]`` follows if every choice is finished.
    """
    try:
        answer = decode_vendor(body)
    except ValueError:
        return None
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(choices, list) or not any(map(_is_whole, choices)):
        return None
    chunk = answer | {"object": "chat.completion.chunk", "choices": [_unfolded(choice) for choice in choices]}
    finished = all(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n" + (b"data: [DONE]\n\n" if finished else b"")


def _is_whole(choice: object) -> bool:
    """Whether ``choice`` is of a whole answer, not of a chunk; Perplexity's chunks have both members."""
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict) and "delta" not in choice


def _unfolded(choice: object) -> object:
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return choice
    delta = dict(choice["message"])
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {"index": number} | call if isinstance(call, dict) else call for number, call in enumerate(calls)
        ]
    return {name: value for name, value in choice.items() if name != "message"} | {"delta": delta}


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
