"""Questions a worker has for control: what only the database, or one process for all, can answer."""

from __future__ import annotations

from typing import Final

import trio

from omniroute._speedups import BODY_NONE, Status
from omniroute.edge.control_door import ControlDoor
from omniroute.edge.options import EdgeOptions
from omniroute.errors import Overloaded
from omniroute.ports import ClientGone
from omniroute.wire import Driver, Wire, WireError

ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Largest answer: a stored conversation is not longer than a request may be."""


class ControlLine:
    """The ``ports.ControlLine`` of one worker."""

    __slots__ = ("_door", "_options")

    def __init__(self, socket_path: str, driver: Driver, options: EdgeOptions) -> None:
        self._door = ControlDoor(socket_path, driver, options)
        self._options = options

    async def ask(self, method: str, target: str, key: bytes, body: bytes, watch: Wire) -> tuple[int, bytes]:
        """Status and body of control's answer, asked in the name of the API key ``key``.

        ``target`` is a path with its query, percent-encoded. Raises Overloaded (control is away), OmniRouteError (late,
        unreadable, too large), ClientGone (``watch`` left first).
        """
        control = self._door.open()
        with control:
            control.watch = watch
            head = (
                f"{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                f"x-omniroute-stored: full\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            )
            try:
                await control.send(
                    (head.encode(), b"authorization: Bearer ", key, b"\r\n\r\n", body),
                    trio.current_time() + self._options.write_timeout_s,
                )
                answer = await self._door.read_head(control, method)
                if answer.body == BODY_NONE:
                    return answer.status, b""
                control.set_body(answer.body, answer.length or 0)
                deadline_at = trio.current_time() + self._options.control_head_timeout_s
                return answer.status, await control.read_body(ANSWER_BYTES, deadline_at)
            except WireError as exc:
                if exc.status is Status.WATCHED_GONE:
                    raise ClientGone from exc
                raise Overloaded(
                    "The control process broke off its answer; it is restarted on its own.",
                    code="control_unavailable",
                    retry_after_s=1.0,
                ) from exc
