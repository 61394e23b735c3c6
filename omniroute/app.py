"""The composition roots: the only place that builds. A worker's world and control's world share nothing but values."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Sequence
from functools import partial

import trio

from omniroute._speedups import Relay, RingWriter, Shared, SnapshotArea
from omniroute.edge import Edge, Endpoint, Routes
from omniroute.pipeline import Pipeline, SharedConfiguration
from omniroute.processes.boot import Boot
from omniroute.processes.paths import DataPaths
from omniroute.telemetry.log import BufferedHandler, Log
from omniroute.upstream import UpstreamPool
from omniroute.wire import Driver
