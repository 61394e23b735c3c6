"""Streams of an upstream, read: chunks in, stream events out (translation.md §13.1, with the deviations of §17).

Theory of operation
-------------------
Each choice has at most one open block of text, reasoning or refusal; whatever begins next closes it. Tool calls stay
open until their choice finishes, for their fragments may interleave. Within one delta the order is reasoning, content,
refusal, calls, finish. After its finish nothing of a choice is read; usage is read wherever it comes. Reasoning comes
by up to three names at once, all with the same text: the first that has any is listened to, for the whole choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from omniroute.domain import Quirks
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Citation, Image, Json, Text
from omniroute.translate.canonical import Reasoning as ReasoningBlock
from omniroute.translate.dialects.openai_chat.calls import Calls, signature_of
from omniroute.translate.dialects.openai_chat.details import Detail, read_details
from omniroute.translate.dialects.openai_chat.finish import read_finish
from omniroute.translate.dialects.openai_chat.parts import (
    MAX_CITATIONS,
    Piece,
    read_image,
    read_url_citations,
    text_pieces,
)
from omniroute.translate.dialects.openai_chat.shapes import (
    ARGUMENTS,
    CONTENT,
    DETAIL_SUMMARY,
    DETAIL_TEXT,
    REASONING,
    REASONING_CONTENT,
    REFUSAL,
    THOUGHT_PART,
    WITH_USAGE,
)
from omniroute.translate.dialects.openai_chat.usage import usage_of
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
from omniroute.translate.jsontext import escaped, literal
from omniroute.translate.members import count, items, member, members, text, word
from omniroute.translate.stream import Hot
from omniroute.translate.upstream_errors import read_error, read_stream_error, stream_incomplete

MAX_CHOICES: Final = 256
MAX_CALLS_A_DELTA: Final = 256
_BLANKS: Final = b" \t\r\n"
_END: Final = b"[DONE]"

_CHUNK: Final = (b"id", b"model", b"created", b"service_tier", b"choices", b"usage", b"error", b"x_groq", b"object")
_CHOICE: Final = (b"index", b"delta", b"message", b"finish_reason", b"logprobs", b"error")
_DELTA: Final = (
    b"reasoning_details", b"reasoning_content", b"reasoning", b"content", b"refusal", b"tool_calls", b"function_call",
    b"annotations", b"images", b"extra_content",
)  # fmt: skip


class _Choice:
    """What is open of one choice."""

    __slots__ = (
        "block", "calls", "citations", "detail", "finished", "held", "kind", "legacy", "number", "refused", "said",
        "source",
    )  # fmt: skip

    def __init__(self, number: int, calls: Calls) -> None:
        self.number = number
        self.block = -1
        """The open block of ``kind``, -1 if none is."""
        self.kind = ""
        self.source = -1
        """Shape by which reasoning comes: the first that brought any."""
        self.detail: tuple[str, int] = ("", 0)
        """Kind and index of the open reasoning, if it came as a detail."""
        self.citations: list[Citation] = []
        """Those that came before the text (OpenRouter)."""
        self.calls = calls
        self.legacy = False
        self.refused = False
        self.said = False
        self.finished = False
        self.held = ""
        """How it finished, where more of it may come in another choice."""


class ChatDecoder:
    """One stream, read."""

    ending = 0
    """Finishes are told at once."""

    __slots__ = ("_blocks", "_choices", "_over", "_quirks", "_started", "_stash", "_usage_along")

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._choices: dict[int, _Choice] = {}
        self._blocks = 0
        self._started = False
        self._over = False
        self._stash = b""
        self._usage_along = False
        """Counts have come beside text: they may come with every piece of it (Perplexity, xAI)."""

    # -- StreamDecoder -----------------------------------------------------------------------------------------------
    def decode(self, name: bytes, data: bytes) -> Iterator[StreamEvent]:
        """What one chunk says."""
        if self._over:
            return
        yield from self._stashed()
        data = data.strip(_BLANKS)
        if data == _END:
            yield from self._end()
            return
        chunk_id, model, created, tier, choices, usage, error, groq, kind = members(data, _CHUNK)
        if not error and (name == b"error" or kind == b'"error"'):
            error = data if data.startswith(b"{") else literal(data.decode("utf-8", "replace"))
        if error and not self._complete():
            # xAI: the text alone, its code beside it.
            yield self._failed(read_error(200, (), data) if error.startswith(b'"') else read_stream_error(error))
            return
        listed = items(choices, MAX_CHOICES)
        if not self._started and (listed or word(chunk_id) or word(model)):
            self._started = True
            yield Start(
                id=word(chunk_id), model=word(model), created_epoch_s=count(created) or 0, service_tier=word(tier)
            )
        yield from self._usage(usage or member(groq, b"usage"))
        for place, choice in enumerate(listed):
            if not self._ended():
                yield from self._choice(choice, place)

    def finish(self) -> Iterator[StreamEvent]:
        """End of input: an end if every choice that has begun has finished, else a failure."""
        if self._over:
            return
        yield from self._stashed()
        if self._complete():
            yield from self._end()
            return
        self._over = True
        yield Failure(stream_incomplete())

    def hot(self) -> Iterator[Hot]:
        """Text, reasoning and the latest call's arguments."""
        if self._over:
            return
        for choice in self._choices.values():
            hot = None if choice.finished else _hot(choice)
            if hot is not None:
                yield hot
                if self._usage_along:
                    # Beside the shape without usage, so that a null after counts is not taken for newer counts.
                    yield Hot(hot.shape + WITH_USAGE, hot.choice, hot.index, hot.block)

    def caught(self, block: int, deltas: int, stash: bytes) -> None:
        """Usage that came along with text is told of before the next event."""
        self._stash = stash or self._stash

    # -- inner ---------------------------------------------------------------------------------------------------------
    def _new_block(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _stashed(self) -> Iterator[StreamEvent]:
        if self._stash:
            stash, self._stash = self._stash, b""
            yield from self._usage(stash)

    def _usage(self, raw: Json) -> Iterator[StreamEvent]:
        if raw.startswith(b"{"):
            usage = usage_of(raw)
            if usage.known:
                self._usage_along = True
                yield Report(usage)

    def _ended(self) -> bool:
        return self._over

    def _complete(self) -> bool:
        """At least one choice has finished, and none is unfinished that has begun."""
        return bool(self._choices) and all(choice.finished or choice.held for choice in self._choices.values())

    def _failed(self, error: UpstreamError) -> Failure:
        self._over = True
        return Failure(error)

    def _end(self) -> Iterator[StreamEvent]:
        """The end mark: what has not finished by then stops now, and that is reported."""
        if not self._started:
            self._over = True
            yield Failure(stream_incomplete())
            return
        if not self._choices:
            self._choices[0] = self._begun(0)
        for choice in self._choices.values():
            if not choice.finished:
                yield from self._finished(choice, choice.held)
        if not self._ended():
            self._over = True
            yield End()

    def _begun(self, number: int) -> _Choice:
        return _Choice(number, Calls(number, self._new_block))

    def _choice(self, raw: Json, place: int) -> Iterator[StreamEvent]:
        index, delta, message, finish, logprobs, error = members(raw, _CHOICE)
        found = count(index)
        number = place if found is None else found
        if number >= MAX_CHOICES:
            return
        if self._quirks.merge_choices:
            yield from self._merged(number, delta if delta.startswith(b"{") else message, finish)
            return
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = self._begun(number)
        if choice.finished:
            return
        if error:
            yield self._failed(read_stream_error(error))
            return
        if delta.startswith(b"{"):
            yield from self._delta(choice, delta, logprobs, whole=False)
        elif message.startswith(b"{") and not choice.said:
            yield from self._delta(choice, message, logprobs, whole=True)
        said = word(finish)
        if said:
            yield from self._finished(choice, said)

    def _merged(self, number: int, delta: Json, finish: Json) -> Iterator[StreamEvent]:
        """More of the one answer there is: of the first choice everything, of the others their calls."""
        choice = self._choices.get(0)
        if choice is None:
            choice = self._choices[0] = self._begun(0)
        if number == 0:
            yield from self._delta(choice, delta, b"", whole=False)
        else:
            for place, fragment in enumerate(items(member(delta, b"tool_calls"), MAX_CALLS_A_DELTA)):
                yield from self._closed(choice)
                yield from choice.calls.fragment(fragment, place, whole=False, shift=number * MAX_CALLS_A_DELTA)
        choice.held = choice.held or word(finish)

    def _finished(self, choice: _Choice, said: str) -> Iterator[StreamEvent]:
        yield from self._closed(choice)
        yield from choice.calls.close()
        choice.finished = True
        finish = read_finish(said, called=len(choice.calls) > 0, refused=choice.refused)
        if finish.reason == "error":
            told = b'{"message":"The provider broke off its answer (%b).","code":"%b"}'
            yield self._failed(read_stream_error(told % (escaped(said), escaped(said))))
            return
        yield Finish(choice.number, finish)

    def _delta(self, choice: _Choice, raw: Json, logprobs: Json, *, whole: bool) -> Iterator[StreamEvent]:
        details, thought, thought_too, content, refusal, calls, call, notes, images, extra = members(raw, _DELTA)
        yield from self._reasoning(choice, read_details(details), text(thought), text(thought_too))
        for piece in text_pieces(content):
            yield from self._piece(choice, piece)
        refused = text(refusal)
        if refused:
            choice.refused = True
            yield from self._opened(choice, "refusal")
            yield Delta(choice.number, choice.block, refused)
        yield from self._beside_text(choice, logprobs, notes, images, extra)
        listed = items(calls, MAX_CALLS_A_DELTA)
        if call.startswith(b"{") and not listed:
            choice.legacy = True
            listed = (b'{"function":%b}' % call,)
        for place, fragment in enumerate(listed):
            yield from self._closed(choice)
            choice.said = True
            yield from choice.calls.fragment(fragment, place, whole=whole)

    def _piece(self, choice: _Choice, piece: Piece) -> Iterator[StreamEvent]:
        """A piece of the content: text, or one of Mistral's parts."""
        if piece.image is not None:
            yield from self._whole(choice, piece.image)
        elif piece.thinking:
            yield from self._thought(choice, piece.text, THOUGHT_PART)
        elif piece.text:
            yield from self._opened(choice, "text")
            yield Delta(choice.number, choice.block, piece.text)

    def _beside_text(
        self, choice: _Choice, logprobs: Json, notes: Json, images: Json, extra: Json
    ) -> Iterator[StreamEvent]:
        for image in items(images, MAX_CALLS_A_DELTA):
            found = read_image(image)
            if found is not None:
                yield from self._whole(choice, found)
        signature = signature_of(extra)
        in_text = choice.block >= 0 and choice.kind == "text"
        if in_text:
            probabilities = member(logprobs, b"content")
            if items(probabilities, 1):
                yield Probabilities(choice.number, choice.block, probabilities)
        choice.citations += itertools.islice(read_url_citations(notes), MAX_CITATIONS - len(choice.citations))
        if in_text:
            yield from self._cited(choice)
        if signature and in_text:
            yield Sign(choice=choice.number, block=choice.block, signature=signature, origin="gemini")
        elif signature:
            yield from self._whole(choice, Text(text="", signature=signature))

    # -- reasoning -----------------------------------------------------------------------------------------------------
    def _reasoning(
        self, choice: _Choice, details: tuple[Detail, ...], thought: bytes, thought_too: bytes
    ) -> Iterator[StreamEvent]:
        in_details = any(detail.text for detail in details)
        if not in_details or choice.source not in (-1, DETAIL_TEXT):
            if thought and choice.source in (-1, REASONING_CONTENT):
                yield from self._thought(choice, thought, REASONING_CONTENT)
            elif thought_too and choice.source in (-1, REASONING):
                yield from self._thought(choice, thought_too, REASONING)
        for detail in details:
            yield from self._detail(choice, detail)

    def _thought(self, choice: _Choice, piece: bytes, source: int) -> Iterator[StreamEvent]:
        if not piece:
            return
        choice.source = source
        yield from self._opened(choice, "reasoning")
        yield Delta(choice.number, choice.block, piece)

    def _detail(self, choice: _Choice, detail: Detail) -> Iterator[StreamEvent]:
        if detail.text and choice.source in (-1, DETAIL_TEXT):
            choice.source = DETAIL_TEXT
            key = (detail.kind, detail.index)
            if choice.detail != key:
                yield from self._closed(choice)
            yield from self._opened(choice, "reasoning", detail)
            yield Delta(choice.number, choice.block, detail.text)
        if not detail.signature and not detail.data:
            return
        choice.said = True
        if choice.block >= 0 and choice.kind == "reasoning" and self._signs(choice, detail):
            yield Sign(
                choice=choice.number, block=choice.block, signature=detail.signature, data=detail.data,
                item_id=detail.item_id, origin=detail.origin,
            )  # fmt: skip
            return
        yield from self._whole(
            choice,
            ReasoningBlock(
                signature=detail.signature, data=detail.data, origin=detail.origin, item_id=detail.item_id,
                redacted=not detail.signature,
            ),
        )  # fmt: skip

    @staticmethod
    def _signs(choice: _Choice, detail: Detail) -> bool:
        """Whether what only its maker can read belongs to the open reasoning."""
        return choice.source != DETAIL_TEXT or choice.detail[1] == detail.index

    # -- blocks --------------------------------------------------------------------------------------------------------
    def _opened(self, choice: _Choice, kind: str, detail: Detail | None = None) -> Iterator[StreamEvent]:
        """The block of ``kind`` is open after this; another one is closed."""
        choice.said = True
        if choice.block >= 0 and choice.kind == kind:
            return
        yield from self._closed(choice)
        if choice.calls.last is not None:
            yield from choice.calls.tell(choice.calls.last)
            choice.calls.last = None
        choice.block, choice.kind = self._new_block(), kind
        if kind == "text":
            yield Open(choice=choice.number, block=choice.block, kind="text")
            yield from self._cited(choice)
        elif kind == "refusal":
            yield Open(choice=choice.number, block=choice.block, kind="refusal")
        else:
            choice.detail = ("", 0) if detail is None else (detail.kind, detail.index)
            yield Open(
                choice=choice.number,
                block=choice.block,
                kind="reasoning",
                origin=detail.origin if detail else "",
                item_id=detail.item_id if detail else "",
                summary=detail is not None and detail.kind == "summary",
            )

    def _cited(self, choice: _Choice) -> Iterator[StreamEvent]:
        for citation in choice.citations:
            yield Cite(choice.number, choice.block, citation)
        choice.citations.clear()

    def _closed(self, choice: _Choice) -> Iterator[StreamEvent]:
        if choice.block >= 0:
            yield Close(choice.number, choice.block)
            choice.block = -1
            choice.detail = ("", 0)

    def _whole(self, choice: _Choice, value: Image | Text | ReasoningBlock) -> Iterator[StreamEvent]:
        choice.said = True
        yield from self._closed(choice)
        yield Whole(choice=choice.number, block=self._new_block(), value=value)


def _hot(choice: _Choice) -> Hot | None:
    """The shape that goes on with what is open of ``choice``."""
    number, last = choice.number, choice.calls.last
    if choice.block >= 0:
        if choice.kind == "text":
            return Hot(CONTENT, number, 0, choice.block)
        if choice.kind == "refusal":
            return Hot(REFUSAL, number, 0, choice.block)
        if choice.source != DETAIL_TEXT:
            return Hot(choice.source, number, 0, choice.block)
        shape = DETAIL_SUMMARY if choice.detail[0] == "summary" else DETAIL_TEXT
        return Hot(shape, number, choice.detail[1], choice.block)
    # Only the latest call's: a fragment without an index would go on with that one, whatever its number.
    if last is None or last.block < 0 or choice.legacy or last.custom:
        return None
    return Hot(ARGUMENTS, number, last.index, last.block)
