"""The hub's request as an Ollama server gets it (translation.md §11, column O)."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, Format, Thinking, Tool, ToolChoice
from omniroute.translate.conversation import paired
from omniroute.translate.dialect import Outgoing
from omniroute.translate.dialects.ollama import schema
from omniroute.translate.dialects.ollama.messages import write_messages
from omniroute.translate.dialects.ollama.peek import CHAT_PATH
from omniroute.translate.fields import field, refuse_foreign, says_nothing
from omniroute.translate.notes import Notes, Unsupported
from omniroute.translate.thinking import effort_of

_encode: Final = msgspec.json.Encoder().encode
_NO_SCHEMA: Final = b'{"type":"object","properties":{}}'
_CUSTOM_SCHEMA: Final = b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'
_LEVELS: Final = {
    "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high",
}  # fmt: skip
_OPTION: Final = "options."


def write_request(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """The request for ``/api/chat``. Raises Unsupported for content Ollama has no form for."""
    refuse_foreign(request)
    turns = paired(request.turns, notes)
    messages = write_messages(request.system, turns, notes)
    if not messages:
        raise says_nothing(request)
    options, members = _own(request, notes)
    options = _options(request) | options
    _drop_unknown(request, notes)
    body = schema.ChatRequestBody(
        model=request.model,
        messages=messages,
        stream=bool(request.stream),
        tools=_tools(request, notes),
        format=_format(request.format, notes),
        options=options,
        think=_think(request.thinking, quirks, notes),
        keep_alive=members.get("keep_alive"),
        logprobs=request.logprobs,
        top_logprobs=request.top_logprobs,
    )
    return Outgoing(path=CHAT_PATH, body=(_encode(body),))


def _options(request: ChatRequest) -> dict[str, msgspec.Raw]:
    """Sampling, as the numbers were spelled."""
    told = {
        "num_predict": None if request.max_output is None else str(request.max_output).encode(),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "seed": request.seed,
        "stop": _encode(request.stop) if request.stop else None,
        "presence_penalty": request.presence,
        "frequency_penalty": request.frequency,
    }
    return {name: msgspec.Raw(raw) for name, raw in told.items() if raw is not None}


def _own(request: ChatRequest, notes: Notes) -> tuple[dict[str, msgspec.Raw], dict[str, msgspec.Raw]]:
    """Runner switches and members of an Ollama client; what another dialect's client said beside is dropped."""
    options: dict[str, msgspec.Raw] = {}
    members: dict[str, msgspec.Raw] = {}
    for name, raw in request.ext:
        if request.origin != "ollama":
            notes.add(name, "dropped", "Ollama has no such member", info=True)
        elif name.startswith(_OPTION):
            options[name.removeprefix(_OPTION)] = msgspec.Raw(raw)
        elif name == "keep_alive":
            members[name] = msgspec.Raw(raw)
        else:
            notes.add(name, "dropped", "Ollama's /api/chat has no such member", info=True)
    return options, members


def _drop_unknown(request: ChatRequest, notes: Notes) -> None:
    """Note the parameters Ollama does not have."""
    if request.choices is not None and request.choices > 1:
        notes.add(request.choices_at, "dropped", "Ollama gives one answer")
    if request.parallel is False:
        notes.add(field(request, "parallel"), "dropped", "Ollama cannot be kept from calling several tools at once")
    lost = {
        "logit_bias": request.logit_bias is not None,
        "verbosity": bool(request.verbosity),
    }
    harmless = {
        "user": bool(request.user),
        "metadata": request.metadata is not None,
        "service_tier": bool(request.service_tier) and request.service_tier not in ("auto", "default"),
        "store": request.store is True,
        "cache_key": bool(request.cache_key),
        "cache_retention": bool(request.cache_retention),
    }
    for name, given in lost.items():
        if given:
            notes.add(field(request, name), "dropped", "Ollama has no such parameter")
    for name, given in harmless.items():
        if given:
            notes.add(field(request, name), "dropped", "Ollama has no such parameter", info=True)


def _tools(request: ChatRequest, notes: Notes) -> tuple[schema.Tool, ...]:
    """The tools the model may call: without a tool choice, leaving tools out is the only way to choose."""
    choice = request.tool_choice
    if choice is not None:
        _note_choice(request, choice, notes)
    if choice is not None and choice.mode == "none":
        return ()
    allowed = frozenset(choice.names) if choice is not None and choice.mode == "allowed" else None
    written: list[schema.Tool] = []
    for tool in request.tools:
        if not isinstance(tool, Tool):
            if tool.origin == "openai_responses":
                raise Unsupported(
                    f"'{tool.at}' is a tool that OpenAI runs ('{tool.kind}'); the chosen model's provider cannot.",
                    param=tool.at,
                )
            if tool.origin == "anthropic" and not any(isinstance(other, Tool) for other in request.tools):
                # without any of its tools the model would make up what it was to look up
                raise Unsupported(
                    f"'{tool.at}' is a tool of Anthropic's own ('{tool.kind}'): the chosen model's provider has none.",
                    param=tool.at,
                )
            notes.add(tool.at, "dropped", f"'{tool.kind}' runs at its own vendor only")
        elif allowed is None or tool.name in allowed:
            written.append(_tool(tool, notes))
    return tuple(written)


def _note_choice(request: ChatRequest, choice: ToolChoice, notes: Notes) -> None:
    match choice.mode:
        case "none":
            if request.tools:
                notes.add(choice.at, "emulated", "the tools are not sent")
        case "required":
            notes.add(choice.at, "dropped", "Ollama cannot be made to call a tool", info=True)
        case "named":
            notes.add(choice.at, "dropped", "Ollama cannot be made to call a certain tool")
        case "allowed":
            notes.add(choice.at, "emulated", "the other tools are not sent")
        case "auto" | "validated":
            pass


def _tool(tool: Tool, notes: Notes) -> schema.Tool:
    for name, given in (("strict", bool(tool.strict)), ("cache_control", tool.cache is not None)):
        if given:
            notes.add(f"{tool.at}.{name}", "dropped", "Ollama has no such member", info=True)
    for name, _ in tool.ext:
        notes.add(f"{tool.at}.{name}", "dropped", "Ollama has no such member", info=True)
    parameters = tool.schema or _NO_SCHEMA
    if tool.custom:
        notes.add(tool.at, "emulated", "a free-text tool becomes a function with one string")
        parameters = _CUSTOM_SCHEMA
    return schema.Tool(schema.ToolFunction(tool.name, msgspec.Raw(parameters), tool.description))


def _format(form: Format | None, notes: Notes) -> msgspec.Raw | None:
    if form is None or form.kind == "text":
        return None
    if form.kind == "json_object":
        return msgspec.Raw(b'"json"')
    for name, given in (("name", form.name), ("description", form.description), ("strict", form.strict)):
        if given:
            notes.add(f"{form.at}.{name}", "dropped", "Ollama takes the schema alone", info=True)
    return msgspec.Raw(form.schema or b'"json"')


def _think(thinking: Thinking | None, quirks: Quirks, notes: Notes) -> bool | str | None:
    """``think``: a level where the model knows levels, else yes or no; None if the client said nothing."""
    if thinking is None:
        return None
    if thinking.mode == "off" or thinking.effort == "none":
        return False
    if thinking.mode == "budget":
        if thinking.budget == 0:
            return False
        notes.add(thinking.at, "approximated", "Ollama takes no budget of thinking tokens", info=True)
    if not quirks.ollama_think_levels:
        return True
    effort = effort_of(thinking.budget) if thinking.mode == "budget" else thinking.effort
    return _LEVELS.get(effort, effort) or True
