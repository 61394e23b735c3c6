from __future__ import annotations

from tests.admin.house import House


async def test_the_page_is_prometheus_text(house: House) -> None:
    answer = await house.local.get("/metrics")
    assert answer.content == house.facts.metrics()
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
