"""The metrics page."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.admin.facts import METRICS_CONTENT_TYPE


async def page(desk: Desk, _request: Request) -> Response:
    """All processes of the gateway added up, for Prometheus."""
    return Response(desk.facts.metrics(), headers={"content-type": METRICS_CONTENT_TYPE, "cache-control": "no-store"})


ROUTES: Final = Routes("metrics", (Endpoint("GET", "/metrics", page, access="metrics"),))
