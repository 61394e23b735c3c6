"""How a command reaches the installation: control's socket if the gateway runs, else the store itself, under the lock.

Both ways go through the same admin routes, so a command behaves alike and an error reads alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec
from urllib.parse import quote

import click

from omniroute.errors import OmniRouteError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from omniroute.paths import DataPaths

P = ParamSpec("P")

TIMEOUT_S: Final = 60.0
"""For one admin call; the slowest is the test of a provider that does not answer."""


def data_paths(data_dir: str | None) -> DataPaths:
    """The layout of ``--data-dir``, or of the directory the environment names."""
    from omniroute.config import load
    from omniroute.paths import DataPaths

    return DataPaths(Path(load({"data_dir": data_dir}).process.data_dir))


def options(command: Callable[P, None]) -> Callable[P, None]:
    """The two options every listing and change has."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option("--data-dir", type=click.Path(file_okay=False), help="The gateway's data directory.")(command)


def runs(command: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async command under Trio; our errors become messages, not tracebacks."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        import trio

        try:
            trio.run(partial(command, *args, **kwargs))
        except OmniRouteError as exc:
            raise click.ClickException(exc.message) from exc

    return run


async def call(
    data_dir: str | None, method: str, path: str, body: object = None, *, fine: tuple[int, ...] = ()
) -> object:
    """One admin call: the decoded JSON of its answer. Raises ClickException with the gateway's own message.

    ``fine``: error statuses whose answer is wanted all the same.
    """
    import httpx
    import msgspec

    async with client(data_paths(data_dir)) as http:
        try:
            answer = await http.request(method, path, content=None if body is None else msgspec.json.encode(body))
        except httpx.TransportError as exc:
            raise click.ClickException(
                f"The gateway runs, but its control process does not answer ({exc}). "
                "It is restarted by itself: try again."
            ) from exc
    decoded = msgspec.json.decode(answer.content) if answer.content else None
    if answer.is_error and answer.status_code not in fine:
        error = decoded.get("error", {}) if isinstance(decoded, dict) else {}
        raise click.ClickException(str(error.get("message", f"HTTP {answer.status_code}")))
    return decoded


@asynccontextmanager
async def client(paths: DataPaths) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the admin API, trusted as the local operator."""
    import httpx

    from omniroute.processes.lock import holder_pid

    headers = {"content-type": "application/json"}
    if paths.lock.exists() and holder_pid(paths):
        transport = httpx.AsyncHTTPTransport(uds=str(paths.admin_socket))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://omniroute", timeout=TIMEOUT_S, headers=headers
        ) as http:
            yield http
        return
    from omniroute.app.control import stopped_control
    from omniroute.config import master_key
    from omniroute.processes.lock import DataDirectoryLock

    with DataDirectoryLock(paths.data):
        async with stopped_control(paths, master_key()) as app:
            local = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=local, base_url="http://omniroute", timeout=TIMEOUT_S, headers=headers
            ) as http:
                yield http


def record(answer: object) -> dict[str, object]:
    """An answer that is one object."""
    assert isinstance(answer, dict)
    return answer


def rows(answer: object) -> list[dict[str, object]]:
    """The rows of an answer that is a list."""
    data = record(answer)["data"]
    assert isinstance(data, list)
    return data


def quoted(text: str) -> str:
    """``text`` as one part of a path; slashes stay."""
    return quote(text, safe="/")
