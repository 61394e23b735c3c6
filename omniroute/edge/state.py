"""What the connections of one worker share."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from omniroute.edge.cors import Cors
from omniroute.edge.options import EdgeOptions
from omniroute.edge.routes import Routes

if TYPE_CHECKING:
    from omniroute.edge.connection import ClientConnection
    from omniroute.edge.proxy_control import ControlProxy


class EdgeState:
    """Owned by :class:`omniroute.edge.Edge`; one event loop, so plain attributes are enough."""

    __slots__ = ("_date", "_date_s", "bodies_held", "control", "cors", "draining", "idle", "options", "routes")

    def __init__(self, options: EdgeOptions, routes: Routes, control: ControlProxy | None) -> None:
        self.options = options
        self.routes = routes
        self.control = control
        self.cors = Cors(options.cors_origins)
        self.draining = False
        """Answers from now on say ``Connection: close``."""
        self.bodies_held = 0
        """Bytes of request bodies being read or worked on; bound: ``EdgeOptions.bodies_bytes``."""
        self.idle: dict[ClientConnection, float] = {}
        """Connections waiting for a request head, the longest-waiting first, and since when (Trio's clock)."""
        self._date_s = -1
        self._date = b""

    def date(self) -> bytes:
        """The Date header's line, made once a second (RFC 9110 §6.6.1)."""
        now_s = int(time.time())
        if now_s != self._date_s:
            self._date_s = now_s
            self._date = b"date: %b\r\n" % formatdate(now_s, usegmt=True).encode()
        return self._date
