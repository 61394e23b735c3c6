"""Requests in OpenAI's words, with the members other vendors and their clients have added (translation.md §4.1).

For reading: null stands for absent everywhere, and what has several forms is a ``Raw`` until it is known which it is.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

NOTHING = Raw(b"")


class AskedFunction(msgspec.Struct, frozen=True):
    """A function that may be called, in ``tools`` or ``functions``."""

    name: str
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None


class AskedCustom(msgspec.Struct, frozen=True):
    """A tool that takes free text."""

    name: str
    description: str | None = None
    format: Raw = NOTHING


class AskedCache(msgspec.Struct, frozen=True):
    """``cache_control``, which cache-aware relays take on parts and tools."""

    type: str = "ephemeral"
    ttl: str | None = None


class AskedTool(msgspec.Struct, frozen=True):
    """One of ``tools``."""

    type: str = "function"
    function: AskedFunction | None = None
    custom: AskedCustom | None = None
    cache_control: AskedCache | None = None


class AskedFunctionTool(msgspec.Struct, frozen=True):
    """The same, of the kind that most are."""

    function: AskedFunction
    type: Literal["function"] = "function"
    cache_control: AskedCache | None = None


class AskedName(msgspec.Struct, frozen=True):
    """A name alone."""

    name: str


class AskedAllowed(msgspec.Struct, frozen=True):
    """``allowed_tools`` of a choice."""

    mode: str = "auto"
    tools: list[AskedChoice] = []


class AskedChoice(msgspec.Struct, frozen=True):
    """``tool_choice``, where it is an object, and one of ``allowed_tools.tools``."""

    type: str = "function"
    function: AskedName | None = None
    custom: AskedName | None = None
    allowed_tools: AskedAllowed | None = None


class AskedSchema(msgspec.Struct, frozen=True):
    """``json_schema`` of a response format."""

    name: str = ""
    description: str | None = None
    schema: Raw = NOTHING
    strict: bool | None = None


class AskedFormat(msgspec.Struct, frozen=True):
    """``response_format``."""

    type: str
    json_schema: AskedSchema | None = None


class AskedReasoning(msgspec.Struct, frozen=True):
    """OpenRouter's ``reasoning``."""

    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class AskedThinking(msgspec.Struct, frozen=True):
    """``thinking`` of DeepSeek, Z.ai and relays of Anthropic's models."""

    type: str
    budget_tokens: int | None = None


class AskedBody(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a chat completion, but for what ``peek`` has read."""

    messages: list[AskedMessage]
    max_completion_tokens: Raw = NOTHING
    max_tokens: Raw = NOTHING
    temperature: Raw = NOTHING
    top_p: Raw = NOTHING
    top_k: Raw = NOTHING
    n: int | None = None
    stop: str | list[str] | None = None
    seed: Raw = NOTHING
    random_seed: Raw = NOTHING
    presence_penalty: Raw = NOTHING
    frequency_penalty: Raw = NOTHING
    logit_bias: Raw = NOTHING
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: AskedFormat | None = None
    tools: Raw = NOTHING
    tool_choice: Raw = NOTHING
    parallel_tool_calls: bool | None = None
    functions: list[AskedFunction] | None = None
    function_call: Raw = NOTHING
    reasoning_effort: str | None = None
    reasoning: AskedReasoning | None = None
    thinking: AskedThinking | None = None
    enable_thinking: bool | None = None
    thinking_budget: int | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    metadata: Raw = NOTHING
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    # Read by ``peek``; here so that they are not taken for members nobody knows.
    model: Raw = NOTHING
    stream: Raw = NOTHING
    stream_options: Raw = NOTHING


class KnownBody(AskedBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, and nothing that nobody knows."""


class AskedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of any role."""

    role: str
    content: str | list[Raw] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[AskedToolCall] | None = None
    function_call: AskedCall | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = NOTHING
    extra_content: Raw = NOTHING
    audio: Raw = NOTHING


class AskedCall(msgspec.Struct, frozen=True):
    """The function of a call. ``arguments`` is a string, or with some clients the object itself."""

    name: str
    arguments: Raw = NOTHING


class AskedFree(msgspec.Struct, frozen=True):
    """The custom tool of a call."""

    name: str
    input: str = ""


class AskedToolCall(msgspec.Struct, frozen=True):
    """One of ``tool_calls``."""

    id: str | None = None
    type: str | None = None
    function: AskedCall | None = None
    custom: AskedFree | None = None
    extra_content: Raw = NOTHING


class AskedAudio(msgspec.Struct, frozen=True):
    """``input_audio``."""

    data: str
    format: str = "wav"


class AskedFile(msgspec.Struct, frozen=True):
    """``file``."""

    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class AskedUrl(msgspec.Struct, frozen=True):
    """``image_url``, where it is an object."""

    url: str
    detail: str | None = None


class AskedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message's content."""

    type: str
    text: str | None = None
    image_url: AskedUrl | str | None = None
    input_audio: AskedAudio | None = None
    file: AskedFile | None = None
    refusal: str | None = None
    thinking: Raw = NOTHING
    """Mistral: text in a list of text parts."""
    cache_control: AskedCache | None = None
