"""Stream events to the vendor's events (translation.md §7.4, §13.3).

Theory of operation
-------------------
Items get their ``output_index`` when they first have something to say: no empty message, part or summary is ever
written. A block is one part of an item; neighbouring texts and refusals share a message. When a block closes, its part
is complete, but whether its *item* is complete or was cut short is known only from what comes next: another block, or
the finish. So one closed item at most waits (``_waiting``) for its ``output_item.done``. The terminal event waits for
the end of the upstream's stream, since usage may come after the finish, and repeats every item: all texts are kept,
escaped, as they went by.

A client that asked for log probabilities finds them beside the text they belong to, but they come in an event of their
own, right after it: then (and only then) a text waits for the event behind it (``_held``), and no lane is armed.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate import events
from omniroute.translate.canonical import Finish, Image, Inline, Opaque, Reasoning, Text
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses.echo import Envelope, incomplete_reason
from omniroute.translate.dialects.openai_responses.errors import event_code, failed_detail
from omniroute.translate.dialects.openai_responses.frames import sse
from omniroute.translate.dialects.openai_responses.output import (
    NAME,
    Namer,
    encrypted_of,
    image_item,
    is_raw,
    reasoning_item,
)
from omniroute.translate.dialects.openai_responses.parts import CallPart, Message, Output, ReasoningPart, TextPart
from omniroute.translate.dialects.openai_responses.schema import ErrorEvent, LifeCycle, Status
from omniroute.translate.jsontext import escaped
from omniroute.translate.stream import Frame

_SKIPPED: Final = Frame(b"", b"", silent=True)
"""For blocks of answers after the first, which this dialect has no place for."""


_SIGNS_TEXT: Final = "gemini"
"""Who signs texts, where the block does not say."""


class Encoder:
    """A ``stream.StreamEncoder``."""

    __slots__ = (
        "_carriers", "_context", "_echo", "_envelope", "_finish", "_held", "_latest_call", "_message", "_namer",
        "_output", "_parts", "_probabilities", "_refused", "_skipped", "_usage", "_waiting",
    )  # fmt: skip

    def __init__(self, context: AnswerContext, *, echo: bytes = b"") -> None:
        """``echo``: see ``Envelope``."""
        self._context = context
        self._echo = echo
        self._namer = Namer(context)
        self._output = Output()
        self._envelope: Envelope | None = None
        self._parts: dict[int, TextPart | ReasoningPart | CallPart] = {}
        self._skipped: set[int] = set()
        self._message: Message | None = None
        self._waiting: Message | CallPart | None = None
        self._carriers: list[str] = []
        self._probabilities = bool(context.request is not None and context.request.logprobs)
        self._held: events.Delta | None = None
        self._latest_call = -1
        self._finish: Finish | None = None
        self._refused = False
        self._usage: Usage | None = None

    @property
    def sequence(self) -> int:
        """Next number for events."""
        return self._output.sequence

    @sequence.setter
    def sequence(self, number: int) -> None:
        self._output.sequence = number

    def frame(self, block: int) -> Frame | None:
        """How further text of ``block`` is written; None until its first text was, and while one is held."""
        if block in self._skipped:
            return _SKIPPED
        part = self._parts.get(block)
        if part is None or (self._probabilities and isinstance(part, TextPart)):
            return None
        return part.frame

    def caught(self, block: int, text: bytes) -> None:
        """``text`` was written by the frame."""
        part = self._parts.get(block)
        if part is not None:
            part.keep(text)

    def encode(self, event: events.StreamEvent) -> bytes:
        """The client's events for one of ours."""
        if getattr(event, "choice", 0):
            if isinstance(event, events.Open):
                self._skipped.add(event.block)
            return b""
        held = b""
        if self._held is not None and not isinstance(event, events.Probabilities):
            held = self._say(self._held)
            self._held = None
        begun = b"" if self._envelope is not None else self._start(event)
        return begun + held + self._encode(event)

    def _encode(self, event: events.StreamEvent) -> bytes:
        match event:
            case events.Open():
                return self._open(event)
            case events.Delta():
                return self._delta(event)
            case events.Close():
                return self._close(event.block)
            case events.Whole():
                return self._whole(event)
            case events.Sign() | events.Cite() | events.Probabilities():
                return self._remark(event)
            case _:
                return self._of_response(event)

    def _remark(self, event: events.Sign | events.Cite | events.Probabilities) -> bytes:
        match event:
            case events.Sign():
                return self._sign(event)
            case events.Cite():
                return self._cite(event)
            case events.Probabilities():
                return self._probable(event)

    def _of_response(self, event: events.StreamEvent) -> bytes:
        match event:
            case events.Report():
                self._usage = event.usage
            case events.Finish():
                return self._finished(event.finish)
            case events.Failure():
                return self._failed(event.error)
            case events.End():
                return self._end()
            case _:
                pass  # Start: written before everything else, by whichever event came first
        return b""

    # -- beginning and end ------------------------------------------------------------------------------------------
    def _start(self, event: events.StreamEvent) -> bytes:
        start = event if isinstance(event, events.Start) else events.Start()
        self._usage = start.usage
        self._envelope = Envelope(self._context, start, self._echo)
        body = Raw(self._envelope.response("in_progress"))
        created = sse(LifeCycle("response.created", self._output.number(), body))
        return created + sse(LifeCycle("response.in_progress", self._output.number(), body))

    def _finished(self, finish: Finish) -> bytes:
        if self._finish is not None:
            return b""
        self._finish = finish
        explained = b""
        if finish.reason == "filter" and finish.detail and not self._refused:
            part = TextPart(refusal=True)
            explained = self._begin_text(part) + part.delta(self._output, escaped(finish.detail))
            explained += self._end_part(part)
        incomplete = incomplete_reason(finish, refused=self._refused)
        return explained + self._settle("incomplete" if incomplete else "completed")

    def _end(self) -> bytes:
        finish = self._finish
        if finish is not None and finish.reason == "error":
            said = f"The provider ended its answer with '{finish.raw}'."
            return self._failed(UpstreamError(finish.detail or said, error_class="in_band_error", answered=True))
        settled = self._settle("completed")
        body = self.body()
        name = "incomplete" if incomplete_reason(finish, refused=self._refused) else "completed"
        return settled + sse(LifeCycle(f"response.{name}", self._output.number(), Raw(body)))

    def body(self) -> bytes:
        """The whole response as far as it was told."""
        assert self._envelope is not None
        self._settle("completed")
        incomplete = incomplete_reason(self._finish, refused=self._refused)
        return self._envelope.response(
            "incomplete" if incomplete else "completed", self._output.items, usage=self._usage, incomplete=incomplete
        )

    def _failed(self, error: UpstreamError) -> bytes:
        assert self._envelope is not None
        told = sse(ErrorEvent("error", self._output.number(), event_code(error), error.message, error.param))
        body = self._envelope.response("failed", error=failed_detail(error))
        return told + sse(LifeCycle("response.failed", self._output.number(), Raw(body)))

    # -- blocks -----------------------------------------------------------------------------------------------------
    def _open(self, event: events.Open) -> bytes:
        match event.kind:
            case "text" | "refusal":
                self._parts[event.block] = TextPart(
                    refusal=event.kind == "refusal", item_id=event.item_id, phase=event.phase, apart=event.apart
                )
            case "reasoning":
                raw = event.origin == NAME and not event.summary
                self._parts[event.block] = ReasoningPart(raw=raw, item_id=event.item_id)
            case "tool":
                return self._open_call(event)
        return b""

    def _open_call(self, event: events.Open) -> bytes:
        before = self._next_item()
        if event.signature:
            before += self._carrier(encrypted_of(event.signature, "", event.origin))
        name = self._namer.tool_name(event.name)
        wrapped = not event.custom and self._namer.is_custom(name)
        index = self._output.place()
        kind = "custom_tool_call" if event.custom or wrapped else "function_call"
        item_id = self._namer.item_id(kind, index, event.item_id)
        part = CallPart(
            index, item_id, self._namer.call_id(event.call_id), name, custom=event.custom, wrapped=wrapped
        )  # fmt: skip
        self._parts[event.block] = part
        self._latest_call = event.block
        return before + part.begin(self._output)

    def _delta(self, event: events.Delta) -> bytes:
        if self._probabilities and isinstance(self._parts.get(event.block), TextPart):
            self._held = event
            return b""
        return self._say(event)

    def _say(self, event: events.Delta, logprobs: bytes = b"") -> bytes:
        part = self._parts.get(event.block)
        match part:
            case TextPart():
                begun = self._begin_text(part) if part.message is None else b""
                return begun + part.delta(self._output, event.text, logprobs)
            case ReasoningPart():
                return self._begin_reasoning(part) + part.delta(self._output, event.text)
            case CallPart():
                return part.delta(self._output, event.text)
            case None:
                return b""

    def _probable(self, event: events.Probabilities) -> bytes:
        held, self._held = self._held, None
        if held is None:
            return b""
        return self._say(held, event.content if held.block == event.block else b"")

    def _cite(self, event: events.Cite) -> bytes:
        part = self._parts.get(event.block)
        return part.cite(self._output, event.citation) if isinstance(part, TextPart) else b""

    def _sign(self, event: events.Sign) -> bytes:
        part = self._parts.get(event.block)
        encrypted = encrypted_of(event.signature, event.data, event.origin)
        if isinstance(part, ReasoningPart):
            part.item_id = part.item_id or event.item_id
            part.encrypted = encrypted or part.encrypted
        elif encrypted:
            self._carriers.append(encrypted)  # told right after the item it belongs to
        return b""

    def _close(self, block: int) -> bytes:
        part = self._parts.pop(block, None)
        match part:
            case ReasoningPart():
                if not part.begun and not part.encrypted:
                    return b""
                return self._begin_reasoning(part) + part.end(self._output)
            case TextPart():
                return b"" if part.message is None else self._end_part(part)
            case CallPart():
                return part.end(self._output) + self._wait(part)
            case None:
                return b""

    def _whole(self, event: events.Whole) -> bytes:
        match event.value:
            case Image(source=Inline() as source):
                before = self._next_item()
                index = self._output.place()
                image = image_item(self._namer.item_id("image_generation_call", index), source.data)
                return before + self._output.added(index, image) + self._output.done(index, image)
            case Opaque(origin=origin) as block if origin == NAME:
                before = self._next_item()
                index = self._output.place()
                return before + self._output.added(index, Raw(block.raw)) + self._output.done(index, Raw(block.raw))
            case Text(text="", signature=signature) if signature:
                self._carriers.append(encrypted_of(signature, "", _SIGNS_TEXT))
            case Reasoning() as block:
                part = ReasoningPart(raw=is_raw(block), item_id=block.item_id)
                part.encrypted = encrypted_of(block.signature, block.data, block.origin)
                self._parts[event.block] = part
                said = self._say(events.Delta(0, event.block, escaped(block.text))) if block.text else b""
                return said + self._close(event.block)
            case _:
                pass  # of another vendor: nobody here can read it
        return b""

    # -- items ------------------------------------------------------------------------------------------------------
    def _begin_text(self, part: TextPart) -> bytes:
        self._refused = self._refused or part.refusal
        message = self._message
        if message is not None and not part.apart and message.phase == part.phase:
            if self._waiting is message:
                self._waiting = None
            return part.begin(self._output, message)
        before = self._next_item()
        index = self._output.place()
        message = Message(index, self._namer.item_id("message", index, part.item_id), part.phase)
        self._message = message
        return before + self._output.added(index, message.item("in_progress")) + part.begin(self._output, message)

    def _end_part(self, part: TextPart) -> bytes:
        ended = part.end(self._output)
        return ended if part.message is None else ended + self._wait(part.message)

    def _begin_reasoning(self, part: ReasoningPart) -> bytes:
        if part.begun:
            return b""
        before = self._next_item()
        index = self._output.place()
        return before + part.begin(self._output, index, self._namer.item_id("reasoning", index, part.item_id))

    def _next_item(self) -> bytes:
        """Another item begins: the one that waits is complete, and no text goes on in the message before.

        So is the latest call, if its arguments are: Chat tells the end of calls only with the finish.
        """
        ended = b""
        last = self._parts.get(self._latest_call)
        if isinstance(last, CallPart) and last.is_complete:
            ended = self._close(self._latest_call)
        self._message = None
        return ended + self._settle("completed")

    def _wait(self, item: Message | CallPart) -> bytes:
        before = b"" if self._waiting is item else self._settle("completed")
        self._waiting = item
        return before

    def _settle(self, status: Status) -> bytes:
        settled = b"" if self._waiting is None else self._waiting.done(self._output, status)
        self._waiting = None
        carriers, self._carriers = self._carriers, []
        if carriers:
            self._message = None
        return settled + b"".join(self._carrier(encrypted) for encrypted in carriers)

    def _carrier(self, encrypted: str) -> bytes:
        """A reasoning item that holds nothing but what a vendor wants back."""
        index = self._output.place()
        item_id = self._namer.item_id("reasoning", index)
        begun = self._output.added(index, reasoning_item(item_id, b"", raw=False, encrypted=""))
        return begun + self._output.done(index, reasoning_item(item_id, b"", raw=False, encrypted=encrypted))
