"""JSON in and out: typed, bounded, and refused with the name of the field."""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.errors import ClientError, Kind, OmniRouteError

MAX_BODY_BYTES: Final = 1024 * 1024
"""A connection with three PEM files and two thousand model names takes less than a quarter of it."""

_ENCODER: Final = msgspec.json.Encoder()
_AT: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NO_STORE: Final = {"cache-control": "no-store"}

_TYPES: Final[dict[Kind, str]] = {
    "authentication": "authentication_error",
    "billing": "billing_error",
    "permission": "permission_error",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "server": "server_error",
    "overloaded": "server_error",
    "timeout": "server_error",
    "upstream_incomplete": "server_error",
}
"""Kind of error to the ``type`` that OpenAI's shape gives it; all others are ``invalid_request_error``."""

T = TypeVar("T")


class ErrorBody(msgspec.Struct, frozen=True):
    """What clients are told of an error."""

    message: str
    type: str
    code: str
    param: str | None
    request_id: str


async def body_of(request: Request, kind: type[T]) -> T:
    """The body as ``kind``; an empty one is ``{}``. Raises ``ClientError`` naming the field."""
    data = bytearray()
    async with aclosing(request.stream()) as parts:
        async for part in parts:
            data += part
            if len(data) > MAX_BODY_BYTES:
                raise ClientError(
                    f"the body is larger than {MAX_BODY_BYTES} bytes",
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
    return Response(_ENCODER.encode(value), status, headers=_NO_STORE, media_type="application/json")


def refusal(error: OmniRouteError, request_id: str) -> Response:
    """An error in OpenAI's shape."""
    body = ErrorBody(
        message=error.message,
        type=_TYPES.get(error.kind, "invalid_request_error"),
        code=error.code,
        param=error.param,
        request_id=request_id,
    )
    response = answer({"error": body}, error.status)
    response.headers["x-request-id"] = request_id
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return response


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
