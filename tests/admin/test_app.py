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


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/v1/messages/batches", {}, {"type": "error", "error": {"type": "not_found_error"}}),
        ("/v1/files", {"anthropic-version": "2023-06-01"}, {"type": "error", "error": {"type": "not_found_error"}}),
        ("/v1beta/cachedContents", {}, {"error": {"code": 404, "status": "NOT_FOUND"}}),
        ("/v1/files", {"x-goog-api-client": "x"}, {"error": {"code": 404, "status": "NOT_FOUND"}}),
        ("/v1/files", {}, {"error": {"code": "no_such_path", "type": "invalid_request_error"}}),
        ("/v1/responses/a/b", {}, {"error": {"code": "no_such_path", "type": "invalid_request_error"}}),
        ("/nothing", {}, {"error": {"code": "no_such_path", "type": "invalid_request_error"}}),
    ],
)
async def test_a_path_nobody_serves_is_refused_in_the_words_of_who_asks(
    house: House, path: str, headers: dict[str, str], body: dict[str, dict[str, object]]
) -> None:
    answer = await house.public.get(path, headers=headers)
    told = answer.json()
    assert answer.status_code == 404
    assert told["error"] == told["error"] | body["error"]
    assert told.get("type") == body.get("type")
    assert path in told["error"]["message"]


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
