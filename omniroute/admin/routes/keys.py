"""API keys: make (shown once), list, revoke."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, body_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.storage.forms import NewKey


async def create(desk: Desk, request: Request) -> Response:
    """The new key in ``key``: it is not shown again."""
    created = await desk.administration.create_key(await body_of(request, NewKey))
    return answer({**msgspec.structs.asdict(created.view), "key": created.key.reveal()}, 201)


async def every(desk: Desk, _request: Request) -> Response:
    """All keys, revoked ones too."""
    return answer({"data": await desk.administration.list_keys()})


async def revoke(desk: Desk, request: Request) -> Response:
    """When this is answered, no worker accepts the key in a request that begins from now on."""
    return answer(await desk.administration.revoke_key(request.path_params["key"]))


ROUTES: Final = Routes(
    "keys",
    (
        Endpoint("GET", "/api/keys", every),
        Endpoint("POST", "/api/keys", create),
        Endpoint("DELETE", "/api/keys/{key}", revoke),
    ),
)
