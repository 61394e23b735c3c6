"""Streams for a client, written: stream events in, chunks out (translation.md §13.3).

What does not change within a stream (id, time, model) is rendered once; a delta is that, the escaped text as it came,
and the end of the chunk. Reasoning that only its maker can read is written twice: as plain ``reasoning_content``, and
in the ``reasoning_details`` that clients send back.
"""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.domain import Usage
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.canonical import Image, Json, Reasoning, Refusal, Text, ToolCall
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_chat.answer_schema import annotation, image_part, signature_content
from omniroute.translate.dialects.openai_chat.details import Entry, entries_of, format_of, needs_details
from omniroute.translate.dialects.openai_chat.errors import error_event
from omniroute.translate.dialects.openai_chat.finish import finish_word
from omniroute.translate.dialects.openai_chat.restore import Restorer, custom_input
from omniroute.translate.events import (
    BlockKind,
    Cite,
    Close,
    Delta,
    End,
    Failure,
    Finish,
    Open,
    Probabilities,
    Report,
    Sign,
    Start,
    StreamEvent,
    Whole,
)
from omniroute.translate.jsontext import escaped, literal, unescaped
from omniroute.translate.openai_bodies import write_usage
from omniroute.translate.stream import Frame

_BLANK_LINE: Final = rb"\n\n"
_IGNORED: Final = Frame(b"", b"", silent=True)
_GOOGLE: Final = "gemini"


class _Block:
    """An open block. ``separator`` is owed before its first text."""

    __slots__ = ("choice", "emulated", "held", "kind", "number", "opened", "said", "separator", "start")

    def __init__(self, choice: _Choice, opened: Open) -> None:
        self.choice = choice
        self.opened = opened
        self.kind = opened.kind
        self.separator = b""
        self.said = False
        """It has text."""
        self.number = -1
        """Of a call, its place in ``tool_calls``, -1 if it cannot be told of; of a thought, its place among them."""
        self.emulated = False
        """A function that stands for the client's custom tool: told of when it is complete."""
        self.held: list[bytes] = []
        self.start = 0
        """Characters of the choice's content before it."""


class _Choice:
    """What has been said of one choice."""

    __slots__ = ("calls", "chars", "head", "index", "spoke", "thoughts")

    def __init__(self, index: int, head: bytes) -> None:
        self.index = index
        self.head = head
        """A chunk of it up to the members of its delta."""
        self.calls = 0
        self.thoughts = 0
        self.chars = 0
        self.spoke: set[str] = set()
        """Members of the message that have text."""


class ChatEncoder:
    """One stream, written."""

    __slots__ = (
        "_blocks", "_choices", "_context", "_counts", "_head", "_restorer", "_tail", "_usage", "sequence",
    )  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.sequence = 0
        self._context = context
        self._restorer = Restorer(context)
        # Only who lets a vendor search the web gets citations, and only they need the place of each text.
        self._counts = context.request is None or any(name == "web_search_options" for name, _ in context.request.ext)
        self._tail = b'},"finish_reason":null}]' + (b',"usage":null' if context.include_usage else b"") + b"}\n\n"
        self._head = b""
        self._choices: dict[int, _Choice] = {}
        self._blocks: dict[int, _Block] = {}
        self._usage = Usage()

    # -- StreamEncoder -----------------------------------------------------------------------------------------------
    def encode(self, event: StreamEvent) -> bytes:
        """The chunks for one event."""
        match event:
            case Start():
                return self._started(event)
            case Open():
                return self._opened(event)
            case Delta() | Sign() | Cite() | Probabilities() | Close():
                block = self._blocks.get(event.block)
                return b"" if block is None else self._more(block, event)
            case Whole():
                return self._whole(event)
            case Report() | Finish() | Failure() | End():
                return self._over(event)

    def frame(self, block: int) -> Frame | None:
        """Around text, plain reasoning, refusals and arguments; kept where characters must be counted."""
        known = self._blocks.get(block)
        if known is None:
            return _IGNORED
        if known.kind == "tool" and known.number < 0:
            return _IGNORED
        if not known.said:
            return None  # the first text of a block always comes by ``encode``: from then on it is known to have some
        if known.emulated:
            return Frame(b"", b"", keep=True, silent=True)
        head, tail = self._around(known)
        again = None
        if self._doubled(known):
            again, tail = tail + self._detail(known)[0], self._detail(known)[1]
        return Frame(
            known.choice.head + head, tail + self._tail, again=again, keep=self._counts and known.kind == "text"
        )

    def caught(self, block: int, text: bytes) -> None:
        """Count the characters of a text, or keep the arguments of a call that is told of later."""
        known = self._blocks.get(block)
        if known is not None:
            self._keep(known, text)

    def _more(self, block: _Block, event: Delta | Sign | Cite | Probabilities | Close) -> bytes:
        """More of an open block."""
        match event:
            case Delta():
                return self._delta(block, event.text)
            case Sign():
                return self._signed(block, event)
            case Cite():
                return self._cited(block, event)
            case Probabilities():
                return self._probable(block.choice, event.content)
            case Close():
                del self._blocks[event.block]
                return self._closed(block)

    def _over(self, event: Report | Finish | Failure | End) -> bytes:
        """What comes at the end."""
        match event:
            case Report():
                self._usage = event.usage
                return b""
            case Finish():
                return self._finished(event.choice, event.finish)
            case Failure():
                return error_event(event.error, self._context.request_id)
            case End():
                return self._ended()

    # -- inner ---------------------------------------------------------------------------------------------------------
    def _started(self, start: Start) -> bytes:
        if self._head:
            return b""
        self._begin(start)
        return self._choice_begun(0)

    def _begin(self, start: Start) -> None:
        context = self._context
        known = self._restorer.tier(start.service_tier)
        tier = b',"service_tier":' + literal(known) if known else b""
        self._head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b%b,"choices":[' % (
            literal(self._restorer.answer_id(start.id)),
            start.created_epoch_s or context.created_epoch_s,
            literal(start.model or context.model),
            tier,
        )

    def _choice_begun(self, index: int) -> bytes:
        if not self._head:
            self._begin(Start())
        choice = _Choice(index, self._head + b'{"index":%d,"delta":{' % index)
        self._choices[index] = choice
        return self._said(choice, b'"role":"assistant","content":""')

    def _known(self, index: int) -> tuple[_Choice | None, bytes]:
        """The choice, and the chunk that begins it if there was none yet; None if the client asked for fewer."""
        if index >= self._context.choices:
            return None, b""
        begun = b"" if index in self._choices else self._choice_begun(index)
        return self._choices[index], begun

    def _said(self, choice: _Choice, members: bytes) -> bytes:
        return choice.head + members + self._tail

    # -- blocks --------------------------------------------------------------------------------------------------------
    def _opened(self, event: Open) -> bytes:
        choice, begun = self._known(event.choice)
        if choice is None:
            return b""
        block = self._blocks[event.block] = _Block(choice, event)
        block.start = choice.chars
        if event.kind == "tool":
            return begun + self._call_begun(block, event)
        if event.kind == "reasoning":
            choice.thoughts += 1
            block.number = choice.thoughts - 1
        if event.kind in choice.spoke and (event.apart or event.kind == "reasoning"):
            block.separator = _BLANK_LINE
        return begun

    def _call_begun(self, block: _Block, event: Open) -> bytes:
        name = self._restorer.tool(event.name)
        if self._restorer.legacy:
            if block.choice.calls:
                return b""  # ``function_call`` can say one call
            block.choice.calls = 1
            block.number = 0
            return self._said(block.choice, b'"function_call":{"name":%b,"arguments":""}' % literal(name))
        block.number = block.choice.calls
        block.choice.calls += 1
        block.emulated = not event.custom and self._restorer.emulated(name)
        if block.emulated:
            return b""
        return self._said(block.choice, self._first_fragment(block, name, b'""'))

    def _first_fragment(self, block: _Block, name: str, text: Json) -> bytes:
        event = block.opened
        custom = event.custom or block.emulated
        form = (
            b'"custom","custom":{"name":%b,"input":%b}'
            if custom
            else b'"function","function":{"name":%b,"arguments":%b}'
        )
        extra = b""
        if event.signature and event.origin in ("", _GOOGLE):
            extra = b',"extra_content":' + msgspec.json.encode(signature_content(event.signature))
        call_id = literal(self._restorer.call_id(event.call_id))
        return b'"tool_calls":[{"index":%d,"id":%b,"type":%b%b}]' % (
            block.number, call_id, form % (literal(name), text), extra,
        )  # fmt: skip

    def _doubled(self, block: _Block) -> bool:
        """Whether it is written in ``reasoning_details`` too."""
        opened = block.opened
        return block.kind == "reasoning" and needs_details(opened.origin, summary=opened.summary)

    def _around(self, block: _Block) -> tuple[bytes, bytes]:
        """What stands before and after the text in a delta."""
        match block.kind:
            case "text":
                return b'"content":"', b'"'
            case "reasoning":
                return b'"reasoning_content":"', b'"'
            case "refusal":
                return b'"refusal":"', b'"'
            case "tool":
                if self._restorer.legacy:
                    return b'"function_call":{"arguments":"', b'"}'
                if block.opened.custom:
                    return b'"tool_calls":[{"index":%d,"custom":{"input":"' % block.number, b'"}}]'
                return b'"tool_calls":[{"index":%d,"function":{"arguments":"' % block.number, b'"}}]'

    def _delta(self, block: _Block, text: bytes) -> bytes:
        self._keep(block, text)
        if block.emulated or (block.number < 0 and block.kind == "tool"):
            return b""
        head, tail = self._around(block)
        members = head + block.separator + text + tail
        block.separator = b""
        if self._doubled(block):
            before, after = self._detail(block)
            members += before + text + after
        return self._said(block.choice, members)

    def _detail(self, block: _Block) -> tuple[bytes, bytes]:
        """What stands before and after the text where it is written a second time, in ``reasoning_details``."""
        opened = block.opened
        entry = Entry(
            "reasoning.summary" if opened.summary else "reasoning.text",
            format=format_of(opened.origin),
            id=opened.item_id or None,
            index=block.number,
        )
        member = b'"summary":"' if opened.summary else b'"text":"'
        return b',"reasoning_details":[{' + member, b'",' + msgspec.json.encode(entry)[1:] + b"]"

    def _keep(self, block: _Block, text: bytes) -> None:
        block.said = True
        block.choice.spoke.add(block.kind)
        if block.emulated:
            block.held.append(text)
        elif block.kind == "text" and self._counts:
            block.choice.chars += len(unescaped(block.separator + text))

    def _closed(self, block: _Block) -> bytes:
        if block.kind != "tool" or block.number < 0:
            return b""
        if block.emulated:
            text = custom_input(unescaped(b"".join(block.held)))
            name = self._restorer.tool(block.opened.name)
            return self._said(block.choice, self._first_fragment(block, name, literal(text)))
        if block.said or block.opened.custom:
            return b""
        head, tail = self._around(block)
        return self._said(block.choice, head + b"{}" + tail)

    # -- what stands beside text ---------------------------------------------------------------------------------------
    def _signed(self, block: _Block, event: Sign) -> bytes:
        if event.origin == _GOOGLE and event.signature:
            extra = b'"extra_content":' + msgspec.json.encode(signature_content(event.signature))
            if block.kind == "tool":
                if block.number < 0 or self._restorer.legacy or block.emulated:
                    return b""
                fragment = b'"tool_calls":[{"index":%d,"function":{"arguments":""},%b}]'
                return self._said(block.choice, fragment % (block.number, extra))
            return self._said(block.choice, extra)
        if block.kind != "reasoning":
            return b""
        signed = Reasoning(
            signature=event.signature,
            data=event.data,
            origin=event.origin,
            item_id=event.item_id or block.opened.item_id,
        )
        return self._details(block.choice, signed, block.number)

    def _details(self, choice: _Choice, block: Reasoning, number: int) -> bytes:
        entries = entries_of(block, number)
        return self._said(choice, b'"reasoning_details":' + msgspec.json.encode(entries)) if entries else b""

    def _cited(self, block: _Block, event: Cite) -> bytes:
        note = annotation(event.citation, block.start, block.choice.chars)
        if note is None:
            return b""
        return self._said(block.choice, b'"annotations":' + msgspec.json.encode((note,)))

    def _probable(self, choice: _Choice, content: Json) -> bytes:
        logprobs = b'},"logprobs":{"content":%b,"refusal":null}' % content
        return choice.head + b'"content":""' + logprobs + self._tail.removeprefix(b"}")

    def _whole(self, event: Whole) -> bytes:
        choice, begun = self._known(event.choice)
        return b"" if choice is None else begun + self._in_one_piece(choice, event)

    def _in_one_piece(self, choice: _Choice, event: Whole) -> bytes:
        """What only another vendor understands says nothing."""
        out = b""
        match event.value:
            case Text():
                out = self._replayed(event, "text", event.value.text, event.value.signature)
            case Refusal():
                out = self._replayed(event, "refusal", event.value.text, "")
            case Reasoning():
                out = self._whole_thought(event, event.value)
            case ToolCall():
                out = self._whole_call(event, event.value)
            case Image():
                part = image_part(event.value)
                if part is not None:
                    out = self._said(choice, b'"images":' + msgspec.json.encode((part,)))
            case _:
                pass
        return out

    def _replayed(self, event: Whole, kind: BlockKind, text: str, signature: str) -> bytes:
        """A block in one piece as the events it could have come by."""
        out = [self.encode(Open(choice=event.choice, block=event.block, kind=kind))]
        if text:
            out.append(self.encode(Delta(event.choice, event.block, escaped(text))))
        if signature:
            out.append(self.encode(Sign(choice=event.choice, block=event.block, signature=signature, origin=_GOOGLE)))
        out.append(self.encode(Close(event.choice, event.block)))
        return b"".join(out)

    def _whole_thought(self, event: Whole, thought: Reasoning) -> bytes:
        opened = Open(
            choice=event.choice, block=event.block, kind="reasoning", item_id=thought.item_id, origin=thought.origin,
            summary=thought.summary,
        )  # fmt: skip
        out = [self.encode(opened)]
        if thought.text:
            out.append(self.encode(Delta(event.choice, event.block, escaped(thought.text))))
        if thought.signature or thought.data:
            out.append(
                self.encode(
                    Sign(
                        choice=event.choice, block=event.block, signature=thought.signature, data=thought.data,
                        item_id=thought.item_id, origin=thought.origin,
                    )
                )
            )  # fmt: skip
        return b"".join([*out, self.encode(Close(event.choice, event.block))])

    def _whole_call(self, event: Whole, call: ToolCall) -> bytes:
        opened = Open(
            choice=event.choice, block=event.block, kind="tool", call_id=call.call_id, name=call.name,
            custom=call.custom, signature=call.signature, origin=_GOOGLE if call.signature else "",
        )  # fmt: skip
        out = [self.encode(opened)]
        if call.arguments:
            out.append(self.encode(Delta(event.choice, event.block, escaped(call.arguments))))
        return b"".join([*out, self.encode(Close(event.choice, event.block))])

    # -- the end -------------------------------------------------------------------------------------------------------
    def _finished(self, index: int, finish: FinishReason) -> bytes:
        choice, begun = self._known(index)
        if choice is None:
            return b""
        if finish.reason == "filter" and finish.detail and not choice.spoke:
            begun += self._said(choice, b'"refusal":' + literal(finish.detail))
        word = literal(finish_word(finish, legacy=self._restorer.legacy and choice.calls > 0))
        tail = self._tail.replace(b'"finish_reason":null', b'"finish_reason":' + word, 1)
        return begun + choice.head + tail

    def _ended(self) -> bytes:
        out = b""
        if self._context.include_usage:
            if not self._head:
                self._begin(Start())
            usage = msgspec.json.encode(write_usage(self._usage))
            out = self._head + b'],"usage":%b}\n\n' % usage
        return out + b"data: [DONE]\n\n"
