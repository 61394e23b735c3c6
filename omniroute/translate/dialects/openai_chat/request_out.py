"""The hub's request for an upstream (translation.md §11, column C, with the providers' own ways of §10)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, Format, Json
from omniroute.translate.dialect import Outgoing
from omniroute.translate.dialects.openai_chat import request_schema as schema
from omniroute.translate.dialects.openai_chat.identity import PATH
from omniroute.translate.dialects.openai_chat.messages_out import MessageWriter
from omniroute.translate.dialects.openai_chat.thinking_out import effort, own_words
from omniroute.translate.dialects.openai_chat.tools_out import ToolWriter
from omniroute.translate.fields import field, refuse_foreign, says_nothing
from omniroute.translate.notes import Notes

_encode: Final = msgspec.json.Encoder().encode

_OURS: Final = "openai_chat"
_VENDOR: Final = frozenset({"openai_chat", "openai_responses"})
_TIERS: Final = {"standard_only": "default"}
"""Anthropic's word for no priority."""
_SCHEMA_NAME: Final = "response"
"""Dialects whose schemas have no name: this one demands any."""


def write_request(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """The request for ``/chat/completions``. Raises Unsupported for content the dialect has no form for."""
    refuse_foreign(request)
    tools = ToolWriter(request, quirks, notes)
    writer = MessageWriter(request, quirks, notes, tools.names, custom=tools.custom)
    messages = writer.messages()
    if not messages:
        raise says_nothing(request)
    written = tools.tools()
    own = own_words(request.thinking) if request.origin == _OURS else {}
    body = schema.Body(
        model=request.model,
        messages=messages,
        max_completion_tokens=request.max_output if quirks.max_tokens_field == "max_completion_tokens" else None,
        max_tokens=request.max_output if quirks.max_tokens_field == "max_tokens" else None,
        temperature=_raw(request.temperature),
        top_p=_raw(request.top_p),
        top_k=_raw(_if_taken(request, "top_k", request.top_k, notes, taken=quirks.chat_top_k)),
        n=request.choices,
        stop=request.stop,
        seed=None if quirks.mistral else _raw(request.seed),
        random_seed=_raw(request.seed) if quirks.mistral else None,
        presence_penalty=_raw(request.presence),
        frequency_penalty=_raw(request.frequency),
        logit_bias=_raw(request.logit_bias),
        logprobs=_logprobs(request),
        top_logprobs=request.top_logprobs,
        response_format=_format(request.format),
        tools=written,
        tool_choice=tools.choice(),
        parallel_tool_calls=False if request.parallel is False and written else None,
        reasoning_effort="" if own else effort(request.thinking, notes),
        verbosity=request.verbosity,
        metadata=_raw(request.metadata),
        store=_store(request, notes),
        user=request.user,
        prompt_cache_key=_cache_hint(request, "cache_key", request.cache_key, quirks, notes),
        prompt_cache_retention=_cache_hint(request, "cache_retention", request.cache_retention, quirks, notes),
        service_tier=_TIERS.get(request.service_tier, request.service_tier),
        stream=bool(request.stream),
        stream_options=schema.StreamOptions(True) if request.stream and not quirks.mistral else None,
    )
    return Outgoing(
        path=PATH,
        body=(_with_ext(_encode(body), own, request, notes),),
        names=tools.names.restored,
        call_ids=writer.call_ids.restored,
    )


def _raw(value: Json | None) -> Raw | None:
    return None if value is None else Raw(value)


def _if_taken(request: ChatRequest, name: str, value: Json | None, notes: Notes, *, taken: bool) -> Json | None:
    if value is None or taken or request.origin == _OURS:
        return value
    notes.add(field(request, name), "dropped", "the chosen model's provider does not take it")
    return None


def _logprobs(request: ChatRequest) -> bool | None:
    """The switch must be on for ``top_logprobs``, which is all a Responses client says."""
    return True if request.logprobs is None and request.top_logprobs else request.logprobs


def _format(form: Format | None) -> schema.ResponseFormat | None:
    if form is None or form.kind == "text":
        return None
    if form.kind == "json_object" or not form.schema:
        return schema.ResponseFormat("json_object")
    inner = schema.JsonSchema(form.name or _SCHEMA_NAME, form.description, Raw(form.schema), form.strict)
    return schema.ResponseFormat("json_schema", inner)


def _store(request: ChatRequest, notes: Notes) -> bool | None:
    """Only what a client of this dialect said of this dialect's own store."""
    if request.origin == _OURS:
        return request.store
    if request.store:
        notes.add("store", "dropped", "the provider is not asked to keep anything", info=True)
    return None


def _cache_hint(request: ChatRequest, name: str, value: str, quirks: Quirks, notes: Notes) -> str:
    """Hints for OpenAI's prompt cache go to OpenAI (which is known by the role it alone has)."""
    if not value or request.origin == _OURS or (request.origin in _VENDOR and quirks.developer_role):
        return value
    notes.add(field(request, name), "dropped", "a hint for another vendor's cache", info=True)
    return ""


def _with_ext(body: bytes, own: dict[str, object], request: ChatRequest, notes: Notes) -> bytes:
    """``body`` with the members that only this dialect's clients send; another's are dropped."""
    if request.origin != _OURS:
        for name, _ in request.ext:
            notes.add(name, "dropped", "the chosen model's provider has no such member", info=True)
        return body
    members = [*request.ext, *((name, _encode(value)) for name, value in own.items())]
    more = b"".join(b"," + _encode(name) + b":" + raw for name, raw in members)
    return body[:-1] + more + b"}"
