"""What OpenAI's APIs write alike: errors (translation.md §14.2), token counts (§12.3), parameters' names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from omniroute.domain import Usage
from omniroute.errors import Kind, OmniRouteError

PARAMETER_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "presence": "presence_penalty",
        "frequency": "frequency_penalty",
        "choices": "n",
        "parallel": "parallel_tool_calls",
        "cache_key": "prompt_cache_key",
        "cache_retention": "prompt_cache_retention",
    }
)
"""For ``ChatRequest.words``."""

# By kind alone: the status decides the type, not the upstream's own word for it.
_TYPES: Final[dict[Kind, str]] = {
    "invalid_request": "invalid_request_error",
    "unsupported": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "billing_error",
    "permission": "permission_error",
    "not_found": "invalid_request_error",
    "conflict": "invalid_request_error",
    "too_large": "invalid_request_error",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "server": "server_error",
    "overloaded": "server_error",
    "timeout": "server_error",
    "upstream_incomplete": "server_error",
}


class ErrorObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """``error`` of a body; ``param`` and ``code`` are null where unknown, never absent."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str = ""
    """Not in a stream: its head has said it."""


class ErrorBody(msgspec.Struct, frozen=True):
    """A whole error body, or the chunk of an in-band error."""

    error: ErrorObject


def error_status(error: OmniRouteError) -> int:
    """The HTTP status: as the error has it, but for Anthropic's own word for an overload."""
    return 503 if error.status == 529 else error.status


def error_body(error: OmniRouteError, request_id: str) -> bytes:
    """The body that goes with ``error.status``."""
    return msgspec.json.encode(
        ErrorBody(ErrorObject(error.message, _TYPES[error.kind], error.param, error.code or None, request_id))
    )


class InputDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """``prompt_tokens_details``: parts of the prompt's tokens."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    audio_tokens: int = 0


class OutputDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """``completion_tokens_details``: parts of the completion's tokens."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0


class UsageBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """``usage`` as it is written. Details are there only where a count is."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    estimated: bool = False
    """Ours: the upstream told none."""


def write_usage(usage: Usage) -> UsageBody:
    """``usage`` in the dialect's words."""
    read, written, heard = usage.cache_read, usage.cache_write_5m + usage.cache_write_1h, usage.audio_in
    inputs = InputDetails(read, written, heard) if read or written or heard else None
    reasoning, said = usage.reasoning, usage.audio_out
    outputs = OutputDetails(reasoning, said) if reasoning or said else None
    return UsageBody(
        usage.input_total,
        usage.output_total,
        usage.input_total + usage.output_total,
        inputs,
        outputs,
        not usage.known,
    )
