"""Stored responses of the Responses dialect: fetch, delete, list what was said to get them.

The one resource of clients rather than operators: any good API key may call, and sees what it made itself, nothing
else. Shapes as in OpenAI's API reference, "Responses" (seen November 2026).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, query_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.domain import StoredResponse
from omniroute.errors import ClientError

MAX_ITEMS: Final = 100
"""Of one page; OpenAI's own bound."""

_items: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class FetchQuery(msgspec.Struct, frozen=True):
    """Parameters OpenAI knows; what a stored response cannot do is refused."""

    stream: bool = False
    starting_after: int | None = None
    include: str = ""


class ItemsQuery(msgspec.Struct, frozen=True):
    """A page of input items."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str = ""
    before: str = ""


async def fetch(desk: Desk, request: Request) -> Response:
    """The response as the client got it; with ``x-omniroute-stored: full`` all that a next request goes on from."""
    if query_of(request, FetchQuery).stream:
        raise ClientError(
            "'stream': a stored response is answered whole; leave it out.", param="stream", code="unsupported_feature"
        )
    stored = await _stored(desk, request)
    if request.headers.get("x-omniroute-stored") == "full":
        return answer(
            {
                "input_items": msgspec.Raw(stored.input_items),
                "context_items": msgspec.Raw(stored.context_items),
                "body": msgspec.Raw(stored.body),
            }
        )
    return answer(msgspec.Raw(stored.body))


async def remove(desk: Desk, request: Request) -> Response:
    """Forget it."""
    response_id = request.path_params["response_id"]
    if not await desk.responses.remove(response_id, _key_id(request)):
        raise _no_such(response_id)
    return answer({"id": response_id, "object": "response", "deleted": True})


async def input_items(desk: Desk, request: Request) -> Response:
    """What went in: the items before, then those of the request itself; newest first unless ``order=asc``."""
    query = query_of(request, ItemsQuery)
    if not 1 <= query.limit <= MAX_ITEMS:
        raise ClientError(f"'limit' must be 1 to {MAX_ITEMS}.", code="invalid_value", param="limit")
    stored = await _stored(desk, request)
    items = _items.decode(stored.context_items) + _items.decode(stored.input_items)
    if query.order == "desc":
        items.reverse()
    start = _place(items, query.after) + 1 if query.after else 0
    end = _place(items, query.before) if query.before else len(items)
    page = items[start:end][: query.limit]
    return answer(
        {
            "object": "list",
            "data": page,
            "first_id": page[0].get("id") if page else None,
            "last_id": page[-1].get("id") if page else None,
            "has_more": start + len(page) < end,
        }
    )


async def _stored(desk: Desk, request: Request) -> StoredResponse:
    response_id = request.path_params["response_id"]
    stored = await desk.responses.find(response_id, _key_id(request))
    if stored is None:
        raise _no_such(response_id)
    return stored


def _key_id(request: Request) -> str:
    key_id: str = request.state.key_id
    return key_id


def _no_such(response_id: str) -> ClientError:
    return ClientError(
        f"No response with id '{response_id[:100]}' is stored for this API key. Responses are kept for a limited time, "
        "and only if 'store' was not false.",
        status=404,
        kind="not_found",
        code="response_not_found",
        param="response_id",
    )


def _place(items: list[dict[str, msgspec.Raw]], item_id: str) -> int:
    wanted = msgspec.json.encode(item_id)
    for place, item in enumerate(items):
        if bytes(item.get("id", b"")) == wanted:
            return place
    raise ClientError(f"There is no input item '{item_id[:100]}'.", code="invalid_value", param="after")


_PATH: Final = "/v1/responses/{response_id}"
ROUTES: Final = Routes(
    "responses",
    (
        Endpoint("GET", _PATH, fetch, access="inference"),
        Endpoint("DELETE", _PATH, remove, access="inference"),
        Endpoint("GET", f"{_PATH}/input_items", input_items, access="inference"),
    ),
)
