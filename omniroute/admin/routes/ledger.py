"""The ledger: attempts, newest first, and what they add up to."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, query_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.domain import AttemptRecord
from omniroute.errors import ClientError
from omniroute.storage.ledger import MAX_PAGE_ROWS, AttemptFilter


class TotalsQuery(AttemptFilter, frozen=True, forbid_unknown_fields=True):
    """Parameters of the totals: a filter."""


class PageQuery(AttemptFilter, frozen=True, forbid_unknown_fields=True):
    """Parameters of a listing: a filter, and which page."""

    limit: int = 100
    before: str = ""
    """``next_before`` of the page before."""


async def page(desk: Desk, request: Request) -> Response:
    """One page, newest first; ``next_before`` leads to the next, null on the last."""
    query = query_of(request, PageQuery)
    if not 1 <= query.limit <= MAX_PAGE_ROWS:
        raise ClientError(f"limit: must be 1 to {MAX_PAGE_ROWS}", code="invalid_value", param="limit")
    found = await desk.ledger.newest(query, limit=query.limit, before=query.before)
    full = len(found) == query.limit
    return answer(
        {"data": [_object(record) for record in found], "next_before": found[-1].attempt_id if full else None}
    )


async def totals(desk: Desk, request: Request) -> Response:
    """Attempts and tokens by outcome."""
    found = await desk.ledger.totals(query_of(request, TotalsQuery))
    return answer(
        {"attempts": sum(total.attempts for total in found), "by_outcome": [msgspec.structs.asdict(t) for t in found]}
    )


def _object(record: AttemptRecord) -> dict[str, object]:
    """With names: records are arrays on their way through the journal."""
    return {**msgspec.structs.asdict(record), "usage": msgspec.structs.asdict(record.usage)}


ROUTES: Final = Routes("ledger", (Endpoint("GET", "/api/ledger", page), Endpoint("GET", "/api/ledger/totals", totals)))
