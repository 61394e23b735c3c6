"""generateContent in Google's words: what clients send, and what we send (translation.md §6.1, §6.2).

The same Structs read and write: members that are not set are not written. Schemas, arguments and whatever only Google
understands stay the JSON text they came as.

Source: google-genai 3.4.0, ``types.py``; REST reference of ``models.generateContent``.
"""

from __future__ import annotations

from typing import Final

import msgspec

NOTHING: Final = msgspec.Raw()
"""An absent member of JSON text."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of everything on the wire."""


class Blob(Wire, frozen=True):
    """Bytes inside a message, in base64."""

    mime_type: str | None = None
    data: str | None = None


class FileData(Wire, frozen=True):
    """A file somewhere else."""

    mime_type: str | None = None
    file_uri: str | None = None


class FunctionCall(Wire, frozen=True):
    """A call in the history."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = NOTHING


class FunctionResponsePart(Wire, frozen=True):
    """Something a tool answered beside its JSON."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Wire, frozen=True):
    """What a tool said."""

    id: str | None = None
    name: str | None = None
    response: msgspec.Raw = NOTHING
    parts: list[FunctionResponsePart] | None = None


class Part(Wire, frozen=True):
    """One part of a message: one of the data members, and flags."""

    text: str | None = None
    thought: bool | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: msgspec.Raw = NOTHING
    code_execution_result: msgspec.Raw = NOTHING
    tool_call: msgspec.Raw = NOTHING
    tool_response: msgspec.Raw = NOTHING
    thought_signature: str | None = None
    video_metadata: msgspec.Raw = NOTHING
    media_resolution: msgspec.Raw = NOTHING


class Content(Wire, frozen=True):
    """One turn."""

    role: str | None = None
    parts: list[Part] | None = None


class FunctionDeclaration(Wire, frozen=True):
    """A tool the client runs."""

    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = NOTHING
    parameters_json_schema: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    response_json_schema: msgspec.Raw = NOTHING
    behavior: str | None = None


class Tool(Wire, frozen=True):
    """Functions, or one tool that Google runs."""

    function_declarations: list[FunctionDeclaration] | None = None
    google_search: msgspec.Raw = NOTHING
    google_search_retrieval: msgspec.Raw = NOTHING
    code_execution: msgspec.Raw = NOTHING
    url_context: msgspec.Raw = NOTHING
    google_maps: msgspec.Raw = NOTHING
    file_search: msgspec.Raw = NOTHING
    computer_use: msgspec.Raw = NOTHING
    enterprise_web_search: msgspec.Raw = NOTHING
    retrieval: msgspec.Raw = NOTHING
    mcp_servers: msgspec.Raw = NOTHING


SERVER_TOOLS: Final = tuple(
    (name, wire)
    for name, wire in zip(Tool.__struct_fields__, Tool.__struct_encode_fields__, strict=True)
    if name != "function_declarations"
)
"""Field and name on the wire of the tools Google runs."""


class FunctionCallingConfig(Wire, frozen=True):
    """Which functions may be called."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Wire, frozen=True):
    """How tools are used."""

    function_calling_config: FunctionCallingConfig | None = None
    retrieval_config: msgspec.Raw = NOTHING


class ThinkingConfig(Wire, frozen=True):
    """How much to think, and whether to show it."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    """-1: as the model likes; 0: off."""
    thinking_level: str | None = None


class GenerationConfig(Wire, frozen=True):
    """Sampling, format, thinking. Numbers as they were spelled."""

    max_output_tokens: int | None = None
    temperature: msgspec.Raw = NOTHING
    top_p: msgspec.Raw = NOTHING
    top_k: msgspec.Raw = NOTHING
    candidate_count: int | None = None
    stop_sequences: list[str] | None = None
    seed: msgspec.Raw = NOTHING
    presence_penalty: msgspec.Raw = NOTHING
    frequency_penalty: msgspec.Raw = NOTHING
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: msgspec.Raw = NOTHING
    response_json_schema: msgspec.Raw = NOTHING
    response_modalities: list[str] | None = None
    thinking_config: ThinkingConfig | None = None
    media_resolution: msgspec.Raw = NOTHING
    speech_config: msgspec.Raw = NOTHING
    image_config: msgspec.Raw = NOTHING
    audio_timestamp: msgspec.Raw = NOTHING
    routing_config: msgspec.Raw = NOTHING
    model_selection_config: msgspec.Raw = NOTHING
    enable_affective_dialog: msgspec.Raw = NOTHING
    enable_enhanced_civic_answers: msgspec.Raw = NOTHING
    response_format: msgspec.Raw = NOTHING
    translation_config: msgspec.Raw = NOTHING
    audio_transcription_config: msgspec.Raw = NOTHING


OWN_SETTINGS: Final = (
    "response_modalities", "media_resolution", "speech_config", "image_config", "audio_timestamp", "routing_config",
    "model_selection_config", "enable_affective_dialog", "enable_enhanced_civic_answers", "response_format",
    "translation_config", "audio_transcription_config",
)  # fmt: skip
"""Of GenerationConfig: what no other dialect has a word for."""


class GenerateContentRequest(Wire, frozen=True):
    """A body of generateContent and streamGenerateContent; in a count, with ``model``."""

    model: str | None = None
    contents: list[Content] | None = None
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: msgspec.Raw = NOTHING
    cached_content: msgspec.Raw = NOTHING
    labels: msgspec.Raw = NOTHING
    service_tier: str | None = None
    store: bool | None = None


class CountTokensRequest(Wire, frozen=True):
    """A body of countTokens: contents alone, or a whole request."""

    contents: list[Content] | None = None
    generate_content_request: GenerateContentRequest | None = None


def wire_name(field: str) -> str:
    """What a Struct's ``field`` is called in JSON."""
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)
