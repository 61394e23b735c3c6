from __future__ import annotations

from pathlib import Path

import pytest

from omniroute.domain import StoredResponse
from omniroute.storage.forms import NewKey
from omniroute.storage.views import CreatedKey
from omniroute.telemetry.shelf import Shelf
from tests.admin.house import House

Keys = tuple[dict[str, str], dict[str, str]]
ITEMS = b'[{"id":"msg_1","x":1.0},{"id":"msg_2"}]'


def _headers(made: CreatedKey) -> dict[str, str]:
    return {"authorization": f"Bearer {made.key.reveal()}"}


@pytest.fixture
async def keys(house: House, tmp_path: Path) -> Keys:
    """Headers of the key that made ``resp_1``, and of another."""
    mine = await house.administration.create_key(NewKey(name="mine"))
    other = await house.administration.create_key(NewKey(name="other"))
    (tmp_path / "rings").mkdir()
    shelf = Shelf(tmp_path / "rings", 0)
    shelf.put(
        StoredResponse("resp_1", mine.view.key_id, 1_000_000.0, "", ITEMS, b'[{"id":"msg_0"}]', b'{"id":"resp_1"}')
    )
    shelf.shut()
    return _headers(mine), _headers(other)


async def test_the_owner_fetches_and_deletes(house: House, keys: Keys) -> None:
    mine, other = keys

    assert (await house.public.get("/v1/responses/resp_1", headers=mine)).json() == {"id": "resp_1"}
    for refused in (
        await house.public.get("/v1/responses/resp_1", headers=other),
        await house.public.delete("/v1/responses/resp_1", headers=other),
        await house.public.get("/v1/responses/resp_2", headers=mine),
    ):
        assert refused.status_code == 404
        assert refused.json()["error"]["code"] == "response_not_found"
    deleted = await house.public.delete("/v1/responses/resp_1", headers=mine)
    assert deleted.json() == {"id": "resp_1", "object": "response", "deleted": True}
    assert (await house.public.get("/v1/responses/resp_1", headers=mine)).status_code == 404


async def test_no_key_sees_nothing_not_even_on_the_local_socket(house: House) -> None:
    for client in (house.public, house.local):
        assert (await client.get("/v1/responses/resp_1")).status_code == 401


async def test_a_worker_gets_all_a_next_request_goes_on_from(house: House, keys: Keys) -> None:
    full = await house.public.get("/v1/responses/resp_1", headers=keys[0] | {"x-omniroute-stored": "full"})

    assert full.content == b'{"input_items":' + ITEMS + b',"context_items":[{"id":"msg_0"}],"body":{"id":"resp_1"}}'


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("", ["msg_2", "msg_1", "msg_0"], False),
        ("?order=asc&limit=2", ["msg_0", "msg_1"], True),
        ("?order=asc&after=msg_0", ["msg_1", "msg_2"], False),
        ("?order=asc&before=msg_1", ["msg_0"], False),
        ("?limit=1", ["msg_2"], True),
    ],
)
async def test_input_items_page(house: House, keys: Keys, query: str, ids: list[str], more: bool) -> None:
    page = (await house.public.get(f"/v1/responses/resp_1/input_items{query}", headers=keys[0])).json()

    assert [item["id"] for item in page["data"]] == ids
    assert page["has_more"] is more
    assert (page["first_id"], page["last_id"]) == (ids[0], ids[-1])


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?limit=x", "?order=up", "?after=msg_9"])
async def test_a_bad_query_names_its_parameter(house: House, keys: Keys, query: str) -> None:
    refused = await house.public.get(f"/v1/responses/resp_1/input_items{query}", headers=keys[0])

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == query[1:].partition("=")[0]


async def test_a_stored_response_is_not_streamed_again(house: House, keys: Keys) -> None:
    refused = await house.public.get("/v1/responses/resp_1?stream=true", headers=keys[0])

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream")
