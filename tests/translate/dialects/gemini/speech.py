"""What the tests of Gemini's dialect have in common: requests made, chunks decoded, events encoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from omniroute.domain import Quirks
from omniroute.translate.canonical import ChatRequest, ChatResponse
from omniroute.translate.dialect import AnswerContext, ClientSide, UpstreamSide
from omniroute.translate.dialects.gemini import DIALECT
from omniroute.translate.events import StreamEvent
from omniroute.translate.fold import Folder
from omniroute.translate.notes import Notes
from tests.translate.vectors import Request, checked

BETA = "/v1beta/models/"


def near() -> ClientSide:
    """The client's side."""
    assert DIALECT.client is not None
    return DIALECT.client


def far() -> UpstreamSide:
    """The upstream's side."""
    assert DIALECT.upstream is not None
    return DIALECT.upstream


def request(
    body: object, path: str = f"{BETA}m:generateContent", query: str = "", headers: Mapping[bytes, bytes] | None = None
) -> Request:
    """A client's request; ``body`` may be bytes."""
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Request(path, query.encode(), headers or {}, encoded)


def read(body: object, path: str = f"{BETA}m:generateContent") -> ChatRequest:
    """The canonical request a client's body is."""
    asked = request(body, path)
    return near().read_request(asked, near().peek(asked))


def says(*parts: object, **more: object) -> dict[str, object]:
    """A body of one user turn."""
    return {"contents": [{"role": "user", "parts": list(parts) or [{"text": "x"}]}], **more}


def written(canonical: ChatRequest, quirks: Quirks | None = None) -> tuple[str, dict[str, object], Notes]:
    """Path, body and losses of a request for an upstream."""
    notes = Notes()
    outgoing = far().write_request(canonical, quirks or Quirks(), notes)
    body = msgspec.json.decode(b"".join(outgoing.body), type=dict[str, object])
    return outgoing.path, body, notes


def chunk(*parts: object, index: int = 0, **more: object) -> bytes:
    """A chunk of one candidate; ``finish`` is its reason."""
    finish = more.pop("finish", None)
    candidate: dict[str, object] = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    return msgspec.json.encode({"candidates": [candidate], "modelVersion": "m", "responseId": "r", **more})


def decoded(*chunks: bytes) -> list[StreamEvent]:
    """The events of a stream of ``chunks``, to its end."""
    decoder = far().decoder(Quirks())
    events = [event for data in chunks for event in decoder.decode(b"", data)]
    return [*events, *decoder.finish()]


def folded(*chunks: bytes) -> ChatResponse:
    """The answer a stream of ``chunks`` is."""
    folder = Folder()
    for event in decoded(*chunks):
        folder.encode(event)
    return folder.response()


def context(**fields: object) -> AnswerContext:
    """Of an answer."""
    return msgspec.structs.replace(AnswerContext(attempt_id="a1", request_id="req_1", model="asked"), **fields)


def encoded(events: Iterable[StreamEvent], of: AnswerContext | None = None) -> bytes:
    """A client's stream."""
    encoder = near().encoder(of or context())
    return b"".join(encoder.encode(event) for event in events)


def objects(output: bytes) -> list[dict[str, object]]:
    """The objects of a client's stream, after they passed the grammar."""
    found = [event.data for event in checked(near(), "gemini", output)]
    assert all(isinstance(value, dict) for value in found)
    return [value for value in found if isinstance(value, dict)]
