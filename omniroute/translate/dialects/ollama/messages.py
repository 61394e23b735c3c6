"""Turns of the hub as Ollama's messages: text in one string, pictures beside it, calls and results by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from omniroute.translate import jsontext
from omniroute.translate.canonical import (
    Audio,
    Block,
    Document,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.dialects.ollama.schema import Call, Function, Message
from omniroute.translate.media import decoded_text, standard_base64
from omniroute.translate.notes import Notes, UnsupportedContent

_TEXT_TYPES: Final = ("text/", "application/json", "application/xml")


def write_messages(system: Iterable[Text], turns: Iterable[Turn], notes: Notes) -> tuple[Message, ...]:
    """All messages, those that would be empty left out. Raises UnsupportedContent."""
    out: list[Message] = []
    for text in system:
        _drop_cache(text, notes)
        if text.text:
            out.append(Message(role="system", content=text.text))
    for turn in turns:
        if turn.name:
            notes.add(f"{turn.at}.name", "dropped", "Ollama's messages have no name", info=True)
        match turn.role:
            case "assistant":
                out.extend(_assistant(turn, notes))
            case "user":
                out.extend(_user(turn, notes))
            case "system":
                out.extend(_spoken("system", turn.blocks, notes))
    return tuple(out)


def _user(turn: Turn, notes: Notes) -> list[Message]:
    """The results of tools, then what they brought that a tool's message cannot hold, then what the user says."""
    rest: list[Block] = []
    out = [_result(block, notes, rest) for block in turn.blocks if isinstance(block, ToolResult)]
    rest.extend(block for block in turn.blocks if not isinstance(block, ToolResult))
    return [*out, *_spoken("user", tuple(rest), notes)]


def _result(result: ToolResult, notes: Notes, rest: list[Block]) -> Message:
    if result.is_error:
        notes.add(
            f"{result.at}.is_error", "dropped", "Ollama's results have no error flag; the text says it", info=True
        )
    if result.cache is not None:
        notes.add(f"{result.at}.cache_control", "dropped", "Ollama caches by itself", info=True)
    texts: list[str] = []
    media: list[Block] = []
    for block in result.blocks:
        if isinstance(block, Image):
            notes.add(block.at, "approximated", "a picture in a tool's result follows in a message of the user")
            media.append(block)
        else:
            texts.extend(_texts(block, notes))
    if media:
        rest.extend([Text(text=f"From the result of tool call {result.call_id}:"), *media])
    return Message(role="tool", content="\n".join(texts), tool_name=result.name, tool_call_id=result.call_id)


def _spoken(role: str, blocks: tuple[Block, ...], notes: Notes) -> list[Message]:
    """One message of texts and pictures, [] if there is nothing to say."""
    texts: list[str] = []
    images: list[str] = []
    for place, block in enumerate(blocks):
        if isinstance(block, Image):
            images.append(_image(block, notes))
            if place + 1 < len(blocks):
                where = block.at.rpartition("[")[0] or block.at
                notes.add(where, "approximated", "Ollama keeps pictures apart from the text", info=True)
        else:
            texts.extend(_texts(block, notes))
    if not texts and not images:
        return []
    return [Message(role=role, content="\n".join(texts), images=tuple(images))]


def _assistant(turn: Turn, notes: Notes) -> list[Message]:
    texts: list[str] = []
    thoughts: list[str] = []
    images: list[str] = []
    calls: list[Call] = []
    for block in turn.blocks:
        match block:
            case Reasoning():
                if block.text:
                    thoughts.append(block.text)
                if block.signature or block.data or not block.text:
                    notes.add(f"{block.at}.signature", "dropped", "only its own vendor can read it", info=True)
            case ToolCall():
                calls.append(_call(block, len(calls), notes))
            case Image():
                images.append(_image(block, notes))
            case _:
                texts.extend(_texts(block, notes))
    if not (texts or thoughts or images or calls):
        return []
    message = Message(role="assistant", content="\n".join(texts), thinking="\n\n".join(thoughts))
    return [msgspec.structs.replace(message, images=tuple(images), tool_calls=tuple(calls))]


def _call(call: ToolCall, number: int, notes: Notes) -> Call:
    if call.custom:
        raw, whole = msgspec.json.encode({"input": call.arguments}), True
    else:
        raw, whole = jsontext.arguments_object(call.arguments)
    if not whole:
        notes.add(f"{call.at}.function.arguments", "approximated", "they are no JSON object, so they stand inside one")
    return Call(Function(number, call.name, msgspec.Raw(raw)), call.call_id)


def _texts(block: Block, notes: Notes) -> list[str]:
    """What a block says in words. Raises UnsupportedContent for one that cannot be put in words."""
    match block:
        case Text():
            _drop_cache(block, notes)
            return [block.text] if block.text else []
        case Refusal():
            notes.add(block.at, "approximated", "a refusal becomes text of the assistant", info=True)
            return [block.text] if block.text else []
        case Opaque():
            notes.add(block.at, "dropped", f"'{block.kind}' means something to its own vendor only")
            return []
        case Document():
            return [_document(block, notes)]
        case Audio():
            raise _unsupported(block.at, "Sound", "Ollama takes text and pictures")
        case _:
            raise _unsupported(block.at, "This part", "it does not belong in a message of this role")


def _document(document: Document, notes: Notes) -> str:
    """A text file as text under its title. Other files, above all PDFs, have no form."""
    source = document.source
    if source is None:
        inside = [text for block in document.blocks for text in _texts(block, notes)]
        body = document.text or "\n".join(inside)
    else:
        readable = isinstance(source, Inline) and source.media_type.startswith(_TEXT_TYPES)
        told = decoded_text(source.data) if readable and isinstance(source, Inline) else None
        if told is None:
            raise _unsupported(document.at, "This file", "Ollama takes text and pictures: send the file's text")
        body = told
    if document.citations:
        notes.add(f"{document.at}.citations", "dropped", "Ollama cites nothing")
    if document.context:
        notes.add(f"{document.at}.context", "dropped", "Ollama has no place for it", info=True)
    notes.add(document.at, "approximated", "a document becomes text", info=True)
    title = document.title or document.filename
    return f"{title}\n{body}" if title else body


def _image(image: Image, notes: Notes) -> str:
    if not isinstance(image.source, Inline):
        raise _unsupported(image.at, "A picture by URL or file id", "Ollama fetches nothing: send it as a data URL")
    if image.detail:
        notes.add(f"{image.at}.image_url.detail", "dropped", "Ollama has no such member", info=True)
    if image.cache is not None:
        notes.add(f"{image.at}.cache_control", "dropped", "Ollama caches by itself", info=True)
    return standard_base64(image.source.data)


def _drop_cache(text: Text, notes: Notes) -> None:
    if text.cache is not None:
        notes.add(f"{text.at}.cache_control", "dropped", "Ollama caches by itself", info=True)
    if text.citations:
        notes.add(f"{text.at}.citations", "dropped", "Ollama has no place for sources")


def _unsupported(at: str, what: str, why: str) -> UnsupportedContent:
    return UnsupportedContent(f"'{at}': {what} cannot be sent to the chosen model; {why}.", param=at)
