"""Streams for an Anthropic client, written (translation.md §5.4, §13.3).

Theory of operation: blocks of other dialects may be open side by side, Anthropic's may not. So one block is *current*:
the one open on the wire. Whatever begins meanwhile ends it, unless it is a tool call whose arguments are not complete
yet: then the newcomer, and all that follows it, waits in line with what it says, until the call's arguments form one
JSON value, its decoder closes it, or the answer ends. Text and thinking that the wire has closed but the upstream
goes on with open a new block. A block is written when it first says something, so none is empty; a call is
written at once. The end of the message waits for the end of the stream, since the token counts may come last.
"""

from __future__ import annotations

from collections import deque
from typing import Final, assert_never

import msgspec

from omniroute.domain import Usage
from omniroute.translate import jsontext
from omniroute.translate.canonical import Citation
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.anthropic import outgoing
from omniroute.translate.dialects.anthropic.errors import error_event
from omniroute.translate.dialects.anthropic.pending import Pending, whole_block
from omniroute.translate.dialects.anthropic.usage import write_usage
from omniroute.translate.dialects.anthropic.vendor import ORIGIN
from omniroute.translate.events import (
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
from omniroute.translate.stream import Frame

MAX_WAITING: Final = 1024
"""Blocks that wait behind a call that is not complete; beyond them it is taken for complete."""
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Waiting for a call to become complete; beyond it the call is taken to be."""

_DELTAS: Final = {
    "text": (b"text_delta", b"text"),
    "refusal": (b"text_delta", b"text"),
    "reasoning": (b"thinking_delta", b"thinking"),
    "tool": (b"input_json_delta", b"partial_json"),
}
_EMPTY_TEXT: Final = b'{"type":"text","text":""}'
_EMPTY_THINKING: Final = b'{"type":"thinking","thinking":"","signature":""}'
_DELTA_HEAD: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%s","%s":"'
)
_DELTA_TAIL: Final = b'"}}\n\n'
_MESSAGE_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_ESTIMATED: Final = b": usage is an estimate\n\n"
_NO_FINISH: Final = FinishReason(reason="stop")


class Encoder:
    """A StreamEncoder of one stream."""

    __slots__ = (
        "_blocks", "_called", "_context", "_current", "_finish", "_held_bytes", "_index", "_line", "_over", "_refused",
        "_started", "_usage", "sequence",
    )  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        """``context``: of the answer."""
        self.sequence = 0
        self._context = context
        self._blocks: dict[int, Pending] = {}
        self._line: deque[Pending] = deque(maxlen=MAX_WAITING)
        self._current: Pending | None = None
        self._index = -1
        self._held_bytes = 0
        self._usage = Usage()
        self._finish: FinishReason = _NO_FINISH
        self._called = self._refused = self._started = self._over = False

    # -- StreamEncoder -------------------------------------------------------------------------------------------------
    def encode(self, event: StreamEvent) -> bytes:
        """The client's bytes for one event."""
        if self._over or getattr(event, "choice", 0) != 0:
            return b""  # Anthropic's clients get one answer
        if isinstance(event, Start | Report | Failure | Probabilities):
            return self._beside(event)
        out = b"" if self._started else self._start(Start())
        match event:
            case End():
                out += self._end()
            case Finish():
                self._finish = event.finish
                out += self._drain()
            case Open():
                out += self._open(event)
            case Whole():
                out += self._whole(event)
            case Delta() | Sign() | Cite() | Close():
                block = self._blocks.get(event.block)
                out += b"" if block is None else self._of_block(block, event)
            case _:
                assert_never(event)
        return out

    def frame(self, block: int) -> Frame | None:
        """Text of the block that is open on the wire; while another waits every fragment is looked at."""
        found = self._blocks.get(block)
        if found is None or found is not self._current or self._line or found.opened.custom:
            return None
        return Frame(found.head, _DELTA_TAIL, keep=found.opened.kind == "tool")

    def caught(self, block: int, text: bytes) -> None:
        """Arguments that went by."""
        self._blocks[block].arguments.feed(text)

    def _beside(self, event: Start | Report | Failure | Probabilities) -> bytes:
        """What is no part of the answer."""
        out = b""
        if isinstance(event, Start):
            out = b"" if self._started else self._start(event)
        elif isinstance(event, Report):
            self._usage = event.usage
        elif isinstance(event, Failure):
            self._over = True
            out = error_event(event.error, self._context.request_id)
        return out

    # -- the message ---------------------------------------------------------------------------------------------------
    def _start(self, event: Start) -> bytes:
        self._started = True
        context = self._context
        self._usage = event.usage or Usage(input_total=context.estimated_input_tokens)
        message = outgoing.Message(
            id=outgoing.message_id(event.id, context.attempt_id),
            model=event.model or context.model,
            usage=write_usage(self._usage, whole=True),
        )
        return _event(b"message_start", b'"message":' + msgspec.json.encode(message))

    def _end(self) -> bytes:
        self._over = True
        out = self._drain()
        stop = outgoing.write_stop(self._finish, called=self._called, refused=self._refused)
        body = b'"delta":' + msgspec.json.encode(stop)
        body += b',"usage":' + msgspec.json.encode(write_usage(self._usage, whole=False))
        mark = b"" if self._usage.known else _ESTIMATED
        return out + mark + _event(b"message_delta", body) + _MESSAGE_STOP

    # -- blocks --------------------------------------------------------------------------------------------------------
    def _of_block(self, block: Pending, event: Delta | Sign | Cite | Close) -> bytes:
        out = b""
        match event:
            case Delta():
                out = self._say(block, event.text)
            case Sign():
                block.sign = event if event.signature or event.data else block.sign
            case Cite():
                out = self._cite(block, event.citation)
            case Close():
                out = self._close(block)
                if block.state == "done":
                    del self._blocks[event.block]
            case _:
                assert_never(event)
        return out

    def _open(self, event: Open) -> bytes:
        block = self._blocks[event.block] = Pending(event)
        self._refused = self._refused or event.kind == "refusal"
        if event.kind != "tool":
            return b""
        self._called = True
        return self._before_call(event) + self._admit(block)

    def _before_call(self, event: Open) -> bytes:
        """A call's signature travels in an empty thinking block before it (translation.md §15)."""
        signature = outgoing.write_signature(event.origin, event.signature, "", event.item_id)
        if not event.signature or event.origin == ORIGIN:
            return b""
        carrier = Pending(Open(block=event.block, kind="reasoning"))
        carrier.sign = Sign(block=event.block, signature=signature, origin=ORIGIN)
        carrier.closed = True
        return self._admit(carrier)

    def _say(self, block: Pending, text: bytes) -> bytes:
        if block is self._current:
            return self._delta(block, text) + (self._advance() if self._line else b"")
        if block.state == "done":
            if block.opened.kind == "tool":
                return b""  # its arguments were complete
            again = self._blocks[block.opened.block] = Pending(block.opened)
            block = again
        block.deltas.append(text)
        if block.state == "waiting":
            self._held_bytes += len(text)
            return self._advance()
        return self._admit(block)

    def _cite(self, block: Pending, citation: Citation) -> bytes:
        if block is self._current:
            return self._citation(citation)
        block.citations.append(citation)
        return b""

    def _close(self, block: Pending) -> bytes:
        block.closed = True
        if block is self._current:
            return self._shut() + self._advance()
        if block.state != "new":
            return b""
        if block.mute:
            block.state = "done"
            return b""
        return self._admit(block)

    def _whole(self, event: Whole) -> bytes:
        block = whole_block(event.block, event.value)
        if block is None:
            return b""
        self._refused = self._refused or block.opened.kind == "refusal"
        before = b""
        if block.opened.kind == "tool":
            self._called = True
            before = self._before_call(block.opened)
        block.closed = True
        return before + self._admit(block)

    # -- the wire ------------------------------------------------------------------------------------------------------
    def _admit(self, block: Pending) -> bytes:
        """Write ``block`` as far as it has come, if nothing is in its way; else it waits."""
        if self._line or self._is_busy():
            block.state = "waiting"
            self._line.append(block)
            self._held_bytes += sum(map(len, block.deltas))
            return self._advance()
        return self._shut() + self._write(block)

    def _is_busy(self) -> bool:
        """The current block is a call that still needs arguments."""
        current = self._current
        return (
            current is not None
            and current.opened.kind == "tool"
            and (current.opened.custom or not current.arguments.complete)
            and self._held_bytes <= MAX_HELD_BYTES
            and len(self._line) < MAX_WAITING
        )

    def _advance(self) -> bytes:
        """Write those that wait, until one of them makes the rest wait."""
        out = []
        while self._line and not self._is_busy():
            out += [self._shut(), self._write(self._line.popleft())]
        if not self._line:
            self._held_bytes = 0
        return b"".join(out)

    def _drain(self) -> bytes:
        """End everything: the answer is complete."""
        out = [self._shut()]
        while self._line:
            out += [self._write(self._line.popleft()), self._shut()]
        self._held_bytes = 0
        return b"".join(out)

    def _write(self, block: Pending) -> bytes:
        """Open ``block`` on the wire with all it has said."""
        self._index += 1
        self._current = block
        block.state = "current"
        block.head = self._head(block.opened.kind)
        out = _event(b"content_block_start", b'"index":%d,"content_block":%s' % (self._index, self._first(block)))
        out += b"".join(self._citation(citation) for citation in block.citations)
        if block.opened.custom:
            out += block.head + rb"{\"input\":\"" + _DELTA_TAIL
        deltas, block.deltas = block.deltas, []
        out += b"".join(self._delta(block, text) for text in deltas)
        return out + self._shut() if block.closed else out

    def _first(self, block: Pending) -> bytes:
        """``content_block`` of its start event."""
        opened, sign = block.opened, block.sign
        if block.whole:
            return block.whole
        if opened.kind == "tool":
            call_id = outgoing.call_id(opened.call_id, self._context, self._index)
            name = self._context.names.get(opened.name, opened.name)
            return msgspec.json.encode(outgoing.ToolUseOut(call_id, name, msgspec.Raw(b"{}")))
        if opened.kind != "reasoning":
            return _EMPTY_TEXT
        if sign is not None and sign.data and not block.deltas and sign.origin != ORIGIN:
            block.sign = None  # encrypted, without a summary: redacted thinking
            return msgspec.json.encode(
                outgoing.RedactedOut(outgoing.write_redacted(sign.origin, sign.data, sign.item_id))
            )
        return _EMPTY_THINKING

    def _head(self, kind: str) -> bytes:
        return _DELTA_HEAD % (self._index, *_DELTAS[kind])

    def _delta(self, block: Pending, text: bytes) -> bytes:
        if block.opened.custom:  # free text becomes the one member of an object: its escapes are escaped again
            text = jsontext.escaped(text.decode())
        elif block.opened.kind == "tool":
            block.arguments.feed(text)
        return block.head + text + _DELTA_TAIL

    def _citation(self, citation: Citation) -> bytes:
        written = outgoing.write_citation(citation)
        if written is None:
            return b""
        return _event(
            b"content_block_delta",
            b'"index":%d,"delta":{"type":"citations_delta","citation":%s}' % (self._index, bytes(written)),
        )

    def _shut(self) -> bytes:
        """Close the current block on the wire."""
        block = self._current
        if block is None:
            return b""
        self._current = None
        block.state = "done"
        out = b""
        if block.opened.custom:
            out = block.head + rb"\"}" + _DELTA_TAIL
        if block.sign is not None and block.opened.kind == "reasoning":
            sign = block.sign
            signature = outgoing.write_signature(sign.origin, sign.signature, sign.data, sign.item_id)
            delta = b'"index":%d,"delta":{"type":"signature_delta","signature":%s}'
            out += _event(b"content_block_delta", delta % (self._index, jsontext.literal(signature)))
        return out + _event(b"content_block_stop", b'"index":%d' % self._index)


def _event(kind: bytes, members: bytes) -> bytes:
    return b'event: %s\ndata: {"type":"%s",%s}\n\n' % (kind, kind, members)
