from __future__ import annotations

from tests.admin.house import House


async def ready(house: House) -> tuple[int, dict[str, object]]:
    answer = await house.local.get("/health/ready")
    return answer.status_code, answer.json()


async def test_live_whatever_is_missing(house: House) -> None:
    house.facts.workers = 0
    answer = await house.public.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_ready_takes_a_snapshot_a_worker_and_a_ledger(house: House) -> None:
    status, body = await ready(house)
    assert (status, body["missing"]) == (503, ["no snapshot has been published"])
    await house.administration.publish()
    status, body = await ready(house)
    assert (status, body["status"], body["missing"], body["snapshot_epoch"]) == (200, "ready", [], 1)
    house.facts.workers = 0
    house.facts.problem = "the disk is full"
    status, body = await ready(house)
    assert status == 503
    assert body["missing"] == ["no worker is alive", "records do not reach the ledger: the disk is full"]


async def test_outside_only_whether(house: House) -> None:
    answer = await house.public.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "not_ready"})
