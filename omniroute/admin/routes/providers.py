"""Connections to providers: add, list, switch on and off, remove, test."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, body_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.admin.probe import probe
from omniroute.storage import views
from omniroute.storage.forms import NewConnection


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a change."""

    active: bool


class ProbeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a test."""

    model: str = ""
    """As the provider spells it; empty: the first of the connection's, or else the provider's list of models."""


async def every(desk: Desk, _request: Request) -> Response:
    """All connections, inactive ones too."""
    return answer({"data": await desk.administration.list_connections()})


async def add(desk: Desk, request: Request) -> Response:
    """It takes part in every request that begins from now on."""
    return answer(await desk.administration.add_connection(await body_of(request, NewConnection)), 201)


async def one(desk: Desk, request: Request) -> Response:
    """One connection."""
    return answer(views.of_connection(await desk.administration.connection(_ref(request))))


async def switch(desk: Desk, request: Request) -> Response:
    """Let it take part, or not."""
    body = await body_of(request, Switch)
    return answer(await desk.administration.set_active(_ref(request), active=body.active))


async def remove(desk: Desk, request: Request) -> Response:
    """Forget it."""
    return answer(await desk.administration.remove_connection(_ref(request)))


async def check(desk: Desk, request: Request) -> Response:
    """One real, cheap call. The answer is 200 whether it worked or not: ``ok`` and ``stage`` say which."""
    body = await body_of(request, ProbeRequest)
    return answer(await probe(await desk.administration.connection(_ref(request)), body.model))


def _ref(request: Request) -> str:
    """An id, or ``provider/label``."""
    return str(request.path_params["ref"])


ROUTES: Final = Routes(
    "providers",
    (
        Endpoint("GET", "/api/providers", every),
        Endpoint("POST", "/api/providers", add),
        Endpoint("POST", "/api/providers/{ref:path}/test", check),
        Endpoint("GET", "/api/providers/{ref:path}", one),
        Endpoint("PATCH", "/api/providers/{ref:path}", switch),
        Endpoint("DELETE", "/api/providers/{ref:path}", remove),
    ),
)
