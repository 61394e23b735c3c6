"""Input items to turns: what the model said together is one turn, outputs of tools another (translation.md §11.3)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate import carriers, reading
from omniroute.translate.canonical import Block, Json, Opaque, Reasoning, Role, Text, ToolCall, ToolResult, Turn
from omniroute.translate.dialects.openai_responses.content_in import NAME, read_content
from omniroute.translate.notes import Unsupported

MAX_ITEMS: Final = 65536
"""Of one request."""

_FROM_CLIENT: Final = ("_output", "_response")
"""Ends of the types of hosted items that the client answers with."""


class _Typed(msgspec.Struct, frozen=True):
    type: str | None = None


class _Message(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: Raw = Raw(b"null")
    phase: str | None = None


class _FunctionCall(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    arguments: str
    id: str | None = None


class _CustomCall(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    input: str
    id: str | None = None


class _Output(msgspec.Struct, frozen=True):
    call_id: str
    output: Raw


class _Thought(msgspec.Struct, frozen=True):
    text: str = ""


class _Reasoning(msgspec.Struct, frozen=True):
    id: str | None = None
    summary: list[_Thought] | None = None
    content: list[_Thought] | None = None
    encrypted_content: str | None = None


_typed: Final = msgspec.json.Decoder(_Typed)
_message: Final = msgspec.json.Decoder(_Message)
_function_call: Final = msgspec.json.Decoder(_FunctionCall)
_custom_call: Final = msgspec.json.Decoder(_CustomCall)
_output: Final = msgspec.json.Decoder(_Output)
_reasoning: Final = msgspec.json.Decoder(_Reasoning)
_items: Final = msgspec.json.Decoder(str | list[Raw])


class Conversation:
    """Items, one after another, into leading instructions and turns."""

    __slots__ = ("_blocks", "_role", "_signature", "_turn_at", "system", "turns")

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self._role: Role = "user"
        self._blocks: list[Block] = []
        self._turn_at = ""
        self._signature = ""

    def add(self, raw: Json, at: str) -> None:
        """Take the next item. Raises ClientError naming what is wrong with it."""
        match reading.read_body(_typed, raw, at=at).type or "message":
            case "message":
                self._message(raw, at)
            case "function_call":
                self._function_call(raw, at)
            case "custom_tool_call":
                self._custom_call(raw, at)
            case "function_call_output" | "custom_tool_call_output" as kind:
                self._result(raw, at, custom=kind == "custom_tool_call_output")
            case "reasoning":
                self._reasoning(raw, at)
            case "item_reference":
                raise Unsupported(f"'{at}' refers to an item that is not kept here: send the item itself.", param=at)
            case kind:
                role: Role = "user" if kind.endswith(_FROM_CLIENT) or kind in _CLIENT_ITEMS else "assistant"
                self._say(role, Opaque(origin=NAME, raw=raw, kind=kind, at=at), at)

    def finish(self) -> None:
        """No more items: what is under way is complete."""
        self._sign_previous()
        self._flush()

    # -- kinds of items ---------------------------------------------------------------------------------------------
    def _message(self, raw: Json, at: str) -> None:
        message = reading.read_body(_message, raw, at=at)
        blocks = read_content(message.content, f"{at}.content")
        if message.role == "assistant":
            for index, block in enumerate(blocks):
                said: Block = block
                if isinstance(block, Text):
                    apart = index == 0 and bool(self._blocks) and isinstance(self._blocks[-1], Text)
                    said = msgspec.structs.replace(block, phase=message.phase or "", apart=apart)
                self._say("assistant", said, at)
            return
        self.finish()
        if message.role == "user":
            if blocks:
                self.turns.append(Turn(role="user", blocks=blocks, at=at))
            return
        texts = tuple(_instruction(block, message.role) for block in blocks)
        if not self.turns:
            self.system.extend(texts)
        elif texts:
            self.turns.append(Turn(role="system", blocks=texts, developer=message.role == "developer", at=at))

    def _function_call(self, raw: Json, at: str) -> None:
        call = reading.read_body(_function_call, raw, at=at)
        self._call(
            ToolCall(call_id=call.call_id, name=call.name, arguments=call.arguments, item_id=call.id or "", at=at)
        )

    def _custom_call(self, raw: Json, at: str) -> None:
        call = reading.read_body(_custom_call, raw, at=at)
        self._call(
            ToolCall(
                call_id=call.call_id, name=call.name, arguments=call.input, item_id=call.id or "", custom=True, at=at
            )
        )

    def _call(self, call: ToolCall) -> None:
        if not call.name:
            raise ClientError(f"'{call.at}.name' is empty.", param=f"{call.at}.name", code="invalid_value")
        signature, self._signature = self._signature, ""
        self._say("assistant", msgspec.structs.replace(call, signature=signature) if signature else call, call.at)

    def _result(self, raw: Json, at: str, *, custom: bool) -> None:
        told = reading.read_body(_output, raw, at=at)
        blocks = read_content(told.output, f"{at}.output")
        self._say("user", ToolResult(call_id=told.call_id, blocks=blocks, custom=custom, at=at), at)

    def _reasoning(self, raw: Json, at: str) -> None:
        told = reading.read_body(_reasoning, raw, at=at)
        summary = "\n\n".join(part.text for part in told.summary or () if part.text)
        text = summary or "\n\n".join(part.text for part in told.content or () if part.text)
        encrypted = told.encrypted_content or ""
        if not text and not encrypted:
            return
        carried = carriers.unwrap(encrypted)
        if carried is None:
            block = Reasoning(
                text=text,
                data=encrypted,
                origin=NAME,
                item_id=told.id or "",
                summary=bool(summary),
                redacted=not text,
                at=at,
            )
        elif carried.origin == _SIGNS_CALLS and not text and not carried.redacted:
            self._sign_previous()
            self._signature = carried.data  # of the call that follows, else of the text before
            return
        elif carried.redacted:
            block = Reasoning(data=carried.data, origin=carried.origin, redacted=True, at=at)
        else:
            block = Reasoning(text=text, signature=carried.data, origin=carried.origin, summary=bool(summary), at=at)
        self._say("assistant", block, at)

    # -- turns ------------------------------------------------------------------------------------------------------
    def _say(self, role: Role, block: Block, at: str) -> None:
        self._sign_previous()
        if role != self._role:
            self._flush()
        if not self._blocks:
            self._role, self._turn_at = role, at
        self._blocks.append(block)

    def _sign_previous(self) -> None:
        """A signature that no call followed belongs to the text before it, or stands alone."""
        signature, self._signature = self._signature, ""
        if not signature:
            return
        last = self._blocks[-1] if self._blocks and self._role == "assistant" else None
        if isinstance(last, Text | ToolCall) and not last.signature:
            self._blocks[-1] = msgspec.structs.replace(last, signature=signature)
        else:
            self._say("assistant", Text(text="", signature=signature, at=self._turn_at), self._turn_at)

    def _flush(self) -> None:
        if self._blocks:
            self.turns.append(Turn(role=self._role, blocks=tuple(self._blocks), at=self._turn_at))
            self._blocks = []


_SIGNS_CALLS: Final = "gemini"
_CLIENT_ITEMS: Final = frozenset({"additional_tools", "configuration_update"})


def read_input(raw: Raw) -> Conversation:
    """``input``: a string or items. Raises ClientError naming what is wrong."""
    conversation = Conversation()
    told = reading.read_body(_items, bytes(raw), at="input")
    if isinstance(told, str):
        conversation.turns.append(Turn(role="user", blocks=(Text(text=told, at="input"),), at="input"))
        return conversation
    for index, item in enumerate(reading.bounded(told, "input", MAX_ITEMS)):
        conversation.add(bytes(item), f"input[{index}]")
    conversation.finish()
    return conversation


def _instruction(block: Block, role: str) -> Text:
    if not isinstance(block, Text):
        raise Unsupported(f"'{block.at}' is no text: a {role} message takes only text.", param=block.at)
    return msgspec.structs.replace(block, role=role)
