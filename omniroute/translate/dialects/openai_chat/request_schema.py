"""Requests as they are written for an upstream, in OpenAI's words. A member that says nothing is left out."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw

from omniroute.translate.dialects.openai_chat.answer_schema import ExtraContent
from omniroute.translate.dialects.openai_chat.details import Entry


class CacheControl(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cache mark, for relays that take it."""

    type: Literal["ephemeral"]
    ttl: str = ""


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="text", tag_field="type"):
    """Text."""

    text: str
    cache_control: CacheControl | None = None


class ThinkingPart(msgspec.Struct, frozen=True, tag="thinking", tag_field="type"):
    """Mistral's reasoning."""

    thinking: tuple[TextPart, ...]


class Url(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a picture is."""

    url: str
    detail: str = ""


class ImagePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="image_url", tag_field="type"):
    """A picture."""

    image_url: Url
    cache_control: CacheControl | None = None


class Sound(msgspec.Struct, frozen=True):
    """``input_audio``."""

    data: str
    format: str


class AudioPart(msgspec.Struct, frozen=True, omit_defaults=True, tag="input_audio", tag_field="type"):
    """Sound."""

    input_audio: Sound
    cache_control: CacheControl | None = None


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """``file``: held by the vendor, or its name and bytes."""

    file_id: str = ""
    filename: str = ""
    file_data: str = ""


class FilePart(msgspec.Struct, frozen=True, omit_defaults=True, tag="file", tag_field="type"):
    """A file."""

    file: File
    cache_control: CacheControl | None = None


Part = TextPart | ImagePart | AudioPart | FilePart | ThinkingPart


class Function(msgspec.Struct, frozen=True):
    """The function of a call."""

    name: str
    arguments: str


class Custom(msgspec.Struct, frozen=True):
    """The custom tool of a call."""

    name: str
    input: str


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of ``tool_calls``."""

    id: str
    type: Literal["function", "custom"]
    function: Function | None = None
    custom: Custom | None = None
    extra_content: ExtraContent | None = None


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message of the system, the user or a tool; of the assistant: :class:`AssistantMessage`."""

    role: str
    content: str | tuple[Part, ...]
    name: str = ""
    tool_call_id: str = ""


class AssistantMessage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message of the assistant; its ``content`` may be null."""

    role: str
    content: str | tuple[Part, ...] | None
    name: str = ""
    refusal: str = ""
    reasoning_content: str = ""
    reasoning_details: tuple[Entry, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    extra_content: ExtraContent | None = None
    audio: Raw | None = None
    prefix: bool = False


class ToolFunction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function that may be called."""

    name: str
    description: str = ""
    parameters: Raw | None = None
    strict: bool = False


class ToolCustom(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool that takes free text."""

    name: str
    description: str = ""
    format: Raw | None = None


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of ``tools``."""

    type: Literal["function", "custom"]
    function: ToolFunction | None = None
    custom: ToolCustom | None = None
    cache_control: CacheControl | None = None


class Named(msgspec.Struct, frozen=True):
    """A name alone."""

    name: str


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool, as ``tool_choice`` names it."""

    type: Literal["function", "custom", "allowed_tools"]
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: Allowed | None = None


class Allowed(msgspec.Struct, frozen=True):
    """The tools that may be called."""

    mode: Literal["auto", "required"]
    tools: tuple[Choice, ...]


class JsonSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """``json_schema`` of a response format."""

    name: str
    description: str = ""
    schema: Raw | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """``response_format``."""

    type: Literal["json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """``stream_options``."""

    include_usage: bool


class Body(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The request."""

    model: str
    messages: tuple[Message | AssistantMessage, ...]
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: Raw | None = None
    top_p: Raw | None = None
    top_k: Raw | None = None
    n: int | None = None
    stop: tuple[str, ...] = ()
    seed: Raw | None = None
    random_seed: Raw | None = None
    presence_penalty: Raw | None = None
    frequency_penalty: Raw | None = None
    logit_bias: Raw | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    tools: tuple[Tool | Raw, ...] = ()
    tool_choice: str | Choice = ""
    parallel_tool_calls: bool | None = None
    reasoning_effort: str = ""
    verbosity: str = ""
    metadata: Raw | None = None
    store: bool | None = None
    user: str = ""
    prompt_cache_key: str = ""
    prompt_cache_retention: str = ""
    service_tier: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
