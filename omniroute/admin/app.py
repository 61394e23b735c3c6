"""The admin application: every ``routes/<resource>.py`` behind access control and one way to say no."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from omniroute import discovery
from omniroute.admin import access
from omniroute.admin.bodies import refusal
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.admin.facts import Facts
from omniroute.admin.tokenizer import Tokenizer
from omniroute.errors import ClientError, GatewayFault, OmniRouteError
from omniroute.storage.administration import Administration
from omniroute.storage.ledger import Ledger
from omniroute.storage.responses import Responses
from omniroute.translate import ClientSide, find_dialects, trial
from omniroute.translate.nearest import nearest_client

_CLIENTS: Final = ("open", "inference")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


def build_app(
    administration: Administration,
    facts: Facts,
    ledger: Ledger,
    responses: Responses,
    *,
    trusted: bool,
    managed: bool = True,
) -> Starlette:
    """The application for one socket.

    ``trusted``: the local admin socket, whose file mode is the access control. Otherwise the one that workers relay to.
    ``managed``: False leaves only what clients may call: management has a listener of its own, health is on both.
    """
    desk = Desk(administration, facts, ledger, responses, Tokenizer(), trusted)
    served = [endpoint for endpoint in endpoints() if managed or endpoint.access in _CLIENTS]
    return Starlette(
        routes=[Route(endpoint.path, _guarded(desk, endpoint), methods=[endpoint.method]) for endpoint in served],
        exception_handlers={HTTPException: _no_such_path, Exception: _fault},
    )


def endpoints() -> tuple[Endpoint, ...]:
    """All endpoints there are, resources in the order of their names."""
    found = discovery.find("omniroute.admin.routes", "ROUTES", Routes)
    return tuple(endpoint for routes in found.values() for endpoint in routes.endpoints)


def _guarded(desk: Desk, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        request_id = request_id_of(request)
        try:
            await access.check(desk, request, endpoint.access)
            response = await endpoint.handler(desk, request)
        except OmniRouteError as exc:
            return refusal(exc, request_id)
        response.headers["x-request-id"] = request_id
        return response

    return handle


def request_id_of(request: Request) -> str:
    """The id the worker gave it, or one of our own on the local socket."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"adm_{os.urandom(8).hex()}"


async def _no_such_path(request: Request, exc: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == 405:
        error = ClientError(f"{request.method} is not possible on {request.url.path}.", status=405, code="wrong_method")
    else:
        error = ClientError(
            f"Nothing is served at {request.url.path}.", status=404, kind="not_found", code="no_such_path"
        )
    response = refusal(error, request_id_of(request), _client_of(request))
    if exc.headers:
        response.headers.update(exc.headers)
    return response


def _client_of(request: Request) -> ClientSide | None:
    """Whose SDK asks; None: management's own clients, whose paths begin as Ollama's do."""
    if request.url.path.startswith("/api/"):
        return None
    headers = {name.lower(): value for name, value in request.headers.raw}
    asked = trial.Request(request.url.path, request.scope["query_string"], headers, b"")
    return nearest_client(find_dialects(), asked)  # loaded when first asked for: control starts without them


async def _fault(request: Request, exc: Exception) -> Response:
    """A defect of ours. Starlette raises it again when this is sent, so that the server logs it with its traceback."""
    return refusal(GatewayFault("the gateway failed to do this; its log says why"), request_id_of(request))
