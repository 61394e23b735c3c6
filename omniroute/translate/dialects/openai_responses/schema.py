"""Answers and their stream in the vendor's own words, as we write them (translation.md §7.3, §7.4).

Members without a default are those the vendor's types demand; text stays the JSON literal it arrived in. Every event
has ``type`` and ``sequence_number`` first, so that a frame can be cut behind the number.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

Status = Literal["in_progress", "completed", "incomplete", "failed"]


# -- usage -------------------------------------------------------------------------------------------------------
class InputDetails(msgspec.Struct, frozen=True):
    """Parts of the input."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    """Parts of the output."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    """Token counts; both details are always there."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


# -- parts of items ----------------------------------------------------------------------------------------------
class OutputText(msgspec.Struct, frozen=True, tag="output_text"):
    """Text of a message."""

    text: Raw
    annotations: tuple[Raw, ...] = ()
    logprobs: Raw | UnsetType = UNSET


class RefusalPart(msgspec.Struct, frozen=True, tag="refusal"):
    """The model says no."""

    refusal: Raw


class SummaryText(msgspec.Struct, frozen=True, tag="summary_text"):
    """Reasoning, summed up."""

    text: Raw


class ReasoningText(msgspec.Struct, frozen=True, tag="reasoning_text"):
    """Reasoning itself."""

    text: Raw


Part = OutputText | RefusalPart | SummaryText | ReasoningText


class UrlCitation(msgspec.Struct, frozen=True, tag="url_citation"):
    """A web source of a text."""

    url: str
    title: str
    start_index: int
    end_index: int


# -- items -------------------------------------------------------------------------------------------------------
class MessageItem(msgspec.Struct, frozen=True, tag="message"):
    """What the model says."""

    id: str
    status: Status
    content: tuple[OutputText | RefusalPart, ...]
    role: Literal["assistant"] = "assistant"
    phase: str | UnsetType = UNSET


class ReasoningItem(msgspec.Struct, frozen=True, tag="reasoning"):
    """What it thinks. ``encrypted_content`` goes back unchanged."""

    id: str
    summary: tuple[SummaryText, ...]
    content: tuple[ReasoningText, ...] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


class FunctionCallItem(msgspec.Struct, frozen=True, tag="function_call"):
    """A call of a tool."""

    id: str
    call_id: str
    name: str
    arguments: Raw
    status: Status


class CustomCallItem(msgspec.Struct, frozen=True, tag="custom_tool_call"):
    """A call with free text. The vendor's type has no status."""

    id: str
    call_id: str
    name: str
    input: Raw


class ImageItem(msgspec.Struct, frozen=True, tag="image_generation_call"):
    """A picture the model made, base64."""

    id: str
    status: Status
    result: str


Item = MessageItem | ReasoningItem | FunctionCallItem | CustomCallItem | ImageItem | Raw


# -- the response ------------------------------------------------------------------------------------------------
class ErrorDetail(msgspec.Struct, frozen=True):
    """``error`` of a response that failed."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why a response is incomplete."""

    reason: str


class Echo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an answer repeats of its request; JSON as the client wrote it."""

    parallel_tool_calls: bool
    tool_choice: Raw
    tools: Raw
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: Raw | None = None
    metadata: Raw | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: Raw | None = None
    store: bool | None = None
    temperature: Raw | None = None
    text: Raw | None = None
    top_logprobs: int | None = None
    top_p: Raw | None = None
    truncation: Raw | None = None
    user: str | None = None


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True):
    """A whole response without what it repeats of its request."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    model: str
    output: tuple[Item, ...] = ()
    error: ErrorDetail | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: ResponseUsage | None = None
    service_tier: str | UnsetType = UNSET


# -- stream events -----------------------------------------------------------------------------------------------
class LifeCycle(msgspec.Struct, frozen=True):
    """created, in_progress, completed, incomplete, failed."""

    type: str
    sequence_number: int
    response: Raw


class ErrorEvent(msgspec.Struct, frozen=True):
    """``error``."""

    type: str
    sequence_number: int
    code: str | None
    message: str
    param: str | None


class ItemEvent(msgspec.Struct, frozen=True):
    """output_item.added and .done."""

    type: str
    sequence_number: int
    output_index: int
    item: Item


class ContentPartEvent(msgspec.Struct, frozen=True):
    """content_part.added and .done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: Part


class SummaryPartEvent(msgspec.Struct, frozen=True):
    """reasoning_summary_part.added and .done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: Part


class TextDone(msgspec.Struct, frozen=True):
    """output_text.done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: Raw
    logprobs: Raw


class ReasoningTextDone(msgspec.Struct, frozen=True):
    """reasoning_text.done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: Raw


class SummaryTextDone(msgspec.Struct, frozen=True):
    """reasoning_summary_text.done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    text: Raw


class RefusalDone(msgspec.Struct, frozen=True):
    """refusal.done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    refusal: Raw


class ArgumentsDone(msgspec.Struct, frozen=True):
    """function_call_arguments.done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    arguments: Raw


class InputDone(msgspec.Struct, frozen=True):
    """custom_tool_call_input.done."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    input: Raw


class AnnotationAdded(msgspec.Struct, frozen=True):
    """output_text.annotation.added."""

    type: str
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    annotation_index: int
    annotation: Raw


Event = (
    LifeCycle | ErrorEvent | ItemEvent | ContentPartEvent | SummaryPartEvent | TextDone | ReasoningTextDone
    | SummaryTextDone | RefusalDone | ArgumentsDone | InputDone | AnnotationAdded
)  # fmt: skip
