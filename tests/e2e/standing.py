"""A gateway that stands for a whole test session: started once, given a provider per test, asked for its ledger.

Synchronous where a session-wide fixture must be (pytest-trio's are a test's own), asynchronous where tests use it.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import trio

STOP_S = 20.0
LEDGER_S = 10.0
"""The ledger is written ten times a second; this is for a loaded machine."""


class Row(msgspec.Struct, frozen=True):
    """What tests look at in a ledger row."""

    attempt_id: str
    request_id: str
    attempt: int
    connection_id: str
    outcome: str
    error_class: str
    status: int
    streamed: bool
    usage: dict[str, int | bool]
    bytes_in: int
    bytes_out: int
    requested_model: str


class _Page(msgspec.Struct, frozen=True):
    data: tuple[Row, ...]


class Standing:
    """A running gateway with one worker, as tests see it."""

    def __init__(self, data_dir: Path, url: str, key: str) -> None:
        self.data_dir = data_dir
        self.url = url
        """``http://host:port/v1``"""
        self.key = key
        self._numbers = itertools.count()

    @property
    def root(self) -> str:
        return self.url.removesuffix("/v1")

    @property
    def port(self) -> int:
        return int(self.root.rpartition(":")[2])

    async def admin(self, method: str, path: str, body: object = None) -> bytes:
        """One call of the admin API, as the local operator."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.data_dir / "run" / "admin.sock"), verify=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://omniroute", timeout=10) as http:
            content = None if body is None else msgspec.json.encode(body)
            answer = await http.request(method, path, content=content, headers={"content-type": "application/json"})
        assert answer.is_success, answer.text
        return answer.content

    async def connect(self, base_url: str, *, provider: str = "", label: str = "one", **more: object) -> str:
        """A new connection to an upstream on loopback; the provider's name, a new one unless given."""
        provider = provider or f"p{next(self._numbers)}"
        wanted = {"provider": provider, "label": label, "base_url": base_url, "allow_private": True, **more}
        await self.admin("POST", "/api/providers", {"credential": "sk-upstream", "models": ["m"], **wanted})
        return provider

    async def create_key(self, **fields: object) -> str:
        """A new API key."""
        made = msgspec.json.decode(await self.admin("POST", "/api/keys", {"name": f"k{next(self._numbers)}", **fields}))
        return str(made["key"])

    async def rows(self, *, count: int = 1, **wanted: str) -> list[Row]:
        """The ledger's rows that match, by attempt, once there are ``count``. Never fewer, never more."""
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        with trio.fail_after(LEDGER_S):
            while True:
                page = msgspec.json.decode(await self.admin("GET", f"/api/ledger?{query}"), type=_Page)
                if len(page.data) >= count:
                    break
                await trio.sleep(0.02)  # the drain has no event to wait for
        assert len(page.data) == count, page.data
        return sorted(page.data, key=lambda row: row.attempt)


@contextmanager
def standing(data_dir: Path) -> Iterator[Standing]:
    """A gateway with one worker that is ready; on the way out it must stop cleanly when told to."""
    command = [sys.executable, "-m", "omniroute", "serve", "--port", "0", "--workers", "1", "--data-dir", str(data_dir)]
    log = data_dir.with_suffix(".log")
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment())
        assert process.stdout is not None
        try:
            text = ""
            while "curl " not in text:
                line = process.stdout.readline()  # ends with the process, at the latest
                assert line, f"the gateway ended while starting: {text}{log.read_text()}"
                text += line
            url, key = re.search(r"ready on (\S+)", text), re.search(r"API key: (\S+)", text)
            assert url is not None
            assert key is not None
            yield Standing(data_dir, url.group(1), key.group(1))
            assert process.poll() is None, f"the gateway ended by itself: {log.read_text()}"
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_S) == 0, log.read_text()
            assert "Traceback" not in log.read_text(), log.read_text()
            assert "stream_breaks_its_grammar" not in log.read_text(), log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()


def _environment() -> dict[str, str]:
    """Every second attempt is checked while it streams: tests see both ways a stream can take."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OMNIROUTE_") or name == "OMNIROUTE_NO_SPEEDUPS"
    }
    return kept | {"OMNIROUTE_PIPELINE_CHECK_EVERY": "2"}
