"""Stream events for a Gemini client."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Citation, Image, Inline, Link, Opaque, Reasoning, Text
from omniroute.translate.canonical import Finish as FinishReason
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
from tests.translate.dialects.gemini.speech import context, encoded, near, objects

_STOP = Finish(0, FinishReason(reason="stop"))
_COUNTS = Report(Usage(input_total=10, cache_read=4, output_total=9, reasoning=3, known=True))
_METADATA = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 6,
    "totalTokenCount": 19,
    "thoughtsTokenCount": 3,
    "cachedContentTokenCount": 4,
}


def _text(*texts: bytes, block: int = 0, choice: int = 0, kind: str = "text") -> list[StreamEvent]:
    opening = msgspec.structs.replace(Open(choice=choice, block=block, kind="text"), kind=kind)
    return [opening, *(Delta(choice, block, text) for text in texts), Close(choice, block)]


def _call(block: int, name: str, arguments: bytes, **more: str) -> list[StreamEvent]:
    opening = msgspec.structs.replace(Open(block=block, kind="tool", name=name), **more)
    return [opening, Delta(0, block, arguments), Close(0, block)] if arguments else [opening, Close(0, block)]


def _of(*parts: object, index: int = 0, **more: object) -> dict[str, object]:
    return {"content": {"role": "model", "parts": list(parts)}, "index": index, **more}


def test_text_goes_at_once_and_counts_with_the_last_object() -> None:
    output = encoded([Start(id="r1", model="m"), *_text(b"a", b'\\"b'), _COUNTS, _STOP, End()])
    assert output.endswith(b"\r\n\r\n")
    assert output.startswith(
        b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"index":0}],'
        b'"modelVersion":"m","responseId":"r1"}\r\n\r\ndata: '
    )
    assert objects(output) == [
        {"candidates": [_of({"text": "a"})], "modelVersion": "m", "responseId": "r1"},
        {"candidates": [_of({"text": '"b'})], "modelVersion": "m", "responseId": "r1"},
        {
            "candidates": [_of({"text": ""}, finishReason="STOP")],
            "usageMetadata": _METADATA,
            "modelVersion": "m",
            "responseId": "r1",
        },
    ]


def test_names_the_upstream_did_not_give_come_from_the_exchange() -> None:
    (last,) = objects(encoded([Start(), _STOP, End()]))
    assert (last["modelVersion"], last["responseId"]) == ("asked", "a1")


def test_complete_calls_wait_for_the_next_thing() -> None:
    of = context(names={"fitted": "theirs"}, call_ids={"c2": "long"})
    events = [
        Start(),
        *_call(0, "fitted", b'{\\"a\\":1.0}', call_id="c1", signature="U0lH", origin="gemini"),
        *_call(1, "g", b"", call_id="c2", signature="SIG", origin="anthropic"),
        *_text(b"x", block=2),
        *_call(3, "h", b"broken"),
        _STOP,
        End(),
    ]
    first, second, last = (value["candidates"] for value in objects(encoded(events, of)))
    assert first == [
        _of(
            {"functionCall": {"id": "c1", "name": "theirs", "args": {"a": 1.0}}, "thoughtSignature": "U0lH"},
            {"functionCall": {"id": "long", "name": "g", "args": {}}},
        )
    ]
    assert second == [_of({"text": "x"})]
    assert last == [_of({"functionCall": {"name": "h", "args": {"_raw_arguments": "broken"}}}, finishReason="STOP")]


def test_thoughts_are_marked_and_signed_by_google_only() -> None:
    thought = _text(b"hm", kind="reasoning")
    signs: list[StreamEvent] = [
        Sign(block=0, signature="SIG", origin="anthropic"),
        Sign(block=0, signature="U0lH", origin="gemini"),
    ]
    values = objects(encoded([Start(), *thought[:-1], *signs, thought[-1], *_text(b"x", block=1), _STOP, End()]))
    assert [value["candidates"] for value in values[:3]] == [
        [_of({"text": "hm", "thought": True})],
        [_of({"text": "", "thought": True, "thoughtSignature": "U0lH"})],
        [_of({"text": "x"})],
    ]


def test_candidates_end_each_for_itself() -> None:
    events = [
        Start(),
        *_text(b"a"),
        Finish(0, FinishReason(reason="length")),
        *_text(b"b", block=1, choice=1),
        Finish(1, FinishReason(reason="filter", detail="why", raw="refusal")),
        End(),
    ]
    values = objects(encoded(events))
    assert [value["candidates"] for value in values] == [
        [_of({"text": "a"})],
        [_of({"text": ""}, finishReason="MAX_TOKENS")],
        [_of({"text": "b"}, index=1)],
        [_of({"text": ""}, index=1, finishReason="SAFETY", finishMessage="why")],
    ]
    assert "usageMetadata" in values[-1]


def test_whole_blocks_sources_and_probabilities() -> None:
    content = b'[{"token":"x","logprob":-0.50,"bytes":null,"top_logprobs":[{"token":"y","logprob":-1}]}]'
    events = [
        Start(),
        *_text(b"x")[:-1],
        Cite(0, 0, Citation(url="https://a.test", title="A")),
        Cite(0, 0, Citation(origin="anthropic", raw=b"{}")),
        Probabilities(0, 0, content),
        Close(0, 0),
        Whole(block=1, value=Image(source=Inline("image/png", "AAAA"))),
        Whole(block=2, value=Opaque(origin="anthropic", raw=b"{}")),
        Whole(block=3, value=Reasoning(data="secret", redacted=True, origin="anthropic")),
        Whole(block=4, value=Image(source=Link("https://x.test/a.png"))),
        Whole(block=5, value=Text(text="", signature="U0lH")),
        _STOP,
        End(),
    ]
    values = objects(encoded(events))
    assert values[1]["candidates"] == [
        _of(
            {"text": ""},
            citationMetadata={"citationSources": [{"uri": "https://a.test", "title": "A"}]},
            logprobsResult={
                "chosenCandidates": [{"token": "x", "logProbability": -0.5}],
                "topCandidates": [{"candidates": [{"token": "y", "logProbability": -1}]}],
            },
        )
    ]
    assert [value["candidates"] for value in values[2:]] == [
        [_of({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})],
        [_of({"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/a.png"}})],
        [_of({"text": "", "thoughtSignature": "U0lH"}, finishReason="STOP")],
    ]


def test_an_array_is_written_piece_by_piece() -> None:
    encoder = near().encoder(context(variant="json_array"))
    pieces = [encoder.encode(event) for event in [Start(), *_text(b"a", b"b"), _STOP, End()]]
    assert [piece[:1] for piece in pieces if piece] == [b"[", b",", b","]
    assert pieces[-1].rstrip().endswith(b"}]")
    assert len(objects(b"".join(pieces))) == 3


@pytest.mark.parametrize("variant", ["", "json_array"])
@pytest.mark.parametrize("said", [True, False])
def test_a_failure_is_the_last_object_and_no_call_goes_with_it(variant: str, said: bool) -> None:
    failure = Failure(UpstreamError("gone", error_class="reset", kind="overloaded", status=503))
    events = [Start(), *(_text(b"a") if said else []), *_call(1, "f", b"{}"), failure]
    values = objects(encoded(events, context(variant=variant)))
    assert values[-1] == {"error": {"code": 503, "message": "gone", "status": "UNAVAILABLE"}}
    assert len(values) == 1 + said


def test_frames_are_what_encode_writes() -> None:
    for kind in ("text", "reasoning", "refusal"):
        encoder = near().encoder(context())
        opening = msgspec.structs.replace(Open(block=0, choice=2, kind="text"), kind=kind)
        encoder.encode(Start(model="m"))
        encoder.encode(opening)
        frame = encoder.frame(0)
        assert frame is not None
        assert frame.head + b"xyz" + frame.tail == encoder.encode(Delta(2, 0, b"xyz"))


def test_what_is_held_back_or_not_begun_has_no_frame() -> None:
    encoder = near().encoder(context(variant="json_array"))
    for event in (Start(), Open(block=0, kind="text")):
        encoder.encode(event)
    assert encoder.frame(0) is None, "the bracket of the array comes first"
    assert encoder.frame(7) is None
    encoder.encode(Delta(0, 0, b"a"))
    assert encoder.frame(0) is not None
    encoder.encode(Sign(block=0, signature="U0lH", origin="gemini"))
    assert encoder.frame(0) is None, "the signature comes first"


def test_arguments_that_went_by_in_lanes_belong_to_their_call() -> None:
    encoder = near().encoder(context())
    for event in (Start(), Open(block=0, kind="tool", name="f"), Delta(0, 0, b'{\\"a')):
        assert encoder.encode(event) == b""
    frame = encoder.frame(0)
    assert frame is not None
    assert frame.silent
    assert frame.keep
    encoder.caught(0, b'\\":1}')
    output = b"".join(encoder.encode(event) for event in (Close(0, 0), _STOP, End()))
    assert b'"args":{"a":1}' in output
