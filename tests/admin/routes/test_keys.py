from __future__ import annotations

import pytest

from tests.admin.house import House


async def test_from_making_to_revoking(house: House) -> None:
    made = await house.local.post("/api/keys", json={"name": "ci", "requests_per_minute": 60})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    view = made.json()
    key = view.pop("key")
    assert key.startswith(view["prefix"])
    assert (view["name"], view["requests_per_minute"], view["state"]) == ("ci", 60, "active")
    assert (await house.local.get("/api/keys")).json() == {"data": [view]}
    revoked = await house.local.delete(f"/api/keys/{view['key_id']}")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert await house.administration.key_presented(key) is None


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "missing_field", "name"),
        (b"{", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        (b"[]", "invalid_value", None),
        (b'{"name": 1}', "invalid_value", "name"),
        (b'{"name": "x", "scopes": [1]}', "invalid_value", "scopes[0]"),
        (b'{"name": "x", "scope": "manage"}', "unknown_field", "scope"),
        (b'{"name": ""}', "invalid_value", "name"),
        (b'{"name": "x", "requests_per_minute": -1}', "invalid_value", "requests_per_minute"),
    ],
)
async def test_a_bad_body_is_refused_by_the_name_of_the_field(
    house: House, body: bytes, code: str, param: str | None
) -> None:
    answer = await house.local.post("/api/keys", content=body, headers={"x-request-id": "req-1"})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")
    assert error["request_id"] == answer.headers["x-request-id"] == "req-1"
    assert await house.administration.list_keys() == []


async def test_a_key_that_is_not_there(house: House) -> None:
    answer = await house.local.delete("/api/keys/nobody")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "key_not_found")
