"""What clients of each dialect ask for, to the byte, and the marks of what they must hear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

Dialect = Literal["openai_chat", "anthropic", "gemini"]

TURN_BYTES: Final = 1350
"""Of the one message of a stream's request: 1.5 KB with everything around it, like the row of requests that pass."""
STREAM_EVENTS: Final = 300


class Marks(msgspec.Struct, frozen=True):
    """What tells an answer of a dialect: for ``load``'s ``--before`` and ``--last``."""

    before: str
    """Stands before each text of a stream."""
    last: str
    """Ends it."""


MARKS: Final[Mapping[Dialect, Marks]] = {
    "openai_chat": Marks('"delta":{"content":" ', "data: [DONE]\n\n"),
    "anthropic": Marks('"text_delta","text":" ', 'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
    "gemini": Marks('{"parts": [{"text": " ', '"responseId": "5V6vaLbgLrmpvdIPt7Xg8Ao"}\r\n\r\n'),
}
"""Of Gemini only the upstream's own spelling: it is the client of nginx alone."""

_CITY: Final = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "City and country"}},
    "required": ["city"],
}
_TOOLS: Final = (
    ("get_weather", "Weather of the next hours", _CITY),
    ("get_time", "Local time", _CITY),
    (
        "search",
        "Search the company's documents",
        {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "minimum": 1}},
            "required": ["query"],
        },
    ),
    ("end_chat", "Say good-bye", {"type": "object", "properties": {}}),
)
_SYSTEM: Final = "You are a helpful assistant. Answer in one sentence, in the language of the question."
_QUESTION: Final = "What is the weather in Paris, and will it rain tonight?"
_CALL: Final = ("toolu_01A09q90qw90lq917835lq9", "get_weather", {"city": "Paris, France"})
_RESULT: Final = "Sunny, 24 degrees, light wind from the west"
_SAID: Final = "It is sunny and 24 degrees in Paris, and no rain is expected tonight."
_NEXT: Final = "Thank you! And what should I wear?"


def stream_body(dialect: Dialect, model: str, script: str) -> dict[str, object]:
    """A request for a stream that goes by ``script`` (``burst-300``, ``paced-300-50``)."""
    text = f"{script} {'lorem ipsum ' * (TURN_BYTES // 12)}"
    if dialect == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": {"temperature": 0.7}}
    body: dict[str, object] = {"model": model, "stream": True, "temperature": 0.7}
    if dialect == "anthropic":
        body["max_tokens"] = 1024
    return {**body, "messages": [{"role": "user", "content": text}]}


def tools_body(dialect: Dialect, model: str) -> dict[str, object]:
    """A request for a whole answer: 1.5 KB, 6 messages, 4 tools. Of OpenAI Chat and Anthropic, the same one."""
    call_id, name, arguments = _CALL
    body: dict[str, object] = {"model": model, "temperature": 0.7, "max_tokens": 1024}
    if dialect == "anthropic":
        call = {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
        return {
            **body,
            "system": _SYSTEM,
            "messages": [
                {"role": "user", "content": _QUESTION},
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": _RESULT}]},
                {"role": "assistant", "content": _SAID},
                {"role": "user", "content": _NEXT},
            ],
            "tools": [{"name": name, "description": text, "input_schema": schema} for name, text, schema in _TOOLS],
        }
    function = {"name": name, "arguments": msgspec.json.encode(arguments).decode()}
    return {
        **body,
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": _QUESTION},
            {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": call_id, "content": _RESULT},
            {"role": "assistant", "content": _SAID},
            {"role": "user", "content": _NEXT},
        ],
        "tools": [
            {"type": "function", "function": {"name": name, "description": text, "parameters": schema}}
            for name, text, schema in _TOOLS
        ],
    }


def http_request(dialect: Dialect, body: Mapping[str, object], *, port: int, key: str, model: str) -> bytes:
    """Head and body as a client of ``dialect`` sends them. Gemini is only asked for streams here."""
    path, credential = {
        "openai_chat": ("/v1/chat/completions", f"Authorization: Bearer {key}"),
        "anthropic": ("/v1/messages", f"x-api-key: {key}\r\nanthropic-version: 2023-06-01"),
        "gemini": (f"/v1beta/models/{model}:streamGenerateContent?alt=sse", f"x-goog-api-key: {key}"),
    }[dialect]
    content = msgspec.json.encode(body)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench\r\nAccept: */*\r\n{credential}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
