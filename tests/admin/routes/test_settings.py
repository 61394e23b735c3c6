from __future__ import annotations

from tests.admin.house import House


async def test_show_and_change(house: House) -> None:
    assert (await house.local.get("/api/settings")).json() == {"heartbeat_s": 0.0, "max_attempts": 4}
    changed = await house.local.patch("/api/settings", json={"heartbeat_s": 15})
    assert changed.json() == {"heartbeat_s": 15.0, "max_attempts": 4}
    assert (await house.local.get("/api/settings")).json() == changed.json()


async def test_what_is_unknown_or_out_of_bounds_is_refused(house: House) -> None:
    for body, param in (({"heartbeats": 1}, "heartbeats"), ({"max_attempts": 0}, "max_attempts")):
        answer = await house.local.patch("/api/settings", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
