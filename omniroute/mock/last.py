"""The last request of each model, as it came, so that a test can see what an upstream was sent."""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.mock.request import Request

MAX_MODELS: Final = 100
"""Models remembered; the one asked longest ago is forgotten at the bound."""
MAX_BODY_BYTES: Final = 1024 * 1024
"""A longer body is not kept; ``body_bytes`` tells how long it was."""

_SECRET: Final = frozenset({b"authorization", b"x-api-key", b"x-goog-api-key", b"proxy-authorization", b"cookie"})
_KEY_IN_QUERY: Final = "key="


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request. ``body`` is JSON as it was spelled, or a string if it was none, or null if it was not kept."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Of several of one name the last; credentials as ``***``."""
    body: msgspec.Raw
    body_bytes: int


class Last:
    """Requests by model."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def keep(self, model: str, request: Request) -> None:
        """``request`` is the last one of ``model``, and of all."""
        self._seen.pop(model, None)
        self._seen[model] = Seen(
            method=request.method,
            path=request.path,
            query="&".join(part for part in request.query.split("&") if not part.startswith(_KEY_IN_QUERY)),
            headers={
                name.decode("latin-1"): "***" if name in _SECRET else value.decode("latin-1")
                for name, value in request.headers
            },
            body=_readable(request.body),
            body_bytes=len(request.body),
        )
        if len(self._seen) > MAX_MODELS:
            del self._seen[next(iter(self._seen))]

    def of(self, model: str) -> Seen | None:
        """The last request for ``model`` (as it was written, script included), or of all for ""."""
        if model:
            return self._seen.get(model)
        return next(reversed(self._seen.values()), None)

    def clear(self) -> None:
        """Forget them all."""
        self._seen.clear()


def _readable(body: bytes) -> msgspec.Raw:
    if len(body) > MAX_BODY_BYTES:
        return msgspec.Raw(b"null")
    try:
        return msgspec.Raw(msgspec.json.format(body, indent=-1))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return msgspec.Raw(msgspec.json.encode(body.decode("utf-8", "replace")))
