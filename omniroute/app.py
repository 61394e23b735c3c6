"""The composition roots: the only place that builds. A worker's world and control's world share nothing but values."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from omniroute._speedups import Relay, Shared, SnapshotArea
from omniroute.config import Settings
from omniroute.domain import Snapshot
from omniroute.edge import Edge, Endpoint, Routes
from omniroute.pipeline import Pipeline, SharedConfiguration, Summary
from omniroute.telemetry import RequestMeter, RingJournal
from omniroute.telemetry.log import BufferedHandler, Log
from omniroute.translate import dialects
from omniroute.upstream import UpstreamPool
from omniroute.wire import Driver

FIRST_SNAPSHOT_S: Final = 30.0
"""A worker that has no configuration by then gives up, and the supervisor says so."""
_POLL_S: Final = 0.005
_METER_S: Final = 1.0


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
        self._shared = Shared(shared_fd)
        self._area = SnapshotArea(snapshot_fd)
        self._meter = RequestMeter(self._shared, slot)
        self._log = log
        self._journal = RingJournal.create(rings, slot)
        relay = Relay(write_bound_bytes=settings.process.relay_buffer_bytes)
        self._driver = Driver(relay)
        self._upstream = UpstreamPool(self._driver, settings.upstream)
        self._configuration = SharedConfiguration(self._shared, self._area)
        pipeline = Pipeline(
            self._configuration, self._journal, self._upstream, self._shared, self._observe, settings.pipeline
        )
        self._edge = Edge(
            self._driver,
            Routes(endpoints(pipeline)),
            settings.edge,
            control_socket=None if settings.process.admin_bind else str(control_socket),
        )
        logging.basicConfig(handlers=[BufferedHandler(log)], level=logging.INFO, force=True)

    async def run(
        self, listeners: Sequence[socket.socket], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve on ``listeners`` until drained or cancelled; started once the first snapshot is there."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._driver.run)
                await nursery.start(self._upstream.run)
                nursery.start_soon(self._measure)
                await self._first_snapshot()
                await nursery.start(partial(self._edge.serve, listeners))
                task_status.started()
                await self._edge.finished.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._journal.close_file()

    def drain(self, drain_s: float) -> None:
        """Stop accepting; ``run`` returns when the last request has ended or ``drain_s`` are over."""
        self._edge.drain(drain_s)
