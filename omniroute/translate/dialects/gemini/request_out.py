"""A request for an upstream, written (translation.md §11). What Gemini cannot be told is noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, assert_never

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, Format, Json, ServerTool, Text, Tool, ToolChoice
from omniroute.translate.dialect import Outgoing
from omniroute.translate.dialects.gemini import peek
from omniroute.translate.dialects.gemini.contents_out import INPUT, ContentsWriter
from omniroute.translate.dialects.gemini.generation import quirks_of
from omniroute.translate.dialects.gemini.schema import (
    NOTHING,
    Content,
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentRequest,
    GenerationConfig,
    Part,
    ToolConfig,
)
from omniroute.translate.dialects.gemini.schema import Tool as WireTool
from omniroute.translate.dialects.gemini.thinking import thinking_config
from omniroute.translate.dialects.gemini.words import ORIGIN, write_tier
from omniroute.translate.fields import field, refuse_foreign, says_nothing
from omniroute.translate.naming import GEMINI_NAME, Renamer
from omniroute.translate.notes import Notes, Unsupported
from omniroute.translate.schema_subset import is_empty_object, to_openapi

MAX_STOPS: Final = 5
"""Source: reference of GenerationConfig, ``stopSequences``: up to 5."""

_FREE_TEXT: Final = msgspec.json.encode(
    {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
)
_JSON: Final = "application/json"
_EMPTY: Final = msgspec.Raw(b"{}")
# What no effect on the answer is expected of, and what it may change.
_UNKNOWN: Final = ("user", "metadata", "cache_key", "cache_retention")
_LOST: Final = ("logit_bias", "verbosity")

_SCHEMA_AT: Final = {
    "openai_chat": ".function.parameters",
    "ollama": ".function.parameters",
    "anthropic": ".input_schema",
}
"""Where a tool's schema stands, for the notes about it."""

"""What clients call the conversation, where not ``messages``."""

_wire_tool: Final = msgspec.json.Decoder(WireTool)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def write_request(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """``request`` for generateContent. Raises ClientError if nothing of the conversation is left, Unsupported."""
    names = Renamer(GEMINI_NAME)
    body = written(request, quirks, notes, names)
    path = peek.generate_path(request.model, stream=bool(request.stream))
    return Outgoing(path=path, body=(_with_own(body, request),), names=names.restored)


def written(request: ChatRequest, quirks: Quirks, notes: Notes, names: Renamer) -> GenerateContentRequest:
    """The body, but for members only Gemini's own clients send."""
    quirks = quirks_of(request.model, quirks)
    if request.origin != ORIGIN:
        refuse_foreign(request)
        _note_lost(request, notes)
    tools = _tools(request, quirks, notes, names)
    writer = ContentsWriter(request, quirks, notes, names)
    system = [*_instructions(request.system, notes), *_instructions(writer.moved(), notes)]
    contents = writer.contents()
    if not contents:
        raise says_nothing(request)
    config = _config(request, quirks, notes)
    return GenerateContentRequest(
        contents=contents,
        system_instruction=Content(role="user", parts=system) if system else None,
        tools=tools or None,
        tool_config=_tool_config(request.tool_choice, tools, names, notes),
        generation_config=config if config != GenerationConfig() else None,
        service_tier=_tier(request, notes),
        store=request.store if request.origin == ORIGIN else None,
        labels=_raw(request.metadata) if request.origin == ORIGIN else NOTHING,
    )


def _note_lost(request: ChatRequest, notes: Notes) -> None:
    for name in (*_UNKNOWN, *_LOST):
        if getattr(request, name):
            notes.add(field(request, name), "dropped", "Gemini has no such parameter", info=name in _UNKNOWN)
    if request.parallel is False:
        notes.add(field(request, "parallel"), "dropped", "Gemini decides itself how many tools it calls at once")
    if request.store:
        notes.add("store", "dropped", "Gemini keeps no answers here", info=True)
    for name, _ in request.ext:
        notes.add(name, "dropped", "no parameter of Gemini", info=True)


def _instructions(texts: Iterable[Text], notes: Notes) -> Iterator[Part]:
    for text in texts:
        if text.cache is not None:
            notes.add(f"{text.at}.cache_control", "dropped", "Gemini has no cache marks", info=True)
        if text.text.strip():
            yield Part(text=text.text)


# -- generationConfig ----------------------------------------------------------------------------------------------
def _config(request: ChatRequest, quirks: Quirks, notes: Notes) -> GenerationConfig:
    stop = request.stop
    if len(stop) > MAX_STOPS:
        notes.add(request.stop_at, "approximated", f"Gemini takes {MAX_STOPS} stop sequences; the first are sent")
        stop = stop[:MAX_STOPS]
    schema, openapi = _schemas(request.format, quirks, notes)
    return GenerationConfig(
        max_output_tokens=request.max_output,
        temperature=_raw(request.temperature),
        top_p=_raw(request.top_p),
        top_k=_raw(request.top_k),
        candidate_count=request.choices,
        stop_sequences=list(stop) or None,
        seed=_raw(request.seed),
        presence_penalty=_raw(request.presence),
        frequency_penalty=_raw(request.frequency),
        response_logprobs=request.logprobs or None,
        logprobs=request.top_logprobs,
        response_mime_type=_JSON if request.format is not None and request.format.kind != "text" else None,
        response_schema=openapi,
        response_json_schema=schema,
        thinking_config=thinking_config(request, quirks, notes),
    )


def _schemas(form: Format | None, quirks: Quirks, notes: Notes) -> tuple[msgspec.Raw, msgspec.Raw]:
    """The schema of the answer: as JSON Schema, or in the subset."""
    if form is None or form.kind != "json_schema" or not form.schema:
        return NOTHING, NOTHING
    if form.strict is not None:
        notes.add(f"{form.at}.strict", "dropped", "Gemini always follows the schema", info=True)
    if quirks.gemini_schema == "json":
        return msgspec.Raw(form.schema), NOTHING
    return NOTHING, msgspec.Raw(to_openapi(form.schema, form.at, notes))


def _tier(request: ChatRequest, notes: Notes) -> str | None:
    tier = write_tier(request.service_tier)
    if request.service_tier and tier is None and request.service_tier != "auto":
        notes.add(field(request, "service_tier"), "dropped", "Gemini has no such tier", info=True)
    return tier


# -- tools -----------------------------------------------------------------------------------------------------------
def _tools(request: ChatRequest, quirks: Quirks, notes: Notes, names: Renamer) -> list[WireTool]:
    """Functions in one entry, and Google's own tools as they were written."""
    functions = [_declared(tool, request, quirks, notes, names) for tool in request.tools if isinstance(tool, Tool)]
    entries = [WireTool(function_declarations=functions)] if functions else []
    for tool in request.tools:
        if not isinstance(tool, ServerTool):
            continue
        if tool.origin == ORIGIN:
            entries.append(_wire_tool.decode(tool.raw))
        elif tool.origin == "anthropic" and functions:
            notes.add(tool.at, "dropped", f"Gemini has no tool {tool.kind}")
        else:
            raise Unsupported(
                f"'{tool.at}': the tool {tool.kind} is run by its own provider, and Gemini has none like it. "
                "Leave it out, or choose one of that provider's models.",
                param=tool.at,
            )
    return entries


def _declared(tool: Tool, request: ChatRequest, quirks: Quirks, notes: Notes, names: Renamer) -> FunctionDeclaration:
    at = tool.at
    if tool.custom:
        notes.add(at, "emulated", "a free-text tool is a function with one text argument")
    if tool.strict:
        notes.add(
            f"{at}.strict", "dropped", "Gemini follows the schemas of its tools in mode VALIDATED only", info=True
        )
    if tool.cache is not None:
        notes.add(f"{at}.cache_control", "dropped", "Gemini has no cache marks", info=True)
    own = request.origin == tool.ext_origin == ORIGIN
    if not own:
        for name, _ in tool.ext:
            notes.add(f"{at}.{name}", "dropped", "no member of Gemini's functions", info=True)
    ext = dict(tool.ext) if own else {}
    schema, openapi = _parameters(tool, request.origin, quirks, notes)
    return FunctionDeclaration(
        name=names.fit(tool.name),
        description=tool.description or None,
        parameters=openapi,
        parameters_json_schema=schema,
        response=_raw(ext.get("response")),
        response_json_schema=_raw(ext.get("responseJsonSchema")),
        behavior=msgspec.json.decode(ext["behavior"], type=str) if "behavior" in ext else None,
    )


def _parameters(tool: Tool, origin: str, quirks: Quirks, notes: Notes) -> tuple[msgspec.Raw, msgspec.Raw]:
    """A tool's schema: as JSON Schema, or in the subset."""
    schema = _FREE_TEXT if tool.custom else tool.schema
    if not schema:
        return NOTHING, NOTHING
    if quirks.gemini_schema == "json":
        return msgspec.Raw(schema), NOTHING
    openapi = to_openapi(schema, tool.at + _SCHEMA_AT.get(origin, ".parameters"), notes)
    return NOTHING, NOTHING if is_empty_object(openapi) else msgspec.Raw(openapi)


def _tool_config(choice: ToolChoice | None, tools: list[WireTool], names: Renamer, notes: Notes) -> ToolConfig | None:
    if choice is None or not tools:
        return None  # Google refuses a mode without functions
    if choice.raw:
        notes.add(choice.at, "dropped", "a choice only its own vendor understands")
        return None
    allowed = [names.fit(name) for name in choice.names] or None
    match choice.mode:
        case "auto" | "none" | "validated":
            config = FunctionCallingConfig(mode=choice.mode.upper())
        case "required":
            config = FunctionCallingConfig(mode="ANY")
        case "named":
            config = FunctionCallingConfig(mode="ANY", allowed_function_names=allowed)
        case "allowed":
            mode = "ANY" if choice.required else "VALIDATED"
            config = FunctionCallingConfig(mode=mode, allowed_function_names=allowed)
        case _:
            assert_never(choice.mode)
    return ToolConfig(function_calling_config=config)


# -- members of Google's own clients ----------------------------------------------------------------------------------
def _with_own(body: GenerateContentRequest, request: ChatRequest) -> bytes:
    """The body's JSON, with what only a client of this dialect can have sent put back where it stood."""
    encoded = msgspec.json.encode(body)
    if request.origin != ORIGIN or not request.ext:
        return encoded
    members = _members.decode(encoded)
    inner: dict[str, dict[str, msgspec.Raw]] = {}
    for name, raw in request.ext:
        outer, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(outer, _members.decode(members.get(outer, _EMPTY)))[rest] = msgspec.Raw(raw)
        else:
            members[name] = msgspec.Raw(raw)
    for outer, found in inner.items():
        members[outer] = msgspec.Raw(msgspec.json.encode(found))
    return msgspec.json.encode(members)


def _raw(text: Json | None) -> msgspec.Raw:
    return NOTHING if text is None else msgspec.Raw(text)
