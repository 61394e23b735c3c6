"""JSON in and out: typed, bounded, and refused with the name of the field."""

from __future__ import annotations

import math
import re
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.errors import ClientError, OmniRouteError
from omniroute.translate import ClientSide, error_body

MAX_BODY_BYTES: Final = 1024 * 1024
"""A connection with three PEM files and two thousand model names takes less than a quarter of it."""

_ENCODER: Final = msgspec.json.Encoder()
_AT: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NO_STORE: Final = {"cache-control": "no-store"}

T = TypeVar("T")


async def body_of(request: Request, kind: type[T], *, max_bytes: int = MAX_BODY_BYTES) -> T:
    """The body as ``kind``; an empty one is ``{}``. Raises ``ClientError`` naming the field."""
    data = bytearray()
    async with aclosing(request.stream()) as parts:
        async for part in parts:
            data += part
            if len(data) > max_bytes:
                raise ClientError(
                    f"the body is larger than {max_bytes} bytes",
                    status=413,
                    kind="too_large",
                    code="request_too_large",
                )
    try:
        return msgspec.json.decode(bytes(data) or b"{}", type=kind)
    except msgspec.ValidationError as exc:
        raise _refusal(str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ClientError(f"the body is not JSON: {exc}", code="invalid_json") from exc


def query_of(request: Request, kind: type[T]) -> T:
    """The query as ``kind``, numbers read from text. Raises ``ClientError`` naming the parameter."""
    given = request.query_params
    if len(given) != len(given.multi_items()):
        raise ClientError("a parameter of the query is given twice", code="invalid_value")
    try:
        return msgspec.convert(dict(given), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise _refusal(str(exc)) from exc


def answer(value: object, status: int = 200) -> Response:
    """``value`` as JSON. Never cached: answers hold the state of this instant, and once in a while a new key."""
    return _response(_ENCODER.encode(value), status)


def refusal(error: OmniRouteError, request_id: str, client: ClientSide | None = None) -> Response:
    """An error in the shape of ``client``'s dialect; None: OpenAI's, so that one reader does for both ports."""
    if client is None:
        response = _response(error_body(error, request_id), error.status)
    else:
        response = _response(client.error_body(error, request_id), client.error_status(error))
    response.headers["x-request-id"] = request_id
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    return response


def _response(body: bytes, status: int) -> Response:
    return Response(body, status, headers=_NO_STORE, media_type="application/json")


def _refusal(message: str) -> ClientError:
    """Msgspec's words name types and paths, never values."""
    found = _AT.search(message)
    path = found["path"] if found else ""
    unknown = re.search(r"unknown field `(?P<name>[^`]*)`", message)
    if unknown:
        param = f"{path}.{unknown['name']}" if path else unknown["name"]
        return ClientError(f"{param}: there is no such field", code="unknown_field", param=param)
    missing = re.search(r"missing required field `(?P<name>[^`]*)`", message)
    if missing:
        param = f"{path}.{missing['name']}" if path else missing["name"]
        return ClientError(f"{param}: must be given", code="missing_field", param=param)
    text = message[: found.start()] if found else message
    return ClientError(f"{path or 'body'}: {text}", code="invalid_value", param=path or None)
