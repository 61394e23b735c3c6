"""Settings that can be changed while the gateway runs."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, body_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.storage.forms import SettingsChange


async def show(desk: Desk, _request: Request) -> Response:
    """The settings in force."""
    return answer(await desk.administration.settings())


async def change(desk: Desk, request: Request) -> Response:
    """Change those named in the body; the whole of them afterwards."""
    return answer(await desk.administration.change_settings(await body_of(request, SettingsChange)))


ROUTES: Final = Routes("settings", (Endpoint("GET", "/api/settings", show), Endpoint("PATCH", "/api/settings", change)))
