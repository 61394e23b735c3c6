"""The conversation for an upstream: instructions, messages, calls and results (translation.md §11.2 to §11.4, §9)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.domain import Quirks
from omniroute.translate.canonical import (
    Block,
    ChatRequest,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.conversation import NO_RESULT, paired, without_empty
from omniroute.translate.dialects.openai_chat import request_schema as schema
from omniroute.translate.dialects.openai_chat.answer_schema import ExtraContent, signature_content
from omniroute.translate.dialects.openai_chat.content_out import ContentWriter
from omniroute.translate.dialects.openai_chat.details import Entry, entries_of
from omniroute.translate.naming import CHAT_ID, MISTRAL_ID, Renamer
from omniroute.translate.notes import Notes

Message = schema.Message | schema.AssistantMessage

_OURS: Final = "openai_chat"
_ONE_MESSAGE: Final = frozenset({"anthropic", "gemini"})
"""Clients whose instructions are one list, of which one message is made."""
_BLANK: Final = " "
"""Stands for reasoning nobody has: some model versions refuse an empty string, none a blank (translation.md §9)."""


class MessageWriter:
    """Writes one request's conversation."""

    __slots__ = ("_content", "_custom", "_notes", "_ours", "_quirks", "_request", "call_ids", "names")

    def __init__(self, request: ChatRequest, quirks: Quirks, notes: Notes, names: Renamer, *, custom: bool) -> None:
        """``custom``: the upstream knows custom tools."""
        self._request = request
        self._quirks = quirks
        self._notes = notes
        self._content = ContentWriter(quirks, notes)
        self._custom = custom
        self._ours = request.origin == _OURS
        self.names = names
        known = (block.call_id for turn in request.turns for block in turn.blocks if isinstance(block, ToolCall))
        self.call_ids = Renamer(MISTRAL_ID if quirks.mistral else CHAT_ID, known)

    def messages(self) -> tuple[Message, ...]:
        """All of them; () if nobody says anything. Raises UnsupportedContent."""
        turns = without_empty(paired(self._request.turns, self._notes))
        if not turns and not self._request.system:
            return ()
        messages = [*self._instructions()]
        for turn in turns:
            messages += self._turn(turn)
        last = messages[-1] if messages else None
        if self._quirks.mistral and isinstance(last, schema.AssistantMessage):
            messages[-1] = msgspec.structs.replace(last, prefix=True)  # else it refuses a last message of this role
        return tuple(messages)

    # -- instructions --------------------------------------------------------------------------------------------------
    def _instructions(self) -> Iterator[Message]:
        said = [text for text in self._request.system if text.text.strip()]
        if said and self._request.origin in _ONE_MESSAGE:
            yield self._instruction(said, developer=said[0].role == "developer")
            return
        for _, run in groupby(said, _message_of):
            texts = list(run)
            yield self._instruction(texts, developer=texts[0].role == "developer")

    def _instruction(self, texts: list[Text], *, developer: bool, name: str = "") -> schema.Message:
        role = "developer" if developer and self._quirks.developer_role else "system"
        return schema.Message(role=role, content=self._content.joined(texts, "\n"), name=name)

    # -- turns ---------------------------------------------------------------------------------------------------------
    def _turn(self, turn: Turn) -> Iterator[Message]:
        if turn.role == "assistant":
            yield self._assistant(turn)
        elif turn.role == "system":
            texts = [block for block in turn.blocks if isinstance(block, Text)]
            yield self._instruction(texts, developer=turn.developer, name=turn.name)
        else:
            yield from self._user(turn)

    def _user(self, turn: Turn) -> Iterator[Message]:
        """Results as messages of their own; what they show, and everything else, as the user's."""
        shown: list[Block] = []
        for block in turn.blocks:
            if isinstance(block, ToolResult):
                message, media = self._result(block)
                yield message
                shown += media
        shown += [block for block in turn.blocks if not isinstance(block, ToolResult)]
        content = self._content.content(shown)
        if content:
            yield schema.Message(role="user", content=content, name=turn.name)

    def _result(self, result: ToolResult) -> tuple[schema.Message, list[Block]]:
        """The result's message, with its texts, and what of it a tool's message cannot hold."""
        self._content.mark(result.cache, result.at)
        if result.is_error and not _is_ours(result):
            self._notes.add(f"{result.at}.is_error", "dropped", "the text says that it failed", info=True)
        texts = [block for block in result.blocks if isinstance(block, Text)]
        call_id = self.call_ids.fit(result.call_id)
        media = [block for block in result.blocks if not isinstance(block, Text)]
        for block in media:
            self._notes.add(block.at, "approximated", "what a tool shows follows in a message of the user")
        content = "\n".join(text.text for text in texts)
        for text in texts:
            self._content.mark(text.cache, text.at)
        shown: list[Block] = [Text(text=f"Shown by the tool of call {call_id}:"), *media] if media else []
        return schema.Message(role="tool", content=content, tool_call_id=call_id), shown

    # -- the assistant -------------------------------------------------------------------------------------------------
    def _assistant(self, turn: Turn) -> schema.AssistantMessage:
        thoughts = [block for block in turn.blocks if isinstance(block, Reasoning)]
        texts = [block for block in turn.blocks if isinstance(block, Text)]
        calls = [block for block in turn.blocks if isinstance(block, ToolCall)]
        refusal = "".join(block.text for block in turn.blocks if isinstance(block, Refusal))
        if refusal and not self._quirks.developer_role:
            self._notes.add(turn.at, "approximated", "a refusal becomes what the assistant said", info=True)
            texts.append(Text(text=refusal))
            refusal = ""
        content = self._said(texts, [block for block in turn.blocks if not isinstance(block, _SAID)])
        reasoning = self._echo(turn, thoughts)
        if self._quirks.mistral and thoughts:
            content = self._as_parts(thoughts, content)
        return schema.AssistantMessage(
            role="assistant",
            content=content,
            name=turn.name,
            refusal=refusal,
            reasoning_content=reasoning,
            reasoning_details=self._details(thoughts),
            tool_calls=tuple(self._call(call) for call in calls),
            extra_content=self._extra(texts),
            audio=self._audio(turn),
        )

    def _said(self, texts: list[Text], others: list[Block]) -> str | tuple[schema.Part, ...] | None:
        """The content; null if there is none, an empty string for those who refuse or never send null."""
        for block in others:
            if not (isinstance(block, Opaque) and self._is_our_audio(block)):
                self._notes.add(block.at, "dropped", "an earlier answer holds text and calls only")
        if texts:
            return self._content.joined(texts, "")
        return "" if self._quirks.reasoning_echo or self._request.origin == "ollama" else None

    def _echo(self, turn: Turn, thoughts: list[Reasoning]) -> str:
        """``reasoning_content``, for those who want it back."""
        if self._quirks.reasoning_details or self._quirks.mistral:
            return ""
        if not self._quirks.reasoning_echo:
            for block in thoughts:
                self._notes.add(block.at, "dropped", "this provider takes no earlier reasoning", info=True)
            return ""
        for block in thoughts:
            if not block.text:
                self._notes.add(block.at, "dropped", "only its own vendor can read it", info=True)
        said = "\n\n".join(block.text for block in thoughts if block.text)
        if not said and self._quirks.reasoning_echo == "required":
            self._notes.add(turn.at, "synthesised", "this provider refuses an answer without reasoning", info=True)
            return _BLANK
        return said

    def _details(self, thoughts: list[Reasoning]) -> tuple[Entry, ...]:
        if not self._quirks.reasoning_details:
            return ()
        entries: list[Entry] = []
        for number, block in enumerate(thoughts):
            if block.origin == "gemini" and block.signature:
                self._notes.add(block.at, "dropped", "its signature is for Gemini alone", info=True)
                block = msgspec.structs.replace(block, signature="")  # noqa: PLW2901 - the text goes on
            entries += entries_of(block, number)
        return tuple(entries)

    def _as_parts(
        self, thoughts: list[Reasoning], content: str | tuple[schema.Part, ...] | None
    ) -> str | tuple[schema.Part, ...] | None:
        said = tuple(schema.ThinkingPart((schema.TextPart(block.text),)) for block in thoughts if block.text)
        for block in thoughts:
            if not block.text:
                self._notes.add(block.at, "dropped", "only its own vendor can read it", info=True)
        if not said:
            return content
        if isinstance(content, str):
            return (*said, schema.TextPart(content)) if content else said
        return (*said, *(content or ()))

    def _call(self, call: ToolCall) -> schema.ToolCall:
        if call.cache is not None:
            self._notes.add(f"{call.at}.cache_control", "dropped", "a call takes no cache mark here", info=True)
        call_id, name = self.call_ids.fit(call.call_id), self.names.fit(call.name)
        if call.custom and self._custom:
            return schema.ToolCall(call_id, "custom", custom=schema.Custom(name, call.arguments))
        if call.custom:
            arguments = msgspec.json.encode({"input": call.arguments}).decode()
        else:
            arguments = call.arguments if call.arguments.strip() else "{}"
        extra: ExtraContent | None = None
        if call.signature and self._ours:
            extra = signature_content(call.signature)
        elif call.signature:
            self._notes.add(call.at, "dropped", "its signature is for Gemini alone", info=True)
        return schema.ToolCall(call_id, "function", function=schema.Function(name, arguments), extra_content=extra)

    def _extra(self, texts: list[Text]) -> ExtraContent | None:
        signed = next((text for text in texts if text.signature), None)
        if signed is None:
            return None
        if self._ours:
            return signature_content(signed.signature)
        self._notes.add(signed.at, "dropped", "its signature is for Gemini alone", info=True)
        return None

    def _audio(self, turn: Turn) -> Raw | None:
        found = (block for block in turn.blocks if isinstance(block, Opaque) and self._is_our_audio(block))
        return next((Raw(block.raw) for block in found), None)

    def _is_our_audio(self, block: Opaque) -> bool:
        return self._ours and block.origin == _OURS and block.kind == "audio"


_SAID: Final = (Text, Reasoning, ToolCall, Refusal)


def _is_ours(result: ToolResult) -> bool:
    """Whether it stands for a result the client has not sent."""
    return result.blocks == (Text(text=NO_RESULT),)


def _message_of(text: Text) -> tuple[str, str, int]:
    """The same for texts that the client wrote as parts of one message, another for each that stands nowhere."""
    where = text.at.partition(".content")[0]
    return text.role, where, 0 if where else id(text)
