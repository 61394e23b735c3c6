"""Ollama's own API, as an upstream: ``/api/chat`` and ``/api/generate``, streamed as lines unless told not to.

Source: github.com/ollama/ollama/blob/main/docs/api.md; types of the ``ollama`` package, 0.6.3; recordings of servers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from omniroute.mock import sse, versions
from omniroute.mock.dialect import BadAsk, Dialect, Piece, Told
from omniroute.mock.request import Request
from omniroute.mock.script import ALIASES
from omniroute.mock.speech import CREATED, IMAGE_TOKENS, Call, Function, Heard, Speech
from omniroute.mock.words import words

MEDIA_TYPE: Final = "application/x-ndjson"
VERSION: Final = "0.13.0"
TICK_NS: Final = 1_000_000
"""How long the mock says each token took."""
_CHAT: Final = "/api/chat"
_GENERATE: Final = "/api/generate"
_TAGS: Final = "/api/tags"
_VERSION: Final = "/api/version"
_DETAILS: Final = {
    "parent_model": "",
    "format": "gguf",
    "family": "mock",
    "families": ["mock"],
    "parameter_size": "0B",
    "quantization_level": "F16",
}


class _Function(msgspec.Struct):
    name: str
    arguments: dict[str, object]


class _Call(msgspec.Struct):
    function: _Function


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    images: list[str] | None = None
    thinking: str = ""
    tool_calls: list[_Call] | None = None


class _ToolFunction(msgspec.Struct):
    name: str
    parameters: dict[str, object] | None = None


class _Tool(msgspec.Struct):
    type: Literal["function"]
    function: _ToolFunction


class _Options(msgspec.Struct):
    num_predict: int | None = None


class _Body(msgspec.Struct, kw_only=True):
    model: str
    stream: bool | None = None
    format: str | dict[str, object] | None = None
    options: _Options | None = None
    think: bool | str | None = None


class _Chat(_Body, kw_only=True):
    messages: list[_Message]
    tools: list[_Tool] | None = None


class _Generate(_Body, kw_only=True):
    prompt: str = ""
    system: str = ""
    images: list[str] | None = None


_CHATS: Final = msgspec.json.Decoder(_Chat)
_GENERATES: Final = msgspec.json.Decoder(_Generate)


class _Ask:
    """One decoded request."""

    media_type = MEDIA_TYPE

    def __init__(self, heard: Heard, *, generate: bool) -> None:
        self.heard = heard
        self._generate = generate

    def whole(self, speech: Speech, serial: int) -> bytes:
        """One object that is done."""
        return sse.encode(self._last(speech, self._said(speech.text + speech.filler, speech, serial)))

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """A line per word, a line per call, the line that is done."""

        def line(said: dict[str, object], tokens: int) -> Piece:
            return sse.encode(self._frame() | said | {"done": False}) + b"\n", tokens

        for thought in speech.thoughts:
            yield line(self._words("", {"thinking": thought}), 1)
        if speech.filler:
            yield line(self._words(speech.filler), 0)
        for word in speech.words:
            yield line(self._words(word), 1)
        for number, call in enumerate(speech.calls):
            calls = [_written(call, number, speech, serial)]
            yield line(self._words("", {"tool_calls": calls}), len(call.arguments))
        if not speech.script.no_done:
            yield sse.encode(self._last(speech, self._words(""))) + b"\n", 0

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        return error(status, message, code=code, param=param)

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """A line with an error."""
        del index
        return error(500, message, code=code) + b"\n"

    def _frame(self) -> dict[str, object]:
        return {"model": self.heard.model, "created_at": CREATED}

    def _words(self, text: str, beside: dict[str, object] | None = None) -> dict[str, object]:
        if self._generate:
            return {"response": text} | (beside or {})
        return {"message": {"role": "assistant", "content": text} | (beside or {})}

    def _said(self, text: str, speech: Speech, serial: int) -> dict[str, object]:
        beside: dict[str, object] = {"thinking": speech.thought} if speech.thoughts else {}
        if speech.calls:
            beside["tool_calls"] = [_written(call, number, speech, serial) for number, call in enumerate(speech.calls)]
        return self._words(text, beside)

    def _last(self, speech: Speech, said: dict[str, object]) -> dict[str, object]:
        reason = "length" if speech.finish == "length" else "stop"  # calls end with "stop", too [rec]
        last = self._frame() | said | {"done": True, "done_reason": reason}
        if self._generate:
            last["context"] = list(range(speech.prompt_tokens + speech.tokens))
        last |= {"total_duration": TICK_NS * (speech.prompt_tokens + speech.tokens + 1), "load_duration": TICK_NS}
        if speech.script.no_usage:
            return last
        return last | {
            "prompt_eval_count": speech.prompt_tokens,
            "prompt_eval_duration": TICK_NS * speech.prompt_tokens,
            "eval_count": speech.tokens,
            "eval_duration": TICK_NS * speech.tokens,
        }


def _written(call: Call, number: int, speech: Speech, serial: int) -> dict[str, object]:
    function = {"index": number, "name": call.name, "arguments": call.object}
    return ({} if speech.script.no_ids else {"id": f"call_mock{serial}x{number}"}) | {"function": function}


def read(request: Request) -> _Ask | Told:
    """A chat, a completion, or what is known about models. Raises BadAsk."""
    path = versions.plain(request)
    if path == _TAGS:
        return Told(sse.encode({"models": [_tag(one) for one in ALIASES]}))
    if path == _VERSION:
        return Told(sse.encode({"version": VERSION}))
    try:
        if path == _GENERATE:
            return _Ask(_heard_prompt(_GENERATES.decode(request.body)), generate=True)
        return _Ask(_heard_chat(_CHATS.decode(request.body)), generate=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise BadAsk(f"the body is not a request of Ollama's: {problem}") from problem


def _heard_chat(body: _Chat) -> Heard:
    if not body.messages:
        raise BadAsk("messages must not be empty")
    last = body.messages[-1]
    spoken = last if last.role == "tool" else next((m for m in reversed(body.messages) if m.role == "user"), last)
    pictures = sum(_checked(message.images) for message in body.messages)
    return msgspec.structs.replace(
        _heard(body),
        prompt_tokens=sum(len(words(message.content)) for message in body.messages) + IMAGE_TOKENS * pictures,
        said=spoken.content,
        answered=last.role == "tool",
        functions=tuple(Function(tool.function.name, tool.function.parameters) for tool in body.tools or ()),
    )


def _heard_prompt(body: _Generate) -> Heard:
    told = len(words(body.system)) + len(words(body.prompt)) + IMAGE_TOKENS * _checked(body.images)
    return msgspec.structs.replace(_heard(body), prompt_tokens=told, said=body.prompt)


def _heard(body: _Body) -> Heard:
    limit = body.options.num_predict if body.options is not None else None
    if isinstance(body.think, str) and body.think not in {"low", "medium", "high", "max"}:
        raise BadAsk(f'think value "{body.think}" is not supported')
    return Heard(
        model=body.model,
        stream=body.stream is not False,
        prompt_tokens=0,
        said="",
        limit=None if limit is None or limit < 0 else limit,
        schema=body.format if isinstance(body.format, dict) else None,
    )


def _checked(images: list[str] | None) -> int:
    """How many pictures there are. Raises BadAsk as the vendor's JSON reader does for what is not base64."""
    for image in images or ():
        try:
            base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as problem:
            raise BadAsk(f"illegal base64 data in images: {problem}") from problem
    return len(images or ())


def _tag(name: str) -> dict[str, object]:
    digest = f"{len(name):064x}"
    return {
        "name": name,
        "model": name,
        "modified_at": CREATED,
        "size": 0,
        "digest": digest,
        "details": _DETAILS,
    }


def claims(request: Request) -> bool:
    """What begins with ``/api/`` and is known here."""
    wanted = (_CHAT, _GENERATE) if request.method == "POST" else (_TAGS, _VERSION)
    return request.method in {"GET", "POST"} and versions.plain(request) in wanted


def error(status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
    """``{"error": "text"}``: there is no place for a code."""
    del status, code, param
    return sse.encode({"error": message})


DIALECT: Final = Dialect(
    name="ollama",
    paths=("POST /api/chat", "POST /api/generate", "GET /api/tags", "GET /api/version"),
    claims=claims,
    credential=versions.bearer,
    read=read,
    error=error,
)
