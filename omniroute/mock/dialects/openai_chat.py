"""OpenAI Chat Completions, as an upstream.

The answer is the last user message said again, in words; with ``tools`` it is a call of the first one (or of the one
``tool_choice`` names), until a tool's result is the last message: that is said again. Usage is counted in words.

Source: recorded streams and bodies of the vendor; platform.openai.com/docs/api-reference/chat (seen 2025-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from omniroute.mock.dialect import BadAsk, Piece
from omniroute.mock.script import Script
from omniroute.mock.words import of_length, words

CREATED_EPOCH_S: Final = 1_700_000_000
"""The same in every answer: a transcript of the mock does not change from run to run."""
IMAGE_TOKENS: Final = 85
"""What the vendor counts for one image at low detail."""
MAX_CHOICES: Final = 128
LOGPROB: Final = -0.1
_EMPTY: Final[dict[str, object]] = {}

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


class _Body(msgspec.Struct):
    """The fields an answer depends on; every other one is accepted and ignored."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_encode: Final = msgspec.json.Encoder().encode


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.type in {"text", "input_text"})
    return message.content or ""


def _images(message: _Message) -> int:
    return sum(part.type == "image_url" for part in message.content) if isinstance(message.content, list) else 0


def _sample(schema: object, text: str) -> object:
    """A value that fits a property's JSON schema, as far as its type goes."""
    said = schema if isinstance(schema, dict) else _EMPTY
    if isinstance(options := said.get("enum"), list) and options:
        return options[0]
    match said.get("type"):
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return []
        case "object":
            return {}
        case _:
            return text


class _Ask:
    """One decoded request."""

    def __init__(self, body: _Body) -> None:
        self._body = body
        self.model = body.model
        self.stream = bool(body.stream)
        self.prompt_tokens = sum(len(words(_text(m))) + IMAGE_TOKENS * _images(m) for m in body.messages)
        self._choices = body.n or 1
        last = body.messages[-1]
        spoken = last if last.role == "tool" else next((m for m in reversed(body.messages) if m.role == "user"), last)
        self._said = _text(spoken)
        self._call = self._function() if last.role != "tool" else None

    def _function(self) -> _Function | None:
        """The function to call, if any."""
        tools = [tool.function for tool in self._body.tools or () if tool.function is not None]
        choice = self._body.tool_choice
        if not tools or choice == "none":
            return None
        if isinstance(choice, _Choice):
            return next((function for function in tools if function.name == choice.function.name), tools[0])
        return tools[0]

    def _answer(self, script: Script) -> tuple[list[str], str]:
        """The words of one choice and its finish reason."""
        body, finish = self._body, "stop"
        if self._call is not None:
            schema = self._call.parameters or _EMPTY
            properties = schema.get("properties")
            required = schema.get("required")
            known = properties if isinstance(properties, dict) else _EMPTY
            wanted = required if isinstance(required, list) else list(known)
            arguments = {str(name): _sample(known.get(name), self._said) for name in wanted}
            said, finish = words(_encode(arguments).decode()), "tool_calls"
        else:
            said = words(self._said) if script.tokens is None else of_length(self._said, script.tokens)
            limit = body.max_completion_tokens if body.max_tokens is None else body.max_tokens
            if limit is not None and limit < len(said):
                said, finish = said[:limit], "length"
        return said, script.finish or finish

    def _thoughts(self, script: Script) -> list[str]:
        return of_length("mock thought", script.reasoning)

    def _usage(self, script: Script, completion_tokens: int) -> dict[str, object]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": min(script.cached, self.prompt_tokens), "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": script.reasoning * self._choices, "audio_tokens": 0},
        }

    def _logprobs(self, tokens: Sequence[str]) -> object:
        if not self._body.logprobs or self._call is not None:
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

    def whole(self, script: Script, serial: int) -> Piece:
        """A ``chat.completion``."""
        said, finish = self._answer(script)
        thoughts = self._thoughts(script)
        text = "".join(said)
        choices: list[dict[str, object]] = []
        for index in range(self._choices):
            message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
            if thoughts:
                message["reasoning_content"] = "".join(thoughts)
            if self._call is not None:
                function = {"name": self._call.name, "arguments": text}
                message["content"] = None
                message["tool_calls"] = [{"id": f"call_mock_{serial}", "type": "function", "function": function}]
            if script.big_event:
                message["content"] = text + "x" * script.big_event
            choices.append(
                {"index": index, "message": message, "logprobs": self._logprobs(said), "finish_reason": finish}
            )
        tokens = (len(said) + len(thoughts)) * self._choices
        answer = self._frame("chat.completion", serial) | {"choices": choices}
        if not script.no_usage:
            answer["usage"] = self._usage(script, tokens)
        return _encode(answer), tokens

    def _frame(self, kind: str, serial: int) -> dict[str, object]:
        return {
            "id": f"chatcmpl-mock-{serial}",
            "object": kind,
            "created": CREATED_EPOCH_S,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_mock",
        }

    def events(self, script: Script, serial: int) -> Iterator[Piece]:
        """``chat.completion.chunk`` events, the usage chunk if it was asked for, ``[DONE]``."""
        said, finish = self._answer(script)
        options = self._body.stream_options
        counted = bool(options and options.include_usage) and not script.no_usage
        frame = self._frame("chat.completion.chunk", serial)

        def chunk(choices: list[dict[str, object]], usage: object = None) -> bytes:
            rest: dict[str, object] = {"choices": choices, "usage": usage} if counted else {"choices": choices}
            return b"data: " + _encode(frame | rest) + b"\n\n"

        def deltas(delta: dict[str, object], tokens: Sequence[str] = (), end: str | None = None) -> Iterator[Piece]:
            logprobs = self._logprobs(tokens) if tokens else None
            for index in range(self._choices):
                choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": end}
                yield chunk([choice]), len(tokens)

        thoughts = self._thoughts(script)
        yield from deltas({"role": "assistant", "content": None if self._call else "", "refusal": None})
        for thought in thoughts:
            yield from deltas({"reasoning_content": thought}, [thought])
        if script.big_event:
            yield from deltas({"content": "x" * script.big_event})
        for delta, tokens in self._answer_deltas(said, serial):
            yield from deltas(delta, tokens)
        yield from deltas({}, end=finish)
        if counted:
            yield chunk([], self._usage(script, (len(said) + len(thoughts)) * self._choices)), 0
        if not script.no_done:
            yield b"data: [DONE]\n\n", 0

    def _answer_deltas(self, said: Sequence[str], serial: int) -> Iterator[tuple[dict[str, object], Sequence[str]]]:
        """The deltas of one choice, text or the call of a function, and the tokens in each."""
        if self._call is None:
            for word in said:
                yield {"content": word}, [word]
            return
        opening = {"name": self._call.name, "arguments": ""}
        yield {"tool_calls": [{"index": 0, "id": f"call_mock_{serial}", "type": "function", "function": opening}]}, ()
        for word in said:
            yield {"tool_calls": [{"index": 0, "function": {"arguments": word}}]}, [word]


class OpenAIChat:
    """The dialect."""

    name = "openai_chat"
    paths = ("/chat/completions",)
    model_paths = ("/models",)

    def decode(self, body: bytes) -> _Ask:
        """The request in ``body``. Raises BadAsk."""
        try:
            asked = _BODY.decode(body)
        except msgspec.DecodeError as error:  # ValidationError is one of them
            raise BadAsk(f"the body is not a chat completion request: {error}") from error
        except UnicodeDecodeError as error:
            raise BadAsk("the body is not UTF-8") from error
        if not asked.messages:
            raise BadAsk("messages must not be empty", "messages")
        if not 1 <= (asked.n or 1) <= MAX_CHOICES:
            raise BadAsk(f"n must be between 1 and {MAX_CHOICES}", "n")
        return _Ask(asked)

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """``{"error": {...}}``."""
        kind, usual = _ERRORS.get(status, ("server_error", "server_error") if status >= 500 else _ERRORS[400])
        return _encode({"error": {"message": message, "type": kind, "param": param, "code": code or usual}})

    def error_event(self, message: str, *, code: str = "") -> bytes:
        """A ``data:`` line with an error, as providers send it inside HTTP 200."""
        return b"data: " + self.error(500, message, code=code) + b"\n\n"

    def models(self, ids: Sequence[str]) -> bytes:
        """``GET /v1/models``."""
        data = [{"id": one, "object": "model", "created": CREATED_EPOCH_S, "owned_by": "omniroute-mock"} for one in ids]
        return _encode({"object": "list", "data": data})
