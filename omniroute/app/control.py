"""The control process, put together: the store, the administration over it, the journals' drain."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from omniroute._speedups import Shared
from omniroute.domain import Secret
from omniroute.storage.administration import Administration
from omniroute.storage.drain import Drain
from omniroute.storage.ledger import Ledger
from omniroute.storage.responses import Responses
from omniroute.storage.snapshot import NoWorkers, Publisher
from omniroute.storage.store import Store, open_store
from omniroute.telemetry.exposition import render
from omniroute.telemetry.losses import LossCounter

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from omniroute.paths import DataPaths


class ControlFacts:
    """What the admin app is told of the gateway at this instant (``admin.Facts``)."""

    def __init__(self, shared: Shared, drain: Drain, losses: LossCounter) -> None:
        self._shared = shared
        self._drain = drain
        self._losses = losses

    def snapshot_epoch(self) -> int:
        """Number of the snapshot in force."""
        return self._shared.epoch()

    def workers_alive(self) -> int:
        """Workers whose journal is held by a living process."""
        return self._drain.living_writers()

    def drain_problem(self) -> str:
        """Why records do not reach the ledger, empty if they do."""
        status = self._drain.state.status
        return "" if status == "ok" else status

    def metrics(self) -> bytes:
        """The metrics page."""
        return render(self._shared, self._drain.state, self._losses.readings())


class Control:
    """The control process's parts, opened: the store and what is over it, the journals' drain, stored responses."""

    def __init__(
        self, store: Store, publisher: Publisher, drain: Drain, facts: ControlFacts, responses: Responses
    ) -> None:
        self.administration = Administration(store, publisher, clock=time.time, random_bytes=os.urandom)
        self.drain = drain
        self.ledger = Ledger(store.database)
        self.facts = facts
        self.responses = responses

    def admin_app(self, *, trusted: bool, managed: bool = True) -> Starlette:
        """The admin application for one socket (``managed``: False for health alone).

        Starlette is paid for here, after the first snapshot is out.
        """
        from omniroute.admin.app import build_app  # noqa: PLC0415 - see above

        return build_app(self.administration, self.facts, self.ledger, self.responses, trusted=trusted, managed=managed)


@asynccontextmanager
async def open_control(
    paths: DataPaths, master_key: str, shared: Shared, publisher: Publisher
) -> AsyncIterator[Control]:
    """Control over the store in ``paths``, whose lock the caller (or its supervisor) holds. Raises StorageError."""
    async with open_store(
        paths.database,
        backups=paths.backups,
        key_path=paths.master_key,
        given_key=Secret(master_key),
        random_bytes=os.urandom,
    ) as store:
        losses = LossCounter(Ledger(store.database))
        drain = Drain(paths.rings, losses)
        responses = Responses(paths.rings, store.database, store.vault, time.time)
        try:
            yield Control(store, publisher, drain, ControlFacts(shared, drain, losses), responses)
            await responses.collect()
        finally:
            responses.close()


@asynccontextmanager
async def stopped_control(paths: DataPaths, master_key: str) -> AsyncIterator[Starlette]:
    """The trusted admin application of a gateway that does not run; journals left behind go to the ledger first."""
    fd = os.memfd_create("omniroute-shared")
    try:
        async with open_control(paths, master_key, Shared(fd, create=True), NoWorkers()) as control:
            await control.drain.finish()
            yield control.admin_app(trusted=True)
    finally:
        os.close(fd)
