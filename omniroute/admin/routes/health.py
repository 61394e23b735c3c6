"""Is it alive, and may it be sent requests."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from omniroute.admin.bodies import answer
from omniroute.admin.desk import Desk, Endpoint, Routes
from omniroute.admin.facts import Facts


async def live(_desk: Desk, _request: Request) -> Response:
    """Control answers. Says nothing of what it can reach: a restart would not mend that."""
    return answer({"status": "live"})


async def ready(desk: Desk, _request: Request) -> Response:
    """200 if requests can be served and their records kept, else 503. Why not is told on the local socket only."""
    missing = _missing(desk.facts)
    status: dict[str, object] = {"status": "not_ready" if missing else "ready"}
    if desk.trusted:
        status |= {
            "missing": missing,
            "snapshot_epoch": desk.facts.snapshot_epoch(),
            "workers_alive": desk.facts.workers_alive(),
            "problems": [msgspec.structs.asdict(problem) for problem in desk.administration.problems],
        }
    return answer(status, 503 if missing else 200)


def _missing(facts: Facts) -> list[str]:
    missing = []
    if not facts.snapshot_epoch():
        missing.append("no snapshot has been published")
    if not facts.workers_alive():
        missing.append("no worker is alive")
    problem = facts.drain_problem()
    if problem:
        missing.append(f"records do not reach the ledger: {problem}")
    return missing


ROUTES: Final = Routes(
    "health",
    (Endpoint("GET", "/health/live", live, access="open"), Endpoint("GET", "/health/ready", ready, access="open")),
)
