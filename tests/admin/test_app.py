from __future__ import annotations

import httpx
import pytest

from omniroute.admin.app import build_app
from omniroute.storage.faults import StorageError
from tests.admin.house import FakeFacts, House


async def test_paths_and_methods_that_are_not_there(house: House) -> None:
    missing = await house.local.get("/api/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "no_such_path")
    wrong = await house.local.put("/api/keys")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "wrong_method")


async def test_every_answer_has_a_request_id(house: House) -> None:
    given = await house.local.get("/api/keys", headers={"x-request-id": "req_1"})
    assert given.headers["x-request-id"] == "req_1"
    for odd in ("", "a" * 129, "a b"):
        own = await house.local.get("/api/keys", headers={"x-request-id": odd})
        assert own.headers["x-request-id"].startswith("adm_")


class Broken(FakeFacts):
    def workers_alive(self) -> int:
        raise ZeroDivisionError("secret-word")

    def metrics(self) -> bytes:
        raise StorageError("the disk is full", code="disk_full", status=507)


async def test_a_defect_is_told_to_the_log_not_to_the_client(house: House) -> None:
    facts = Broken(house.facts.shared)
    app = build_app(house.administration, facts, house.ledger, house.responses, trusted=True)
    quiet = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=quiet, base_url="http://x") as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "secret-word" not in answer.text
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        with pytest.raises(ZeroDivisionError):  # raised again, for the server to log
            await client.get("/health/ready")


async def test_trouble_with_the_disk_is_said_as_such(house: House) -> None:
    app = build_app(house.administration, Broken(house.facts.shared), house.ledger, house.responses, trusted=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        answer = await client.get("/metrics")
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
