"""A request in the vendor's words (translation.md §7.1, §11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate import fields
from omniroute.translate.canonical import ChatRequest, Json, ServerTool, Text, Thinking, Tool
from omniroute.translate.dialect import Outgoing
from omniroute.translate.dialects.openai_responses.items_out import Item, ItemWriter
from omniroute.translate.dialects.openai_responses.request_in import LOGPROBS
from omniroute.translate.dialects.openai_responses.settings import reasoning_of, text_of
from omniroute.translate.dialects.openai_responses.tools import NAME, choice_json, tool_json
from omniroute.translate.naming import OPENAI_NAME, RESPONSES_ID, Renamer
from omniroute.translate.notes import Notes, Unsupported

PATH: Final = "/responses"
ENCRYPTED: Final = "reasoning.encrypted_content"
"""``include`` value that asks for reasoning that can be given back without a store."""

_NEEDED: Final = frozenset({"anthropic"})
"""Whose own tools are refused rather than left out where no other tool remains (translation.md §11.5)."""
_SAME_VENDOR: Final = frozenset({"openai_chat", NAME})


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request; ``store`` is always written, since its default is to keep."""

    model: str
    instructions: str | None = None
    input: list[Item]
    max_output_tokens: int | None = None
    temperature: Raw | None = None
    top_p: Raw | None = None
    top_logprobs: int | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw | None = None
    parallel_tool_calls: bool | None = None
    text: Raw | None = None
    reasoning: Raw | None = None
    include: list[str] | None = None
    metadata: Raw | None = None
    user: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    stream: bool | None = None
    store: bool


def write_request(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """The request. Raises Unsupported for content that has no form here, ClientError for one without content."""
    names = Renamer(OPENAI_NAME, (tool.name for tool in request.tools if isinstance(tool, Tool)))
    ids = Renamer(RESPONSES_ID)
    _note_foreign(request, notes)
    instructions, items = _conversation(request, ItemWriter(notes, names, ids))
    _note_lost(request, quirks, notes)
    tools = _tools(request, names, notes)
    choice = request.tool_choice
    if choice is not None and request.tools and not tools:
        notes.add(choice.at, "dropped", "no tool is left to choose")
        choice = None
    vendor = request.origin in _SAME_VENDOR
    body = RequestBody(
        model=request.model,
        instructions=instructions,
        input=items,
        max_output_tokens=request.max_output,
        temperature=_raw(request.temperature),
        top_p=_raw(request.top_p),
        top_logprobs=request.top_logprobs,
        tools=tools or None,
        tool_choice=None if choice is None else Raw(choice_json(choice, names.fit)),
        parallel_tool_calls=False if request.parallel is False else None,
        text=_raw(text_of(request)),
        reasoning=_raw(_reasoning(request.thinking, request.origin, quirks, notes)),
        include=_include(request, quirks) or None,
        metadata=_raw(request.metadata),
        user=request.user or None,
        prompt_cache_key=(request.cache_key or None) if vendor else None,
        prompt_cache_retention=(request.cache_retention or None) if vendor else None,
        service_tier=request.service_tier or None,
        stream=request.stream or None,
        store=bool(request.store and quirks.responses_store),
    )
    return Outgoing(
        path=PATH, body=(_with_own(body, request),), names=names.restored, call_ids=ids.restored
    )  # fmt: skip


def _note_foreign(request: ChatRequest, notes: Notes) -> None:
    """Members that only another dialect knows. Raises Unsupported for one that stands for content."""
    if request.origin == NAME:
        return
    fields.refuse_foreign(request)
    for name, _ in request.ext:
        notes.add(name, "dropped", "the provider has no such member", info=True)


def _conversation(request: ChatRequest, writer: ItemWriter) -> tuple[str | None, list[Item]]:
    """``instructions`` and ``input``: the first system text leads, the others keep their place and role."""
    system = [text for text in request.system if text.text]
    items = writer.items(request.turns)
    if not items and not system:
        raise fields.says_nothing(request)
    leads = len(items) + len(system) > 1 and bool(system) and (request.origin != NAME or system[0].at == "instructions")
    rest: Iterable[Text] = system[1:] if leads else system
    return (system[0].text if leads else None), [*map(writer.instruction, rest), *items]


def _tools(request: ChatRequest, names: Renamer, notes: Notes) -> list[Raw]:
    written: list[Raw] = []
    lost: list[ServerTool] = []
    for tool in request.tools:
        name = names.fit(tool.name) if isinstance(tool, Tool) else ""
        raw = tool_json(tool, name, strict_said=request.origin == NAME)
        if raw is not None:
            written.append(raw)
        elif isinstance(tool, ServerTool):
            lost.append(tool)
        if isinstance(tool, Tool):
            _note_tool(tool, notes)
    for tool in lost:
        if not written and tool.origin in _NEEDED:
            raise Unsupported(f"'{tool.at}': only its own provider runs '{tool.kind}'.", param=tool.at)
        notes.add(tool.at, "dropped", "only its own provider runs it")
    return written


def _note_tool(tool: Tool, notes: Notes) -> None:
    if tool.cache is not None:
        notes.add(f"{tool.at}.cache_control", "dropped", "the provider caches by itself", info=True)
    if tool.ext_origin != NAME:
        for name, _ in tool.ext:
            notes.add(f"{tool.at}.{name}", "dropped", "the provider has no such member", info=True)


def _reasoning(wish: Thinking | None, origin: str, quirks: Quirks, notes: Notes) -> Json | None:
    if wish is not None and wish.mode == "budget":
        notes.add(wish.at, "approximated", "the provider knows levels, no budgets")
    # Models that do not reason refuse the member; a client of this dialect is taken at its word.
    return reasoning_of(wish, summary=quirks.responses_reasoning or origin == NAME)


def _include(request: ChatRequest, quirks: Quirks) -> list[str]:
    own = dict(request.ext).get("include") if request.origin == NAME else None
    include: list[str] = msgspec.json.decode(own, type=list[str]) if own else []
    if request.logprobs:
        include.append(LOGPROBS)
    if quirks.responses_reasoning and ENCRYPTED not in include:
        include.append(ENCRYPTED)
    return include


def _note_lost(request: ChatRequest, quirks: Quirks, notes: Notes) -> None:
    """Parameters that this dialect does not have."""
    if request.choices is not None and request.choices > 1:
        notes.add(request.choices_at, "dropped", "the provider gives one answer")
    if request.stop:
        notes.add(request.stop_at, "dropped", "the provider has no stop sequences")
    lost = {
        "top_k": request.top_k,
        "seed": request.seed,
        "logit_bias": request.logit_bias,
        "presence": request.presence,
        "frequency": request.frequency,
    }
    for name, value in lost.items():
        if value is not None:
            notes.add(fields.field(request, name), "dropped", "the provider has no such parameter")
    if request.store and not quirks.responses_store:
        notes.add("store", "dropped", "the provider is not asked to keep the answer", info=True)
    if request.cache_key and request.origin not in _SAME_VENDOR:
        notes.add(fields.field(request, "cache_key"), "dropped", "the key is another vendor's", info=True)


def _with_own(body: RequestBody, request: ChatRequest) -> bytes:
    """The body with the members that only this dialect knows, as its client wrote them."""
    text = msgspec.json.encode(body)
    if request.origin != NAME:
        return text
    own = b"".join(b",%s:%s" % (msgspec.json.encode(name), raw) for name, raw in request.ext if name != "include")
    return text[:-1] + own + b"}"


def _raw(json: Json | None) -> Raw | None:
    return Raw(json) if json else None
