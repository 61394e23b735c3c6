"""A client's request, whole, into the hub (translation.md §7.1, §11)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import reading
from omniroute.translate.canonical import ChatRequest, Json, Text
from omniroute.translate.dialect import Asked, Peeked
from omniroute.translate.dialects.openai_responses.items_in import read_input
from omniroute.translate.dialects.openai_responses.settings import (
    AskedText,
    ReasoningConfig,
    read_format,
    read_thinking,
)
from omniroute.translate.dialects.openai_responses.tools import NAME, read_choice, read_tools
from omniroute.translate.jsontext import is_object
from omniroute.translate.notes import Unsupported
from omniroute.translate.openai_bodies import PARAMETER_WORDS

LOGPROBS: Final = "message.output_text.logprobs"
"""``include`` value that asks for log probabilities."""
MAX_INCLUDE: Final = 64

_NULL: Final = Raw(b"null")

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {**PARAMETER_WORDS, "verbosity": "text.verbosity", "logprobs": "include", "turns": "input"}
)


class RequestBody(msgspec.Struct, frozen=True):
    """What is read of a request; the other members ride along in ``ext``."""

    model: str
    input: Raw = _NULL
    instructions: str | None = None
    max_output_tokens: Raw = _NULL
    temperature: Raw = _NULL
    top_p: Raw = _NULL
    top_logprobs: int | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = _NULL
    parallel_tool_calls: bool | None = None
    text: AskedText | None = None
    reasoning: ReasoningConfig | None = None
    include: list[str] | None = None
    store: bool | None = None
    metadata: Raw = _NULL
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    stream: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Raw = _NULL
    prompt: Raw = _NULL


_body: Final = msgspec.json.Decoder(RequestBody)
_members: Final = msgspec.json.Decoder(dict[str, Raw])
_READ: Final = frozenset(RequestBody.__struct_fields__)


def read_request(asked: Asked, peeked: Peeked) -> ChatRequest:
    """The request. Raises ClientError naming the field that is wrong, or that needs a state nobody keeps."""
    del peeked
    body = reading.read_body(_body, asked.body)
    _refuse_state(body)
    if body.input == _NULL:
        raise ClientError(
            "'input' is missing: give a text or a list of items.", param="input", code="missing_required_parameter"
        )
    conversation = read_input(body.input)
    instructions = (Text(text=body.instructions, at="instructions"),) if body.instructions else ()
    include = reading.bounded(body.include, "include", MAX_INCLUDE)
    limit = reading.integer(body.max_output_tokens, "max_output_tokens", low=1)
    return ChatRequest(
        origin=NAME,
        words=_WORDS,
        model=body.model,
        system=instructions + tuple(conversation.system),
        turns=tuple(conversation.turns),
        tools=read_tools(body.tools),
        tool_choice=read_choice(body.tool_choice),
        parallel=body.parallel_tool_calls,
        max_output=None if limit is None else int(limit),
        max_output_at="max_output_tokens",
        temperature=reading.number(body.temperature, "temperature"),
        top_p=reading.number(body.top_p, "top_p"),
        logprobs=True if LOGPROBS in include else None,
        top_logprobs=reading.count(body.top_logprobs, "top_logprobs"),
        format=read_format(body.text),
        thinking=read_thinking(body.reasoning),
        verbosity=(body.text.verbosity or "") if body.text is not None else "",
        user=body.user or body.safety_identifier or "",
        metadata=_metadata(body.metadata),
        service_tier=body.service_tier or "",
        store=body.store,
        cache_key=body.prompt_cache_key or "",
        cache_retention=body.prompt_cache_retention or "",
        stream=body.stream,
        include_usage=True,
        ext=_rest(asked.body, include),
    )


def _refuse_state(body: RequestBody) -> None:
    """What needs a state at the vendor: the gateway's own store has been asked before this (translation.md §11.11)."""
    state = {
        "previous_response_id": bool(body.previous_response_id),
        "conversation": body.conversation != _NULL,
        "background": bool(body.background),
        "prompt": body.prompt != _NULL,
    }
    for name, given in state.items():
        if given:
            raise Unsupported(
                f"'{name}' needs a state that the chosen model's provider does not share: send everything in 'input'.",
                param=name,
            )


def _metadata(raw: Raw) -> Json | None:
    if raw == _NULL:
        return None
    if not is_object(bytes(raw)):
        raise ClientError("'metadata' must be an object.", param="metadata", code="invalid_value")
    return bytes(raw)


def _rest(body: bytes, include: tuple[str, ...]) -> tuple[tuple[str, Json], ...]:
    """Members the hub has no place for, by name; ``include`` as far as it asks for more than log probabilities."""
    members = reading.read_body(_members, body)
    rest = [(name, bytes(raw)) for name, raw in members.items() if name not in _READ and raw != _NULL]
    wanted = [value for value in include if value != LOGPROBS]
    if wanted:
        rest.append(("include", msgspec.json.encode(wanted)))
    return tuple(rest)
