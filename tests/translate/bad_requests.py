"""Requests that say everything a dialect's clients can say, ways to spoil them, and what must hold of any request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate import jsontext
from omniroute.translate.canonical import ChatRequest
from omniroute.translate.dialect import Peeked
from omniroute.translate.dialects.anthropic.schema import RequestBody
from omniroute.translate.dialects.gemini.schema import GenerateContentRequest, GenerationConfig
from omniroute.translate.dialects.ollama.schema import ChatBody, GenerateBody
from omniroute.translate.dialects.openai_chat.schema import AskedBody
from omniroute.translate.dialects.openai_completions.request_in import Body
from omniroute.translate.dialects.openai_responses.request_in import RequestBody as ResponsesBody
from omniroute.translate.notes import Notes, Unsupported
from omniroute.translate.pairing import Pair
from tests.translate import vectors
from tests.translate.matching import parse

Path = tuple[str | int, ...]

# Spelled as nobody would write them, so that one that is read and written again shows.
SCHEMA: Final = msgspec.Raw(
    b'{"type":"object","properties":{"a":{"type":"number","minimum":1.50,"maximum":12345678901234567890123}}}'
)
ARGUMENTS: Final = '{"a":2.50,"b":98765432109876543210}'
OBJECT: Final = msgspec.Raw(ARGUMENTS.encode())
PICTURE: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
USER: Final = {"role": "user", "content": "Say hi"}

_FUNCTION: Final = {"name": "f", "description": "d", "parameters": SCHEMA}
_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}

SAID: Final[Mapping[str, dict[str, object]]] = {
    "openai_chat": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": [
                {"type": "text", "text": "T"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"}},
            ]},
            {"role": "assistant", "content": "A", "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "R"},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        "temperature": 0.5, "top_p": 0.5, "max_tokens": 4000, "n": 1, "stop": ["E"], "seed": 7, "logprobs": True,
        "top_logprobs": 2, "presence_penalty": 0.25, "frequency_penalty": 0.25, "reasoning_effort": "low",
        "parallel_tool_calls": True, "user": "u", "metadata": {"a": "b"}, "stream": True,
        "stream_options": {"include_usage": True}, "of_tomorrow": OBJECT,
    },
    "openai_completions": {
        "model": "m", "prompt": "P", "max_tokens": 9, "temperature": 0.5, "top_p": 0.5, "n": 1, "stop": ["E"],
        "seed": 7, "presence_penalty": 0.25, "frequency_penalty": 0.25, "user": "u", "of_tomorrow": OBJECT,
    },
    "openai_responses": {
        "model": "m",
        "instructions": "S",
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "T"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}", "detail": "low"},
            ]},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ARGUMENTS},
            {"type": "function_call_output", "call_id": "call_1", "output": "R"},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "A", "annotations": []},
            ]},
            {"role": "user", "content": "U"},
        ],
        "tools": [{"type": "function", "strict": False} | _FUNCTION],
        "tool_choice": "auto",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "reasoning": {"effort": "low", "summary": "auto"}, "temperature": 0.5, "top_p": 0.5,
        "max_output_tokens": 4000, "parallel_tool_calls": True, "store": False, "stream": True, "user": "u",
        "metadata": {"a": "b"}, "include": ["reasoning.encrypted_content"], "top_logprobs": 2,
        "of_tomorrow": OBJECT,
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 4000,
        "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "T"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "H", "signature": "U0lH"},
                {"type": "text", "text": "A"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": OBJECT},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "R"}]},
            ]},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "temperature": 1, "top_k": 5, "top_p": 0.96,
        "stop_sequences": ["E"], "metadata": {"user_id": "u"}, "stream": True, "of_tomorrow": OBJECT,
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "S"}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "T"}, {"inlineData": {"mimeType": "image/png", "data": PICTURE}},
            ]},
            {"role": "model", "parts": [{"text": "A"}, {"functionCall": {"name": "f", "args": OBJECT}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": OBJECT}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.5, "topK": 5, "maxOutputTokens": 4000, "candidateCount": 1,
            "stopSequences": ["E"], "seed": 7, "presencePenalty": 0.25, "frequencyPenalty": 0.25,
            "responseMimeType": "application/json", "responseJsonSchema": SCHEMA, "responseLogprobs": True,
            "logprobs": 2, "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "ofTomorrow": OBJECT,
    },
    "ollama": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "T", "images": [PICTURE]},
            {"role": "assistant", "content": "A", "tool_calls": [{"function": {"name": "f", "arguments": OBJECT}}]},
            {"role": "tool", "tool_name": "f", "content": "R"},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "format": SCHEMA, "stream": True, "think": "low", "keep_alive": "5m", "logprobs": True, "top_logprobs": 2,
        "options": {
            "num_predict": 400, "temperature": 0.5, "top_p": 0.5, "top_k": 5, "seed": 7, "stop": ["E"],
            "presence_penalty": 0.25, "frequency_penalty": 0.25, "num_ctx": 2048, "of_tomorrow": OBJECT,
        },
    },
    "ollama /api/generate": {
        "model": "m", "prompt": "P", "system": "S", "images": [PICTURE], "stream": True, "think": True,
        "format": "json", "options": {"num_predict": 400, "temperature": 0.5},
    },
}  # fmt: skip
"""One request of each dialect that every upstream takes; after a blank: the path, if a dialect has several."""

MODELS: Final = tuple(name for name in SAID if name != "gemini")
"""Whose model is a member of the body."""

_PATHS: Final = vectors.PATHS | {
    "gemini": "/v1beta/models/m:streamGenerateContent",
    "openai_completions": "/v1/completions",
}
_STRUCTS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "openai_chat": AskedBody,
    "openai_completions": Body,
    "openai_responses": ResponsesBody,
    "anthropic": RequestBody,
    "gemini": GenerateContentRequest,
    "ollama": ChatBody,
    "ollama /api/generate": GenerateBody,
}
UPSTREAMS: Final = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_HALF: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
BUDGETS: Final = frozenset(b"-1 0 1 1024 2048 4095 4096 10240 24576 32768".split())
"""Numbers of ours: limits where a dialect demands one, and what levels of reasoning mean in tokens."""


def known(name: str) -> list[Path]:
    """The members that the dialect's readers know, by their Structs."""
    paths: list[Path] = [(field.encode_name,) for field in msgspec.structs.fields(_STRUCTS[name])]
    if name == "gemini":
        paths += [("generationConfig", field.encode_name) for field in msgspec.structs.fields(GenerationConfig)]
    if name == "ollama":
        paths += [("options", option) for option in ("num_predict", "temperature", "seed", "stop", "of_tomorrow")]
    return paths


def places(value: object, at: Path = ()) -> Iterator[Path]:
    """Every member and entry of ``value``."""
    if isinstance(value, dict):
        inner: Sequence[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        inner = ()
    for step, part in inner:
        yield (*at, step)
        yield from places(part, (*at, step))


def value_at(value: object, path: Path) -> object:
    """What stands at ``path``."""
    for step in path:
        value = value[step]  # type: ignore[index]
    return value


def spoiled(value: object, path: Path, raw: bytes | None) -> bytes:
    """``value`` as JSON with ``raw`` at ``path``, a new member if need be; None: without it."""
    return msgspec.json.encode(_put(value, path, raw))


def _put(value: object, path: Path, raw: bytes | None) -> object:
    if not path:
        return msgspec.Raw(raw or b"null")
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        assert isinstance(value, list)
        after = [] if raw is None and not rest else [_put(value[step], rest, raw)]
        return [*value[:step], *after, *value[step + 1 :]]
    members = dict(value) if isinstance(value, dict) else {}
    if raw is None and not rest:
        members.pop(step, None)
        return members
    return members | {step: _put(members.get(step), rest, raw)}


def dotted(path: Path) -> str:
    """As errors name it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def asked(name: str, body: bytes) -> vectors.Request:
    """``body`` as a request of the dialect's client."""
    dialect, _, path = name.partition(" ")
    return vectors.Request(path or _PATHS[dialect], b"", {b"content-type": b"application/json"}, body)


def read(name: str, body: bytes) -> tuple[Peeked, ChatRequest]:
    """The request as the hub has it. Raises ClientError."""
    near = vectors.near_side(name.partition(" ")[0])
    request = asked(name, body)
    peeked = near.peek(request)
    return peeked, near.read_request(request, peeked)


def written(canonical: ChatRequest, upstream: str) -> bytes:
    """The request as an upstream gets it. Raises ClientError."""
    return b"".join(vectors.far_side(upstream).write_request(canonical, Quirks(), Notes()).body)


def refusal(name: str, body: bytes) -> ClientError | None:
    """Why a request is refused before any upstream is chosen; None if it is not."""
    try:
        read(name, body)
    except ClientError as error:
        hold_error(name, error)
        return error
    return None


def hold(name: str, body: bytes) -> None:
    """Whatever ``body`` is: each upstream is sent what it can read and judge, or the client is told its mistake."""
    dialect = name.partition(" ")[0]
    request = asked(name, body)
    try:
        peeked = vectors.near_side(dialect).peek(request)
    except ClientError as error:
        hold_error(name, error)
        return
    _hold_passed(dialect, body, peeked)
    try:
        canonical = vectors.near_side(dialect).read_request(request, peeked)
    except ClientError as error:
        hold_error(name, error)
        return
    for upstream in UPSTREAMS:
        try:
            sent = written(canonical, upstream)
        except ClientError as error:
            hold_error(name, error)
            continue
        hold_sent(body, sent)


def hold_error(name: str, error: ClientError) -> None:
    """A 400 in the words of the client's dialect that names a field, or says that the body is no JSON at all."""
    near = vectors.near_side(name.partition(" ")[0])
    assert near.error_status(error) == 400, error.message
    assert error.param or error.code == "invalid_json", f"no field is named: {error.message}"
    assert isinstance(error, Unsupported) or error.code in {
        "invalid_value", "invalid_json", "missing_required_parameter", "unsupported_content", "unsupported_feature",
        "bad_request",
    }, error.code  # fmt: skip
    told = parse(near.error_body(error, "req_1"))
    assert isinstance(told, dict)
    assert told["error"]


def hold_sent(body: bytes, sent: bytes) -> None:
    """What is sent is JSON that any reader takes, and its numbers are the client's, as they were spelled."""
    assert _MEMBERS.decode(sent.decode())  # numbers of any size: nobody converts them
    assert not any(match["half"] for match in _HALF.finditer(sent)), f"half a surrogate pair is sent: {sent!r}"
    added = numbers(sent) - numbers(body) - numbers(ARGUMENTS.encode()) - BUDGETS
    # A limit that leaves room for an answer beside the reasoning is one less than what the client allows.
    added -= {str(int(number) - 1).encode() for number in numbers(body) if number.isdigit() and len(number) < 20}
    assert not added, f"{added} in {sent!r}, from {body!r}"


def numbers(text: bytes) -> set[bytes]:
    """The numbers of a JSON text as they are spelled, those inside its strings (arguments) as well."""
    found = set(_NUMBER.findall(_STRING.sub(b'""', text)))
    for quoted in _STRING.findall(text):
        if b"{" in quoted:
            found |= set(_NUMBER.findall(_STRING.sub(b'""', jsontext.unescaped(quoted[1:-1]).encode())))
    return found


def _hold_passed(dialect: str, body: bytes, peeked: Peeked) -> None:
    """Where bytes pass they are the client's, but for the model's name."""
    speaks = vectors.dialects()[dialect]
    if speaks.identity is None:
        return
    pair = Pair(speaks, speaks)
    if not pair.passes(body, Quirks()):
        return
    same = b"".join(pair.forward(body, peeked, model=peeked.model, quirks=Quirks()).body)
    if peeked.include_usage and peeked.spans[0] is not None and dialect != "gemini":
        start, end = peeked.spans[0]
        assert (same[:start], same[len(same) - len(body) + end :]) == (body[:start], body[end:])
    elif dialect == "gemini" and b'"model"' not in body:
        assert same == body
