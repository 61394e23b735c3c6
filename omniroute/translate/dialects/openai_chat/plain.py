"""Answers of models as OpenAI's own messages, for upstreams that refuse what others add to them (translation.md §9).

A client that was answered by a model that reasons sends ``reasoning_content`` and its like back, and Groq, Cerebras and
Azure answer 400 to it: "property 'reasoning_content' is unsupported".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute._speedups import jsonspan

Edit = tuple[int, int, bytes]

_OF_MESSAGES: Final = frozenset({"reasoning_content", "reasoning", "reasoning_details", "extra_content"})
_OF_CALLS: Final = frozenset({"extra_content"})
_NAMES: Final = tuple(b'"%b"' % name.encode() for name in sorted(_OF_MESSAGES))
_CALLS: Final = "tool_calls"

_message: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_calls: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def plain_edits(body: bytes) -> Iterator[Edit]:
    """The splices that leave those members out of the answers in ``messages``; every other message stays as it is."""
    if not any(jsonspan.holds(body, name) for name in _NAMES):
        return
    (span,) = jsonspan.spans(body, (b"messages",))
    if span is None:
        return
    start = span[0]
    for first, last in jsonspan.item_spans(body[slice(*span)]):
        message = body[start + first : start + last]
        if message.startswith(b"{") and any(name in message for name in _NAMES):
            plain = _plain(message)
            if plain is not None:
                yield (start + first, start + last, plain)


def _plain(message: bytes) -> bytes | None:
    """``message`` without them; None if it has none, is no answer of a model, or is wrong, which the upstream says."""
    try:
        members = _message.decode(message)
        if bytes(members.get("role", b"")) != b'"assistant"':
            return None
        kept = {name: value for name, value in members.items() if name not in _OF_MESSAGES}
        changed = len(kept) < len(members)
        if _CALLS in kept and bytes(kept[_CALLS]).startswith(b"["):
            calls = _calls.decode(kept[_CALLS])
            fewer = [{name: value for name, value in call.items() if name not in _OF_CALLS} for call in calls]
            if fewer != calls:
                kept[_CALLS], changed = msgspec.Raw(msgspec.json.encode(fewer)), True
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return msgspec.json.encode(kept) if changed else None
