"""What the connections of one worker share."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from omniroute.edge.cors import Cors
from omniroute.edge.options import EdgeOptions
from omniroute.edge.routes import ErrorShape, Routes

if TYPE_CHECKING:
    from omniroute.edge.connection import ClientConnection
    from omniroute.edge.proxy_control import ControlProxy

_STATUS_LINES: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class EdgeState:
    """Owned by :class:`omniroute.edge.Edge`; one event loop, so plain attributes are enough."""

    __slots__ = (
        "_date_s",
        "_starts",
        "bodies_held",
        "control",
        "cors",
        "draining",
        "errors",
        "idle",
        "options",
        "routes",
    )

    def __init__(self, options: EdgeOptions, routes: Routes, control: ControlProxy | None, errors: ErrorShape) -> None:
        self.options = options
        self.routes = routes
        self.errors = errors
        """For errors of no endpoint: an unreadable head, a path nobody serves, control away."""
        self.control = control
        self.cors = Cors(options.cors_origins)
        self.draining = False
        """Answers from now on say ``Connection: close``."""
        self.bodies_held = 0
        """Bytes of request bodies being read or worked on; bound: ``EdgeOptions.bodies_bytes``."""
        self.idle: dict[ClientConnection, float] = {}
        """Connections waiting for a request head, the longest-waiting first, and since when (Trio's clock)."""
        self._date_s = 0
        self._starts: dict[int, bytes] = {}

    def head_start(self, status: int) -> bytes:
        """Status line, Date (RFC 9110 §6.6.1), the name of the request id's header; made once a second and status."""
        now_s = int(time.time())
        if now_s != self._date_s:
            self._date_s = now_s
            self._starts.clear()  # which bounds it: a second's statuses are few
        start = self._starts.get(status)
        if start is None:
            line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
            date = formatdate(now_s, usegmt=True).encode()
            start = self._starts[status] = b"%bdate: %b\r\nx-request-id: " % (line, date)
        return start
