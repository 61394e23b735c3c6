"""The translator: what the gateway makes of a request, an answer or a stream, and what is lost."""

from __future__ import annotations

import os
import time
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, body_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.translate import AnswerContext, find_dialects, trial


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be translated."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    body: msgspec.Raw
    """A JSON object, or a string that holds one or a stream."""
    kind: trial.Kind | None = None
    """Absent: found out."""
    model: str = ""
    provider: str = ""
    quirks: dict[str, object] = {}


async def translate(_desk: Desk, request: Request) -> Response:
    """Nothing is sent anywhere."""
    asked = await body_of(request, Asked)
    text = _text(asked.body)
    kind = asked.kind or trial.kind_of(text)
    pair = trial.pair_of(find_dialects(), asked.source, asked.target, kind)
    attempt_id = os.urandom(16).hex()
    context = AnswerContext(
        attempt_id=attempt_id,
        request_id=f"req_{attempt_id}",
        created_epoch_s=int(time.time()),
    )
    quirks = trial.quirks_of(asked.provider, asked.quirks)
    return answer(trial.shown(trial.translate(text, pair, kind, quirks=quirks, model=asked.model, context=context)))


def _text(body: msgspec.Raw) -> bytes:
    text = bytes(body)
    return msgspec.json.decode(text, type=str).encode() if text.startswith(b'"') else text


ROUTES: Final = Routes("translator", (Endpoint("POST", "/api/translator", translate),))
