"""Streams: what to read along with, and which events may still be held back."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import SseTap
from omniroute.translate.dialect import EventKind, Peeked
from omniroute.translate.vendor_json import decode_vendor

_BLANKS: Final = b" \t\r\n"
# Members that are set before anything is said. Everything else that is not empty is an answer, known to us or not.
_SILENT_IN_CHOICE: Final = frozenset({"index", "delta", "content_filter_results", "content_filter_offsets"})
_SILENT_IN_DELTA: Final = frozenset({"role"})


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


def unfold(body: bytes) -> bytes:
    """The answer ``body`` (a whole ``chat.completion``) as a stream of one chunk; as one event if it is anything else.

    For upstreams that take no notice of ``stream``. Every member stays; ``[DONE]`` follows if every choice is finished.
    """
    try:
        answer = decode_vendor(body)
    except ValueError:
        answer = None
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(choices, list):
        return b"data: " + b"".join(body.splitlines()) + b"\n\n"  # line ends are white space between members
    chunk = answer | {"object": "chat.completion.chunk", "choices": [_unfolded(choice) for choice in choices]}
    finished = all(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n" + (b"data: [DONE]\n\n" if finished else b"")


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
