"""The same short talk in every dialect: what a client asks, and what an upstream answers, whole and streamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

TEXT = "Hi <there>"


@dataclass(frozen=True)
class Asks:
    """A client's request for one short answer."""

    path: str
    body: dict[str, object]
    stream_path: str = ""
    stream_query: bytes = b""
    stream_in_body: bool = True

    def request(self, *, stream: bool, **more: object) -> tuple[str, bytes, bytes]:
        """Path, query and body; ``more`` are further members of the body."""
        body = self.body | more
        if self.stream_in_body:
            body["stream"] = stream
        if stream and self.stream_path:
            return self.stream_path, self.stream_query, msgspec.json.encode(body)
        return self.path, b"", msgspec.json.encode(body)


@dataclass(frozen=True)
class Answers:
    """An upstream's answer to it: seven tokens in, three out."""

    path: str
    """Where it is asked, after the base URL."""
    stream_path: str
    credential: bytes
    whole: bytes
    head: bytes
    """The events before anything is said."""
    said: bytes
    rest: bytes
    failure: bytes
    """An event that says the upstream has failed."""
    content_type: bytes = b"text/event-stream"

    @property
    def stream(self) -> bytes:
        """All of it."""
        return self.head + self.said + self.rest


USER = {"role": "user", "content": "Say hi"}

ASKS = {
    "openai_chat": Asks("/v1/chat/completions", {"model": "acme/m", "messages": [USER]}),
    "openai_completions": Asks("/v1/completions", {"model": "acme/m", "prompt": "Say hi"}),
    "openai_responses": Asks("/v1/responses", {"model": "acme/m", "input": "Say hi"}),
    "anthropic": Asks("/v1/messages", {"model": "acme/m", "max_tokens": 64, "messages": [USER]}),
    "gemini": Asks(
        "/v1beta/models/acme/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Say hi"}]}]},
        "/v1beta/models/acme/m:streamGenerateContent",
        b"alt=sse",
        stream_in_body=False,
    ),
    "ollama": Asks("/api/chat", {"model": "acme/m", "messages": [USER]}),
}


def data(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def event(name: str, **members: object) -> bytes:
    return b"event: " + name.encode() + b"\n" + data({"type": name} | members)


def line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _chat() -> Answers:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    known = {"id": "chatcmpl-1", "created": 1, "model": "m-2"}

    def chunk(choices: object, **more: object) -> bytes:
        return data(known | {"object": "chat.completion.chunk", "choices": choices} | more)

    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Answers(
        "/chat/completions",
        "/chat/completions",
        b"authorization",
        msgspec.json.encode(known | {"object": "chat.completion", "choices": [choice], "usage": usage}),
        chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
        chunk([{"index": 0, "delta": {"content": TEXT}, "finish_reason": None}]),
        chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]) + chunk([], usage=usage) + b"data: [DONE]\n\n",
        data({"error": {"message": "gpu on fire", "type": "server_error", "param": None, "code": None}}),
    )


def _anthropic() -> Answers:
    def message(content: object, stop: str | None, tokens: int) -> dict[str, object]:
        usage = {"input_tokens": 7, "output_tokens": tokens}
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m-2", "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": usage,
        }  # fmt: skip

    return Answers(
        "/messages",
        "/messages",
        b"x-api-key",
        msgspec.json.encode(message([{"type": "text", "text": TEXT}], "end_turn", 3)),
        event("message_start", message=message([], None, 1)) + event("ping"),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=0, delta={"type": "text_delta", "text": TEXT}),
        event("content_block_stop", index=0)
        + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3})
        + event("message_stop"),
        event("error", error={"type": "overloaded_error", "message": "gpu on fire"}),
    )


def _gemini() -> Answers:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}

    def piece(text: str, **more: object) -> dict[str, object]:
        parts = [{"text": text}] if text else []
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0} | more
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-2", "responseId": "r1"}

    return Answers(
        "/models/m:generateContent",
        "/models/m:streamGenerateContent?alt=sse",
        b"x-goog-api-key",
        msgspec.json.encode(piece(TEXT, finishReason="STOP")),
        b"",
        data(piece(TEXT)),
        data(piece("", finishReason="STOP")),
        data({"error": {"code": 503, "message": "gpu on fire", "status": "UNAVAILABLE"}}),
    )


def _ollama() -> Answers:
    def answer(text: str, **more: object) -> dict[str, object]:
        message = {"role": "assistant", "content": text}
        return {"model": "m-2", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False} | more

    durations = dict.fromkeys(("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"), 5)
    counts = {"prompt_eval_count": 7, "eval_count": 3} | durations
    return Answers(
        "/api/chat",
        "/api/chat",
        b"authorization",
        msgspec.json.encode(answer(TEXT, done=True, done_reason="stop", **counts)),
        b"",
        line(answer(TEXT)),
        line(answer("", done=True, done_reason="stop", **counts)),
        line({"error": "gpu on fire"}),
        b"application/x-ndjson",
    )


def _responses() -> Answers:
    part = {"type": "output_text", "text": TEXT, "annotations": []}
    item = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    empty = item | {"status": "in_progress", "content": []}
    usage = {
        "input_tokens": 7, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 10,
    }  # fmt: skip

    def response(status: str, output: object, used: object) -> dict[str, object]:
        return {
            "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m-2", "error": None,
            "output": output, "usage": used,
        }  # fmt: skip

    at = {"item_id": "item_1", "output_index": 0, "content_index": 0}
    return Answers(
        "/responses",
        "/responses",
        b"authorization",
        msgspec.json.encode(response("completed", [item], usage)),
        event("response.created", sequence_number=0, response=response("in_progress", [], None))
        + event("response.in_progress", sequence_number=1, response=response("in_progress", [], None)),
        event("response.output_item.added", sequence_number=2, output_index=0, item=empty)
        + event("response.content_part.added", sequence_number=3, part=part | {"text": ""}, **at)
        + event("response.output_text.delta", sequence_number=4, delta=TEXT, **at),
        event("response.output_text.done", sequence_number=5, text=TEXT, **at)
        + event("response.content_part.done", sequence_number=6, part=part, **at)
        + event("response.output_item.done", sequence_number=7, output_index=0, item=item)
        + event("response.completed", sequence_number=8, response=response("completed", [item], usage)),
        event("error", sequence_number=2, code="server_error", message="gpu on fire", param=None),
    )


_MAKERS: dict[str, Callable[[], Answers]] = {
    "openai_chat": _chat,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
    "openai_responses": _responses,
}

ANSWERS = {name: make() for name, make in _MAKERS.items()}
