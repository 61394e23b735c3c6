"""What a request may have to ask control for: tokens counted, and answers kept for it. Never on the common path."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from omniroute.auth import presented_key
from omniroute.domain import StoredResponse
from omniroute.errors import OmniRouteError
from omniroute.ports import ControlLine, Incoming
from omniroute.translate import ChatRequest, texts_of

_ENCODING_CHARS: Final = 40


class Counted(msgspec.Struct, frozen=True):
    """An answer of ``POST /api/tokens``."""

    tokens: int
    encoding: str


class _StoredTexts(msgspec.Struct, frozen=True):
    """An answer of ``GET /v1/responses/{id}`` to a worker. JSON stays text."""

    input_items: msgspec.Raw
    context_items: msgspec.Raw
    body: msgspec.Raw


_counted: Final = msgspec.json.Decoder(Counted)
_stored: Final = msgspec.json.Decoder(_StoredTexts)


class Questions:
    """Asked in the name of the request's own API key: control lets a worker see no more than its client."""

    __slots__ = ("_line",)

    def __init__(self, line: ControlLine) -> None:
        self._line = line

    async def count(self, request: ChatRequest, incoming: Incoming) -> Counted:
        """Tokens of everything a model is shown of ``request``, and whose vocabulary counted them.

        Raises Overloaded and OmniRouteError as ``ControlLine.ask``, ClientGone.
        """
        texts, more = texts_of(request)
        body = msgspec.json.encode({"texts": texts})
        answer = await self._ask("POST", "/api/tokens", incoming, body)
        counted = _counted.decode(answer)
        return Counted(counted.tokens + more, counted.encoding[:_ENCODING_CHARS])

    async def stored(self, response_id: str, incoming: Incoming) -> StoredResponse | None:
        """The answer kept under this id for this API key, texts alone; None if there is none. Raises as ``count``."""
        try:
            answer = await self._ask("GET", f"/v1/responses/{quote(response_id, safe='')}", incoming, b"")
        except OmniRouteError as exc:
            if exc.status == 404:
                return None
            raise
        texts = _stored.decode(answer)
        return StoredResponse(
            response_id, "", 0.0, "", bytes(texts.input_items), bytes(texts.context_items), bytes(texts.body)
        )

    async def _ask(self, method: str, target: str, incoming: Incoming, body: bytes) -> bytes:
        key = presented_key(incoming.headers, incoming.query) or b""
        status, answer = await self._line.ask(method, target, key, body, incoming.watch)
        if status != 200:
            raise OmniRouteError(
                f"The control process answered with status {status}.",
                status=404 if status == 404 else 502,
                code="bad_gateway",
            )
        return answer
