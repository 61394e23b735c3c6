"""CPU of a whole request and its answer through the hub, step by step: ``python -m perf.request_bench``.

The request is the one of the row ``translate-request``: OpenAI client, Anthropic upstream. The best of many short runs
is told, with everything in the processor's caches; in a worker, between system calls, the same code costs more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.translate import AnswerContext, Notes, Pair, find_dialects
from perf.asks import tools_body

RUNS: Final = 300
TURNS: Final = 20
ANSWER: Final = (
    b'{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":'
    b'[{"type":"text","text":"%b"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":300,'
    b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,'
    b'"ephemeral_1h_input_tokens":0},"output_tokens":60,"service_tier":"standard"}}'
) % (b"It is sunny in Paris today. " * 10)


class Asked(msgspec.Struct, frozen=True):
    """As much of a client's request as a dialect reads."""

    body: bytes
    path: str = "/v1/chat/completions"
    query: bytes = b""
    headers: dict[bytes, bytes] = {}


def best_us(step: Callable[[], object]) -> float:
    """Of ``step``, in microseconds."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time_ns()
        for _ in range(TURNS):
            step()
        best = min(best, (time.process_time_ns() - start) / (TURNS * 1000))
    return best


def main() -> None:
    dialects = find_dialects()
    pair = Pair(dialects["openai_chat"], dialects["anthropic"])
    near, far, quirks = pair.near, pair.far, Quirks()
    asked = Asked(msgspec.json.encode(tools_body("openai_chat", "bench-anthropic/m")))
    peeked = near.peek(asked)
    request = near.read_request(asked, peeked)
    context = AnswerContext(attempt_id="0" * 24, model="m", request=request)
    response = far.read_answer(ANSWER, quirks)

    def whole() -> None:
        read = near.read_request(asked, near.peek(asked))
        far.write_request(read, quirks, Notes())
        pair.answer(ANSWER, context, quirks, passed=False)

    steps: dict[str, Callable[[], object]] = {
        "peek": lambda: near.peek(asked),
        "read the request": lambda: near.read_request(asked, peeked),
        "write the request": lambda: far.write_request(request, quirks, Notes()),
        "read the answer": lambda: far.read_answer(ANSWER, quirks),
        "write the answer": lambda: near.write_answer(response, context),
        "the answer, with errors and tags looked for": lambda: pair.answer(ANSWER, context, quirks, passed=False),
        "all of it": whole,
    }
    for name, step in steps.items():
        print(f"{name:<45} {best_us(step):6.1f} us")


if __name__ == "__main__":
    main()
