"""Turns for an upstream, written (translation.md §11.3, §11.4, §15).

Roles alternate, results follow their calls in order, and signatures stand on the parts Google put them on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.translate import jsontext, media
from omniroute.translate.canonical import (
    Audio,
    Block,
    ChatRequest,
    Document,
    Image,
    Json,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.conversation import merged, paired
from omniroute.translate.dialects.gemini.media_out import media_parts
from omniroute.translate.dialects.gemini.schema import (
    Content,
    FunctionCall,
    FunctionResponse,
    FunctionResponsePart,
    Part,
)
from omniroute.translate.dialects.gemini.words import NO_SIGNATURE, ORIGIN
from omniroute.translate.naming import Renamer
from omniroute.translate.notes import Notes

INPUT: Final = "input"
"""The one argument of a free-text tool, where all arguments are objects."""

_part: Final = msgspec.json.Decoder(Part)


class ContentsWriter:
    """The turns of one request on their way to Gemini."""

    def __init__(self, request: ChatRequest, quirks: Quirks, notes: Notes, names: Renamer) -> None:
        self._own = request.origin == ORIGIN
        self._turns = request.turns
        self._quirks = quirks
        self._notes = notes
        self._names = names

    def contents(self) -> list[Content]:
        """The conversation. Empty if nothing of it says anything."""
        spoken = merged(turn for turn in self._turns if turn.role != "system")
        contents: list[Content] = []
        for turn in paired(spoken, self._notes, in_call_order=True):
            if turn.name:
                self._notes.add(f"{turn.at}.name", "dropped", "Gemini's turns have no name", info=True)
            role = "model" if turn.role == "assistant" else "user"
            parts = self._said_by_model(turn) if role == "model" else list(self._said_by_user(turn))
            if not parts:
                continue
            if contents and contents[-1].role == role:
                contents[-1] = Content(role=role, parts=[*(contents[-1].parts or ()), *parts])
            else:
                contents.append(Content(role=role, parts=parts))
        return contents

    def moved(self) -> Iterator[Text]:
        """Instructions from the middle of the conversation: Gemini takes them at its beginning only."""
        for turn in self._turns:
            if turn.role == "system":
                self._notes.add(turn.at, "approximated", "instructions are sent ahead of the conversation")
                yield from (block for block in turn.blocks if isinstance(block, Text))

    # -- the model's side ------------------------------------------------------------------------------------------
    def _said_by_model(self, turn: Turn) -> list[Part]:
        parts: list[Part] = []
        carried = ""
        for block in turn.blocks:
            if isinstance(block, Reasoning) and not self._own:
                # The signature of a part travels before it, in a block of its own; its summary was for the client.
                carried = self._signature(block) or carried
                continue
            for part in self._parts(block):
                signs = bool(carried) and part.thought_signature is None and not part.thought
                parts.append(_signed(part, carried) if signs else part)
                carried = "" if signs else carried
        if carried:
            last = parts[-1] if parts else None
            if last is not None and last.text is not None and last.thought_signature is None:
                parts[-1] = _signed(last, carried)
            else:
                parts.append(Part(text="", thought_signature=carried))
        if self._quirks.gemini_signatures == "required":
            self._sign_first_call(parts, turn)
        return parts

    def _signature(self, block: Reasoning) -> str:
        if block.origin == ORIGIN:
            return _standard(block.signature or block.data)
        self._notes.add(block.at, "dropped", "another vendor's reasoning means nothing to Gemini", info=True)
        return ""

    def _sign_first_call(self, parts: list[Part], turn: Turn) -> None:
        first = next((number for number, part in enumerate(parts) if part.function_call is not None), None)
        if first is None or parts[first].thought_signature is not None:
            return
        parts[first] = _signed(parts[first], NO_SIGNATURE)
        call = next(block for block in turn.blocks if isinstance(block, ToolCall))
        self._notes.add(call.at, "synthesised", "its thought signature is not known; Google's stand-in is", info=True)

    # -- blocks ------------------------------------------------------------------------------------------------------
    def _parts(self, block: Block) -> Iterator[Part]:
        match block:
            case Text():
                self._note_text(block)
                if block.text or block.signature:
                    yield _signed(Part(text=block.text), block.signature)
            case Reasoning():  # of Gemini's own client
                yield _signed(Part(text=block.text, thought=True), block.signature)
            case Refusal():
                self._notes.add(block.at, "approximated", "a refusal is sent as text", info=True)
                yield Part(text=block.text)
            case ToolCall():
                yield self._call(block)
            case Image() | Audio() | Document():
                yield from media_parts(block, self._notes)
            case Opaque() if block.origin == ORIGIN:
                yield _part.decode(block.raw)
            case Opaque():
                self._notes.add(block.at, "dropped", "only its own vendor understands it")
            case ToolResult():
                response, beside = self._result(block)
                yield Part(function_response=response)
                yield from beside

    def _note_text(self, block: Text) -> None:
        if block.cache is not None:
            self._notes.add(f"{block.at}.cache_control", "dropped", "Gemini has no cache marks", info=True)
        if block.citations:
            self._notes.add(f"{block.at}.citations", "dropped", "Gemini takes no citations back")

    def _call(self, call: ToolCall) -> Part:
        if call.custom:
            arguments: Json = msgspec.json.encode({INPUT: call.arguments})
        else:
            arguments, understood = jsontext.arguments_object(call.arguments)
            if not understood:
                self._notes.add(call.at, "approximated", "arguments that are no object are sent inside one")
        if call.cache is not None:
            self._notes.add(f"{call.at}.cache_control", "dropped", "Gemini has no cache marks", info=True)
        written = FunctionCall(id=call.call_id or None, name=self._names.fit(call.name), args=msgspec.Raw(arguments))
        return _signed(Part(function_call=written), call.signature)

    def _said_by_user(self, turn: Turn) -> Iterator[Part]:
        """Results first, all of them: what stands beside one follows the last."""
        beside: list[Part] = []
        for block in turn.blocks:
            if isinstance(block, ToolResult):
                response, more = self._result(block)
                yield Part(function_response=response)
                beside += more
        yield from beside
        for block in turn.blocks:
            if not isinstance(block, ToolResult):
                yield from self._parts(block)

    def _result(self, result: ToolResult) -> tuple[FunctionResponse, list[Part]]:
        """The result, and what has to stand beside it because the model takes only JSON in it."""
        texts: list[str] = []
        media_found: list[Part] = []
        for block in result.blocks:
            if isinstance(block, Text):
                texts.append(block.text)
            elif isinstance(block, Image | Audio | Document):
                media_found += media_parts(block, self._notes)
            else:
                self._notes.add(result.at, "dropped", "a result holds text and media only")
        texts += [part.text for part in media_found if part.text is not None]
        media_found = [part for part in media_found if part.text is None]
        if result.cache is not None:
            self._notes.add(f"{result.at}.cache_control", "dropped", "Gemini has no cache marks", info=True)
        inside = self._quirks.gemini_function_response_parts
        response = FunctionResponse(
            id=result.call_id or None,
            name=self._names.fit(result.name) if result.name else None,
            response=_response("\n".join(texts), is_error=result.is_error),
            parts=[FunctionResponsePart(inline_data=part.inline_data, file_data=part.file_data) for part in media_found]
            if inside and media_found
            else None,
        )
        if inside or not media_found:
            return response, []
        self._notes.add(result.at, "approximated", "media of a result are sent after it")
        return response, [Part(text=f"Content of the result of call {result.call_id}:"), *media_found]


def _response(text: str, *, is_error: bool) -> msgspec.Raw:
    """A result's text as the object Gemini wants: an object is itself, everything else goes under one member."""
    if is_error:
        return msgspec.Raw(msgspec.json.encode({"error": text}))
    try:
        value = jsontext.compact(text.encode())
    except ValueError:  # no JSON
        return msgspec.Raw(msgspec.json.encode({"output": text}))
    if value.startswith(b"{"):
        return msgspec.Raw(value)
    return msgspec.Raw(b'{"output":' + value + b"}")


def _signed(part: Part, signature: str) -> Part:
    return msgspec.structs.replace(part, thought_signature=_standard(signature)) if signature else part


def _standard(signature: str) -> str:
    """A signature in the standard alphabet: Google's SDK hands clients the URL-safe one."""
    return media.standard_base64(signature) if "-" in signature or "_" in signature else signature
