"""Gemini's generateContent, as an upstream: whole, as server-sent events, or as a JSON array in pieces.

Source: types of the ``google-genai`` package, 3.4; ai.google.dev/api/generate-content and recordings of the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from omniroute.mock import sse, versions
from omniroute.mock.dialect import BadAsk, Dialect, Piece, Told
from omniroute.mock.request import Request
from omniroute.mock.script import ALIASES
from omniroute.mock.speech import CREATED, IMAGE_TOKENS, Call, Function, Heard, Schema, Speech
from omniroute.mock.words import words

SIGNATURE: Final = "bW9jay1zaWduYXR1cmU="
_MODELS: Final = "/models"
_UNDERSCORE: Final = re.compile(r"_([a-z])")
_VERBS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_FINISHES: Final = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str
    data: str = ""
    file_uri: str = ""


class _Named(msgspec.Struct):
    name: str
    id: str = ""
    response: dict[str, object] = {}


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    inline_data: _Blob | None = None
    file_data: _Blob | None = None
    function_call: _Named | None = None
    function_response: _Named | None = None
    thought: bool = False
    thought_signature: str = ""


class _Content(msgspec.Struct):
    parts: list[_Part] = []
    role: str = "user"


class _Declaration(msgspec.Struct, rename="camel"):
    name: str
    parameters: dict[str, object] | None = None
    parameters_json_schema: dict[str, object] | None = None


class _Tool(msgspec.Struct, rename="camel"):
    function_declarations: list[_Declaration] = []


class _Calling(msgspec.Struct, rename="camel"):
    mode: str = "AUTO"
    allowed_function_names: list[str] = []


class _ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: _Calling = msgspec.field(default_factory=_Calling)


class _Generation(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_schema: dict[str, object] | None = None
    response_json_schema: dict[str, object] | None = None


class _Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The service refuses members it does not know. Those without a use here are named so that they are known."""

    contents: list[_Content]
    system_instruction: _Content | None = None
    tools: list[_Tool] = []
    tool_config: _ToolConfig = msgspec.field(default_factory=_ToolConfig)
    generation_config: _Generation = msgspec.field(default_factory=_Generation)
    safety_settings: object = None
    cached_content: object = None
    labels: object = None
    service_tier: object = None
    store: object = None
    model: object = None


class _Count(msgspec.Struct, rename="camel"):
    contents: list[_Content] = []
    generate_content_request: _Body | None = None


_OPAQUE: Final = frozenset({"args", "labels", "parameters", "response", "responseSchema"})
"""What these hold is not the service's: its names stay."""


def _camel(value: object) -> object:
    """``value`` with snake_case names in the service's other spelling: it reads both, and its own client mixes them."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {_UNDERSCORE.sub(lambda found: found[1].upper(), str(name)): inside for name, inside in value.items()}
    return {
        name: inside if name in _OPAQUE or name.endswith("JsonSchema") else _camel(inside)
        for name, inside in named.items()
    }


def _texts(content: _Content) -> list[str]:
    return [part.text for part in content.parts if part.text and not part.thought]


def _result(part: _Part) -> str:
    response = part.function_response.response if part.function_response is not None else {}
    told = response.get("output", response.get("result", response))
    return told if isinstance(told, str) else sse.encode(told).decode()


def _prompt_tokens(contents: list[_Content]) -> int:
    parts = [part for content in contents for part in content.parts]
    told = sum(len(words(text)) for content in contents for text in _texts(content))
    told += sum(len(words(_result(part))) for part in parts if part.function_response is not None)
    return told + IMAGE_TOKENS * sum(bool(part.inline_data or part.file_data) for part in parts)


def _heard(body: _Body, model: str, *, stream: bool) -> Heard:
    last = body.contents[-1]
    results = [part for part in last.parts if part.function_response is not None]
    spoken = next((content for content in reversed(body.contents) if content.role != "model"), last)
    calling, form = body.tool_config.function_calling_config, body.generation_config
    declared = [one for tool in body.tools for one in tool.function_declarations] if calling.mode != "NONE" else []
    allowed = calling.allowed_function_names or [one.name for one in declared]
    schema: Schema | None = form.response_json_schema or form.response_schema
    system = [body.system_instruction] if body.system_instruction is not None else []
    return Heard(
        model=model,
        stream=stream,
        prompt_tokens=_prompt_tokens([*system, *body.contents]),
        said="\n".join(map(_result, results)) if results else "\n".join(_texts(spoken)),
        answered=bool(results),
        functions=tuple(
            Function(one.name, one.parameters_json_schema or one.parameters) for one in declared if one.name in allowed
        ),
        limit=form.max_output_tokens,
        schema=schema,
        choices=form.candidate_count or 1,
    )


class _Ask:
    """One decoded request."""

    def __init__(self, heard: Heard, *, array: bool) -> None:
        self.heard = heard
        self._array = array
        self.media_type = "application/json; charset=UTF-8" if array else "text/event-stream"

    def whole(self, speech: Speech, serial: int) -> bytes:
        """A ``GenerateContentResponse``."""
        parts: list[dict[str, object]] = []
        if speech.thoughts and not speech.script.redacted:
            parts.append({"text": speech.thought, "thought": True})
        if text := speech.text + speech.filler:
            parts.append({"text": text})
        parts += [_call(call, number, speech, serial) for number, call in enumerate(speech.calls)]
        return sse.encode(self._answer(_signed(parts, speech), speech, serial, speech.tokens, end=True))

    def events(self, speech: Speech, serial: int) -> Iterator[Piece]:
        """Objects of the same shape, a word or a call each, the last with the reason and all counts."""
        for index, (data, tokens) in enumerate(self._objects(speech, serial)):
            if self._array:
                yield (b",\r\n" if index else b"[") + data, tokens
            else:
                yield b"data: " + data + b"\r\n\r\n", tokens
        if self._array:
            yield b"\n]\n", 0

    def error(self, status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
        """As the dialect's."""
        return error(status, message, code=code, param=param)

    def error_event(self, index: int, message: str, code: str) -> bytes:
        """An object that holds an error; the last element of an array."""
        body = error(500, message, code=code)
        if self._array:
            return (b",\r\n" if index else b"[") + body + b"\n]\n"
        return b"data: " + body + b"\r\n\r\n"

    def _objects(self, speech: Speech, serial: int) -> Iterator[Piece]:
        said: list[tuple[dict[str, object], int]] = []
        if not speech.script.redacted:
            said += [({"text": thought, "thought": True}, 1) for thought in speech.thoughts]
        if speech.filler:
            said.append(({"text": speech.filler}, 0))
        said += [({"text": word}, 1) for word in speech.words]
        calls = [(_call(call, number, speech, serial), len(call.arguments)) for number, call in enumerate(speech.calls)]
        parts = _signed([part for part, _ in [*said, *calls]], speech)
        told = len(speech.thoughts) if speech.script.redacted else 0
        for part, (_, tokens) in zip(parts, [*said, *calls], strict=True):
            told += tokens
            yield sse.encode(self._answer([part], speech, serial, told, end=False)), tokens * self.heard.choices
        yield sse.encode(self._answer([{"text": ""}], speech, serial, told, end=not speech.script.no_done)), 0

    def _answer(
        self, parts: list[dict[str, object]], speech: Speech, serial: int, told: int, *, end: bool
    ) -> dict[str, object]:
        reason: dict[str, object] = {"finishReason": _FINISHES[speech.finish]} if end else {}
        candidates = [
            {"content": {"parts": parts, "role": "model"}} | reason | {"index": index}
            for index in range(self.heard.choices)
        ]
        answer: dict[str, object] = {"candidates": candidates}
        if not speech.script.no_usage:
            answer["usageMetadata"] = self._usage(speech, told)
        return answer | {
            "modelVersion": self.heard.model,
            "responseId": f"mock-{serial}",
        }

    def _usage(self, speech: Speech, told: int) -> dict[str, object]:
        """Counts so far: thoughts apart from the rest."""
        thoughts = min(told, len(speech.thoughts))
        output = (told - thoughts) * self.heard.choices
        usage: dict[str, object] = {
            "promptTokenCount": speech.prompt_tokens,
            "candidatesTokenCount": output,
            "totalTokenCount": speech.prompt_tokens + output + thoughts,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": speech.prompt_tokens}],
        }
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
        if speech.cached:
            usage["cachedContentTokenCount"] = speech.cached
        return usage


def _signed(parts: list[dict[str, object]], speech: Speech) -> list[dict[str, object]]:
    """``parts`` with a signature on the first call, or else on the last text, where there was reasoning."""
    if not speech.thoughts:
        return parts
    spoken = [place for place, part in enumerate(parts) if "thought" not in part]
    called = [place for place in spoken if "functionCall" in parts[place]]
    at = called[0] if called else spoken[-1] if spoken else None
    return [part | {"thoughtSignature": SIGNATURE} if place == at else part for place, part in enumerate(parts)]


def _call(call: Call, number: int, speech: Speech, serial: int) -> dict[str, object]:
    identity = {} if speech.script.no_ids else {"id": f"mock{serial}x{number}"}
    return {"functionCall": identity | {"name": call.name, "args": call.object}}


def _check(body: _Body) -> None:
    """Raise BadAsk for what the service answers with 400."""
    if not body.contents:
        raise BadAsk("* GenerateContentRequest.contents: contents is not specified")
    waiting = 0
    for place, content in enumerate(body.contents):
        if content.role not in {"user", "model", "function", ""}:
            raise BadAsk("Please use a valid role: user, model.")
        if not content.parts:
            raise BadAsk(f"* GenerateContentRequest.contents[{place}].parts: contents.parts must not be empty.")
        if content.role == "model":  # several in a row are one turn: the SDK sends a streamed answer back in pieces
            waiting += sum(part.function_call is not None for part in content.parts)
            continue
        if sum(part.function_response is not None for part in content.parts) != waiting:
            raise BadAsk(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        waiting = 0


def read(request: Request) -> _Ask | Told:
    """An answer, a count of tokens, or what is known about models. Raises BadAsk."""
    path = versions.plain(request)
    if request.method == "GET":
        return Told(_models(path))
    model, _, verb = path.removeprefix(f"{_MODELS}/").rpartition(":")
    try:
        document = _camel(msgspec.json.decode(request.body))
        if verb == "countTokens":
            return Told(_counted(msgspec.convert(document, _Count)))
        body = msgspec.convert(document, _Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadAsk(f"Invalid JSON payload received. {problem}") from problem
    _check(body)
    stream = verb == "streamGenerateContent"
    return _Ask(_heard(body, model, stream=stream), array=versions.query(request, "alt") != "sse")


def _counted(asked: _Count) -> bytes:
    body = asked.generate_content_request
    contents = asked.contents
    if body is not None:
        contents = [*([body.system_instruction] if body.system_instruction is not None else []), *body.contents]
    if not contents:
        raise BadAsk("* CountTokensRequest.contents: contents is not specified")
    total = _prompt_tokens(contents)
    return sse.encode({"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]})


def _models(path: str) -> bytes:
    known = [
        {
            "name": f"models/{one}",
            "version": CREATED[:10],
            "displayName": one,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": list(_VERBS),
        }
        for one in ALIASES
    ]
    name = path.removeprefix(_MODELS).strip("/")
    if not name:
        return sse.encode({"models": known})
    found = next((one for one in known if one["displayName"] == name), None)
    if found is None:
        raise BadAsk(f"models/{name} is not found for API version v1beta", status=404)
    return sse.encode(found)


def claims(request: Request) -> bool:
    """``models/{model}:verb``; and models under ``/v1beta``, or for those who bring Google's key header."""
    version, path = versions.split(request.path)
    if request.method == "POST":
        return path.startswith(f"{_MODELS}/") and path.rpartition(":")[2] in _VERBS
    google = version.startswith(("v1beta", "v1alpha")) or bool(request.header("x-goog-api-key"))
    asked = path == _MODELS or path.startswith(f"{_MODELS}/")
    return request.method == "GET" and asked and google and not request.header("anthropic-version")


def credential(request: Request) -> str:
    """``x-goog-api-key``, or ``key`` in the query."""
    return request.header("x-goog-api-key") or versions.query(request, "key")


def error(status: int, message: str, *, code: str = "", param: str | None = None) -> bytes:
    """``{"error": {code, message, status}}``: a code is the status in words here."""
    del param
    known = _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    return sse.encode({"error": {"code": status, "message": message, "status": code or known}})


DIALECT: Final = Dialect(
    name="gemini",
    paths=(
        "POST /v1beta/models/{model}:generateContent",
        "POST /v1beta/models/{model}:streamGenerateContent",
        "POST /v1beta/models/{model}:countTokens",
        "GET /v1beta/models",
    ),
    claims=claims,
    credential=credential,
    read=read,
    error=error,
)
