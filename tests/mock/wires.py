"""One request of each dialect the mock speaks, and what the vendor's own types make of the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import anthropic.types
import msgspec
import ollama
import openai.types.chat
import openai.types.completion
import openai.types.responses
from google.genai import types as genai
from pydantic import BaseModel, TypeAdapter

from omniroute.mock import Mock
from tests.mock.client import Answer, once

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PARAMETERS: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}

Json = dict[str, object]


class Said(msgspec.Struct):
    """What an answer says, in no dialect's words."""

    text: str = ""
    thought: str = ""
    signature: str = ""
    calls: list[tuple[str, str, object]] = []
    """Id ("" without), name, arguments."""
    finish: str = ""
    usage: tuple[int, int] = (0, 0)


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """How a dialect is spoken to and read."""

    path: str
    stream_path: str = ""
    """Where streams are at another path."""
    headers: str = ""
    body: Callable[[str, bool], Json]
    """``(text, stream)``."""
    tools: Json
    """What a request with one tool has beside it."""
    whole: type[BaseModel]
    event: TypeAdapter[object]
    cut: Callable[[bytes], list[bytes]]
    """A stream's bytes to its events' data."""
    read: Callable[[Iterable[Json]], Said]
    """What whole answers or events (in JSON) say; both are read alike, added up."""

    async def ask(
        self,
        mock: Mock,
        text: str = "one two three",
        *,
        model: str = "echo",
        stream: bool = False,
        script: str = "",
        tools: bool = False,
        more: Mapping[str, object] | None = None,
    ) -> Answer:
        """The mock's answer, as it is on the wire."""
        body = msgspec.json.encode(
            self.body(text, stream) | {"model": model} | (self.tools if tools else {}) | dict(more or {})
        )
        path = (self.stream_path if stream else "") or self.path
        if "{model}" in path:
            path = path.replace("{model}", model)
            body = msgspec.json.encode(
                {name: value for name, value in msgspec.json.decode(body).items() if name != "model"}
            )
        head = (
            f"POST {path} HTTP/1.1\r\nHost: mock\r\n{f'X-Mock: {script}' if script else 'X-None: x'}\r\n{self.headers}"
        )
        return await once(
            mock,
            f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body,
            until=b"0\r\n\r\n" if stream else b"",
            quiet_s=0.03,
        )

    async def said(self, mock: Mock, text: str = "one two three", *, stream: bool, **asked: object) -> Said:
        """The same, checked against the vendor's types and read."""
        answer = await self.ask(mock, text, stream=stream, **asked)
        assert answer.status == 200, answer.body
        if not stream:
            document = msgspec.json.decode(answer.body)
            self.whole.model_validate(document)
            return self.read([document])
        events = [msgspec.json.decode(data) for data in self.cut(b"".join(answer.chunks)) if data != b"[DONE]"]
        for event in events:
            self.event.validate_python(event)
        return self.read(events)


def _sse(body: bytes) -> list[bytes]:
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")
    lines = [line for block in blocks for line in block.split(b"\n") if line.startswith(b"data: ")]
    return [line[6:] for line in lines]


def _without_pings(body: bytes) -> list[bytes]:
    """The vendor's union of events has no ping, though the vendor sends one."""
    events = _sse(body)
    assert events.count(b'{"type":"ping"}') == (len(events) > 1)
    return [event for event in events if event != b'{"type":"ping"}']


def _array(body: bytes) -> list[bytes]:
    return [msgspec.json.encode(item) for item in msgspec.json.decode(body)]


def _lines(body: bytes) -> list[bytes]:
    return body.splitlines()


def _chat(events: Iterable[Json]) -> Said:
    said, arguments = Said(), {}
    for event in events:
        if event.get("usage"):
            said.usage = (event["usage"]["prompt_tokens"], event["usage"]["completion_tokens"])
        for choice in event["choices"]:
            part = choice.get("delta") or choice.get("message") or {}
            said.text += part.get("content") or ""
            said.thought += part.get("reasoning_content") or ""
            for detail in part.get("reasoning_details", ()):
                said.signature += detail.get("signature") or detail.get("data") or ""
            for number, call in enumerate(part.get("tool_calls", ())):
                known = arguments.setdefault(call.get("index", number), ["", "", ""])
                known[0] += call.get("id", "")
                known[1] += call["function"].get("name", "")
                known[2] += call["function"]["arguments"]
            said.finish = choice["finish_reason"] or said.finish
    said.calls = [(call_id, name, msgspec.json.decode(text)) for call_id, name, text in arguments.values()]
    return said


def _completions(events: Iterable[Json]) -> Said:
    said = Said()
    for event in events:
        if event.get("usage"):
            said.usage = (event["usage"]["prompt_tokens"], event["usage"]["completion_tokens"])
        for choice in event["choices"]:
            said.text += choice["text"]
            said.finish = choice["finish_reason"] or said.finish
    return said


def _anthropic(events: Iterable[Json]) -> Said:
    said, blocks = Said(), []
    for event in events:
        told = event if event["type"] == "message" else event.get("message", {})
        blocks += told.get("content", [])
        usage = event.get("usage") or told.get("usage")
        if usage:
            prompt = sum(usage.get(f"{name}input_tokens") or 0 for name in ("", "cache_read_", "cache_creation_"))
            said.usage = (prompt, usage["output_tokens"])
        said.finish = told.get("stop_reason") or event.get("delta", {}).get("stop_reason") or said.finish
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]))
        if event["type"] == "content_block_delta":
            _grow(blocks[event["index"]], event["delta"])
    for block in blocks:
        said.text += block.get("text", "")
        said.thought += block.get("thinking", "")
        said.signature += block.get("signature", "") + block.get("data", "")
        if block["type"] == "tool_use":
            arguments = block["input"] if isinstance(block["input"], dict) else msgspec.json.decode(block["input"])
            said.calls.append((block["id"], block["name"], arguments))
    return said


def _grow(block: Json, delta: Json) -> None:
    match delta["type"]:
        case "input_json_delta":
            block["input"] = (block["input"] or "") + delta["partial_json"]
        case kind:
            name = kind.removesuffix("_delta")
            block[name] = block.get(name, "") + delta[name]


def _gemini(events: Iterable[Json]) -> Said:
    said = Said()
    for event in events:
        usage = event.get("usageMetadata", {})
        output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        said.usage = (usage.get("promptTokenCount", 0), output)
        candidate = event["candidates"][0]
        said.finish = candidate.get("finishReason", said.finish)
        for part in candidate["content"]["parts"]:
            said.signature += part.get("thoughtSignature", "")
            if "functionCall" in part:
                call = part["functionCall"]
                said.calls.append((call.get("id", ""), call["name"], call["args"]))
            elif part.get("thought"):
                said.thought += part["text"]
            else:
                said.text += part["text"]
    return said


def _responses(events: Iterable[Json]) -> Said:
    said, text, sequence = Said(), "", 0
    for event in events:
        if event.get("object") != "response":
            assert event["sequence_number"] == sequence
            sequence += 1
            text += event["delta"] if event["type"] == "response.output_text.delta" else ""
        response = event if event.get("object") == "response" else event.get("response", {})
        for item in response.get("output", ()):
            if item["type"] == "message":
                said.text += "".join(part["text"] for part in item["content"])
            elif item["type"] == "reasoning":
                said.thought += "".join(part["text"] for part in item["summary"])
                said.signature += item["encrypted_content"]
            else:
                said.calls.append((item["call_id"], item["name"], msgspec.json.decode(item["arguments"])))
        said.finish = response.get("status", said.finish)
        if response.get("usage"):
            said.usage = (response["usage"]["input_tokens"], response["usage"]["output_tokens"])
    assert not text or text == said.text
    return said


def _ollama(events: Iterable[Json]) -> Said:
    said = Said()
    for event in events:
        told = event.get("message", event)
        said.text += told.get("content", event.get("response", ""))
        said.thought += told.get("thinking", "")
        for call in told.get("tool_calls", ()):
            said.calls.append((call.get("id", ""), call["function"]["name"], call["function"]["arguments"]))
        if event["done"]:
            said.finish = event["done_reason"]
            said.usage = (event.get("prompt_eval_count", 0), event.get("eval_count", 0))
    return said


_FUNCTION: Final = {"name": "weather", "parameters": PARAMETERS}


def _contents(text: str, stream: bool) -> Json:
    del stream
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def _messages(text: str, stream: bool) -> Json:
    return {"messages": [{"role": "user", "content": text}], "stream": stream}


_GEMINI: Final = Wire(
    path="/v1beta/models/{model}:generateContent",
    stream_path="/v1beta/models/{model}:streamGenerateContent?alt=sse",
    body=_contents,
    tools={"tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": PARAMETERS}]}]},
    whole=genai.GenerateContentResponse,
    event=TypeAdapter(genai.GenerateContentResponse),
    cut=_sse,
    read=_gemini,
)

WIRES: Final = {
    "openai_chat": Wire(
        path="/v1/chat/completions",
        body=lambda text, stream: _messages(text, stream) | {"stream_options": {"include_usage": True}},
        tools={"tools": [{"type": "function", "function": _FUNCTION}]},
        whole=openai.types.chat.ChatCompletion,
        event=TypeAdapter(openai.types.chat.ChatCompletionChunk),
        cut=_sse,
        read=_chat,
    ),
    "openai_completions": Wire(
        path="/v1/completions",
        body=lambda text, stream: {"prompt": text, "stream": stream, "stream_options": {"include_usage": True}},
        tools={},
        whole=openai.types.completion.Completion,
        event=TypeAdapter(Json),  # the vendor's type knows no null finish_reason, which the vendor sends
        cut=_sse,
        read=_completions,
    ),
    "openai_responses": Wire(
        path="/v1/responses",
        body=lambda text, stream: {"input": text, "stream": stream},
        tools={"tools": [{"type": "function", "strict": False} | _FUNCTION]},
        whole=openai.types.responses.Response,
        event=TypeAdapter(openai.types.responses.ResponseStreamEvent),
        cut=_sse,
        read=_responses,
    ),
    "anthropic": Wire(
        path="/v1/messages",
        headers="anthropic-version: 2023-06-01\r\n",
        body=lambda text, stream: _messages(text, stream) | {"max_tokens": 1000},
        tools={"tools": [{"name": "weather", "input_schema": PARAMETERS}]},
        whole=anthropic.types.Message,
        event=TypeAdapter(anthropic.types.RawMessageStreamEvent),
        cut=_without_pings,
        read=_anthropic,
    ),
    "gemini": _GEMINI,
    "gemini_array": msgspec.structs.replace(
        _GEMINI, stream_path="/v1/models/{model}:streamGenerateContent", cut=_array
    ),
    "ollama": Wire(
        path="/api/chat",
        body=_messages,
        tools={"tools": [{"type": "function", "function": _FUNCTION}]},
        whole=ollama.ChatResponse,
        event=TypeAdapter(ollama.ChatResponse),
        cut=_lines,
        read=_ollama,
    ),
    "ollama_generate": Wire(
        path="/v1/api/generate",
        body=lambda text, stream: {"prompt": text, "stream": stream},
        tools={},
        whole=ollama.GenerateResponse,
        event=TypeAdapter(ollama.GenerateResponse),
        cut=_lines,
        read=_ollama,
    ),
}
