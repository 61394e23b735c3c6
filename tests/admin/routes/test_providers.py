from __future__ import annotations

import pytest

from tests.admin.house import House
from tests.admin.upstream import http, provider

GOOD = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"length"}]}'
NEW = {"provider": "openai", "label": "main", "base_url": "https://api.example.com/v1", "credential": "sk-secret"}


async def test_from_adding_to_removing(house: House) -> None:
    added = await house.local.post("/api/providers", json=NEW)
    assert added.status_code == 201
    view = added.json()
    assert (view["provider"], view["label"], view["active"], view["has_credential"]) == ("openai", "main", True, True)
    assert "sk-secret" not in added.text
    assert (await house.local.get("/api/providers")).json() == {"data": [view]}
    for ref in (view["connection_id"], "openai/main"):
        assert (await house.local.get(f"/api/providers/{ref}")).json() == view
    off = await house.local.patch("/api/providers/openai/main", json={"active": False})
    assert off.json()["active"] is False
    removed = await house.local.delete(f"/api/providers/{view['connection_id']}")
    assert removed.status_code == 200
    assert (await house.local.get("/api/providers")).json() == {"data": []}
    assert (await house.local.delete("/api/providers/openai/main")).status_code == 404


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"base_url": "http://127.0.0.1:1"}, "base_url"),
        ({"headers": {"Authorization": "sk-secret"}}, "headers"),
        ({"timeouts": {"connect_s": "soon"}}, "timeouts.connect_s"),
        ({"key": "sk-secret"}, "key"),
        ({"provider": "Open AI"}, "provider"),
    ],
)
async def test_what_cannot_be_added_is_named_without_its_secrets(
    house: House, change: dict[str, object], param: str
) -> None:
    answer = await house.local.post("/api/providers", json=NEW | change)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert "sk-secret" not in answer.text
    assert await house.administration.list_connections() == []


@pytest.mark.parametrize(("status", "body", "stage"), [(200, GOOD, "done"), (401, b"{}", "auth")])
async def test_a_test_makes_one_real_call(house: House, status: int, body: bytes, stage: str) -> None:
    async with provider(http(status, body)) as serving:
        new = NEW | {"base_url": serving.base_url, "allow_private": True, "models": ["gpt-x"]}
        await house.local.post("/api/providers", json=new)
        answer = await house.local.post("/api/providers/openai/main/test")
    assert answer.status_code == 200
    assert (answer.json()["stage"], answer.json()["ok"]) == (stage, stage == "done")
    assert len(serving.heads) == 1


async def test_what_is_not_there_cannot_be_tested(house: House) -> None:
    answer = await house.local.post("/api/providers/openai/main/test")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "connection_not_found")
