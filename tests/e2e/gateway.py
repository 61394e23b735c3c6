"""A real gateway, with real processes, in a directory of its own; and the product's mock as its upstream."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import msgspec
import trio

START_S = 30.0
STOP_S = 20.0

MARK = "E2E_GATEWAY"
"""In the environment of a gateway and of all its children: whose they are."""


class Gateway:
    """What a test needs to know of the gateway it talks to."""

    def __init__(self, data_dir: Path, process: trio.Process, env: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.process = process
        self.env = env
        self.url = ""
        self.key = ""
        self.lines: list[str] = []

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").removesuffix("/v1").rpartition(":")
        return host, int(port)

    def pids(self, role: str) -> list[int]:
        """Process ids of living children whose name starts with ``role``."""
        found = []
        for line in _children(self.process.pid):
            try:
                argv = Path(f"/proc/{line}/cmdline").read_bytes().split(b"\0")
            except FileNotFoundError:
                continue
            if b"omniroute.processes.child" in argv and argv[argv.index(b"omniroute.processes.child") + 1].startswith(
                role.encode()
            ):
                found.append(int(line))
        return found

    async def cli(self, *args: str, check: bool = True) -> object:
        """Run a command against this gateway; its JSON if it printed some, else its text."""
        done = await trio.run_process(
            [sys.executable, "-m", "omniroute", *args, "--data-dir", str(self.data_dir)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=self.env,
        )
        if check and done.returncode:
            raise AssertionError(f"omniroute {' '.join(args)}: {done.stderr.decode()}")
        try:
            return msgspec.json.decode(done.stdout)
        except msgspec.DecodeError:
            return (done.stdout + done.stderr).decode()

    async def add_provider(self, name: str, url: str, *models: str, label: str = "", priority: int = 100) -> None:
        """Register an upstream on loopback."""
        args = [
            "providers",
            "add",
            name,
            "--base-url",
            url,
            "--key",
            "sk-upstream",
            "--allow-private",
            "--priority",
            str(priority),
        ]
        for model in models:
            args += ["--model", model]
        if label:
            args += ["--label", label]
        await self.cli(*args, "--json")

    async def attempts(self) -> list[dict[str, object]]:
        """The ledger, newest first, once the journal has been drained."""
        found = await self.cli("ledger", "--limit", "100000", "--json")
        assert isinstance(found, list)
        return found

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(STOP_S):
            return await self.process.wait()


def _children(pid: int) -> list[str]:
    """Process ids of its living children. Each is listed under the thread that started it."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for one in lists for child in one.read_text().split()]


@asynccontextmanager
async def running_gateway(
    data_dir: Path,
    *args: str,
    workers: int = 1,
    env: dict[str, str] | None = None,
    stderr: IO[bytes] | None = None,
) -> AsyncIterator[Gateway]:
    """A gateway that is ready; stopped, and checked for leftovers, on the way out. ``stderr``: where its log goes."""
    environ = {**os.environ, "OMNIROUTE_LOG_LEVEL": "info", **(env or {}), MARK: str(data_dir)}
    command = [
        sys.executable,
        "-m",
        "omniroute",
        "serve",
        "--port",
        "0",
        "--workers",
        str(workers),
        "--data-dir",
        str(data_dir),
        *args,
    ]
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, command, stdout=subprocess.PIPE, stderr=stderr, check=False, env=environ)
        process: trio.Process = await nursery.start(start)
        gateway = Gateway(data_dir, process, environ)
        try:
            with trio.fail_after(START_S):
                await _read_announcement(gateway)
            yield gateway
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                with trio.move_on_after(STOP_S, shield=True):
                    await process.wait()
            if process.returncode is None:
                process.kill()
        assert not leftovers(data_dir), "processes were left behind"


async def _read_announcement(gateway: Gateway) -> None:
    assert gateway.process.stdout is not None
    text = ""
    while "OmniRoute is ready" not in text or (("API key: " in text) != ("curl " in text)):
        more = await gateway.process.stdout.receive_some()
        if not more:
            raise AssertionError(f"the gateway ended while starting: {text}")
        text += more.decode()
        gateway.lines = text.splitlines()
    url = re.search(r"ready on (\S+)", text)
    assert url is not None
    gateway.url = url.group(1)
    key = re.search(r"API key: (\S+)", text)
    gateway.key = key.group(1) if key else ""


def leftovers(data_dir: Path) -> list[str]:
    """Command lines of living processes that belong to the gateway of ``data_dir`` (there must be none after a stop)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cmdline, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"{MARK}={data_dir}\0".encode() in environ:
                found.append(cmdline.replace(b"\0", b" ").decode())
    return found


@contextmanager
def listening_mock() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The product's mock as a process of its own: (process, base URL)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "omniroute", "mock", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        url = re.search(r"http://\S+", line)
        assert url is not None, line
        yield process, url.group(0).rstrip("/").removesuffix("/v1")
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
