from __future__ import annotations

import pytest

from omniroute.domain import AttemptRecord, Usage
from tests.admin.house import House


def record(number: int, outcome: str = "ok") -> AttemptRecord:
    return AttemptRecord(
        attempt_id=f"at_{number}",
        request_id=f"req_{number}",
        key_id="key_1",
        provider="openai",
        connection_id="con_1",
        model="gpt-x",
        started_epoch_s=1000.0 + number,
        attempt=1,
        outcome=outcome,
        status=200,
        usage=Usage(input_total=10, output_total=2, known=True),
    )


async def test_pages_newest_first(house: House) -> None:
    await house.ledger.append([record(number) for number in range(5)])
    first = (await house.local.get("/api/ledger", params={"limit": 3})).json()
    assert [row["attempt_id"] for row in first["data"]] == ["at_4", "at_3", "at_2"]
    assert first["data"][0]["usage"]["input_total"] == 10
    second = (await house.local.get("/api/ledger", params={"limit": 3, "before": first["next_before"]})).json()
    assert [row["attempt_id"] for row in second["data"]] == ["at_1", "at_0"]
    assert second["next_before"] is None


async def test_filters_and_totals(house: House) -> None:
    await house.ledger.append([record(1), record(2), record(3, "lost")])
    rows = (await house.local.get("/api/ledger", params={"outcome": "lost"})).json()["data"]
    assert [row["attempt_id"] for row in rows] == ["at_3"]
    totals = (await house.local.get("/api/ledger/totals", params={"since_epoch_s": "1001"})).json()
    assert totals["attempts"] == 3
    assert {row["outcome"]: row["input_total"] for row in totals["by_outcome"]} == {"lost": 10, "ok": 20}


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("from=1", "from")],
)
async def test_bad_parameters_are_named(house: House, query: str, param: str) -> None:
    answer = await house.local.get(f"/api/ledger?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_parameter_given_twice_is_refused_rather_than_half_obeyed(house: House) -> None:
    assert (await house.local.get("/api/ledger?outcome=ok&outcome=lost")).status_code == 400


async def test_a_search_that_takes_too_long_says_how_to_narrow_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ledger.append([record(number) for number in range(3)])
    monkeypatch.setattr("omniroute.admin.routes.ledger.QUERY_S", 0.0)
    for path in ("/api/ledger", "/api/ledger/totals"):
        answer = await house.local.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "query_too_long")
        assert "since_epoch_s" in answer.json()["error"]["message"]
