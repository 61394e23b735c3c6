"""What a client sends, in Anthropic's words. Source: anthropic SDK 2.12, ``message_create_params.py`` and its parts."""

from __future__ import annotations

import msgspec
from msgspec import Raw

NULL = Raw(b"null")


class Kind(msgspec.Struct, frozen=True):
    """What every block, source and tool begins with."""

    type: str


class CacheControl(msgspec.Struct, frozen=True):
    """A cache mark."""

    type: str = "ephemeral"
    ttl: str | None = None


class TextBlock(msgspec.Struct, frozen=True):
    """``text``, of either side."""

    text: str
    cache_control: CacheControl | None = None
    citations: list[Raw] | None = None


class Source(msgspec.Struct, frozen=True):
    """Where a picture or document comes from; which members count depends on ``type``."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    content: str | list[Raw] | None = None


class ImageBlock(msgspec.Struct, frozen=True):
    """``image``."""

    source: Source
    cache_control: CacheControl | None = None


class CitationsConfig(msgspec.Struct, frozen=True):
    """Whether answers are to cite."""

    enabled: bool | None = None


class DocumentBlock(msgspec.Struct, frozen=True):
    """``document``."""

    source: Source
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None
    cache_control: CacheControl | None = None


class SearchResultBlock(msgspec.Struct, frozen=True):
    """``search_result``: a document the client's own search found."""

    source: str
    title: str
    content: list[Raw]
    citations: CitationsConfig | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(msgspec.Struct, frozen=True):
    """``thinking``, sent back."""

    thinking: str
    signature: str = ""


class RedactedBlock(msgspec.Struct, frozen=True):
    """``redacted_thinking``, sent back."""

    data: str


class ToolUseBlock(msgspec.Struct, frozen=True):
    """``tool_use``, sent back."""

    id: str
    name: str
    input: Raw = Raw(b"{}")
    cache_control: CacheControl | None = None


class ToolResultBlock(msgspec.Struct, frozen=True):
    """``tool_result``."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class Message(msgspec.Struct, frozen=True):
    """A turn."""

    role: str
    content: str | list[Raw]


class Tool(msgspec.Struct, frozen=True):
    """A tool the client runs. Other members ride along."""

    name: str
    description: str | None = None
    input_schema: Raw = NULL
    strict: bool | None = None
    cache_control: CacheControl | None = None


class Choice(msgspec.Struct, frozen=True):
    """``tool_choice``."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingConfig(msgspec.Struct, frozen=True):
    """``thinking``."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(msgspec.Struct, frozen=True):
    """``output_config.format``."""

    type: str
    schema: Raw = NULL


class OutputConfig(msgspec.Struct, frozen=True):
    """``output_config``."""

    effort: str | None = None
    format: OutputFormat | None = None


class Metadata(msgspec.Struct, frozen=True):
    """``metadata``."""

    user_id: str | None = None


class RequestBody(msgspec.Struct, frozen=True):
    """What is read of a request; the other members ride along."""

    model: str
    messages: list[Message]
    max_tokens: Raw = NULL
    system: str | list[Raw] | None = None
    stop_sequences: list[str] | None = None
    temperature: Raw = NULL
    top_p: Raw = NULL
    top_k: Raw = NULL
    tools: list[Raw] | None = None
    tool_choice: Choice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    stream: bool | None = None
