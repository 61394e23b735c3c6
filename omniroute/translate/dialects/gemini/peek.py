"""What a request is, from its path, its query and the few members the gateway acts on; and lane 0's way upstream.

``/v1beta/models/{model}:{method}``. The model may hold slashes and colons (``ollama/llama3:8b``): the method is what
comes after the last colon.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, quote

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.dialect import Asked, Part, Peeked, Span
from omniroute.translate.dialects.gemini.schema import NOTHING
from omniroute.translate.dialects.gemini.words import JSON_ARRAY
from omniroute.translate.peeking import MAX_CHOICES, missing, model_name, spans_of, with_model, wrong
from omniroute.translate.reading import integer

PREFIXES: Final = ("/v1beta/models/", "/v1/models/")
_OWN: Final = "models/"
_RESOURCES: Final = ("models/", "tunedModels/", "publishers/", "projects/")
_KEYS: Final = (
    b"contents", b"generationConfig", b"generation_config", b"generateContentRequest", b"generate_content_request",
    b"model",
)  # fmt: skip
_GENERATE: Final = "generateContent"
_STREAM: Final = "streamGenerateContent"
_COUNT: Final = "countTokens"


def peek(asked: Asked) -> Peeked:
    """Model, method and number of candidates. ``spans``: the value of ``model`` in the body, where there is one."""
    model, method = target(asked.path)
    spans = spans_of(asked.body, _KEYS, "'contents'")
    contents, config, config_too, inner, inner_too, own_model = spans
    counting = method == _COUNT
    if contents is None and not (counting and (inner or inner_too)):
        raise missing("contents", "give the conversation as a list of contents")
    if contents is not None and asked.body[contents[0]] not in b"[{":
        raise wrong("contents", "must be a list of contents")
    stream = method == _STREAM
    return Peeked(
        model,
        stream,
        include_usage=True,
        choices=1 if counting else _choices(asked.body, config or config_too),
        spans=(own_model,),
        operation="count" if counting else "chat",
        variant=JSON_ARRAY if stream and not is_sse(asked.query) else "",
    )


def target(path: str) -> tuple[str, str]:
    """Model and method a path names. Raises ClientError (404) for a method that is not served."""
    rest = next((path.removeprefix(prefix) for prefix in PREFIXES if path.startswith(prefix)), "")
    name, _, method = rest.rpartition(":")
    if method not in {_GENERATE, _STREAM, _COUNT} or not rest:
        raise ClientError(
            f"{path!r} is no method of a model: POST to .../models/{{model}}:{_GENERATE}, :{_STREAM} or :{_COUNT}.",
            status=404,
            kind="not_found",
            code="not_found",
        )
    return model_name(bare(name)), method


def bare(name: str) -> str:
    """A model's name without ``models/``, which some clients write twice."""
    while name.startswith(_OWN):
        name = name.removeprefix(_OWN)
    return name


def is_sse(query: bytes) -> bool:
    """Whether a stream is to be sent as server-sent events."""
    told = parse_qs(query.decode("latin-1"))
    return (told.get("alt") or told.get("$alt") or [""])[-1].lower() == "sse"  # Google takes the system form as well


def method_path(model: str, method: str) -> str:
    """The path of a method of an upstream's model, appended to the base URL."""
    return f"/{quote(resource(model), safe='/:@')}:{method}"


def resource(model: str) -> str:
    """An upstream's model as Google names resources."""
    return model if model.startswith(_RESOURCES) else _OWN + model


def generate_path(model: str, *, stream: bool) -> str:
    """Where a request for an answer goes; streams are asked for as server-sent events."""
    return f"{method_path(model, _STREAM)}?alt=sse" if stream else method_path(model, _GENERATE)


def identity_path(peeked: Peeked, model: str) -> str:
    """The same for a request whose bytes pass: a client that reads an array is sent the upstream's."""
    if peeked.variant == JSON_ARRAY:
        return method_path(model, _STREAM)
    return generate_path(model, stream=peeked.stream)


def count_path(model: str) -> str:
    """Where a request to be counted goes."""
    return method_path(model, _COUNT)


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` as it is, but for a ``model`` in it: the path decides, and the two must agree."""
    del quirks
    (span,) = peeked.spans
    return with_model(body, span, resource(model))


def _choices(body: bytes, config: Span | None) -> int:
    if config is None or body[config[0]] != ord("{"):
        return 1  # of another type: the reader says so, or the upstream
    inner = body[config[0] : config[1]]
    camel, snake = jsonspan.spans(inner, (b"candidateCount", b"candidate_count"))
    span = camel or snake
    at = "generationConfig.candidateCount"
    count = integer(msgspec.Raw(inner[span[0] : span[1]]) if span else NOTHING, at, low=1, high=MAX_CHOICES)
    return int(count or 1)
