from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from omniroute.admin.app import build_app
from omniroute.admin.server import serve
from tests.admin.house import FakeFacts, House

LOG = logging.getLogger("test.omniroute.control")


def client(path: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://control")


async def test_a_socket_for_us_alone_until_told_to_stop(house: House, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    app = build_app(house.administration, house.facts, house.ledger, house.responses, trusted=True)
    stop = trio.Event()
    umask = os.umask(0)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, app, f"unix:{path}", stop=stop.wait, log=LOG))
            assert path.stat().st_mode & 0o777 == 0o600
            async with client(path) as local:
                made = await local.post("/api/keys", json={"name": "ci"})
                assert made.status_code == 201
                assert "server" not in made.headers
                big = await local.post("/api/keys", content=b" " * (1024 * 1024 + 1))
                assert (big.status_code, big.json()["error"]["code"]) == (413, "request_too_large")
                long = await local.get("/api/keys", headers={"x-long": "x" * 60000})
                assert long.status_code == 200
            with trio.fail_after(5):
                stop.set()
                await trio.lowlevel.checkpoint()
    finally:
        os.umask(umask)


async def test_a_socket_left_behind_is_replaced(house: House, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    app = build_app(house.administration, house.facts, house.ledger, house.responses, trusted=True)
    for _ in range(2):
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, app, f"unix:{path}", stop=stop.wait, log=LOG))
            async with client(path) as local:
                assert (await local.get("/health/live")).status_code == 200
            stop.set()
        assert path.exists()


class Broken(FakeFacts):
    def workers_alive(self) -> int:
        raise ZeroDivisionError("a defect")


async def test_a_defect_is_logged_with_its_traceback_and_serving_goes_on(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "admin.sock"
    app = build_app(house.administration, Broken(house.facts.shared), house.ledger, house.responses, trusted=True)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, app, f"unix:{path}", stop=stop.wait, log=LOG))
        async with client(path) as local:
            assert (await local.get("/health/ready")).status_code == 500
            assert (await local.get("/health/live")).status_code == 200
        stop.set()
    (entry,) = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert entry.exc_info is not None
    assert isinstance(entry.exc_info[1], ZeroDivisionError)


async def test_a_port_of_its_own_tells_where_clients_are(house: House) -> None:
    app = build_app(house.administration, house.facts, house.ledger, house.responses, trusted=False)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve, app, "127.0.0.1:0", stop=stop.wait, log=LOG))
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/metrics", headers={"x-omniroute-peer": "192.0.2.1"})).status_code == 200
            assert (await client.get("/api/keys")).status_code == 401
        stop.set()
