"""The data plane of one worker process, put together."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from omniroute._speedups import Relay, Shared, SnapshotArea
from omniroute.app.endpoints import endpoints
from omniroute.config import Settings
from omniroute.edge import ControlLine, Edge, ErrorShape, Routes
from omniroute.pipeline import Pipeline, Questions, SharedConfiguration
from omniroute.telemetry.afterwards import Afterwards, WatchedJournal
from omniroute.telemetry.journal import create_journal
from omniroute.telemetry.log import BufferedHandler, Log
from omniroute.telemetry.metrics import RequestMeter
from omniroute.telemetry.shelf import Shelf
from omniroute.translate import error_body, find_dialects
from omniroute.upstream import UpstreamPool
from omniroute.wire import Driver

FIRST_SNAPSHOT_S: Final = 30.0
"""A worker that has no configuration by then gives up, and is started again."""

_POLL_S: Final = 0.005
_GAUGES_S: Final = 1.0


class Worker:
    """One data plane: everything a worker process owns."""

    def __init__(
        self,
        settings: Settings,
        *,
        slot: int,
        shared_fd: int,
        snapshot_fd: int,
        rings: Path,
        control_socket: Path,
        log: Log,
    ) -> None:
        """``slot``: the row of shared statistics. ``rings``: where the journal's file goes."""
        logging.basicConfig(handlers=[BufferedHandler(log)], level=logging.INFO, force=True)
        self._shared = Shared(shared_fd, slot=slot)
        self._meter = RequestMeter(self._shared, slot)
        self._journal = create_journal(rings, slot)
        self._shelf = Shelf(rings, slot)
        self._driver = Driver(Relay(write_bound_bytes=settings.process.relay_buffer_bytes))
        self._upstream = UpstreamPool(self._driver, settings.upstream)
        configuration = SharedConfiguration(self._shared, SnapshotArea(snapshot_fd))
        self._afterwards = Afterwards(self._meter, log)
        books = WatchedJournal(self._journal, self._afterwards)
        pipeline = Pipeline(
            configuration,
            books,
            self._upstream,
            self._shared,
            self._afterwards.request,
            settings.pipeline,
            Questions(ControlLine(str(control_socket), self._driver, settings.edge)),
            self._shelf,
        )
        self._edge = Edge(
            self._driver,
            Routes(endpoints(pipeline, find_dialects())),
            settings.edge,
            control_socket=str(control_socket),
            errors=ErrorShape(error_body),
        )

    async def run(
        self, listeners: Sequence[socket.socket], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on ``listeners``; returns when drained. Started once the first snapshot is there."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._driver.run)
                await nursery.start(self._upstream.run)
                nursery.start_soon(self._tell_gauges)
                nursery.start_soon(self._afterwards.run)
                with trio.fail_after(FIRST_SNAPSHOT_S):
                    while not self._shared.epoch():  # noqa: ASYNC110 - another process sets it
                        await trio.sleep(_POLL_S)

                async def serve(*, task_status: trio.TaskStatus[None]) -> None:
                    await self._edge.serve(listeners, task_status=task_status)
                    nursery.cancel_scope.cancel()

                await nursery.start(serve)
                task_status.started()
        finally:
            self._afterwards.settle()
            self._journal.shut()
            self._shelf.shut()

    def drain(self, drain_s: float) -> None:
        """Stop accepting; ``run`` returns when the last request has ended, or after ``drain_s``."""
        self._edge.drain(drain_s)

    async def _tell_gauges(self) -> None:
        while True:
            self._meter.open_connections(self._edge.connections)
            await trio.sleep(_GAUGES_S)
