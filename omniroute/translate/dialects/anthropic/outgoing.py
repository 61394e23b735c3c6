"""Blocks and reasons of an answer, in Anthropic's words: what whole answers and streams write alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from omniroute.translate import carriers
from omniroute.translate.canonical import Citation, Finish, FinishClass, Image, Inline
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.anthropic.usage import WireUsage
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.naming import ANTHROPIC_ID, fitted

_REASONS: Final[Mapping[FinishClass, str]] = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "context_window": "model_context_window_exceeded",
    "tool": "tool_use",
    "filter": "refusal",
    "pause": "pause_turn",
    "error": "end_turn",
}


class TextOut(msgspec.Struct, frozen=True, omit_defaults=True, tag="text", tag_field="type"):
    """A ``text`` block."""

    text: str
    citations: tuple[msgspec.Raw, ...] = ()


class ThinkingOut(msgspec.Struct, frozen=True, tag="thinking", tag_field="type"):
    """A ``thinking`` block; an empty ``signature`` marks what Anthropic did not make."""

    thinking: str
    signature: str


class RedactedOut(msgspec.Struct, frozen=True, tag="redacted_thinking", tag_field="type"):
    """A ``redacted_thinking`` block."""

    data: str


class ToolUseOut(msgspec.Struct, frozen=True, tag="tool_use", tag_field="type"):
    """A ``tool_use`` block."""

    id: str
    name: str
    input: msgspec.Raw


class StopDetails(msgspec.Struct, frozen=True, tag="refusal", tag_field="type"):
    """Why a model refused."""

    category: str | None
    explanation: str | None


class Stop(msgspec.Struct, frozen=True):
    """How a message ended: ``delta`` of ``message_delta``, and the same members of a whole message."""

    stop_reason: str
    stop_sequence: str | None = None
    stop_details: StopDetails | msgspec.UnsetType = msgspec.UNSET


class Message(msgspec.Struct, frozen=True, kw_only=True, tag="message", tag_field="type"):
    """The message of ``message_start``."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: tuple[()] = ()
    stop_reason: None = None
    stop_sequence: None = None
    usage: WireUsage


def write_stop(finish: Finish, *, called: bool, refused: bool) -> Stop:
    """``finish`` in Anthropic's words. ``called``, ``refused``: what the answer holds decides over a plain stop."""
    reason = finish.reason
    if reason == "stop" and (called or refused):
        return Stop("tool_use" if called else "refusal")
    details: StopDetails | msgspec.UnsetType = msgspec.UNSET
    category = finish.category if finish.raw == "refusal" else ""  # another vendor's is none of Anthropic's
    if reason == "filter" and not refused and (finish.detail or category):
        details = StopDetails(category or None, finish.detail or None)
    return Stop(_REASONS[reason], finish.detail if reason == "stop_sequence" else None, details)


def message_id(upstream_id: str, attempt_id: str) -> str:
    """The upstream's id where it looks like one of Anthropic's, else one made from the attempt."""
    return upstream_id if upstream_id.startswith("msg_") else f"msg_{attempt_id}"


def call_id(upstream_id: str, context: AnswerContext, number: int) -> str:
    """The id of a call: the client's own where the upstream was given another for it, else the upstream's if it fits.

    What does not fit is replaced, since clients send it back, maybe to Anthropic, who would refuse it. ``number`` tells
    calls without an id apart.
    """
    own = context.call_ids.get(upstream_id)
    if own is not None:
        return own
    return fitted(ANTHROPIC_ID, upstream_id) if upstream_id else f"toolu_{context.attempt_id}_{number}"


def write_citation(citation: Citation) -> msgspec.Raw | None:
    """A citation as Anthropic writes it; None if it has no form there.

    A web source of another vendor has no index Anthropic could read: an empty one, as with foreign thinking.
    """
    if citation.origin == ORIGIN and citation.raw:
        return msgspec.Raw(citation.raw)
    if not citation.url:
        return None
    return msgspec.Raw(msgspec.json.encode(WebLocation(citation.cited_text, "", citation.title or None, citation.url)))


class WebLocation(msgspec.Struct, frozen=True, tag="web_search_result_location", tag_field="type"):
    """A source on the web."""

    cited_text: str
    encrypted_index: str
    title: str | None
    url: str


def write_citations(citations: Iterable[Citation]) -> tuple[msgspec.Raw, ...]:
    """Those that have a form."""
    return tuple(written for citation in citations if (written := write_citation(citation)) is not None)


def write_signature(origin: str, signature: str, data: str, item_id: str) -> str:
    """What a thinking block's ``signature`` is to hold: Anthropic's own as it is, others' in a carrier; "" for none."""
    if not (signature or data):
        return ""
    if origin == ORIGIN:
        return signature
    return carriers.wrap(carriers.Carried(origin, data or signature, item_id))


def write_redacted(origin: str, data: str, item_id: str) -> str:
    """The same for the ``data`` of redacted thinking."""
    return data if origin == ORIGIN else carriers.wrap(carriers.Carried(origin, data, item_id))


def image_note(image: Image) -> str:
    """The text that stands for a picture the model made: Anthropic's answers have no place for one."""
    source = image.source
    if isinstance(source, Inline):
        return f"[The model made a picture ({source.media_type}), which this API cannot carry.]"
    return "[The model made a picture, which this API cannot carry.]"
