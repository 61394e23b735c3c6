"""OpenAI's legacy completions, as an upstream: a prompt in, text out.

Source: types of the ``openai`` package, 3.54; platform.openai.com/docs/api-reference/completions (seen 2025-11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.mock import sse, versions
from omniroute.mock.dialect import BadAsk, Dialect, Piece
from omniroute.mock.request import Request
from omniroute.mock.speech import CREATED_EPOCH_S, Heard, Speech
from omniroute.mock.words import words

MAX_CHOICES: Final = 128
_PATH: Final = "/completions"
_KINDS: Final = {401: "authentication_error", 404: "invalid_request_error", 429: "rate_limit_error"}


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str
    prompt: str | list[str]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    echo: bool | None = None
    max_tokens: int | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


class _Ask:
    """One decoded request."""

    media_type = sse.MEDIA_TYPE

    def __init__(self, body: _Body, prompt: str) -> None:
        self._body = body
        self._prompt = prompt if body.echo else ""
        self.heard = Heard(
            model=body.model,
            stream=bool(body.stream),
            prompt_tokens=len(words(prompt)),
            said=prompt,
            limit=body.max_tokens,
            choices=body.n or 1,
        )

    def whole(self, speech: Speech, serial: int) -> bytes:
        """A ``text_completion``."""
        text = self._prompt + speech.text + speech.filler
        choices = [self._choice(index, text, _finish(speech)) for index in range(self.heard.choices)]
        answer = self._frame(serial) | {"choices": choices}
        if not speech.script.no_usage:
            answer["usage"] = self._usage(speech)
        return sse.encode(answer)

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """Chunks of the same shape, the usage chunk if it was asked for, ``[DONE]``."""
        frame = self._frame(serial)
        said = [*([(self._prompt, 0)] if self._prompt else []), *((word, 1) for word in speech.words)]
        for text, tokens in [*said, *([(speech.filler, 0)] if speech.filler else [])]:
            for index in range(self.heard.choices):
                yield sse.event(frame | {"choices": [self._choice(index, text, None)]}), tokens
        for index in range(self.heard.choices):
            yield sse.event(frame | {"choices": [self._choice(index, "", _finish(speech))]}), 0
        options = self._body.stream_options
        if options is not None and options.include_usage and not speech.script.no_usage:
            yield sse.event(frame | {"choices": [], "usage": self._usage(speech)}), 0
        if not speech.script.no_done:
            yield b"data: [DONE]\n\n", 0

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        return error(status, message, code=code, param=param)

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """A ``data:`` line with an error."""
        del index
        return b"data: " + error(500, message, code=code) + b"\n\n"

    def _frame(self, serial: int) -> dict[str, object]:
        return {
            "id": f"cmpl-mock-{serial}",
            "object": "text_completion",
            "created": CREATED_EPOCH_S,
            "model": self.heard.model,
        }

    def _choice(self, index: int, text: str, finish: str | None) -> dict[str, object]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}

    def _usage(self, speech: Speech) -> dict[str, object]:
        output = len(speech.words) * self.heard.choices
        return {
            "prompt_tokens": speech.prompt_tokens,
            "completion_tokens": output,
            "total_tokens": speech.prompt_tokens + output,
        }


def _finish(speech: Speech) -> str:
    return "stop" if speech.finish == "tool_calls" else speech.finish


def read(request: Request) -> _Ask:
    """A completion of one prompt. Raises BadAsk."""
    try:
        body = _BODY.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise BadAsk(f"the body is not a completion request: {problem}") from problem
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if len(prompts) != 1:
        raise BadAsk("the mock completes one prompt at a time", "prompt")
    if not 1 <= (body.n or 1) <= MAX_CHOICES:
        raise BadAsk(f"n must be between 1 and {MAX_CHOICES}", "n")
    return _Ask(body, prompts[0])


def claims(request: Request) -> bool:
    """Completions."""
    return request.method == "POST" and versions.plain(request) == _PATH


def error(status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
    """``{"error": {...}}``."""
    kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return sse.encode({"error": {"message": message, "type": kind, "param": param, "code": code or None}})


DIALECT: Final = Dialect(
    name="openai_completions",
    paths=("POST /v1/completions",),
    claims=claims,
    credential=versions.bearer,
    read=read,
    error=error,
)
