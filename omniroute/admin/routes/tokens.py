"""Counting tokens without an upstream: for workers, and for whoever has an API key."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, body_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.admin.tokenizer import ENCODING

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""As large as a request may be that is to be counted."""


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to count."""

    texts: list[str] = msgspec.field(default_factory=list)


async def count(desk: Desk, request: Request) -> Response:
    """``{"tokens": ..., "encoding": ...}`` for all texts together."""
    asked = await body_of(request, Texts, max_bytes=MAX_BODY_BYTES)
    return answer({"tokens": await desk.tokenizer.count(asked.texts), "encoding": ENCODING})


ROUTES: Final = Routes("tokens", (Endpoint("POST", "/api/tokens", count, access="inference"),))
