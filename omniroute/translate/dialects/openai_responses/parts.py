"""Open blocks of a stream that is being written: each knows the events that begin it, carry it and end it."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw

from omniroute.translate.canonical import Citation
from omniroute.translate.dialects.openai_responses.frames import delta_frame, framed, sse
from omniroute.translate.dialects.openai_responses.output import (
    EMPTY,
    annotation_of,
    call_item,
    reasoning_item,
    unwrapped,
)
from omniroute.translate.dialects.openai_responses.schema import (
    AnnotationAdded,
    ArgumentsDone,
    ContentPartEvent,
    InputDone,
    Item,
    ItemEvent,
    MessageItem,
    OutputText,
    ReasoningItem,
    ReasoningText,
    ReasoningTextDone,
    RefusalDone,
    RefusalPart,
    Status,
    SummaryPartEvent,
    SummaryText,
    SummaryTextDone,
    TextDone,
)
from omniroute.translate.jsontext import escaped, is_complete, quoted, unescaped
from omniroute.translate.stream import Frame

_NO_LOGPROBS: Final = b',"logprobs":[]'
_WRAPPED: Final = Frame(b"", b"", keep=True, silent=True)
"""An emulated custom call: its text is inside the arguments, so it is told when they are complete."""


class Output:
    """The items so far, and the number of the next event."""

    __slots__ = ("items", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self.items: list[Item] = []

    def number(self) -> int:
        """The next event's number."""
        self.sequence += 1
        return self.sequence - 1

    def place(self) -> int:
        """The index of a new item."""
        self.items.append(EMPTY)
        return len(self.items) - 1

    def added(self, index: int, item: Item) -> bytes:
        """The event that begins an item."""
        self.items[index] = item
        return sse(ItemEvent("response.output_item.added", self.number(), index, item))

    def done(self, index: int, item: Item) -> bytes:
        """The event that ends it."""
        self.items[index] = item
        return sse(ItemEvent("response.output_item.done", self.number(), index, item))


class Message:
    """A message item under way: texts and refusals."""

    __slots__ = ("content", "id", "index", "phase")

    def __init__(self, index: int, item_id: str, phase: str) -> None:
        self.index = index
        self.id = item_id
        self.phase = phase
        self.content: list[OutputText | RefusalPart] = []

    def item(self, status: Status) -> MessageItem:
        """As it stands."""
        return MessageItem(self.id, status, tuple(self.content), phase=self.phase or UNSET)

    def done(self, output: Output, status: Status) -> bytes:
        """The event that ends the item."""
        return output.done(self.index, self.item(status))


class TextPart:
    """Text or a refusal: a part of a message."""

    __slots__ = (
        "_annotations", "_index", "_logprobs", "_message", "_texts", "apart", "frame", "item_id", "phase", "refusal",
    )  # fmt: skip

    def __init__(self, *, refusal: bool, item_id: str = "", phase: str = "", apart: bool = False) -> None:
        self.refusal = refusal
        self.item_id = item_id
        self.phase = phase
        self.apart = apart
        self.frame: Frame | None = None
        self._message: Message | None = None
        self._index = 0
        self._texts: list[bytes] = []
        self._annotations: list[Raw] = []
        self._logprobs: list[Raw] = []

    def begin(self, output: Output, message: Message) -> bytes:
        """The part is added to ``message``."""
        part = self._part(b"")
        self._message, self._index = message, len(message.content)
        message.content.append(part)
        self.frame = delta_frame(
            "response.refusal.delta" if self.refusal else "response.output_text.delta",
            message.id,
            message.index,
            ("content_index", self._index),
            b"" if self.refusal else _NO_LOGPROBS,
        )
        return sse(
            ContentPartEvent(
                "response.content_part.added", output.number(), message.id, message.index, self._index, part
            )
        )

    def keep(self, text: bytes) -> None:
        """``text`` has been written."""
        self._texts.append(text)

    def delta(self, output: Output, text: bytes, logprobs: bytes = b"") -> bytes:
        """More text, with its log probabilities (a JSON list) if there are any."""
        assert self.frame is not None
        self._texts.append(text)
        if not logprobs:
            return framed(self.frame, output.number(), text)
        self._logprobs.extend(msgspec.json.decode(logprobs, type=list[Raw]))
        frame = msgspec.structs.replace(self.frame, tail=b'","logprobs":' + logprobs + b"}\n\n")
        return framed(frame, output.number(), text)

    def cite(self, output: Output, citation: Citation) -> bytes:
        """A source, if this dialect can name it."""
        annotation = annotation_of(citation)
        if annotation is None or self._message is None or self.refusal:
            return b""
        self._annotations.append(annotation)
        return sse(
            AnnotationAdded(
                "response.output_text.annotation.added",
                output.number(),
                self._message.id,
                self._message.index,
                self._index,
                len(self._annotations) - 1,
                annotation,
            )
        )

    def end(self, output: Output) -> bytes:
        """The part is complete; its message may go on."""
        message = self._message
        assert message is not None
        text = b"".join(self._texts)
        part = self._part(text)
        message.content[self._index] = part
        at = (message.id, message.index, self._index)
        if self.refusal:
            said = sse(RefusalDone("response.refusal.done", output.number(), *at, quoted(text)))
        else:
            logprobs = Raw(msgspec.json.encode(self._logprobs))
            said = sse(TextDone("response.output_text.done", output.number(), *at, quoted(text), logprobs))
        return said + sse(ContentPartEvent("response.content_part.done", output.number(), *at, part))

    def _part(self, text: bytes) -> OutputText | RefusalPart:
        if self.refusal:
            return RefusalPart(quoted(text))
        logprobs = Raw(msgspec.json.encode(self._logprobs)) if self._logprobs else UNSET
        return OutputText(quoted(text), tuple(self._annotations), logprobs)

    @property
    def message(self) -> Message | None:
        """The message it belongs to; None before ``begin``."""
        return self._message


class ReasoningPart:
    """Reasoning: one part, an item of its own."""

    __slots__ = ("_id", "_index", "_raw", "_texts", "encrypted", "frame", "item_id")

    def __init__(self, *, raw: bool, item_id: str) -> None:
        self._raw = raw
        self.item_id = item_id
        self.encrypted = ""
        self.frame: Frame | None = None
        self._id = ""
        self._index = -1
        self._texts: list[bytes] = []

    @property
    def begun(self) -> bool:
        """It has an item."""
        return self._index >= 0

    def begin(self, output: Output, index: int, item_id: str) -> bytes:
        """The item is added."""
        self._id, self._index = item_id, index
        return output.added(index, reasoning_item(item_id, b"", raw=self._raw, encrypted=""))

    def keep(self, text: bytes) -> None:
        """``text`` has been written."""
        self._texts.append(text)

    def delta(self, output: Output, text: bytes) -> bytes:
        """More of it; the first one begins the part."""
        begun = b""
        if self.frame is None:
            kind, part = (
                ("response.reasoning_text.delta", ("content_index", 0))
                if self._raw
                else ("response.reasoning_summary_text.delta", ("summary_index", 0))
            )
            self.frame = delta_frame(kind, self._id, self._index, part)
            begun = self._part_event("added", output, b"")
        self._texts.append(text)
        return begun + framed(self.frame, output.number(), text)

    def end(self, output: Output) -> bytes:
        """The item is complete."""
        text = b"".join(self._texts)
        said = b""
        if self.frame is not None:
            at = (self._id, self._index, 0)
            said = sse(
                ReasoningTextDone("response.reasoning_text.done", output.number(), *at, quoted(text))
                if self._raw
                else SummaryTextDone("response.reasoning_summary_text.done", output.number(), *at, quoted(text))
            ) + self._part_event("done", output, text)
        return said + output.done(self._index, self._item(text))

    def _item(self, text: bytes) -> ReasoningItem:
        return reasoning_item(self._id, text, raw=self._raw, encrypted=self.encrypted)

    def _part_event(self, what: str, output: Output, text: bytes) -> bytes:
        at = (self._id, self._index, 0)
        if self._raw:
            part = ReasoningText(quoted(text))
            return sse(ContentPartEvent(f"response.content_part.{what}", output.number(), *at, part))
        summary = SummaryText(quoted(text))
        return sse(SummaryPartEvent(f"response.reasoning_summary_part.{what}", output.number(), *at, summary))


class CallPart:
    """A tool call: an item of its own."""

    __slots__ = ("_custom", "_delta", "_id", "_identity", "_index", "_texts", "_wrapped", "frame")

    def __init__(self, index: int, item_id: str, call_id: str, name: str, *, custom: bool, wrapped: bool) -> None:
        """``wrapped``: the upstream calls a function in place of the client's custom tool."""
        self._id = item_id
        self._index = index
        self._identity = (item_id, call_id, name)
        self._custom = custom or wrapped
        self._wrapped = wrapped
        kind = "response.custom_tool_call_input.delta" if self._custom else "response.function_call_arguments.delta"
        self._delta = delta_frame(kind, item_id, index, None)
        self.frame: Frame = _WRAPPED if wrapped else self._delta
        self._texts: list[bytes] = []

    def begin(self, output: Output) -> bytes:
        """The item is added."""
        return output.added(self._index, self._item(EMPTY, "in_progress"))

    @property
    def is_complete(self) -> bool:
        """Whether the arguments so far are all there can be. Looks at all of them: not to be asked at every delta."""
        return not self._custom and is_complete(b"".join(self._texts))

    def keep(self, text: bytes) -> None:
        """``text`` has been written."""
        self._texts.append(text)

    def delta(self, output: Output, text: bytes) -> bytes:
        """More of the arguments."""
        self._texts.append(text)
        return b"" if self._wrapped else framed(self._delta, output.number(), text)

    def end(self, output: Output) -> bytes:
        """The arguments are complete."""
        text = b"".join(self._texts)
        said = b""
        if self._wrapped:
            text = escaped(unwrapped(unescaped(text)))
            self._texts = [text]
            said = framed(self._delta, output.number(), text) if text else b""
        elif not text and not self._custom:
            # Vendors' clients read the arguments as JSON: a call without any has an empty object.
            text = b"{}"
            self._texts = [text]
            said = framed(self._delta, output.number(), text)
        if self._custom:
            done = InputDone(
                "response.custom_tool_call_input.done", output.number(), self._id, self._index, quoted(text)
            )
            return said + sse(done)
        return said + sse(
            ArgumentsDone("response.function_call_arguments.done", output.number(), self._id, self._index, quoted(text))
        )

    def done(self, output: Output, status: Status) -> bytes:
        """The event that ends the item."""
        return output.done(self._index, self._item(quoted(b"".join(self._texts)), status))

    def _item(self, arguments: Raw, status: Status) -> Item:
        return call_item(*self._identity, arguments, custom=self._custom, status=status)
