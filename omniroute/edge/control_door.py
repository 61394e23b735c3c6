"""The way into control for whoever needs it: its Unix socket opened, the head of its answer read."""

from __future__ import annotations

import contextlib
import socket

import httptools
import msgspec
import trio

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from omniroute.edge.options import EdgeOptions
from omniroute.edge.reply import BODILESS
from omniroute.errors import OmniRouteError, Overloaded
from omniroute.ports import HOP_BY_HOP, ClientGone
from omniroute.wire import Driver, Wire, WireError


class ResponseHead(msgspec.Struct, frozen=True):
    """What control answers."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    """End-to-end headers, names in lower case, without Content-Length."""
    body: int
    """``BODY_*``."""
    length: int | None
    """Content-Length, also of an answer to HEAD; None if there was none."""
    protocol: bytes
    """What the connection becomes with status 101."""


class ControlDoor:
    """Opens connections to control, one per request: on a Unix socket a pool would only be one more thing to drain."""

    __slots__ = ("_driver", "_options", "_socket_path")

    def __init__(self, socket_path: str, driver: Driver, options: EdgeOptions) -> None:
        self._socket_path = socket_path
        self._driver = driver
        self._options = options

    def open(self) -> Wire:
        """A new connection, to be closed by the caller. Raises ``Overloaded``: control is away."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.connect(self._socket_path)  # a Unix socket connects at once or not at all (EAGAIN: backlog full)
            wire = Wire(sock)
            self._driver.adopt(wire)
        except (OSError, OverflowError) as exc:
            sock.close()
            raise _control_away() from exc
        return wire

    async def read_head(self, control: Wire, method: str, *, upgrade: bool = False) -> ResponseHead:
        """The head of what control answers to a ``method``; 101 only if it was asked to ``upgrade``.

        Raises ``Overloaded``, ``OmniRouteError`` (late or unreadable), ``ClientGone`` (``control.watch`` left).
        """
        deadline_at = trio.current_time() + self._options.control_head_timeout_s
        while True:
            try:
                data = await control.read_head(self._options.head_bytes, deadline_at)
            except WireError as exc:
                if exc.status is Status.WATCHED_GONE:
                    raise ClientGone from exc
                if exc.status is Status.DEADLINE:
                    message = "The control process did not answer in time."
                    raise OmniRouteError(message, status=504, kind="timeout", code="gateway_timeout") from exc
                raise _control_away() from exc
            try:
                answer = _parse_answer(data, method)
            except httptools.HttpParserError as exc:
                raise OmniRouteError(
                    "The control process gave an unreadable answer.", status=502, code="bad_gateway"
                ) from exc
            if answer.status >= 200 or (answer.status == 101 and upgrade):
                return answer


class _AnswerCollector:
    """Receives what httptools finds in the head of an answer."""

    __slots__ = ("headers",)

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip()))


def _parse_answer(data: bytes, method: str) -> ResponseHead:
    collector = _AnswerCollector()
    parser = httptools.HttpResponseParser(collector)
    with contextlib.suppress(httptools.HttpParserUpgrade):  # 101: what follows is not HTTP
        parser.feed_data(data)
    status = parser.get_status_code()
    fields = dict(collector.headers)
    declared = fields.get(b"content-length")
    length = None if declared is None else int(declared)
    body = BODY_UNTIL_EOF if length is None else BODY_LENGTH
    if method == "HEAD" or status in BODILESS or status < 200:
        body = BODY_NONE
    elif b"transfer-encoding" in fields:
        body, length = BODY_CHUNKED, None
    elif length == 0:
        body = BODY_NONE
    return ResponseHead(
        status=status,
        headers=tuple(pair for pair in collector.headers if pair[0] not in HOP_BY_HOP and pair[0] != b"content-length"),
        body=body,
        length=length,
        protocol=fields.get(b"upgrade", b""),
    )


def _control_away() -> Overloaded:
    message = "The control process is not answering; it is restarted on its own. Inference requests are not affected."
    return Overloaded(message, code="control_unavailable", retry_after_s=1.0)
