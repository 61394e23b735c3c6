"""The ledger: attempts, newest first, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer, query_of
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.domain import AttemptRecord
from omniroute.errors import ClientError, OmniRouteError
from omniroute.storage.ledger import MAX_PAGE_ROWS, AttemptFilter

QUERY_S: Final = 30.0
"""Longest search of the ledger; it then stops and frees its thread."""


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
    with _bounded():
        found = await desk.ledger.newest(query, limit=query.limit, before=query.before)
    full = len(found) == query.limit
    return answer(
        {"data": [_object(record) for record in found], "next_before": found[-1].attempt_id if full else None}
    )


async def totals(desk: Desk, request: Request) -> Response:
    """Attempts and tokens by outcome."""
    query = query_of(request, TotalsQuery)
    with _bounded():
        found = await desk.ledger.totals(query)
    return answer(
        {"attempts": sum(total.attempts for total in found), "by_outcome": [msgspec.structs.asdict(t) for t in found]}
    )


@contextmanager
def _bounded() -> Iterator[None]:
    try:
        with trio.fail_after(QUERY_S):
            yield
    except trio.TooSlowError as exc:
        raise OmniRouteError(
            f"the search took longer than {QUERY_S:.0f} s: narrow it with since_epoch_s and until_epoch_s",
            status=503,
            kind="timeout",
            code="query_too_long",
        ) from exc


def _object(record: AttemptRecord) -> dict[str, object]:
    """With names: records are arrays on their way through the journal."""
    return {**msgspec.structs.asdict(record), "usage": msgspec.structs.asdict(record.usage)}


ROUTES: Final = Routes("ledger", (Endpoint("GET", "/api/ledger", page), Endpoint("GET", "/api/ledger/totals", totals)))
