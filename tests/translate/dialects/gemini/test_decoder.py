"""Chunks of an upstream as stream events."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import StreamCore
from omniroute.domain import Quirks, Usage
from omniroute.errors import UpstreamError
from omniroute.translate.canonical import Audio, Image, Inline, Opaque, Reasoning, Text, ToolCall
from omniroute.translate.canonical import Finish as FinishReason
from omniroute.translate.core_flow import CoreFlow
from omniroute.translate.dialect import Peeked
from omniroute.translate.dialects.gemini import DIALECT
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
    Whole,
)
from omniroute.translate.pairing import Pair
from omniroute.translate.stream import Machine
from omniroute.translate.tags import TagStage
from tests.translate.dialects.gemini.speech import chunk, context, decoded, far, folded, near, objects


def test_text_comes_in_one_block_and_finishes_at_the_end() -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    events = decoded(chunk({"text": "Hel"}), chunk({"text": "lo"}, finish="STOP", usageMetadata=usage))
    assert events == [
        Start(id="r", model="m"),
        Open(block=0, kind="text", origin="gemini"),
        Delta(0, 0, b"Hel"),
        Report(Usage(input_total=3, output_total=2, known=True)),
        Delta(0, 0, b"lo"),
        Close(0, 0),
        Finish(0, FinishReason(reason="stop", raw="STOP")),
        End(),
    ]


def test_a_reason_on_every_chunk_ends_nothing() -> None:
    answer = folded(chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, finish="MAX_TOKENS"))
    (candidate,) = answer.candidates
    assert candidate.blocks == (Text(text="ab"),)
    assert candidate.finish == FinishReason(reason="length", raw="MAX_TOKENS")


def test_thoughts_text_and_signatures_keep_their_order() -> None:
    answer = folded(
        chunk({"text": "hm", "thought": True}, {"text": "A"}),
        chunk({"text": "", "thoughtSignature": "U0lH"}),
        chunk({"functionCall": {"name": "f", "args": {"a": 1.0}}, "thoughtSignature": "U0lI"}),
        chunk({"text": "", "thoughtSignature": "U0lJ"}, finish="STOP"),
    )
    assert answer.candidates[0].blocks == (
        Reasoning(text="hm", origin="gemini", summary=True),
        Text(text="A", signature="U0lH"),
        ToolCall(call_id="", name="f", arguments='{"a":1.0}', signature="U0lI"),
        Text(text="", signature="U0lJ"),
    )
    assert answer.candidates[0].finish == FinishReason(reason="tool", raw="STOP")


def test_candidates_are_told_apart_by_index() -> None:
    both = msgspec.json.encode(
        {
            "candidates": [
                {"content": {"parts": [{"text": "a"}]}, "index": 1, "finishReason": "STOP"},
                {"content": {"parts": [{"text": "b"}]}, "finishReason": "SAFETY"},
            ]
        }
    )
    first, second = folded(both).candidates
    assert (first.index, first.blocks, second.index, second.blocks) == (0, (Text(text="b"),), 1, (Text(text="a"),))
    assert first.finish == FinishReason(reason="filter", raw="SAFETY")


def test_pieces_of_a_call_become_one_call() -> None:
    answer = folded(
        chunk({"functionCall": {"name": "f", "id": "c1", "willContinue": True}, "thoughtSignature": "U0lH"}),
        chunk({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": True}}),
        chunk({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "y"}], "willContinue": True}}),
        chunk({"functionCall": {}}),
        chunk({"functionCall": {"name": "g", "id": "c1", "args": {}}}, finish="STOP"),
    )
    assert answer.candidates[0].blocks == (
        ToolCall(call_id="c1", name="f", arguments='{"a":"xy"}', signature="U0lH"),
        ToolCall(call_id="", name="g", arguments="{}"),
    ), "an id that is used twice is the second call's no longer"


def test_a_call_whose_end_never_comes_is_whole_at_the_end() -> None:
    answer = folded(
        chunk({"functionCall": {"name": "f", "willContinue": True}}),
        chunk({"functionCall": {"partialArgs": [{"jsonPath": "$.n", "numberValue": 1.50}], "willContinue": True}}),
        chunk(finish="STOP"),
    )
    assert answer.candidates[0].blocks == (ToolCall(call_id="", name="f", arguments='{"n":1.5}'),)


def test_more_of_no_call_is_no_call() -> None:
    events = decoded(
        chunk({"functionCall": {"args": {"a": 1}}}, {"functionCall": {"partialArgs": [], "willContinue": True}}),
        chunk({"text": "x"}, finish="STOP"),
    )
    assert not any(isinstance(event, Open) and event.kind == "tool" for event in events)


def test_media_and_googles_own_parts_come_whole() -> None:
    answer = folded(
        chunk(
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "BBBB"}},
            {"toolCall": {"id": "1"}},
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
            finish="STOP",
        )
    )
    assert answer.candidates[0].blocks == (
        Image(source=Inline("image/png", "AAAA")),
        Audio(source=Inline("audio/wav", "BBBB"), format="wav"),
        Opaque(origin="gemini", kind="toolCall", raw=b'{"toolCall":{"id":"1"}}'),
        Text(text="\n```python\nprint(1)\n```\n\n```\n1\n\n```\n"),
    )


def test_sources_are_told_once_each() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.test", "title": "A"}}, {"web": {"uri": "https://b.test"}}],
        "groundingSupports": [{"segment": {"text": "said"}, "groundingChunkIndices": [0, 7]}],
    }
    cites = {"citationSources": [{"uri": "https://c.test", "startIndex": 1}, {"license": "x"}]}
    data = msgspec.json.encode(
        {
            "candidates": [
                {"content": {"parts": [{"text": "x"}]}, "groundingMetadata": grounding, "citationMetadata": cites}
            ]
        }
    )
    found = [event.citation for event in decoded(data, data, chunk(finish="STOP")) if isinstance(event, Cite)]
    assert [(cite.url, cite.title, cite.cited_text) for cite in found] == [
        ("https://c.test", "", ""),
        ("https://a.test", "A", "said"),
    ]


def test_log_probabilities_take_chats_form() -> None:
    told = {
        "chosenCandidates": [{"token": "a", "tokenId": 1, "logProbability": -0.10}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -2}]}],
    }
    data = msgspec.json.encode({"candidates": [{"content": {"parts": [{"text": "x"}]}, "logprobsResult": told}]})
    (found,) = [event for event in decoded(data, chunk(finish="STOP")) if isinstance(event, Probabilities)]
    assert msgspec.json.decode(found.content) == [
        {"token": "a", "logprob": -0.1, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -2, "bytes": None}]}
    ]


def test_a_blocked_prompt_is_an_answer_that_says_why() -> None:
    events = decoded(b'{"promptFeedback":{"blockReason":"SAFETY"},"responseId":"r"}')
    assert events == [
        Start(id="r"),
        Finish(0, FinishReason(reason="filter", raw="SAFETY", detail="The provider blocked the prompt: SAFETY.")),
        End(),
    ]


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "TOO_MANY_TOOL_CALLS"])
def test_a_failure_that_gave_nothing_is_one_and_else_a_stop(reason: str) -> None:
    thought = chunk({"text": "hm", "thought": True})
    (failure,) = [event for event in decoded(thought, chunk(finish=reason)) if isinstance(event, Failure)]
    assert failure.error.status == 502
    assert failure.error.code == "upstream_error"
    assert reason in failure.error.message
    finish = folded(chunk({"text": "x"}, finish=reason)).candidates[0].finish
    assert finish == FinishReason(reason="stop", raw=reason, unknown=True)


def test_an_unknown_reason_is_a_stop_that_is_reported() -> None:
    finish = folded(chunk({"text": "x"}, finish="NEW")).candidates[0].finish
    assert finish == FinishReason(reason="stop", raw="NEW", unknown=True)


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (chunk({"text": "x"}),),
        (chunk({"text": "x"}, finish="FINISH_REASON_UNSPECIFIED"),),
        (chunk({"text": "x"}, finish="STOP"), chunk({"text": "y"}, index=1)),
        (b'{"usageMetadata":{"promptTokenCount":1}}',),
    ],
    ids=["nothing", "no reason", "unspecified", "one of two", "counts alone"],
)
def test_an_end_without_a_reason_is_a_failure(chunks: tuple[bytes, ...]) -> None:
    last = decoded(*chunks)[-1]
    assert isinstance(last, Failure)
    assert last.error.code == "upstream_stream_incomplete"


@pytest.mark.parametrize(
    "data",
    [
        b'{"error":{"code":503,"message":"later","status":"UNAVAILABLE"}}',
        b'[{"error":{"code":503,"message":"later","status":"UNAVAILABLE"}}]',
    ],
)
def test_an_error_ends_the_stream(data: bytes) -> None:
    events = decoded(chunk({"text": "x"}), data, chunk({"text": "y"}, finish="STOP"))
    assert isinstance(events[-1], Failure)
    assert (events[-1].error.kind, events[-1].error.message) == ("overloaded", "later")
    assert not any(isinstance(event, Delta) and event.text == b"y" for event in events)


def test_the_last_counts_are_those_that_count() -> None:
    decoder = far().decoder(Quirks())
    list(decoder.decode(b"", chunk({"text": "x"}, usageMetadata={"promptTokenCount": 1, "totalTokenCount": 1})))
    (hot,) = decoder.hot()
    stash = b'{"promptTokenCount":10,"toolUsePromptTokenCount":50,"cachedContentTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":6,"totalTokenCount":68}'
    told = Usage(input_total=60, cache_read=4, output_total=8, reasoning=6, known=True)
    assert decoder.caught(hot.block, 1, stash) == told
    assert decoder.caught(hot.block, 1, b"") is None
    assert Report(told) in list(decoder.decode(b"", chunk(finish="STOP")))


def test_text_stays_the_bytes_it_came_as() -> None:
    data = b'{"candidates":[{"content":{"parts":[{"text":"\\ud83d"},{"text":"\\ude00 \\u00e9 \\/ \xc3\xa9"}]},"finishReason":"STOP"}]}'
    deltas = [event.text for event in decoded(data) if isinstance(event, Delta)]
    assert deltas == [b"\\ud83d", b"\\ude00 \\u00e9 \\/ \xc3\xa9"]


def test_bytes_that_are_no_text_are_made_text() -> None:
    data = b'{"candidates":[{"content":{"parts":[{"text":"a\xff"}]},"finishReason":"STOP"}]}'
    assert [event.text for event in decoded(data) if isinstance(event, Delta)] == ["a\ufffd".encode()]


_ARRAY = b"[" + b"\n,\r\n".join(
    [
        chunk({"text": "a"}),
        msgspec.json.format(chunk({"text": "b"}), indent=2),
        chunk({"functionCall": {"name": "f", "args": {"x": "]}"}}}, finish="STOP"),
    ]
)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_array_is_a_stream_too(size: int) -> None:
    body = _ARRAY + b"\n]\n"
    core, machine = Pair(DIALECT, DIALECT).core(
        context(), Peeked("m", True, True, 1), Quirks(), passed=False, max_event_bytes=1 << 20
    )
    output = b"".join(core.feed(body[at : at + size]) for at in range(0, len(body), size)) + core.finish()
    values = objects(output)
    assert [value["candidates"][0]["content"]["parts"] for value in values] == [  # type: ignore[index]
        [{"text": "a"}],
        [{"text": "b"}],
        [{"functionCall": {"name": "f", "args": {"x": "]}"}}}],
    ]
    assert machine.finish_reason == "STOP"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_array_passes_byte_for_byte_and_breaks_off_with_an_error_in_it(size: int) -> None:
    peeked = Peeked("m", True, True, 1, variant="json_array")
    for end in (b"\n]\n", b""):
        flow = CoreFlow(Pair(DIALECT, DIALECT), context(), peeked, Quirks(), passed=True, max_event_bytes=1 << 20)
        body = _ARRAY + end
        output = b"".join(flow.look(body[at : at + size]) for at in range(0, len(body), size))
        if end:
            assert output + flow.look(b"") in (body, body.rstrip(b"\n"))
            assert flow.complete(whole=True)
        else:
            output += flow.fail(UpstreamError("gone", error_class="reset"), last=output)
            values = msgspec.json.decode(output)
            assert len(values) == 4
            assert values[-1]["error"]["message"] == "gone"


_HEAD = chunk({"text": "start"})
_PIECES = st.sampled_from(
    [
        chunk({"text": "more"}),
        chunk({"text": "more", "thought": True}),
        chunk({"text": "<b"}, usageMetadata={"promptTokenCount": 4, "totalTokenCount": 4}),
        chunk({"text": ""}),
        chunk({"text": "s", "thoughtSignature": "U0lH"}),
        chunk({"text": "other"}, index=1),
        chunk({"functionCall": {"name": "f", "args": {"a": "b"}}}),
        chunk({"functionCall": {"name": "p", "willContinue": True}}),
        chunk({"functionCall": {"partialArgs": [{"jsonPath": "$.q[2]", "stringValue": "z"}], "willContinue": True}}),
        chunk({"functionCall": {}}),
        chunk({"text": "last"}, finish="STOP"),
        chunk(index=1, finish="STOP"),
        b'{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10}}',
    ]
)


@pytest.mark.parametrize("variant", ["", "json_array"])
@settings(max_examples=40)
@given(chunks=st.lists(_PIECES, max_size=12))
def test_lanes_change_no_byte(variant: str, chunks: list[bytes]) -> None:
    outputs = []
    for lanes in (False, True):
        machine = Machine(
            far().decoder(Quirks()),
            near().encoder(context(variant=variant, choices=2)),
            TagStage(think=False),
            choices=2,
            estimated_input=1,
        )
        core = StreamCore(machine, framing="sse", shapes=far().shapes, lanes=lanes)
        body = b"".join(b"data: " + data + b"\r\n\r\n" for data in (_HEAD, *chunks))
        outputs.append((core.feed(body) + core.finish(), machine.usage))
    assert outputs[0] == outputs[1]


_SPOILED = st.sampled_from([b"null", b"1", b'"x"', b"[]", b"{}", b"[null]", b"true", b"-1", b'"\\ud800"', b"\xff", b""])
_RICH = msgspec.json.encode(
    {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "a", "thought": True, "thoughtSignature": "U0lH"},
                        {"functionCall": {"name": "f", "id": "i", "args": {"a": 1}}},
                        {"functionCall": {"name": "g", "willContinue": True}},
                        {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "b"}]}},
                        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                        {"executableCode": {"language": "PYTHON", "code": "1"}},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
                "citationMetadata": {"citationSources": [{"uri": "u"}]},
                "logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": 1}]},
            }
        ],
        "usageMetadata": {"promptTokenCount": 1},
        "promptFeedback": {"blockReason": "X"},
        "createTime": "2026-04-02T17:03:50.399550Z",
    }
)


@given(at=st.integers(0, len(_RICH) - 1), length=st.integers(0, 12), spoiled=_SPOILED)
def test_nothing_a_vendor_sends_raises_or_makes_up_a_call(at: int, length: int, spoiled: bytes) -> None:
    events = decoded(_RICH[:at] + spoiled + _RICH[at + length :])
    assert isinstance(events[-1], End | Failure)
    assert sum(isinstance(event, End | Failure) for event in events) == 1
    for event in events:
        if isinstance(event, Open) and event.kind == "tool":
            assert event.name
        if isinstance(event, Whole | Sign):
            assert event.block >= 0


@pytest.mark.parametrize(
    ("created", "seconds"), [("2026-04-02T17:03:50.399550Z", 1775149430), ("yesterday", 0), (5, 0), ("2026-04-02", 0)]
)
def test_when_it_was_made(created: object, seconds: int) -> None:
    (start,) = [event for event in decoded(chunk(finish="STOP", createTime=created)) if isinstance(event, Start)]
    assert start.created_epoch_s == seconds
