"""Turns to input items (translation.md §7.2, §11.3, §11.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw

from omniroute.translate.canonical import Block, Image, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from omniroute.translate.conversation import paired, without_empty
from omniroute.translate.dialects.openai_responses.content_out import (
    InputText,
    Part,
    note_cache,
    said_parts,
    user_parts,
)
from omniroute.translate.dialects.openai_responses.tools import NAME
from omniroute.translate.naming import Renamer
from omniroute.translate.notes import Notes, UnsupportedContent


class Message(msgspec.Struct, frozen=True, tag="message", omit_defaults=True, kw_only=True):
    """Anybody's say. The model's own is a string or parts without ids: those belong to stored items."""

    role: str
    content: str | tuple[Part, ...]
    phase: str = ""


class SummaryText(msgspec.Struct, frozen=True, tag="summary_text"):
    """Reasoning, summed up."""

    text: str


class ReasoningItem(msgspec.Struct, frozen=True, tag="reasoning"):
    """Earlier reasoning, given back: it is the encrypted content that counts."""

    id: str
    summary: tuple[SummaryText, ...]
    encrypted_content: str


class FunctionCall(msgspec.Struct, frozen=True, tag="function_call"):
    """A call."""

    call_id: str
    name: str
    arguments: str


class CustomCall(msgspec.Struct, frozen=True, tag="custom_tool_call"):
    """A call with free text."""

    call_id: str
    name: str
    input: str


class FunctionOutput(msgspec.Struct, frozen=True, tag="function_call_output"):
    """What a tool said."""

    call_id: str
    output: str | tuple[Part, ...]


class CustomOutput(msgspec.Struct, frozen=True, tag="custom_tool_call_output"):
    """What a tool with free text said."""

    call_id: str
    output: str | tuple[Part, ...]


Item = Message | ReasoningItem | FunctionCall | CustomCall | FunctionOutput | CustomOutput | Raw


class ItemWriter:
    """Turns of one request into items; names and ids are fitted on the way."""

    __slots__ = ("_ids", "_names", "_notes")

    def __init__(self, notes: Notes, names: Renamer, ids: Renamer) -> None:
        self._notes = notes
        self._names = names
        self._ids = ids

    def items(self, turns: Iterable[Turn]) -> list[Item]:
        """The conversation. Raises UnsupportedContent for what has no form here."""
        shaped = without_empty(paired(turns, self._notes))
        return [item for turn in shaped for item in self._turn(turn)]

    def instruction(self, text: Text) -> Message:
        """A system or developer text that is not ``instructions``."""
        note_cache(text, self._notes)
        return Message(role=text.role, content=(InputText(text.text),))

    def _turn(self, turn: Turn) -> Iterator[Item]:
        if turn.name:
            self._notes.add(f"{turn.at}.name", "dropped", "messages have no names here", info=True)
        if turn.role == "assistant":
            yield from self._said(turn.blocks)
        elif turn.role == "system":
            parts = tuple(user_parts(turn.blocks, self._notes))
            yield Message(role="developer" if turn.developer else "system", content=parts)
        else:
            yield from self._heard(turn.blocks)

    def _heard(self, blocks: Iterable[Block]) -> Iterator[Item]:
        """A user's turn: results of tools, and what was said beside them."""
        run: list[Block] = []
        for block in blocks:
            own = isinstance(block, Opaque) and block.origin == NAME
            if not own and not isinstance(block, ToolResult):
                if run and isinstance(block, Text) and block.apart:
                    yield from self._user(run)
                    run = []
                run.append(block)
                continue
            yield from self._user(run)
            run = []
            if isinstance(block, ToolResult):
                yield self._result(block)
            elif isinstance(block, Opaque):
                yield Raw(block.raw)
        yield from self._user(run)

    def _user(self, run: Iterable[Block]) -> Iterator[Message]:
        parts = tuple(user_parts(run, self._notes))
        if parts:
            yield Message(role="user", content=parts)

    def _result(self, result: ToolResult) -> Item:
        if result.is_error:
            self._notes.add(f"{result.at}.is_error", "dropped", "the text of the result says it", info=True)
        if result.cache is not None:
            self._notes.add(f"{result.at}.cache_control", "dropped", "the provider caches by itself", info=True)
        parts = tuple(user_parts(result.blocks, self._notes))
        output: str | tuple[Part, ...] = parts
        if not parts:
            output = ""
        elif len(parts) == 1 and isinstance(parts[0], InputText):
            output = parts[0].text
        call_id = self._ids.fit(result.call_id)
        return CustomOutput(call_id, output) if result.custom else FunctionOutput(call_id, output)

    def _said(self, blocks: Iterable[Block]) -> Iterator[Item]:
        """The model's turn: neighbouring texts and refusals are one message."""
        run: list[Text | Refusal] = []
        for block in blocks:
            if isinstance(block, Text | Refusal):
                if run and not _joins(run[-1], block):
                    yield _message(run)
                    run = []
                if isinstance(block, Text):
                    note_cache(block, self._notes)
                    self._note_citations(block)
                run.append(block)
                continue
            written = self._act(block)
            if written is not None:
                if run:
                    yield _message(run)
                    run = []
                yield written
        if run:
            yield _message(run)

    def _act(self, block: Block) -> Item | None:
        """What the model did besides speaking; None for what stays behind."""
        match block:
            case Reasoning():
                return self._reasoning(block)
            case ToolCall():
                return self._call(block)
            case Opaque(origin=origin) if origin == NAME:
                return Raw(block.raw)
            case Opaque():
                self._notes.add(block.at, "dropped", "only another vendor can read it")
                return None
            case Image():
                raise UnsupportedContent(
                    f"'{block.at}' is a picture in the model's own turn: the chosen model takes it from users only.",
                    param=block.at,
                )
            case _:
                raise UnsupportedContent(
                    f"'{block.at}' has no form in the model's own turn for the chosen model.", param=block.at
                )

    def _reasoning(self, block: Reasoning) -> Item | None:
        if block.origin != NAME or not block.data:
            self._notes.add(block.at, "dropped", "the provider takes back only its own encrypted reasoning", info=True)
            return None
        summary = (SummaryText(block.text),) if block.text else ()
        return ReasoningItem(block.item_id, summary, block.data)

    def _call(self, call: ToolCall) -> Item:
        if call.signature:
            self._notes.add(call.at, "dropped", "its signature is another vendor's", info=True)
        if call.cache is not None:
            self._notes.add(f"{call.at}.cache_control", "dropped", "the provider caches by itself", info=True)
        call_id, name = self._ids.fit(call.call_id), self._names.fit(call.name)
        if call.custom:
            return CustomCall(call_id, name, call.arguments)
        return FunctionCall(call_id, name, call.arguments or "{}")

    def _note_citations(self, text: Text) -> None:
        if text.citations:
            self._notes.add(text.at, "dropped", "sources of an earlier answer are not sent back", info=True)


def _joins(last: Text | Refusal, block: Text | Refusal) -> bool:
    if not isinstance(block, Text):
        return True
    return not block.apart and (not isinstance(last, Text) or last.phase == block.phase)


def _message(run: list[Text | Refusal]) -> Message:
    phase = next((block.phase for block in run if isinstance(block, Text)), "")
    return Message(role="assistant", content=said_parts(run), phase=phase)
