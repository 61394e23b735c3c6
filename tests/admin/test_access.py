from __future__ import annotations

import pytest

from omniroute.admin.app import endpoints
from omniroute.storage.forms import NewKey
from tests.admin.house import House

MANAGED = [endpoint for endpoint in endpoints() if endpoint.access == "manage"]
LOOPBACK = {"x-omniroute-peer": "127.0.0.1"}


def filled(path: str) -> str:
    return path.replace("{key}", "key_x").replace("{ref:path}", "con_x")


async def key_with(house: House, *scopes: str) -> str:
    return (await house.administration.create_key(NewKey(name="k", scopes=scopes))).key.reveal()


def test_only_health_is_open_and_only_metrics_is_for_this_machine() -> None:
    by_access = {
        access: {e.path for e in endpoints() if e.access == access}
        for access in ("open", "metrics", "inference", "manage")
    }
    assert by_access["open"] == {"/health/live", "/health/ready"}
    assert by_access["metrics"] == {"/metrics"}
    assert by_access["inference"] == {
        "/api/tokens",
        "/v1/responses/{response_id}",
        "/v1/responses/{response_id}/input_items",
    }
    assert len(by_access["manage"]) == len({e.path for e in endpoints()}) - 6


@pytest.mark.parametrize("endpoint", MANAGED, ids=lambda e: f"{e.method} {e.path}")
async def test_management_from_outside_needs_the_scope(house: House, endpoint: object) -> None:
    method, path = endpoint.method, filled(endpoint.path)  # type: ignore[attr-defined]
    before = house.facts.snapshot_epoch()
    none = await house.public.request(method, path, headers=LOOPBACK)
    assert (none.status_code, none.json()["error"]["code"]) == (401, "invalid_api_key")
    assert none.headers["www-authenticate"] == "Bearer"
    wrong = await house.public.request(method, path, headers={"authorization": "Bearer sk-or-nonsense"})
    assert wrong.status_code == 401
    assert house.facts.snapshot_epoch() == before
    inference = await key_with(house, "inference")
    poor = await house.public.request(method, path, headers={"authorization": f"Bearer {inference}"})
    assert (poor.status_code, poor.json()["error"]["type"]) == (403, "permission_error")
    assert inference not in poor.text


async def test_a_key_with_the_scope_manages(house: House) -> None:
    key = await key_with(house, "manage")
    headers = {"authorization": f"Bearer {key}"}
    assert (await house.public.get("/api/keys", headers=headers)).status_code == 200
    (view,) = await house.administration.list_keys()
    await house.administration.revoke_key(view.key_id)
    assert (await house.public.get("/api/keys", headers=headers)).status_code == 401


async def test_a_key_in_the_url_does_not_manage(house: House) -> None:
    key = await key_with(house, "manage")
    assert (await house.public.get("/api/keys", params={"key": key})).status_code == 401


async def test_the_local_socket_is_trusted(house: House) -> None:
    assert (await house.local.get("/api/keys")).status_code == 200
    assert (await house.local.get("/metrics")).status_code == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:20128", "localhost:20128", "[::1]:20128"])
async def test_metrics_for_this_machine(house: House, peer: str, host: str) -> None:
    answer = await house.public.get("/metrics", headers={"x-omniroute-peer": peer, "host": host})
    assert answer.status_code == 200
    assert answer.content == b"omniroute_requests_total 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-omniroute-peer": "192.0.2.1"},
        {"x-omniroute-peer": "127.0.0.1.example"},
        {**LOOPBACK, "x-forwarded-for": "127.0.0.1"},
        {**LOOPBACK, "forwarded": "for=127.0.0.1"},
        {**LOOPBACK, "x-real-ip": "127.0.0.1"},
        {**LOOPBACK, "host": "evil.example"},
        {**LOOPBACK, "host": "localhost.evil.example"},
        {**LOOPBACK, "host": ""},
    ],
)
async def test_metrics_for_others_need_a_key(house: House, headers: dict[str, str]) -> None:
    assert (await house.public.get("/metrics", headers=headers)).status_code == 401
    key = await key_with(house, "manage")
    with_key = await house.public.get("/metrics", headers={**headers, "authorization": f"Bearer {key}"})
    assert with_key.status_code == 200


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 200), ("192.0.2.1", 401)])
async def test_on_a_port_of_its_own_the_peers_header_counts_for_nothing(house: House, peer: str, status: int) -> None:
    async with house.listener(peer) as client:
        for header in ("127.0.0.1", "192.0.2.1"):
            answer = await client.get("/metrics", headers={"x-omniroute-peer": header})
            assert answer.status_code == status


async def test_health_is_open_and_says_little(house: House) -> None:
    await house.administration.publish()
    assert (await house.public.get("/health/live")).json() == {"status": "live"}
    assert (await house.public.get("/health/ready")).json() == {"status": "ready"}
