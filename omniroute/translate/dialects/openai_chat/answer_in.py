"""Whole answers of an upstream, read (translation.md §12.1): what is not understood is left out, never refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import (
    Block,
    Candidate,
    ChatResponse,
    Finish,
    Json,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from omniroute.translate.dialects.openai_chat.calls import MAX_CALLS, argument_text, signature_of
from omniroute.translate.dialects.openai_chat.decoder import MAX_CHOICES
from omniroute.translate.dialects.openai_chat.details import blocks_of, read_details
from omniroute.translate.dialects.openai_chat.finish import read_finish
from omniroute.translate.dialects.openai_chat.parts import read_image, read_url_citations, text_pieces
from omniroute.translate.dialects.openai_chat.usage import usage_of_body
from omniroute.translate.jsontext import unescaped
from omniroute.translate.members import count, items, member, members, text, word

_ANSWER: Final = (b"id", b"model", b"created", b"service_tier", b"choices")
_CHOICE: Final = (b"index", b"message", b"finish_reason", b"logprobs", b"error")
_MESSAGE: Final = (
    b"reasoning_details", b"reasoning_content", b"reasoning", b"content", b"refusal", b"tool_calls", b"function_call",
    b"annotations", b"images", b"extra_content", b"audio",
)  # fmt: skip
_CALL: Final = (b"id", b"type", b"function", b"custom", b"extra_content")
_INNER: Final = (b"name", b"arguments", b"input")


def read_answer(body: bytes, quirks: Quirks) -> ChatResponse:
    """The answer ``body``. Raises ValueError if it has no list of choices."""
    answer_id, model, created, tier, choices = members(body, _ANSWER)
    if not choices.startswith(b"["):
        raise ValueError("no list of choices")
    listed = items(choices, MAX_CHOICES)
    candidates = tuple(_candidate(choice, place) for place, choice in enumerate(listed))
    if quirks.merge_choices:
        candidates = _merged(candidates)
    return ChatResponse(
        id=word(answer_id),
        model=word(model),
        candidates=candidates,
        usage=usage_of_body(body),
        created_epoch_s=count(created) or 0,
        service_tier=word(tier),
        origin="openai_chat",
    )


def _merged(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """The first answer, with the calls of the others, which are of the same."""
    if not candidates:
        return ()
    first, *others = candidates
    calls = tuple(block for other in others for block in other.blocks if isinstance(block, ToolCall))
    finish = first.finish
    if calls and finish is not None and finish.reason == "stop":
        finish = msgspec.structs.replace(finish, reason="tool")
    return (msgspec.structs.replace(first, blocks=first.blocks + calls, finish=finish),)


def _candidate(raw: Json, place: int) -> Candidate:
    index, message, finish, logprobs, error = members(raw, _CHOICE)
    number = count(index)
    blocks = tuple(_blocks(message, member(logprobs, b"content")))
    said = "error" if error else word(finish)
    read = read_finish(
        said,
        called=any(isinstance(block, ToolCall) for block in blocks),
        refused=any(isinstance(block, Refusal) for block in blocks),
    )
    if error:
        read = Finish(reason="error", raw=said, detail=word(member(error, b"message")) or word(error))
    return Candidate(blocks=blocks, finish=read, index=place if number is None else number)


def _blocks(message: Json, probabilities: Json) -> Iterator[Block]:
    """Reasoning, content, refusal, calls: the dialect knows no order."""
    details, thought, thought_too, content, refusal, calls, call, notes, images, extra, audio = members(
        message, _MESSAGE
    )
    yield from _reasoning(details, word(thought) or word(thought_too))
    yield from _content(content, probabilities, notes, signature_of(extra))
    refused = unescaped(text(refusal))
    if refused:
        yield Refusal(text=refused)
    for image in items(images, MAX_CALLS):
        found = read_image(image)
        if found is not None:
            yield found
    if audio:
        yield Opaque(origin="openai_chat", kind="audio", raw=audio)
    yield from _calls(items(calls, MAX_CALLS))
    if call.startswith(b"{"):
        name, arguments = members(call, (b"name", b"arguments"))
        if word(name):
            yield ToolCall(call_id="", name=word(name), arguments=unescaped(argument_text(arguments)), legacy=True)


def _reasoning(details: Json, plain: str) -> Iterator[Reasoning]:
    """By details if they have any text, else by the plain member; what only their maker can read in any case."""
    blocks = blocks_of(read_details(details))
    if any(block.text for block in blocks):
        yield from blocks
        return
    if plain and len(blocks) == 1 and not blocks[0].redacted:
        yield msgspec.structs.replace(blocks[0], text=plain)  # a signature alone: of this text
        return
    if plain:
        yield Reasoning(text=plain)
    yield from blocks


def _content(content: Json, probabilities: Json, notes: Json, signature: str) -> Iterator[Block]:
    found: list[Block] = []
    for piece in text_pieces(content):
        if piece.image is not None:
            found.append(piece.image)
        elif piece.thinking:
            found.append(Reasoning(text=unescaped(piece.text)))
        else:
            found.append(Text(text=unescaped(piece.text)))
    at = next((place for place, block in enumerate(found) if isinstance(block, Text)), None)
    if at is None and (signature or content == b'""'):
        at = len(found)
        found.append(Text(text=""))
    if at is not None:
        text_block = found[at]
        assert isinstance(text_block, Text)
        found[at] = msgspec.structs.replace(
            text_block,
            citations=tuple(read_url_citations(notes)),
            logprobs=probabilities if items(probabilities, 1) else b"",
            signature=signature,
        )
    yield from found


def _calls(calls: tuple[Json, ...]) -> Iterator[ToolCall]:
    seen: set[str] = set()
    for raw in calls:
        call_id, kind, function, custom, extra = members(raw, _CALL)
        name, arguments, free = members(function or custom, _INNER)
        if not word(name):
            continue  # no client could run it
        given = word(call_id)
        yield ToolCall(
            call_id="" if given in seen else given,
            name=word(name),
            arguments=unescaped(argument_text(arguments) or text(free)),
            custom=word(kind) == "custom" or bool(custom and not function),
            signature=signature_of(extra),
        )
        seen.add(given)
