"""Anthropic Messages, as an upstream that enforces the rules its vendor enforces.

Source: types of the ``anthropic`` package, 2.12; docs.anthropic.com/en/api/messages and recordings of the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.mock import sse, versions
from omniroute.mock.dialect import BadAsk, Dialect, Piece, Told
from omniroute.mock.dialects.anthropic.rules import (
    Body,
    Count,
    Message,
    check,
    check_count,
    media_of,
    text_of,
    texts_of,
)
from omniroute.mock.request import Request
from omniroute.mock.script import ALIASES
from omniroute.mock.speech import CREATED, IMAGE_TOKENS, Function, Heard, Speech
from omniroute.mock.words import words

SIGNATURE: Final = "bW9jay1zaWduYXR1cmU="
REDACTED: Final = "bW9jay1yZWRhY3RlZA=="
_MESSAGES: Final = "/messages"
_COUNT: Final = "/messages/count_tokens"
_MODELS: Final = "/models"
_STOPS: Final = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_BODY: Final = msgspec.json.Decoder(Body)
_COUNTED: Final = msgspec.json.Decoder(Count)


def _prompt_tokens(body: Count) -> int:
    messages = [*body.messages, Message(role="system", content=body.system or "")]
    told = sum(len(words(text)) for message in messages for text in texts_of(message))
    return told + IMAGE_TOKENS * sum(media_of(message) for message in messages)


def _heard(body: Body) -> Heard:
    last = body.messages[-1]
    results = [block for block in last.content if block.type == "tool_result"] if isinstance(last.content, list) else []
    spoken = next((message for message in reversed(body.messages) if message.role == "user"), last)
    choice = body.tool_choice
    offered = () if choice is not None and choice.type == "none" else body.tools or ()
    form = body.output_config.format if body.output_config is not None else None
    return Heard(
        model=body.model,
        stream=bool(body.stream),
        prompt_tokens=_prompt_tokens(body),
        said="\n".join(text_of(result) for result in results) if results else "\n".join(texts_of(spoken)),
        answered=bool(results),
        functions=tuple(Function(tool.name, tool.input_schema) for tool in offered if tool.input_schema is not None),
        forced=choice.name if choice is not None else "",
        limit=body.max_tokens,
        schema=form.schema if form is not None else None,
    )


class _Ask:
    """One decoded request."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, body: Body) -> None:
        self.heard = _heard(body)

    def whole(self, speech: Speech, serial: int) -> bytes:
        """A ``message``."""
        content: list[dict[str, object]] = []
        if speech.thoughts:
            content.append(_thought(speech, speech.thought, SIGNATURE))
        if text := speech.text + speech.filler:
            content.append({"type": "text", "text": text})
        for number, call in enumerate(speech.calls):
            content.append(_call(serial, number, call.name) | {"input": call.object})
        body = self._message(serial) | {"content": content, "usage": _usage(speech, speech.tokens)}
        return sse.encode(body | {"stop_reason": _STOPS[speech.finish]})

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """``message_start``, the blocks, ``message_delta``, ``message_stop``."""
        start = self._message(serial) | {"usage": _usage(speech, 1)}
        yield _event("message_start", message=start), 0
        yield _event("ping"), 0
        for index, (block, deltas) in enumerate(_blocks(speech, serial)):
            yield _event("content_block_start", index=index, content_block=block), 0
            for delta, tokens in deltas:
                yield _event("content_block_delta", index=index, delta=delta), tokens
            yield _event("content_block_stop", index=index), 0
        stop = {"stop_reason": _STOPS[speech.finish], "stop_sequence": None}
        yield _event("message_delta", delta=stop, usage=_usage(speech, speech.tokens)), 0
        if not speech.script.no_done:
            yield _event("message_stop"), 0

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        return error(status, message, code=code, param=param)

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """``event: error``; a code is the type of the error here."""
        del index
        return sse.event({"type": "error", "error": {"type": code or "api_error", "message": message}}, "error")

    def _message(self, serial: int) -> dict[str, object]:
        return {
            "id": f"msg_mock{serial}",
            "type": "message",
            "role": "assistant",
            "model": self.heard.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }


Deltas = list[tuple[dict[str, object], int]]


def _blocks(speech: Speech, serial: int) -> Iterator[tuple[dict[str, object], Deltas]]:
    """Each block as it begins, and its deltas."""
    if speech.thoughts and speech.script.redacted:
        yield _thought(speech, "", ""), []
    elif speech.thoughts:
        told: Deltas = [({"type": "thinking_delta", "thinking": thought}, 1) for thought in speech.thoughts]
        yield _thought(speech, "", ""), [*told, ({"type": "signature_delta", "signature": SIGNATURE}, 0)]
    said: Deltas = [({"type": "text_delta", "text": speech.filler}, 0)] if speech.filler else []
    said += [({"type": "text_delta", "text": word}, 1) for word in speech.words]
    if said:
        yield {"type": "text", "text": ""}, said
    for number, call in enumerate(speech.calls):
        pieces: Deltas = [({"type": "input_json_delta", "partial_json": ""}, 0)]
        pieces += [({"type": "input_json_delta", "partial_json": word}, 1) for word in call.arguments]
        yield _call(serial, number, call.name) | {"input": {}}, pieces


def _thought(speech: Speech, text: str, signature: str) -> dict[str, object]:
    if speech.script.redacted:
        return {"type": "redacted_thinking", "data": REDACTED}
    return {"type": "thinking", "thinking": text, "signature": signature}


def _call(serial: int, number: int, name: str) -> dict[str, object]:
    return {"type": "tool_use", "id": f"toolu_mock{serial}x{number}", "name": name}


def _usage(speech: Speech, output_tokens: int) -> dict[str, object]:
    if speech.script.no_usage:
        return {"input_tokens": 0, "output_tokens": 0}  # the vendor's types have no message without
    written = min(speech.script.cache_write, speech.prompt_tokens - speech.cached)
    return {
        "input_tokens": speech.prompt_tokens - speech.cached - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": speech.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _event(kind: str, **members: object) -> bytes:
    return sse.event({"type": kind} | members, kind)


def read(request: Request) -> _Ask | Told:
    """A message, a count of its tokens, or what is known about models. Raises BadAsk."""
    if not request.header("anthropic-version"):
        raise BadAsk("anthropic-version: header is required")
    path = versions.plain(request)
    if request.method == "GET":
        return Told(_models(path))
    try:
        if path == _COUNT:
            counted = _COUNTED.decode(request.body)
            check_count(counted)
            return Told(sse.encode({"input_tokens": _prompt_tokens(counted)}))
        body = _BODY.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise BadAsk(f"the body is not a request for a message: {problem}") from problem
    check(body)
    return _Ask(body)


def _models(path: str) -> bytes:
    data = [{"type": "model", "id": one, "display_name": one, "created_at": CREATED} for one in ALIASES]
    name = path.removeprefix(_MODELS).strip("/")
    if name:
        found = next((one for one in data if one["id"] == name), None)
        if found is None:
            raise BadAsk(f"model: {name}", status=404)
        return sse.encode(found)
    return sse.encode({"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]})


def claims(request: Request) -> bool:
    """Messages; and models for those who say the version of this API."""
    path = versions.plain(request)
    if request.method == "POST":
        return path in (_MESSAGES, _COUNT)
    asked = path == _MODELS or path.startswith(f"{_MODELS}/")
    return request.method == "GET" and asked and bool(request.header("anthropic-version"))


def credential(request: Request) -> str:
    """``x-api-key``; a bearer is taken from those who signed in."""
    return request.header("x-api-key") or versions.bearer(request)


def error(status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
    """``{"type": "error", ...}``: a code is the type of the error here."""
    del param
    kind = code or _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return sse.encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_mock"})


DIALECT: Final = Dialect(
    name="anthropic",
    paths=("POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models (anthropic-version)"),
    claims=claims,
    credential=credential,
    read=read,
    error=error,
)
