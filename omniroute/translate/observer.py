"""Streams whose bytes pass: what they say is noted, tags are cut, and what the client did not ask for is hidden.

Blocks go on as they came, byte for byte, in their order. A text that may end in the beginning of one of our tags holds
its block back, and what follows it, until more text or the end of the text decides; only blocks in which a tag was
found are written anew, with that part of their text missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from omniroute.translate.dialect import Identity, Peeked
from omniroute.translate.events import Close, Delta, Open, StreamEvent
from omniroute.translate.stream import Facts, Frame, Hot, Lane, Sequencer, StreamDecoder
from omniroute.translate.tagged_text import Cleaner, Cut, without
from omniroute.translate.tags import INTERNAL, is_tagged, rewrite, strip_tags

HELD_BYTES: Final = 64 * 1024
"""Of blocks held back behind half a tag: beyond it, it is taken for text. Enough for a tag that comes by the letter."""

_BLANKS: Final = b" \t\r\n\xef\xbb\xbf"
_FORWARDED: Final = Frame(b"", b"")


class _Watched:
    """A block's text, for tags. Offsets count from the block's beginning."""

    __slots__ = ("_cleaner", "cuts", "decided", "is_text", "length")

    def __init__(self, is_text: bool) -> None:
        self.is_text = is_text
        self._cleaner = Cleaner()
        self.length = 0
        self.decided = 0
        """Up to here it is known what is a tag."""
        self.cuts: list[Cut] = []

    def take(self, text: bytes) -> None:
        """More text."""
        self.cuts += [(self.length + first, self.length + last) for first, last in self._cleaner.cut(text)]
        self.length += len(text)
        self.decided = self.length - self._cleaner.held_bytes

    def settle(self) -> None:
        """What is undecided will not be continued."""
        if self._cleaner.holding:
            if not self._cleaner.finish():
                self.cuts.append((self.decided, self.length))
            self.decided = self.length

    @property
    def undecided(self) -> bool:
        return self.decided < self.length

    def cleaned(self, start: int, text: bytes) -> bytes:
        """``text``, which began at ``start``, without what is to be cut of it."""
        end = start + len(text)
        inside = [(max(first, start) - start, min(last, end) - start) for first, last in self.cuts]
        return without(text, [(first, last) for first, last in inside if first < last])


class _Held:
    """A block on its way."""

    __slots__ = ("block", "data", "name", "texts")

    def __init__(self, name: bytes, data: bytes, block: bytes, texts: list[tuple[_Watched, int, bytes]]) -> None:
        self.name = name
        self.data = data
        self.block = block
        self.texts = texts
        """The texts in it: whose, from where on, and as they stand there."""

    @property
    def decided(self) -> bool:
        return all(watched.decided >= start + len(text) for watched, start, text in self.texts)

    def written(self) -> bytes:
        """The block as it goes on."""
        texts = [(text, watched.cleaned(start, text)) for watched, start, text in self.texts]
        if all(old == new for old, new in texts) and not is_tagged(self.data):
            return self.block
        data = rewrite(self.data, texts)
        if self.data in self.block:
            return self.block.replace(self.data, data, 1)
        # Several data lines: line ends in JSON are white space between tokens.
        event = b"event: " + self.name + b"\n" if self.name else b""
        return event + b"data: " + data.replace(b"\n", b" ") + b"\n\n"


class Observer(Facts):
    """What a forwarding core asks about events (``_speedups.stream_py``)."""

    __slots__ = ("_begun", "_decoder", "_held_bytes", "_identity", "_peeked", "_queue", "_watched", "told")

    def __init__(self, decoder: StreamDecoder, identity: Identity | None, peeked: Peeked) -> None:
        """Without an ``identity`` tags are cut, and nothing else is hidden or put in another's place."""
        super().__init__(peeked.choices)
        self._decoder = decoder
        self._identity = identity
        self._peeked = peeked
        self._begun = False
        self._queue: list[_Held] = []
        self._held_bytes = 0
        self._watched: dict[int, _Watched] = {}
        self.told = False
        """The failure was in the stream, so the client has been told; otherwise somebody has to."""

    @property
    def holding(self) -> bool:
        """Something is held back until it is known whether it is a tag."""
        return bool(self._queue)

    @property
    def finished(self) -> bool:
        """Every choice has finished, or all has ended: little can follow."""
        return self._ended or self.finished_with(self._decoder.ending)

    def forward(self, name: bytes, data: bytes, block: bytes) -> bytes:
        """What goes on for an event: ``block``, something in its place, or nothing (hidden, or held back)."""
        texts: list[tuple[_Watched, int, bytes]] = []
        for event in () if self._ended else self._decoder.decode(name, data):
            self.note(event)
            self._watch(event, texts)
        self.told = self.failure is not None
        # An error may be told in two events, and an end mark may follow the last one: only that is sure to be the end.
        self.done = data.strip() == b"[DONE]"
        first, self._begun = not self._begun, True
        identity = self._identity
        # A document on its own, no event and no line: it ends with its bracket.
        if first and identity and identity.unfold and block.endswith(b"}") and block.lstrip(_BLANKS)[:1] == b"{":
            stream = identity.unfold(strip_tags(data))
            if stream is not None:
                return stream
        if not (identity and identity.hide and identity.hide(data, self._peeked)):
            self._queue.append(_Held(name, data, block, texts))
            self._held_bytes += len(block)
        if self._ended or self.done or self._held_bytes > HELD_BYTES:
            self._settle()
        return self._released()

    def finish(self) -> bytes:
        """What was held back, at the end of the upstream's input; ``failure`` is set if that is no end of an answer."""
        for event in () if self._ended else self._decoder.finish():
            self.note(event)
        self._settle()
        return self._released()

    def begin(self, sequencer: Sequencer) -> None:
        """Nothing: numbers in events are the upstream's."""

    def settle(self, sequencer: Sequencer) -> None:
        """The same."""

    def lanes(self) -> Sequence[Lane]:
        """What may go by unseen: nothing while something is held back."""
        if self.done or self._queue:
            return ()
        return [Lane(hot, _FORWARDED, self._tags(hot)) for hot in self._decoder.hot()]

    def caught(self, block: int, deltas: int, text_bytes: int, kept: bytes, stash: bytes) -> None:
        """The lane of ``block`` has carried ``deltas`` events with ``text_bytes`` of text."""
        self.content = self.content or deltas > 0
        self.usage = self._decoder.caught(block, deltas, stash) or self.usage

    def _tags(self, hot: Hot) -> tuple[bytes, ...]:
        watched = self._watched.get(hot.block)
        return INTERNAL if watched is None or watched.is_text else ()

    def _watch(self, event: StreamEvent, texts: list[tuple[_Watched, int, bytes]]) -> None:
        match event:
            case Open():
                self._watched[event.block] = _Watched(event.kind != "tool")
            case Delta():
                watched = self._watched.get(event.block)
                if watched is not None and watched.is_text:
                    texts.append((watched, watched.length, event.text))
                    watched.take(event.text)
            case Close():
                watched = self._watched.pop(event.block, None)
                if watched is not None:
                    watched.settle()
            case _:
                pass

    def _settle(self) -> None:
        for watched in self._watched.values():
            watched.settle()

    def _released(self) -> bytes:
        out: list[bytes] = []
        released = 0
        for held in self._queue:
            if not held.decided:
                break
            released += 1
            self._held_bytes -= len(held.block)
            out.append(held.written())
            if released < len(self._queue) and held.block.endswith(b"\r") and b"\r\n" in held.block:
                out.append(b"\n")  # came in the next read, while the block was held: a core only lets it follow its CR
        del self._queue[:released]
        return b"".join(out)
