"""CPU of one text delta from dialect to dialect, compiled against plain: ``python -m perf.stream_bench``.

Decoder, tag stage, encoder and lanes are the product's own; a batch of equal deltas is fed at once, so that what
calling from Python costs is not in the figure. Where both sides speak one dialect bytes are forwarded; for OpenAI Chat
a tap does that, and the last lines say why: what a stream costs besides its text.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Final

from omniroute._speedups import shapes_c, shapes_py, stream_c, stream_py, tap_c, tap_py
from omniroute.domain import Quirks
from omniroute.translate import AnswerContext, Flow, Pair, Peeked, find_dialects
from omniroute.translate.core_flow import CoreFlow
from omniroute.translate.observer import Observer
from omniroute.translate.stream import Machine
from omniroute.translate.tags import INTERNAL, TagStage

BATCH: Final = 64
BUDGET_S: Final = 0.4

STREAMS: Final = {
    "openai_chat": (
        b'data: {"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1736000000,"model":"gpt-4o-mini",'
        b'"choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"logprobs":null,"finish_reason":null}]}\n\n',
        b'data: {"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1736000000,"model":"gpt-4o-mini",'
        b'"choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}\n\n',
    ),
    "anthropic": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","content":[],"model":"claude","stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
        b'"text":""}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
        b'"text":" token"}      }\n\n',
    ),
    "gemini": (
        b'data: {"candidates": [{"content": {"parts": [{"text": "Hello"}],"role": "model"},"index": 0}],'
        b'"usageMetadata": {"promptTokenCount": 9,"totalTokenCount": 9},'
        b'"modelVersion": "gemini-2.5-flash","responseId": "r"}\r\n\r\n',
        b'data: {"candidates": [{"content": {"parts": [{"text": " token"}],"role": "model"},"index": 0}],'
        b'"usageMetadata": {"promptTokenCount": 9,"candidatesTokenCount": 12,"totalTokenCount": 21,'
        b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 9}]},'
        b'"modelVersion": "gemini-2.5-flash","responseId": "r"}\r\n\r\n',
    ),
    "openai_responses": (
        b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1",'
        b'"object":"response","status":"in_progress","model":"m","output":[]}}\n\n'
        b'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":1,'
        b'"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}\n\n'
        b'event: response.content_part.added\ndata: {"type":"response.content_part.added","sequence_number":2,'
        b'"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}\n\n',
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,'
        b'"item_id":"msg_1","output_index":0,"content_index":0,"delta":" token","logprobs":[],"obfuscation":"abc"}\n\n',
    ),
    "ollama": (
        b'{"model":"llama3","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"a"},"done":false}\n',
        b'{"model":"llama3","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":" token"},'
        b'"done":false}\n',
    ),
}
PAIRS: Final = (
    ("anthropic", "openai_chat"),
    ("gemini", "anthropic"),
    ("gemini", "openai_chat"),
    ("openai_chat", "anthropic"),
    ("openai_responses", "openai_chat"),
    ("openai_chat", "openai_responses"),
    ("ollama", "openai_chat"),
    ("openai_chat", "openai_chat"),
    ("anthropic", "anthropic"),
)


def core(stream: ModuleType, shapes: ModuleType, upstream: str, client: str) -> object:
    """A core of the product's parts, through the hub or (one dialect on both sides) forwarding."""
    far, near = DIALECTS[upstream].upstream, DIALECTS[client]
    assert far is not None
    assert near.client is not None
    decoder = far.decoder(Quirks())
    if upstream == client:
        assert near.identity is not None
        machine: object = Observer(
            decoder, near.identity, Peeked(model="m", stream=True, include_usage=True, choices=1)
        )
    else:
        context = AnswerContext(attempt_id="00")
        machine = Machine(decoder, near.client.encoder(context), TagStage(think=False), choices=1, estimated_input=0)
    return stream.StreamCore(machine, framing=far.framing, shapes=shapes.Shapes(far.shapes), forward=upstream == client)


def ns_per_event(make: Callable[[], object], upstream: str) -> tuple[float, int]:
    """Of the deltas of a stream that is under way; and the bytes each becomes."""
    opening, delta = STREAMS[upstream]
    batch = delta * BATCH
    best, size, end = float("inf"), 0, time.perf_counter() + BUDGET_S
    while time.perf_counter() < end:
        reader = make()  # a new one each time: what encoders keep of a text is bounded
        reader.feed(opening + batch)  # type: ignore[attr-defined]
        start = time.process_time_ns()
        for _ in range(8):
            size = len(reader.feed(batch))  # type: ignore[attr-defined]
        best = min(best, (time.process_time_ns() - start) / (8 * BATCH))
    assert size, "the stream has broken off"
    return best, size // BATCH


DIALECTS: Final = find_dialects()

SHORT: Final = b"".join(
    b'data: {"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1736000000,"model":"gpt-4o-mini",'
    b'"choices":[%b]%b}\n\n' % (choice, rest)
    for choice, rest in (
        (
            b'{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}',
            b"",
        ),
        (b'{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}', b""),
        (b'{"index":0,"delta":{"content":" you"},"logprobs":null,"finish_reason":null}', b""),
        (b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}', b""),
        (b"", b',"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":29}'),
    )
)


def us_per_short_stream(make: Callable[[], Flow]) -> float:
    """Of a stream that says two words: from opening its flow to its usage."""
    best, end = float("inf"), time.perf_counter() + BUDGET_S
    while time.perf_counter() < end:
        start = time.process_time_ns()
        for _ in range(20):
            flow = make()
            for event in SHORT.split(b"\n\n")[:-1]:
                flow.look(event + b"\n\n")
            flow.look(b"data: [DONE]\n\n")
            assert flow.usage.known
        best = min(best, (time.process_time_ns() - start) / 20_000)
    return best


def main() -> None:
    print(f"{'upstream':>18} {'client':<18} {'compiled ns':>12} {'plain ns':>10} {'ratio':>7} {'bytes out':>10}")
    for upstream, client in PAIRS:
        fast, size = ns_per_event(partial(core, stream_c, shapes_c, upstream, client), upstream)
        slow, _ = ns_per_event(partial(core, stream_py, shapes_py, upstream, client), upstream)
        print(f"{upstream:>18} {client:<18} {fast:>12.0f} {slow:>10.0f} {slow / fast:>7.0f} {size:>10}")
    taps = [partial(half.SseTap, tags=INTERNAL, guard=object) for half in (tap_c, tap_py)]
    (fast, size), (slow, _) = (ns_per_event(tap, "openai_chat") for tap in taps)
    print(f"{'openai_chat':>18} {'SseTap':<18} {fast:>12.0f} {slow:>10.0f} {slow / fast:>7.0f} {size:>10}")
    identity = DIALECTS["openai_chat"].identity
    assert identity is not None
    assert identity.flow is not None
    peeked = Peeked(model="m", stream=True, include_usage=False, choices=1)
    pair = Pair(DIALECTS["openai_chat"], DIALECTS["openai_chat"])
    context = AnswerContext(attempt_id="00")
    for what, make in (
        ("SseTap", partial(identity.flow, peeked, "r")),
        ("StreamCore", partial(CoreFlow, pair, context, peeked, Quirks(), passed=True, max_event_bytes=1 << 24)),
    ):
        print(f"a short openai_chat stream, forwarded by {what}: {us_per_short_stream(make):.0f} us")


if __name__ == "__main__":
    main()
