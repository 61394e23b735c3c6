"""Which dialects can be paired, and how: identity where both sides speak the same, else through the hub.

Whoever carries a request (the pipeline, ``omniroute translate``, a test) does it through a :class:`Pair`: the request
out, then either the whole answer or the stream back.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

import msgspec

from omniroute._speedups import Shapes, StreamCore, jsonspan
from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Block, ChatRequest, ChatResponse, ToolCall
from omniroute.translate.dialect import (
    AnswerContext,
    Asked,
    ClientSide,
    Dialect,
    Identity,
    Outgoing,
    Peeked,
    UpstreamSide,
)
from omniroute.translate.fold import Folder
from omniroute.translate.notes import Notes
from omniroute.translate.observer import Observer
from omniroute.translate.recall import Recorder, learn_answer
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage, strip_tags, strip_tags_of_response
from omniroute.translate.upstream_errors import read_stream_error

CARRIER: Final = b"omr1:"
"""Begins what we hide in a place clients send back unchanged (translation.md §15): no vendor may see it."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer for the client, and what it cost."""

    body: bytes
    usage: Usage


class Pair:
    """One way through: a client's dialect and an upstream's."""

    __slots__ = ("_shapes", "client", "far", "identity", "near", "upstream")

    near: ClientSide
    """What the client speaks."""
    far: UpstreamSide
    """What the upstream speaks."""
    identity: Identity | None
    """What happens where both speak the same; None if they do not."""

    def __init__(self, client: Dialect, upstream: Dialect) -> None:
        """Raises ValueError if ``client`` has no clients or ``upstream`` no upstreams."""
        if client.client is None or upstream.upstream is None:
            raise ValueError(f"there is no way from {client.name} to {upstream.name}")
        self.client = client
        self.upstream = upstream
        self.near, self.far = client.client, upstream.upstream
        self.identity = client.identity if client.name == upstream.name else None
        self._shapes = Shapes(upstream.upstream.shapes)  # made ready once, for all streams

    @property
    def same(self) -> bool:
        """Both sides speak one dialect, which knows how bytes pass."""
        return self.identity is not None

    def passes(self, body: bytes, quirks: Quirks) -> bool:
        """Whether bytes go on as they are, both ways: what both of the next two say."""
        return self.may_pass(quirks) and self.is_own(body)

    def may_pass(self, quirks: Quirks) -> bool:
        """Whether bytes of an upstream with ``quirks`` are as the dialect's clients know it, so that they may pass.

        Mistral's part arrays, ``<think>`` in the text and answers spread over several choices are no such thing: they
        go through the hub.
        """
        return self.identity is not None and not (quirks.mistral or quirks.think_tags or quirks.merge_choices)

    def is_own(self, body: bytes) -> bool:
        """Whether nothing in a request's ``body`` is foreign to the dialect: no carrier of ours, no other vendor's."""
        identity = self.identity
        if identity is None or jsonspan.holds(body, CARRIER):
            return False
        return identity.foreign is None or not identity.foreign(body)

    def request(
        self,
        asked: Asked,
        peeked: Peeked,
        canonical: Callable[[], ChatRequest],
        *,
        model: str,
        quirks: Quirks,
        notes: Notes,
    ) -> Outgoing:
        """The request as the upstream gets it; ``canonical`` is called only if it must be understood.

        Raises ClientError for a request that is wrong, ``Unsupported`` for one this upstream's dialect cannot carry.
        """
        if self.passes(asked.body, quirks):
            return self.forward(asked.body, peeked, model=model, quirks=quirks)
        return self.far.write_request(msgspec.structs.replace(canonical(), model=model), quirks, notes)

    def forward(self, body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> Outgoing:
        """A request that ``passes``: the client's bytes, patched."""
        identity = self.identity
        assert identity is not None
        parts = identity.encode_request(body, peeked, model=model, quirks=quirks)
        return Outgoing(path=identity.path(peeked, model), body=parts)

    def answer(self, body: bytes, context: AnswerContext, quirks: Quirks, *, passed: bool) -> Answer:
        """The whole answer ``body`` for the client. ``passed``: what ``passes`` said of the request.

        Raises UpstreamError for an error under a success status; ValueError for what is no answer at all. A stream,
        though none was asked for, is one if not ``passed``.
        """
        if passed:
            return self._passed(body)
        read_plain = self.far.read_plain_answer
        response = None if read_plain is None else read_plain(body)
        if response is None:
            try:
                failure = self.far.read_failure(body)
            except ValueError:
                return self._folded(body, context, quirks)
            if failure is not None:
                raise read_stream_error(failure)
            response = self.far.read_answer(body, quirks)
        return self._written(strip_tags_of_response(response, think=quirks.think_tags), context)

    def _passed(self, body: bytes) -> Answer:
        """``answer`` for a body that passes as it is, but for tags of ours."""
        identity = self.identity
        assert identity is not None
        if identity.scan_answer is not None:
            failure, usage = identity.scan_answer(body)
        else:
            failure = self.far.read_failure(body)
            usage = identity.usage_of_body(body) if failure is None else Usage()
        if failure is not None:
            raise read_stream_error(failure)
        return Answer(strip_tags(body), usage)

    def core(
        self, context: AnswerContext, peeked: Peeked, quirks: Quirks, *, passed: bool, max_event_bytes: int
    ) -> tuple[StreamCore, Machine | Observer]:
        """What a pump feeds the upstream's stream through, and who knows what went by."""
        decoder = self.far.decoder(quirks)
        machine: Machine | Observer
        if passed:
            assert self.client.identity is not None
            machine = Observer(decoder, self.client.identity, peeked)
        else:
            machine = Machine(
                decoder,
                self.near.encoder(context),
                TagStage(think=quirks.think_tags),
                choices=context.choices,
                estimated_input=context.estimated_input_tokens,
                call_prefix=self._call_prefix(context),
                recorder=Recorder(self.upstream.name, context.learn) if context.learn is not None else None,
            )
        core = StreamCore(
            machine,
            framing=self.far.framing,
            shapes=self._shapes,
            forward=passed,
            max_event_bytes=max_event_bytes,
        )
        return core, machine

    def _call_prefix(self, context: AnswerContext) -> str:
        """Of ids for calls the upstream gave none; "": the client's dialect can do without."""
        return self.near.call_prefix and self.near.call_prefix + context.attempt_id

    def _folded(self, body: bytes, context: AnswerContext, quirks: Quirks) -> Answer:
        """An answer that came as a stream although none was asked for."""
        folder = Folder()
        machine = Machine(
            self.far.decoder(quirks),
            folder,
            TagStage(think=quirks.think_tags),
            choices=context.choices,
            estimated_input=context.estimated_input_tokens,
        )
        core = StreamCore(machine, framing=self.far.framing, shapes=self._shapes, max_event_bytes=len(body) + 1)
        core.feed(body)
        core.finish()
        failure = machine.failure
        if not core.events or (failure is not None and failure.kind == "upstream_incomplete" and not core.content):
            raise ValueError("neither an answer nor a stream of one")
        if failure is not None:
            raise failure
        return self._written(folder.response(), context)

    def _written(self, response: ChatResponse, context: AnswerContext) -> Answer:
        called = False
        for candidate in response.candidates:
            failed = candidate.finish
            if failed is not None and failed.reason == "error":
                raise UpstreamError(
                    f"The provider ended its answer with '{failed.raw}'{': ' if failed.detail else ''}{failed.detail}.",
                    error_class="in_band_error",
                    answered=True,
                    code="upstream_error",
                )
            for block in candidate.blocks:
                called = called or isinstance(block, ToolCall)
        if called:
            response = _named(response, self._call_prefix(context))
            if context.learn is not None:
                learn_answer(response, self.upstream.name, context.learn)
        return Answer(self.near.write_answer(response, context), response.usage)


def _named(response: ChatResponse, prefix: str) -> ChatResponse:
    """``response``; calls the upstream gave no id get one."""
    if not prefix or not any(isinstance(b, ToolCall) and not b.call_id for c in response.candidates for b in c.blocks):
        return response
    serial = count()

    def named(block: Block) -> Block:
        if isinstance(block, ToolCall) and not block.call_id:
            return msgspec.structs.replace(block, call_id=f"{prefix}_{next(serial)}")
        return block

    candidates = tuple(msgspec.structs.replace(c, blocks=tuple(map(named, c.blocks))) for c in response.candidates)
    return msgspec.structs.replace(response, candidates=candidates)
