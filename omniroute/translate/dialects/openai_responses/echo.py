"""What an answer says of itself: its id, what it repeats of its request, its usage, why it is incomplete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from omniroute.domain import Usage
from omniroute.translate.canonical import ChatRequest, Finish
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses.schema import (
    Echo,
    ErrorDetail,
    IncompleteDetails,
    InputDetails,
    Item,
    OutputDetails,
    ResponseBody,
    ResponseUsage,
    Status,
)
from omniroute.translate.dialects.openai_responses.settings import reasoning_of, text_of
from omniroute.translate.dialects.openai_responses.tools import choice_json, tool_json
from omniroute.translate.events import Start

NAME: Final = "openai_responses"

_ID: Final = re.compile(r"resp_[A-Za-z0-9_-]{1,128}")
_TIERS: Final = {tier: tier for tier in ("auto", "default", "flex", "scale", "priority", "fast")} | {
    "standard": "default"  # Anthropic's and Gemini's word
}
_NO_TOOLS: Final = Raw(b"[]")
_AUTO: Final = Raw(b'"auto"')


def response_id(upstream_id: str, context: AnswerContext) -> str:
    """The upstream's id if it looks like one of ours, else one made of the attempt."""
    return upstream_id if _ID.fullmatch(upstream_id) else f"resp_{context.attempt_id}"


def echo_of(request: ChatRequest | None, *, continues: str = "") -> bytes:
    """The members an answer repeats of its request, as the inside of an object."""
    echo = _echo(request)
    if continues:
        echo = msgspec.structs.replace(echo, previous_response_id=continues)
    return msgspec.json.encode(echo)[1:-1]


def _echo(request: ChatRequest | None) -> Echo:
    if request is None:
        return Echo(parallel_tool_calls=True, tool_choice=_AUTO, tools=_NO_TOOLS)
    own = dict(request.ext) if request.origin == NAME else {}
    tools = [
        raw
        for tool in request.tools
        if (raw := tool_json(tool, getattr(tool, "name", ""), strict_said=True)) is not None
    ]
    choice = request.tool_choice
    thinking = reasoning_of(request.thinking, summary=True)
    text = text_of(request)
    return Echo(
        parallel_tool_calls=request.parallel is not False,
        tool_choice=_AUTO if choice is None else Raw(choice_json(choice, str)),
        tools=Raw(msgspec.json.encode(tools)),
        instructions=next((part.text for part in request.system if part.at == "instructions"), None),
        max_output_tokens=request.max_output,
        max_tool_calls=_raw(own.get("max_tool_calls")),
        metadata=_raw(request.metadata),
        prompt_cache_key=request.cache_key or None,
        reasoning=_raw(thinking),
        store=request.store,
        temperature=_raw(request.temperature),
        text=_raw(text),
        top_logprobs=request.top_logprobs,
        top_p=_raw(request.top_p),
        truncation=_raw(own.get("truncation")),
        user=request.user or None,
    )


def _raw(json: bytes | None) -> Raw | None:
    return Raw(json) if json else None


class Envelope:
    """Everything of a response but its items, which change from one event to the next."""

    __slots__ = ("_echo", "created_at", "id", "model", "service_tier")

    def __init__(self, context: AnswerContext, start: Start, echo: bytes = b"") -> None:
        """``echo``: the inside of an object to use instead of what ``context.request`` gives."""
        self._echo = b"," + (echo or echo_of(context.request, continues=context.continues))
        self.id = response_id(start.id, context)
        self.model = start.model or context.model
        self.created_at = start.created_epoch_s or context.created_epoch_s
        self.service_tier = _TIERS.get(start.service_tier, "")

    def response(
        self,
        status: Status,
        items: Sequence[Item] = (),
        *,
        usage: Usage | None = None,
        error: ErrorDetail | None = None,
        incomplete: str = "",
    ) -> bytes:
        """The whole response as JSON."""
        body = ResponseBody(
            id=self.id,
            created_at=self.created_at,
            status=status,
            model=self.model,
            output=tuple(items),
            error=error,
            incomplete_details=IncompleteDetails(incomplete) if incomplete else None,
            usage=usage_json(usage),
            service_tier=self.service_tier or UNSET,
        )
        return msgspec.json.encode(body)[:-1] + self._echo + b"}"


def usage_json(usage: Usage | None) -> ResponseUsage | None:
    """Counts in the vendor's words; None if the upstream told none (the type allows it: no number is made up)."""
    if usage is None or not usage.known:
        return None
    return ResponseUsage(
        usage.input_total,
        InputDetails(usage.cache_read, usage.cache_write_5m + usage.cache_write_1h),
        usage.output_total,
        OutputDetails(usage.reasoning),
        usage.input_total + usage.output_total,
    )


def incomplete_reason(finish: Finish | None, *, refused: bool) -> str:
    """``incomplete_details.reason``; "" for an answer that is complete. ``refused``: it holds a refusal's text."""
    if finish is None:
        return ""
    if finish.reason in ("length", "context_window"):
        return "max_output_tokens"
    return "content_filter" if finish.reason == "filter" and not refused else ""
