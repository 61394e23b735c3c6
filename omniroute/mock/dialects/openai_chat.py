"""OpenAI Chat Completions, as an upstream.

Source: recorded streams and bodies of the vendor; platform.openai.com/docs/api-reference/chat (seen 2025-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from omniroute.mock import sse, versions
from omniroute.mock.dialect import BadAsk, Dialect, Piece, Told
from omniroute.mock.request import Request
from omniroute.mock.script import ALIASES
from omniroute.mock.speech import CREATED_EPOCH_S, IMAGE_TOKENS, Function, Heard, Speech
from omniroute.mock.words import words

MAX_CHOICES: Final = 128
LOGPROB: Final = -0.1
SIGNATURE: Final = "bW9jay1zaWduYXR1cmU="
_SIGNED_AS: Final = "anthropic-claude-v1"
_PATH: Final = "/chat/completions"
_MODELS: Final = "/models"

_ERRORS: Final = {
    400: ("invalid_request_error", "bad_request"),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "overloaded"),
}


class _Part(msgspec.Struct):
    type: str = "text"
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _Function(msgspec.Struct):
    name: str
    parameters: dict[str, object] | None = None


class _Tool(msgspec.Struct):
    function: _Function | None = None


class _Named(msgspec.Struct):
    name: str = ""


class _Choice(msgspec.Struct):
    function: _Named = msgspec.field(default_factory=_Named)


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _JsonSchema(msgspec.Struct):
    schema: dict[str, object] | None = None


class _ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _Body(msgspec.Struct):
    """The fields an answer depends on; every other one is accepted and ignored."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    response_format: _ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.type in {"text", "input_text"})
    return message.content or ""


def _media(message: _Message) -> int:
    if not isinstance(message.content, list):
        return 0
    return sum(part.type in {"image_url", "input_audio", "file"} for part in message.content)


def _functions(body: _Body) -> tuple[Function, ...]:
    if body.tool_choice == "none":
        return ()
    tools = (tool.function for tool in body.tools or () if tool.function is not None)
    return tuple(Function(function.name, function.parameters) for function in tools)


def _heard(body: _Body) -> Heard:
    last = body.messages[-1]
    spoken = last if last.role == "tool" else next((m for m in reversed(body.messages) if m.role == "user"), last)
    form = body.response_format.json_schema if body.response_format is not None else None
    return Heard(
        model=body.model,
        stream=bool(body.stream),
        prompt_tokens=sum(len(words(_text(m))) + IMAGE_TOKENS * _media(m) for m in body.messages),
        said=_text(spoken),
        answered=last.role == "tool",
        functions=_functions(body),
        forced=body.tool_choice.function.name if isinstance(body.tool_choice, _Choice) else "",
        limit=body.max_completion_tokens if body.max_tokens is None else body.max_tokens,
        schema=form.schema if form is not None else None,
        choices=body.n or 1,
    )


class _Ask:
    """One decoded request."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, body: _Body) -> None:
        self._body = body
        self.heard = _heard(body)

    def whole(self, speech: Speech, serial: int) -> bytes:
        """A ``chat.completion``."""
        choices = [
            {
                "index": index,
                "message": _message(speech, serial),
                "logprobs": None if speech.calls else self._logprobs(speech.words),
                "finish_reason": speech.finish,
            }
            for index in range(self.heard.choices)
        ]
        answer = self._frame("chat.completion", serial) | {"choices": choices}
        if not speech.script.no_usage:
            answer["usage"] = self._usage(speech)
        return sse.encode(answer)

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """``chat.completion.chunk`` events, the usage chunk if it was asked for, ``[DONE]``."""
        options = self._body.stream_options
        counted = bool(options and options.include_usage) and not speech.script.no_usage
        frame = self._frame("chat.completion.chunk", serial)

        def chunk(choices: list[dict[str, object]], usage: object = None) -> bytes:
            return sse.event(frame | ({"choices": choices, "usage": usage} if counted else {"choices": choices}))

        def deltas(delta: dict[str, object], tokens: Sequence[str] = (), end: str | None = None) -> Iterator[Piece]:
            logprobs = self._logprobs(tokens) if "content" in delta and tokens else None
            for index in range(self.heard.choices):
                choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": end}
                yield chunk([choice]), len(tokens)

        yield from deltas({"role": "assistant", "content": None if speech.calls else "", "refusal": None})
        for delta, tokens in _deltas(speech, serial):
            yield from deltas(delta, tokens)
        yield from deltas({}, end=speech.finish)
        if counted:
            yield chunk([], self._usage(speech)), 0
        if not speech.script.no_done:
            yield b"data: [DONE]\n\n", 0

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        return error(status, message, code=code, param=param)

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """A ``data:`` line with an error, as providers send it inside HTTP 200."""
        del index
        return b"data: " + error(500, message, code=code) + b"\n\n"

    def _frame(self, kind: str, serial: int) -> dict[str, object]:
        return {
            "id": f"chatcmpl-mock-{serial}",
            "object": kind,
            "created": CREATED_EPOCH_S,
            "model": self.heard.model,
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
        }

    def _usage(self, speech: Speech) -> dict[str, object]:
        choices, prompt = self.heard.choices, speech.prompt_tokens
        completion = speech.tokens * choices
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": speech.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": len(speech.thoughts) * choices, "audio_tokens": 0},
        }

    def _logprobs(self, tokens: Sequence[str]) -> object:
        if not self._body.logprobs:
            return None
        tops = range(self._body.top_logprobs or 0)
        content = [
            {"token": token, "logprob": LOGPROB, "bytes": list(token.encode())}
            | {
                "top_logprobs": [
                    {"token": token, "logprob": LOGPROB - top, "bytes": list(token.encode())} for top in tops
                ]
            }
            for token in tokens
        ]
        return {"content": content, "refusal": None}


def _message(speech: Speech, serial: int) -> dict[str, object]:
    text = speech.text + speech.filler
    message: dict[str, object] = {
        "role": "assistant",
        "content": text or (None if speech.calls else ""),
        "refusal": None,
    }
    if speech.thoughts and not speech.script.redacted:
        message["reasoning_content"] = speech.thought
    if speech.thoughts and (details := _details(speech)):
        message["reasoning_details"] = details
    if speech.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(serial, number),
                "type": "function",
                "function": {"name": call.name, "arguments": call.json},
            }
            for number, call in enumerate(speech.calls)
        ]
    return message


def _details(speech: Speech) -> list[dict[str, object]]:
    """What OpenRouter adds of a signed (or encrypted) reasoning, the text left to ``reasoning_content``."""
    if speech.script.redacted:
        return [{"type": "reasoning.encrypted", "data": SIGNATURE, "format": _SIGNED_AS, "index": 0}]
    if speech.script.signed:
        text = {"type": "reasoning.text", "text": speech.thought, "format": _SIGNED_AS, "index": 0}
        return [text | {"signature": SIGNATURE}]
    return []


def _deltas(speech: Speech, serial: int) -> Iterator[tuple[dict[str, object], Sequence[str]]]:
    """The deltas of one choice and the tokens in each."""
    for thought in speech.thoughts:
        yield ({} if speech.script.redacted else {"reasoning_content": thought}), [thought]
    if speech.thoughts and (details := _details(speech)):
        signed = [{name: value for name, value in detail.items() if name != "text"} for detail in details]
        yield {"reasoning_details": signed}, ()
    if speech.filler:
        yield {"content": speech.filler}, ()
    for word in speech.words:
        yield {"content": word}, [word]
    for number, call in enumerate(speech.calls):
        opening = {"name": call.name, "arguments": ""}
        yield (
            {
                "tool_calls": [
                    {"index": number, "id": _call_id(serial, number), "type": "function", "function": opening}
                ]
            },
            (),
        )
        for word in call.arguments:
            yield {"tool_calls": [{"index": number, "function": {"arguments": word}}]}, [word]


def _call_id(serial: int, number: int) -> str:
    return f"call_mock_{serial}" + (f"_{number}" if number else "")


def read(request: Request) -> _Ask | Told:
    """A chat completion, or the list of models. Raises BadAsk."""
    if request.method == "GET":
        data = [
            {"id": one, "object": "model", "created": CREATED_EPOCH_S, "owned_by": "omniroute-mock"} for one in ALIASES
        ]
        return Told(sse.encode({"object": "list", "data": data}))
    try:
        asked = _BODY.decode(request.body)
    except msgspec.DecodeError as problem:  # ValidationError is one of them
        raise BadAsk(f"the body is not a chat completion request: {problem}") from problem
    except UnicodeDecodeError as problem:
        raise BadAsk("the body is not UTF-8") from problem
    if not asked.messages:
        raise BadAsk("messages must not be empty", "messages")
    if not 1 <= (asked.n or 1) <= MAX_CHOICES:
        raise BadAsk(f"n must be between 1 and {MAX_CHOICES}", "n")
    return _Ask(asked)


def claims(request: Request) -> bool:
    """Chat completions; and lists of models that no other vendor's headers ask for."""
    version, path = versions.split(request.path)
    if request.method == "POST":
        return path == _PATH
    foreign = request.header("anthropic-version") or request.header("x-goog-api-key")
    return request.method == "GET" and path == _MODELS and version in ("", "v1") and not foreign


def error(status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
    """``{"error": {...}}``."""
    kind, usual = _ERRORS.get(status, ("server_error", "server_error") if status >= 500 else _ERRORS[400])
    return sse.encode({"error": {"message": message, "type": kind, "param": param, "code": code or usual}})


DIALECT: Final = Dialect(
    name="openai_chat",
    paths=("POST /v1/chat/completions", "GET /v1/models"),
    claims=claims,
    credential=versions.bearer,
    read=read,
    error=error,
)
