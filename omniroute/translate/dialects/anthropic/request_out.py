"""A request for an Anthropic upstream, written (translation.md §5.1, §11)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate import conversation, jsontext
from omniroute.translate.canonical import ChatRequest, Opaque, Reasoning, Text, Tool, ToolCall, ToolResult, Turn
from omniroute.translate.dialect import Outgoing
from omniroute.translate.dialects.anthropic.content_out import MessageOut, TextPart, TurnWriter, is_own
from omniroute.translate.dialects.anthropic.identity import COUNT_PATH, PATH
from omniroute.translate.dialects.anthropic.settings_out import (
    Metadata,
    OutputConfig,
    ThinkingOut,
    note_dropped,
    write_format,
    write_sampling,
    write_thinking,
    write_tier,
    write_user,
)
from omniroute.translate.dialects.anthropic.tools_out import ChoiceOut, ToolOut, is_forced, write_choice, write_tools
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.fields import refuse_foreign, says_nothing
from omniroute.translate.naming import ANTHROPIC_ID, ANTHROPIC_NAME, Renamer
from omniroute.translate.notes import Notes, Unsupported

_PLAIN: Final = (Text, ToolResult)
"""Blocks of whose maker nothing depends."""
JSON_WANTED: Final = "Answer with one JSON object and nothing else: no text around it, no code fence."


class RequestOut(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A whole request."""

    model: str
    max_tokens: int | None = None
    system: str | tuple[TextPart, ...] | None = None
    messages: tuple[MessageOut, ...]
    temperature: Raw | None = None
    top_p: Raw | None = None
    top_k: Raw | None = None
    stop_sequences: tuple[str, ...] = ()
    tools: tuple[ToolOut | Raw, ...] = ()
    tool_choice: ChoiceOut | None = None
    thinking: ThinkingOut | None = None
    output_config: OutputConfig | None = None
    metadata: Metadata | None = None
    service_tier: str = ""
    stream: bool = False


def write_request(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """The request as Anthropic takes it. Raises Unsupported, ClientError."""
    written, names, ids = _written(request, quirks, notes)
    return Outgoing(path=PATH, body=(_with_own(written, request, notes),), names=names.restored, call_ids=ids.restored)


def write_count(request: ChatRequest, quirks: Quirks, notes: Notes) -> Outgoing:
    """The same for the service that counts its tokens, which takes only what counts."""
    if request.max_output is None:  # which goes without saying here: nothing is made up
        request = msgspec.structs.replace(request, max_output=quirks.default_max_tokens)
    written, names, ids = _written(request, quirks, notes)
    counted = msgspec.structs.replace(
        written, max_tokens=None, temperature=None, top_p=None, top_k=None, stop_sequences=(), metadata=None,
        service_tier="", stream=False,
    )  # fmt: skip
    return Outgoing(
        path=COUNT_PATH, body=(_with_own(counted, request, notes),), names=names.restored, call_ids=ids.restored
    )


def _written(request: ChatRequest, quirks: Quirks, notes: Notes) -> tuple[RequestOut, Renamer, Renamer]:
    if request.origin != ORIGIN:
        refuse_foreign(request)
    called = [block.name for turn in request.turns for block in turn.blocks if isinstance(block, ToolCall)]
    offered = [tool.name for tool in request.tools if isinstance(tool, Tool)]
    names = Renamer(ANTHROPIC_NAME, offered + called)
    ids = Renamer(ANTHROPIC_ID)
    system, turns = _shaped(request, quirks, notes)
    tools = write_tools(request, names, notes)
    choice = write_choice(request, names, notes, tools=bool(tools))
    limit = request.max_output
    if limit is None:
        limit = quirks.default_max_tokens
        notes.add(request.max_output_at, "synthesised", "Anthropic demands a limit", info=True)
    thinking, effort = write_thinking(
        request, quirks, notes, limit=limit, forced=is_forced(choice), resumed=_is_resumed_unsigned(turns)
    )
    sampling = write_sampling(request, quirks, notes, thinks=thinking is not None and thinking.type != "disabled")
    answer_format = write_format(request, notes)
    if request.format is not None and request.format.kind == "json_object":
        system = (*system, Text(text=JSON_WANTED))
        notes.add(request.format.at, "emulated", "a JSON object is asked for in words")
    note_dropped(request, notes)
    writer = TurnWriter(names, ids, notes)
    written = RequestOut(
        model=request.model,
        max_tokens=limit,
        system=writer.write_texts(system) if system else None,
        messages=tuple(writer.write(turn) for turn in turns),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        stop_sequences=tuple(stop for stop in request.stop if stop.strip()),
        tools=tools,
        tool_choice=choice,
        thinking=thinking,
        output_config=OutputConfig(effort, answer_format) if effort or answer_format else None,
        metadata=write_user(request),
        service_tier=write_tier(request, notes),
        stream=bool(request.stream),
    )
    return written, names, ids


def _with_own(written: RequestOut, request: ChatRequest, notes: Notes) -> bytes:
    """The body, with what only Anthropic's clients say."""
    body = msgspec.json.encode(written)
    for name, value in request.ext:
        if request.origin == ORIGIN:
            body = b"%b,%b:%b}" % (body[:-1], jsontext.literal(name), value)  # none that is written above
        else:
            notes.add(name, "dropped", "Anthropic has no such parameter", info=True)
    return body


# -- the conversation ------------------------------------------------------------------------------------------------
def _shaped(request: ChatRequest, quirks: Quirks, notes: Notes) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """Instructions, and turns as Anthropic wants them: merged, answered, none empty."""
    system = [text for text in request.system if text.text.strip()]
    turns: list[Turn] = []
    for turn in request.turns:
        if turn.name:
            notes.add(f"{turn.at}.name", "dropped", "turns have no names", info=True)
        if turn.role == "system" and not quirks.anthropic_mid_system:
            system += [block for block in turn.blocks if isinstance(block, Text) and block.text.strip()]
            notes.add(turn.at, "approximated", "instructions in the middle of a conversation go to its head")
        else:
            turns.append(_own_only(turn, notes))
    clean = conversation.without_empty(turns, blank=True)
    # A result without its call is dropped, and its turn with it if it held no more: neighbours are merged once again.
    shaped = conversation.merged(conversation.paired(conversation.merged(clean), notes))
    if not any(turn.role != "system" for turn in shaped):
        raise says_nothing(request)
    return tuple(system), (*shaped[:-1], _last(shaped[-1], quirks, notes))


def _own_only(turn: Turn, notes: Notes) -> Turn:
    """``turn`` without what Anthropic may not be shown, which is noted."""
    foreign = False
    for block in turn.blocks:
        if isinstance(block, _PLAIN):
            continue
        if isinstance(block, ToolCall) and block.signature:
            notes.add(f"{block.at}.thoughtSignature", "dropped", "the signature is another vendor's", info=True)
        elif isinstance(block, (Reasoning, Opaque)) and not is_own(block):
            foreign = True
            server = isinstance(block, Opaque)
            reason = "only its own vendor can read it" if server else "Anthropic did not sign it"
            notes.add(block.at, "dropped", reason, info=not server)
    return msgspec.structs.replace(turn, blocks=tuple(filter(is_own, turn.blocks))) if foreign else turn


def _last(turn: Turn, quirks: Quirks, notes: Notes) -> Turn:
    """The last turn: if it is the assistant's, its text is what the answer begins with."""
    last = turn.blocks[-1]
    if turn.role != "assistant":
        return turn
    if not quirks.anthropic_prefill:
        raise Unsupported(
            f"'{turn.at}': the chosen model cannot go on with a begun answer. End with a message of the user's.",
            param=turn.at,
        )
    if not isinstance(last, Text) or last.text == last.text.rstrip():
        return turn
    notes.add(last.at, "approximated", "white space at the end of a begun answer is refused", info=True)
    trimmed = msgspec.structs.replace(last, text=last.text.rstrip())
    return msgspec.structs.replace(turn, blocks=(*turn.blocks[:-1], trimmed))


def _is_resumed_unsigned(turns: tuple[Turn, ...]) -> bool:
    """Whether the model is to go on after tool calls that it made without (or whose client lost) its thinking.

    With a thinking budget the service refuses that: such a turn must begin with a thinking block.
    """
    if len(turns) < 2 or not any(isinstance(block, ToolResult) for block in turns[-1].blocks):
        return False
    return not isinstance(turns[-2].blocks[0], Reasoning)
