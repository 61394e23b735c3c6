"""The few facts of a request the gateway acts on, found without building it; and the request patched in place."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import jsonspan
from omniroute.domain import Quirks
from omniroute.errors import ClientError
from omniroute.translate.dialect import Asked, Part, Peeked
from omniroute.translate.reading import no_object

CHAT_PATH: Final = "/api/chat"
GENERATE_PATH: Final = "/api/generate"
GENERATE: Final = "generate"
"""``Peeked.variant`` of a request to ``/api/generate``."""
MODEL_CHARS: Final = 256
"""A model name goes into headers, log lines and ledger rows; no vendor's comes near this."""

_KEYS: Final = (b"model", b"stream")


def peek(asked: Asked) -> Peeked:
    """Model and streaming of a request; Ollama streams unless told not to. Raises ClientError naming the field."""
    body = asked.body
    try:
        model_span, stream_span = jsonspan.unique_spans(body, _KEYS)
    except jsonspan.RepeatedMemberError as error:
        name = error.key.decode()
        # Readers differ in which of two they take: what was checked here would not be what the upstream does.
        raise ClientError(
            f"'{name}' is given more than once: send it once.", param=name, code="invalid_value"
        ) from error
    except ValueError as error:
        raise no_object(error, body, "Send one with 'model'.") from error
    if model_span is None:
        raise ClientError(
            "'model' is missing: name the model to call.", param="model", code="missing_required_parameter"
        )
    model = read_model(body[model_span[0] : model_span[1]])
    told = b"null" if stream_span is None else body[stream_span[0] : stream_span[1]]
    if told not in (b"null", b"true", b"false"):
        raise ClientError("'stream' must be true or false.", param="stream", code="invalid_value")
    variant = GENERATE if asked.path.endswith(GENERATE_PATH) else ""
    return Peeked(model, told != b"false", include_usage=True, choices=1, spans=(model_span,), variant=variant)


def read_model(raw: bytes) -> str:
    """A model's name. Raises ClientError if it is none."""
    try:
        model = msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _wrong_model() from error
    if not model or len(model) > MODEL_CHARS or not model.isprintable():
        raise _wrong_model()
    return model


def encode_request(body: bytes, peeked: Peeked, *, model: str, quirks: Quirks) -> tuple[Part, ...]:
    """``body`` for an upstream that knows the model as ``model``, as parts to be written in order."""
    del quirks  # none of them changes what an Ollama client may say to an Ollama server
    (span,) = peeked.spans
    if model == peeked.model or span is None:
        return (body,)
    return jsonspan.patch(body, ((*span, msgspec.json.encode(model)),))


def path(peeked: Peeked, model: str) -> str:
    """Where a request goes on, as it came."""
    del model  # it is in the body
    return GENERATE_PATH if peeked.variant == GENERATE else CHAT_PATH


def _wrong_model() -> ClientError:
    return ClientError(
        f"'model' must be a model name of 1 to {MODEL_CHARS} printable characters.",
        param="model",
        code="invalid_value",
    )
