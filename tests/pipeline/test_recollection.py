"""Signed reasoning goes back to its vendor though the client has lost it: same key, same worker, within the hour."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.pipeline.recollection import KEEP_S, MAX_BYTES, MAX_CALLS, Recollection
from omniroute.translate import Remembered
from tests.pipeline.house import Answer, House, connection, house, snapshot

TOOLS_CHAT = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
TOOLS_GEMINI = [{"functionDeclarations": [{"name": "look"}]}]


def sse(*events: dict[str, object], names: bool = True) -> bytes:
    return b"".join(
        (b"event: %b\n" % str(event["type"]).encode() if names else b"")
        + b"data: "
        + msgspec.json.encode(event)
        + b"\n\n"
        for event in events
    )


THOUGHT = {"type": "thinking", "thinking": "I should look.", "signature": "SIG+a/b="}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
USAGE = {"input_tokens": 7, "output_tokens": 3}
ANTHROPIC_WHOLE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [THOUGHT, CALL],
    "stop_reason": "tool_use", "stop_sequence": None, "usage": USAGE,
}  # fmt: skip
ANTHROPIC_STREAM = sse(
    {"type": "message_start", "message": ANTHROPIC_WHOLE | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": piece}}
        for piece in ("I ", "should ", "look.")
    ),
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "SIG+a/b="}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": CALL},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": USAGE},
    {"type": "message_stop"},
)
GEMINI_PARTS = [{"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "R1NJRw=="}]
GEMINI_WHOLE = {
    "candidates": [{"content": {"role": "model", "parts": GEMINI_PARTS}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
}  # fmt: skip
ANSWERS = {
    "anthropic": (msgspec.json.encode(ANTHROPIC_WHOLE), ANTHROPIC_STREAM),
    "gemini": (msgspec.json.encode(GEMINI_WHOLE), sse(GEMINI_WHOLE, names=False)),
}


def answers(far: str, *, stream: bool) -> list[Answer]:
    whole, streamed = ANSWERS[far]
    first = Answer(headers=((b"content-type", b"text/event-stream"),), body=streamed) if stream else Answer(body=whole)
    return [first, Answer(body=whole)]


def call_id(h: House) -> str:
    """Of the one call the client was told of."""
    said = h.received().split(b"HEAD ", 1)[1]
    start = min(at for mark in (b'"id":"call_', b'"id":"toolu_') if (at := said.find(mark)) >= 0) + len(b'"id":"')
    return said[start : said.index(b'"', start)].decode()


def first(near: str) -> dict[str, object]:
    if near == "gemini":
        return {"tools": TOOLS_GEMINI}
    return (
        {"tools": TOOLS_CHAT, "reasoning_effort": "high"}
        if near == "openai_chat"
        else {"tools": TOOLS_CHAT, "think": True}
    )


def second(near: str, ident: str) -> dict[str, object]:
    """The client answers the call, and has kept nothing but what its dialect has a place for."""
    if near == "gemini":
        contents = [
            {"role": "user", "parts": [{"text": "Say hi"}]},
            {"role": "model", "parts": [{"functionCall": {"id": ident, "name": "look", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": ident, "name": "look", "response": {"x": 1}}}]},
        ]
        return {"contents": contents}
    function: dict[str, object] = {"name": "look", "arguments": "{}" if near == "openai_chat" else {}}
    call = {"id": ident, "function": function} | ({"type": "function"} if near == "openai_chat" else {})
    return {
        "messages": [
            {"role": "user", "content": "Say hi"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": ident, "content": "1"},
        ]
    }


def sent(h: House) -> bytes:
    return b"".join(h.upstream.requests[-1].body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("near", ["openai_chat", "gemini", "ollama"])
async def test_what_anthropic_signed_goes_back_in_front_of_its_call(near: str, stream: bool) -> None:
    configured = snapshot(connection("one", dialect="anthropic"))
    async with house(*answers("anthropic", stream=stream), configured=configured) as h:
        await h.ask(near, stream=stream, **first(near))
        await h.ask(near, **first(near), **second(near, call_id(h)))

        turns = msgspec.json.decode(sent(h))["messages"]
        assert [block["type"] for block in turns[1]["content"]] == ["thinking", "tool_use"]
        assert turns[1]["content"][0] == THOUGHT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("near", ["openai_chat", "ollama"])
async def test_what_gemini_signed_goes_back_on_its_call_though_it_had_no_id(near: str, stream: bool) -> None:
    configured = snapshot(connection("one", dialect="gemini"))
    async with house(*answers("gemini", stream=stream), configured=configured) as h:
        await h.ask(near, stream=stream, **first(near))
        await h.ask(near, **first(near), **second(near, call_id(h)))

        model = msgspec.json.decode(sent(h))["contents"][1]
        assert [part["thoughtSignature"] for part in model["parts"]] == ["R1NJRw=="]


async def test_another_vendor_is_never_shown_it() -> None:
    configured = snapshot(connection("one", dialect="anthropic"))
    async with house(*answers("anthropic", stream=False), configured=configured) as h:
        await h.ask("openai_chat", **first("openai_chat"))
        ident = call_id(h)
        h.snapshot = snapshot(connection("two", dialect="gemini"))
        h.upstream.answers[:] = [Answer(body=ANSWERS["gemini"][0])]

        await h.ask("openai_chat", **first("openai_chat"), **second("openai_chat", ident))

        assert b"SIG+" not in sent(h)
        assert b"should look" not in sent(h)


def test_notes_belong_to_a_key_and_end() -> None:
    now = [0.0]
    notes = Recollection(lambda: now[0])
    notes.learn("k1", "call_1", Remembered("anthropic", "s"))

    assert notes.lookup("k1", "call_1") == Remembered("anthropic", "s")
    assert notes.lookup("k2", "call_1") is None
    now[0] = KEEP_S + 1
    assert notes.lookup("k1", "call_1") is None


def test_notes_are_bounded_in_number_and_size_and_the_oldest_go() -> None:
    notes = Recollection(float)
    for number in range(MAX_CALLS + 1):
        notes.learn("k", f"call_{number}", Remembered("anthropic", "s"))
    assert notes.lookup("k", "call_0") is None
    assert notes.lookup("k", f"call_{MAX_CALLS}") is not None

    notes.learn("k", "large", Remembered("anthropic", "s" * MAX_BYTES))
    assert notes.lookup("k", "large") is not None
    assert notes.lookup("k", f"call_{MAX_CALLS}") is None
    notes.learn("k", "too large", Remembered("anthropic", "s" * (MAX_BYTES + 1)))
    assert notes.lookup("k", "too large") is None
    notes.learn("k", "again", Remembered("anthropic", "s"))
    assert notes.lookup("k", "again") is not None
