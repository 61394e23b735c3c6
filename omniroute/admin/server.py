"""An application on a Unix socket or a TCP port, by hypercorn's Trio worker."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette

SOCKET_UMASK: Final = 0o177
"""A socket in the file system is 0600: on the local admin socket that is the access control."""

MAX_HEAD_BYTES: Final = 128 * 1024
"""Above what workers let through (64 KiB), so that it is the edge that refuses."""

KEEP_ALIVE_S: Final = 5.0
"""Between two requests of a connection. Short, since hypercorn keeps the descriptor of an idle client that has left
until then; nobody who manages a gateway is in need of more."""
BACKLOG: Final = 1024

GRACE_S: Final = 5.0
"""For answers under way when control is told to stop."""


async def serve(
    app: Starlette,
    bind: str,
    *,
    stop: Callable[[], Awaitable[None]],
    log: logging.Logger,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``app`` until ``stop`` returns, then for GRACE_S let answers finish.

    ``bind``: ``unix:PATH`` or ``HOST:PORT``. A socket left behind at the path is replaced; the caller holds the data
    directory's lock, so nobody is behind it. Defects go to ``log`` with their tracebacks. There is no access log:
    workers log the requests that they relay.
    """
    config = Config()
    config.bind = [bind]
    config.umask = SOCKET_UMASK
    config.backlog = BACKLOG
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.graceful_timeout = GRACE_S
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = log
    await hypercorn_serve(cast("ASGIFramework", app), config, shutdown_trigger=stop, task_status=task_status)
