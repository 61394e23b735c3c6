"""A client's request, read (translation.md §6.1, §11). Raises ClientError naming the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from omniroute.errors import ClientError
from omniroute.translate.canonical import ChatRequest, Format, Json, ServerTool, Thinking, Tool, ToolChoice
from omniroute.translate.dialect import Asked, Peeked
from omniroute.translate.dialects.gemini import schema
from omniroute.translate.dialects.gemini.contents_in import read_system, read_turns
from omniroute.translate.dialects.gemini.schema import (
    NOTHING,
    OWN_SETTINGS,
    SERVER_TOOLS,
    CountTokensRequest,
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentRequest,
    GenerationConfig,
    ThinkingConfig,
    wire_name,
)
from omniroute.translate.dialects.gemini.spelling import member, read, strangers
from omniroute.translate.dialects.gemini.words import ORIGIN, read_tier
from omniroute.translate.reading import MAX_MESSAGES, MAX_STOPS, MAX_TOOLS, bounded, count, integer, number
from omniroute.translate.reading import schema as read_schema
from omniroute.translate.schema_subset import from_openapi

_request: Final = msgspec.json.Decoder(GenerateContentRequest)
_count: Final = msgspec.json.Decoder(CountTokensRequest)

_CONFIG: Final = "generationConfig"
_CHOICE_AT: Final = "toolConfig.functionCallingConfig"
_MODES: Final[Mapping[str, Literal["auto", "none", "required", "validated"]]] = MappingProxyType(
    {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "validated", "MODE_UNSPECIFIED": "auto"}
)
_WHOLE: Final = re.compile(rb"\.0+$")
_NO_CONFIG: Final = GenerationConfig()
_JSON: Final = "application/json"

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "top_k": "generationConfig.topK",
        "seed": "generationConfig.seed",
        "presence": "generationConfig.presencePenalty",
        "frequency": "generationConfig.frequencyPenalty",
        "logprobs": "generationConfig.responseLogprobs",
        "top_logprobs": "generationConfig.logprobs",
        "choices": "generationConfig.candidateCount",
        "metadata": "labels",
        "service_tier": "serviceTier",
        "turns": "contents",
    }
)
_ELSEWHERE: Final = frozenset({"cachedContent"})


def read_request(asked: Asked, peeked: Peeked) -> ChatRequest:
    """The whole request; of a count, what is to be counted."""
    if peeked.operation == "count":
        counted = read(_count, asked.body)
        inner = counted.generate_content_request
        if inner is None:
            inner = GenerateContentRequest(contents=counted.contents)
        return _canonical(inner, (), peeked)
    told = read(_request, asked.body)
    return _canonical(told, (*_extras(told), *_strange(asked.body)), peeked)


def _canonical(told: GenerateContentRequest, ext: tuple[tuple[str, Json], ...], peeked: Peeked) -> ChatRequest:
    config = told.generation_config or _NO_CONFIG
    choice = told.tool_config.function_calling_config if told.tool_config is not None else None
    return ChatRequest(
        origin=ORIGIN,
        words=_WORDS,
        elsewhere=_ELSEWHERE,
        modalities_at="generationConfig.responseModalities",
        model=peeked.model,
        system=read_system(told.system_instruction),
        turns=read_turns(bounded(told.contents, "contents", MAX_MESSAGES)),
        tools=tuple(_tools(told)),
        tool_choice=_choice(choice) if choice is not None else None,
        max_output=_at_least_one(config.max_output_tokens, f"{_CONFIG}.maxOutputTokens"),
        max_output_at=f"{_CONFIG}.maxOutputTokens",
        temperature=number(config.temperature, f"{_CONFIG}.temperature"),
        top_p=number(config.top_p, f"{_CONFIG}.topP"),
        top_k=_top_k(config.top_k),
        seed=integer(config.seed, f"{_CONFIG}.seed"),
        presence=number(config.presence_penalty, f"{_CONFIG}.presencePenalty"),
        frequency=number(config.frequency_penalty, f"{_CONFIG}.frequencyPenalty"),
        stop=bounded(config.stop_sequences, f"{_CONFIG}.stopSequences", MAX_STOPS),
        stop_at=f"{_CONFIG}.stopSequences",
        logprobs=config.response_logprobs,
        top_logprobs=count(config.logprobs, f"{_CONFIG}.logprobs"),
        choices=config.candidate_count,
        choices_at=f"{_CONFIG}.candidateCount",
        format=_format(config),
        thinking=_thinking(config.thinking_config),
        metadata=_present(told.labels),
        service_tier=read_tier(told.service_tier or ""),
        store=told.store,
        stream=peeked.stream,
        include_usage=True,
        ext=ext,
    )


def _tools(told: GenerateContentRequest) -> Iterator[Tool | ServerTool]:
    entries = bounded(told.tools, "tools", MAX_TOOLS)
    total = 0
    for index, entry in enumerate(entries):
        for position, declared in enumerate(entry.function_declarations or ()):
            yield _tool(declared, f"tools[{index}].functionDeclarations[{position}]")
        total += len(entry.function_declarations or ())
        if total > MAX_TOOLS:
            raise ClientError(f"'tools' declares more than {MAX_TOOLS} functions.", param="tools", code="invalid_value")
        for name, kind in SERVER_TOOLS:
            raw = getattr(entry, name)
            if raw is not NOTHING and _present(raw) is not None:
                wrapped = msgspec.json.encode({kind: raw})
                yield ServerTool(origin=ORIGIN, kind=kind, raw=wrapped, at=f"tools[{index}].{kind}")


def _tool(declared: FunctionDeclaration, at: str) -> Tool:
    if not declared.name:
        raise ClientError(
            f"'{at}.name' is missing: name the function.", param=f"{at}.name", code="missing_required_parameter"
        )
    parameters = read_schema(declared.parameters_json_schema, f"{at}.parametersJsonSchema")
    if not parameters:
        openapi = read_schema(declared.parameters, f"{at}.parameters")
        parameters = from_openapi(openapi, f"{at}.parameters") if openapi else b""
    own = {
        "behavior": None if declared.behavior is None else msgspec.json.encode(declared.behavior),
        "response": _present(declared.response),
        "responseJsonSchema": _present(declared.response_json_schema),
    }
    return Tool(
        name=declared.name,
        description=declared.description or "",
        schema=parameters,
        ext=tuple((name, raw) for name, raw in own.items() if raw is not None),
        ext_origin=ORIGIN,
        at=at,
    )


def _choice(config: FunctionCallingConfig) -> ToolChoice:
    names = tuple(config.allowed_function_names or ())
    mode = (config.mode or "AUTO").upper()
    if mode not in _MODES:
        raise ClientError(
            f"'{_CHOICE_AT}.mode' must be one of {', '.join(_MODES)}.", param=f"{_CHOICE_AT}.mode", code="invalid_value"
        )
    if mode == "ANY" and len(names) == 1:
        return ToolChoice(mode="named", names=names, at=_CHOICE_AT)
    if mode in {"ANY", "VALIDATED"} and names:
        return ToolChoice(mode="allowed", names=names, required=mode == "ANY", at=_CHOICE_AT)
    return ToolChoice(mode=_MODES[mode], at=_CHOICE_AT)


def _format(config: GenerationConfig) -> Format | None:
    in_json = read_schema(config.response_json_schema, f"{_CONFIG}.responseJsonSchema")
    if in_json:
        return Format(kind="json_schema", schema=in_json, at=f"{_CONFIG}.responseJsonSchema")
    at = f"{_CONFIG}.responseSchema"
    openapi = read_schema(config.response_schema, at)
    if openapi:
        return Format(kind="json_schema", schema=from_openapi(openapi, at), at=at)
    if config.response_mime_type == _JSON:
        return Format(kind="json_object", at=f"{_CONFIG}.responseMimeType")
    return None


def _thinking(config: ThinkingConfig | None) -> Thinking | None:
    if config is None:
        return None
    show, at = config.include_thoughts, f"{_CONFIG}.thinkingConfig"
    level = (config.thinking_level or "").lower()
    if level and level != "thinking_level_unspecified":
        return Thinking(mode="effort", effort=level, show=show, at=at)
    budget = count(config.thinking_budget, f"{at}.thinkingBudget", low=-1)
    if budget == 0:
        return Thinking(mode="off", show=show, at=at)
    if budget is not None and budget > 0:
        return Thinking(mode="budget", budget=budget, show=show, at=at)
    if budget is not None or show:
        return Thinking(mode="adaptive", show=show, at=at)
    return None  # hiding thoughts asks for none


def _top_k(raw: msgspec.Raw) -> Json | None:
    """``topK``, a whole number everywhere else; Google's SDK declares it a float and writes ``40.0``."""
    text = number(raw, f"{_CONFIG}.topK", low=0)
    return None if text is None else _WHOLE.sub(b"", text)


def _at_least_one(count: int | None, at: str) -> int | None:
    if count is not None and not 1 <= count < 2**31:
        raise ClientError(f"'{at}' must be a whole number from 1 on.", param=at, code="invalid_value")
    return count


def _extras(told: GenerateContentRequest) -> Iterator[tuple[str, Json]]:
    """Members we know and no other dialect has."""
    for name in ("safety_settings", "cached_content"):
        raw = _present(getattr(told, name))
        if raw is not None:
            yield wire_name(name), raw
    config = told.generation_config or _NO_CONFIG
    for name in OWN_SETTINGS:
        value = getattr(config, name)
        if name == "response_modalities":
            # Every answer of text says so unasked.
            if value and value != ["TEXT"]:
                yield f"{_CONFIG}.{wire_name(name)}", msgspec.json.encode(value)
        elif value is not NOTHING and _present(value) is not None:
            yield f"{_CONFIG}.{wire_name(name)}", bytes(value)
    if config.response_mime_type not in {None, "", "text/plain", _JSON}:
        yield f"{_CONFIG}.responseMimeType", msgspec.json.encode(config.response_mime_type)
    if told.tool_config is not None and (raw := _present(told.tool_config.retrieval_config)) is not None:
        yield "toolConfig.retrievalConfig", raw


def _strange(body: bytes) -> Iterator[tuple[str, Json]]:
    """Members nobody knows."""
    for name, raw in strangers(body, GenerateContentRequest):
        yield name, bytes(raw)
    for name, raw in strangers(member(body, _CONFIG), schema.GenerationConfig):
        yield f"{_CONFIG}.{name}", bytes(raw)


def _present(raw: msgspec.Raw) -> Json | None:
    if raw is NOTHING:
        return None
    text = bytes(raw)
    return None if text == b"null" else text
