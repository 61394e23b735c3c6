"""What the tests of this dialect share: requests, contexts, streams in and out, the vendor's own types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Raw
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest
from omniroute.translate.dialect import AnswerContext
from omniroute.translate.dialects.openai_responses import DIALECT
from omniroute.translate.events import StreamEvent
from omniroute.translate.notes import Notes

ATTEMPT_ID = "0123456789abcdef"
CONTEXT = AnswerContext(attempt_id=ATTEMPT_ID, created_epoch_s=1_700_000_000, model="asked/model")

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
RESPONSE: TypeAdapter[Response] = TypeAdapter(Response)
"""The vendor's own types; validating with the union is slow, and its building is slower."""

assert DIALECT.client is not None
assert DIALECT.upstream is not None
CLIENT = DIALECT.client
UPSTREAM = DIALECT.upstream


class Request(msgspec.Struct, frozen=True):
    """A client's request; satisfies ``dialect.Asked``."""

    body: bytes
    path: str = "/v1/responses"
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}


def read(**members: object) -> ChatRequest:
    """A client's request with ``members``, as the hub has it."""
    return read_body(msgspec.json.encode({"model": "m", **members}))


def read_body(body: bytes) -> ChatRequest:
    """The same for its bytes."""
    request = Request(body)
    return CLIENT.read_request(request, CLIENT.peek(request))


def written(request: ChatRequest, quirks: Quirks | None = None, notes: Notes | None = None) -> dict[str, object]:
    """The request as an upstream gets it."""
    outgoing = UPSTREAM.write_request(request, quirks or Quirks(), Notes() if notes is None else notes)
    assert outgoing.path == "/responses"
    found = msgspec.json.decode(b"".join(outgoing.body))
    assert isinstance(found, dict)
    return found


def losses(request: ChatRequest, quirks: Quirks | None = None) -> dict[str, str]:
    """Fields that are lost on the way to an upstream, and how badly."""
    notes = Notes()
    written(request, quirks, notes)
    return {note.field: note.severity for note in notes}


def events_of(output: bytes) -> list[dict[str, object]]:
    """The events of a stream of ours, after the grammar and the vendor's types have passed them."""
    checker = CLIENT.checker()
    found = []
    for block in output.split(b"\n\n")[:-1]:
        name, data = (line.split(b": ", 1)[1] for line in block.split(b"\n"))
        checker.event(name, data)
        found.append(parsed(data))
    checker.end()
    return found


def parsed(data: bytes) -> dict[str, object]:
    """An event, which the vendor's types know in full."""
    event = msgspec.json.decode(data)
    assert isinstance(event, dict)
    EVENT.validate_python(event)
    return event


def encoded(events: Iterable[StreamEvent], context: AnswerContext = CONTEXT) -> bytes:
    """The client's stream of ``events``."""
    encoder = CLIENT.encoder(context)
    return b"".join(encoder.encode(event) for event in events)


def decoded(*events: Mapping[str, object] | bytes, end: bool = True) -> list[StreamEvent]:
    """What the upstream's ``events`` say."""
    decoder = UPSTREAM.decoder(Quirks())
    found: list[StreamEvent] = []
    for event in events:
        data = event if isinstance(event, bytes) else msgspec.json.encode(event)
        found += decoder.decode(b"", data)
    return [*found, *decoder.finish()] if end else found


def names(events: Sequence[Mapping[str, object]]) -> list[str]:
    """Their types without what all have in common."""
    return [str(event["type"]).removeprefix("response.") for event in events]


def raw(value: object) -> Raw:
    """``value`` as JSON."""
    return Raw(msgspec.json.encode(value))
