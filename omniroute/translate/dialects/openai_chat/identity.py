"""OpenAI Chat on both sides: the client's bytes go on, with the few fields the gateway owns patched in place.

The document is never built: an unknown field, the order of members, the spelling of a number and white space reach the
upstream as the client wrote them (translation.md §1.2, lane 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute._speedups import chat, jsonspan
from omniroute.domain import Quirks
from omniroute.translate.dialect import Identity, Part, Peeked, Span
from omniroute.translate.dialects.openai_chat.answer import counts_of, scan_answer
from omniroute.translate.dialects.openai_chat.plain import Edit, plain_edits
from omniroute.translate.dialects.openai_chat.stream import is_usage_chunk, unfold
from omniroute.translate.dialects.openai_chat.tapped import TapFlow

PATH: Final = "/chat/completions"

_ADDED_MEMBER: Final = b'"stream_options":{"include_usage":true},'
_ADDED_OPTIONS: Final = b'{"include_usage":true}'
_ADDED_OPTION: Final = b'"include_usage":true'
_ECHO: Final = b'" "'
"""An empty string is refused by some model versions, a blank by none of those reported (translation.md §9)."""


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` for an upstream that knows the model as ``model``, as parts to be written in order.

    A stream gets ``stream_options.include_usage``, so that usage is always known; ``hide`` drops the chunk it causes.
    """
    model_span, options_span, option_span = peeked.spans
    if model == peeked.model:
        model_span = None
    asks = peeked.stream and not peeked.include_usage
    edits: list[Edit] = []
    if quirks.reasoning_echo == "required":
        edits += _echoes(body)
    elif quirks.plain_messages:
        edits += plain_edits(body)
    if quirks.reasoning_echo != "required" and not edits and (not asks or options_span is None):
        # A body that streams has members: the comma of what is added has something to separate.
        parts = chat.encode_body(body, model_span, model, _ADDED_MEMBER if asks else b"")
        if parts is not None:
            return parts
    if model_span is not None:
        edits.append((*model_span, msgspec.json.encode(model)))
    if asks:
        edits.append(_usage_edit(body, options_span, option_span))
    return jsonspan.patch(body, tuple(sorted(edits)))


def hide(data: bytes, peeked: Peeked) -> bool:
    """Whether ``data`` is the usage chunk that only ``encode_request`` has asked for."""
    return not peeked.include_usage and is_usage_chunk(data)


def path(_: Peeked, __: str) -> str:
    """The same for every model."""
    return PATH


IDENTITY: Final = Identity(
    encode_request=encode_request,
    path=path,
    forwarded=(b"openai-beta", b"openai-organization", b"openai-project"),
    hide=hide,
    unfold=unfold,
    flow=TapFlow,
    usage_of_body=counts_of,
    scan_answer=scan_answer,
)


def _usage_edit(body: bytes, options_span: Span | None, option_span: Span | None) -> Edit:
    """The splice that makes ``include_usage`` true: in place, inside the options there are, or as a new member."""
    if option_span is not None:
        return (*option_span, b"true")
    if options_span is None:
        at = jsonspan.open_brace(body)
        return (at, at, _ADDED_MEMBER)  # a body that streams has members: the comma has something to separate
    start, end = options_span
    options = body[start:end]
    if options == b"null":
        return (start, end, _ADDED_OPTIONS)
    comma = b"" if jsonspan.is_empty_object(options) else b","
    return (start + 1, start + 1, _ADDED_OPTION + comma)


def _echoes(body: bytes) -> Iterator[Edit]:
    """The splices that give every earlier answer of a model a ``reasoning_content``, and none a null ``content``."""
    (span,) = jsonspan.spans(body, (b"messages",))
    if span is None:
        return
    start = span[0]
    for first, last in jsonspan.item_spans(body[slice(*span)]):
        message = body[start + first : start + last]
        if not message.startswith(b"{"):
            continue
        role, content, reasoning = jsonspan.spans(message, (b"role", b"content", b"reasoning_content"))
        if role is None or message[slice(*role)] != b'"assistant"':
            continue
        at = start + first
        if content is not None and message.startswith(b"null", content[0]):
            yield (at + content[0], at + content[1], b'""')
        if reasoning is None:
            yield (at + 1, at + 1, b'"reasoning_content":' + _ECHO + b",")
        elif message[slice(*reasoning)] in (b"null", b'""'):
            yield (at + reasoning[0], at + reasoning[1], _ECHO)
