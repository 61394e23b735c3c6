"""Streams and requests of the Anthropic dialect, for its tests."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from omniroute._speedups import StreamCore
from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.anthropic import DIALECT
from omniroute.translate.events import End, Finish, Start, StreamEvent
from omniroute.translate.fold import Folder
from omniroute.translate.notes import Notes
from omniroute.translate.stream import Machine, StreamEncoder
from omniroute.translate.tags import TagStage
from tests.translate.vectors import Request

assert DIALECT.client is not None
assert DIALECT.upstream is not None
CLIENT = DIALECT.client
UPSTREAM = DIALECT.upstream

CONTEXT = AnswerContext(attempt_id="a1", model="asked", created_epoch_s=1)

START = b'{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}'
DELTA = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}'
STOP = b'{"type":"message_stop"}'


def asked(body: object, *, path: str = "/v1/messages", query: bytes = b"", **headers: str) -> Request:
    """A client's request; ``body`` as it is if it is bytes."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Request(path, query, {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}, raw)


def read(body: object, *, path: str = "/v1/messages") -> ChatRequest:
    """What the hub understands of a client's request."""
    request = asked(body, path=path)
    return CLIENT.read_request(request, CLIENT.peek(request))


def write(request: ChatRequest, notes: Notes | None = None, **quirks: object) -> dict[str, object]:
    """What an upstream is sent."""
    told = msgspec.structs.replace(Quirks(), **quirks)
    outgoing = UPSTREAM.write_request(request, told, Notes() if notes is None else notes)
    body: dict[str, object] = msgspec.json.decode(b"".join(outgoing.body))
    return body


def encode(events: Iterable[StreamEvent], context: AnswerContext = CONTEXT) -> bytes:
    """A whole client's stream of ``events``, between a start and an end."""
    encoder = CLIENT.encoder(context)
    whole = (Start(id="msg_1", model="m"), *events)
    return b"".join(encoder.encode(event) for event in whole)


def ended(*events: StreamEvent, reason: str = "stop") -> tuple[StreamEvent, ...]:
    """``events`` and how an answer ends."""
    finish = msgspec.convert({"reason": reason}, FinishReason)
    return (*events, Finish(0, finish), End())


def parsed(output: bytes) -> list[dict[str, object]]:
    """The data of the events of a client's stream, which must be grammatical."""
    checker = CLIENT.checker()
    found = []
    for block in output.split(b"\n\n")[:-1]:
        if not block.startswith(b":"):
            name, _, data = block.partition(b"\ndata: ")
            checker.event(name.removeprefix(b"event: "), data)
            found.append(msgspec.json.decode(data))
    checker.end()
    return found


def sse(*events: bytes) -> bytes:
    """The events of an upstream, named after their type."""
    names = (data.partition(b'"type":"')[2].partition(b'"')[0] for data in events)
    return b"".join(b"event: %s\ndata: %s\n\n" % pair for pair in zip(names, events, strict=True))


def through(stream: bytes, encoder: StreamEncoder, *, lanes: bool = True, cut: int = 0) -> tuple[bytes, Machine]:
    """``stream`` through decoder, core and ``encoder``, ``cut`` bytes at a time (0: at once)."""
    machine = Machine(UPSTREAM.decoder(Quirks()), encoder, TagStage(think=False), choices=1, estimated_input=7)
    core = StreamCore(machine, framing=UPSTREAM.framing, shapes=UPSTREAM.shapes, lanes=lanes)
    step = cut or max(1, len(stream))
    out = [core.feed(stream[at : at + step]) for at in range(0, len(stream), step)]
    return b"".join(out) + core.finish(), machine


def folded(stream: bytes) -> Folder:
    """What ``stream`` comes to."""
    folder = Folder()
    through(stream, folder)
    return folder
