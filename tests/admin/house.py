"""An admin application over real storage, and a client for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.types import Receive, Scope, Send

from omniroute.admin.app import build_app
from omniroute.domain import Secret
from omniroute.storage.administration import Administration
from omniroute.storage.ledger import Ledger
from omniroute.storage.responses import Responses
from omniroute.storage.snapshot import SharedPublisher
from omniroute.storage.store import open_store
from tests.fakes.shared_memory import FakeArea, FakeShared


class FakeFacts:
    def __init__(self, shared: FakeShared) -> None:
        self.shared = shared
        self.workers = 1
        self.problem = ""

    def snapshot_epoch(self) -> int:
        return self.shared.epoch()

    def workers_alive(self) -> int:
        return self.workers

    def drain_problem(self) -> str:
        return self.problem

    def metrics(self) -> bytes:
        return b"omniroute_requests_total 1\n"


class House:
    """Storage, and the two applications that control serves."""

    def __init__(self, administration: Administration, facts: FakeFacts, ledger: Ledger, responses: Responses) -> None:
        self.administration = administration
        self.facts = facts
        self.ledger = ledger
        self.responses = responses
        self.local = self._client(trusted=True)
        self.public = self._client(trusted=False)

    def _client(self, *, trusted: bool, peer: str = "") -> httpx.AsyncClient:
        app = build_app(self.administration, self.facts, self.ledger, self.responses, trusted=trusted)

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            # Unix sockets have no peer address, and hypercorn then says None; httpx always makes one up.
            await app({**scope, "client": (peer, 1) if peer else None}, receive, send)

        return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://127.0.0.1:20128")

    def listener(self, peer: str) -> httpx.AsyncClient:
        """A client at ``peer`` of a management port of its own, where no worker stands between."""
        return self._client(trusted=False, peer=peer)


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    async with open_store(
        folder / "omniroute.sqlite",
        backups=folder / "backups",
        key_path=folder / "master.key",
        given_key=Secret("ab" * 32),
        random_bytes=os.urandom,
    ) as store:
        shared, area = FakeShared(), FakeArea()
        publisher = SharedPublisher(shared, area)  # type: ignore[arg-type]  # the fakes have the methods used
        administration = Administration(store, publisher, clock=lambda: 1_000_000.0, random_bytes=os.urandom)
        responses = Responses(folder / "rings", store.database, store.vault, lambda: 1_000_000.0)
        house = House(administration, FakeFacts(shared), Ledger(store.database), responses)
        async with house.local, house.public:
            yield house
