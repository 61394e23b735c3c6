"""What a provider sends, as bytes: well-formed answers, for tests to break where they like."""

from __future__ import annotations

from typing import Final

import msgspec

DONE: Final = b"data: [DONE]\n\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


def event(delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
    """One chunk of one choice."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


USAGE: Final = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ROLE: Final = event({"role": "assistant", "content": ""})
HELLO: Final = event({"content": "Hello"})
WORLD: Final = event({"content": " world"})
STOP: Final = event({}, "stop")
USAGE_CHUNK: Final = b'data: {"id":"c1","object":"chat.completion.chunk","choices":[],"usage":%b}\n\n' % (
    msgspec.json.encode(USAGE)
)
ERROR_EVENT: Final = b'data: {"error":{"message":"the model fell over","type":"server_error","code":"boom"}}\n\n'
EVENTS: Final = (ROLE, HELLO, WORLD, STOP, USAGE_CHUNK, DONE)
"""A whole stream, as a provider that was asked for usage sends it."""
SHOWN: Final = ROLE + HELLO + WORLD + STOP + DONE
"""What a client that did not ask for usage gets of it."""

BODY: Final = msgspec.json.encode(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)


def head(status: int = 200, kind: str = "text/event-stream", *lines: str) -> bytes:
    """A response head; ``lines`` are further headers, the framing among them."""
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", *lines, "", ""]).encode()


STREAM_HEAD: Final = head(200, "text/event-stream", "transfer-encoding: chunked")


def chunked(*parts: bytes) -> bytes:
    """One HTTP chunk for each part."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def stream(*events: bytes) -> bytes:
    """A whole streamed answer; without ``events``, the usual one."""
    return STREAM_HEAD + chunked(*(events or EVENTS)) + LAST_CHUNK


def whole(
    body: bytes = BODY, *, status: int = 200, kind: str = "application/json", lines: tuple[str, ...] = ()
) -> bytes:
    """A whole answer that is not streamed."""
    return head(status, kind, f"content-length: {len(body)}", *lines) + body
