"""The command line, on a gateway that runs and on one that does not: the same commands, the same words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio
import trio.lowlevel

from tests.e2e.fleet import short_directory
from tests.e2e.gateway import Gateway, listening_mock, running_gateway

pytestmark = pytest.mark.slow


class Shell:
    """``omniroute`` as typed by somebody."""

    def __init__(self, data_dir: Path, gateway: Gateway | None) -> None:
        self.data_dir = data_dir
        self.gateway = gateway

    async def run(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "omniroute", *args]
        environ = {**os.environ, "OMNIROUTE_DATA_DIR": str(self.data_dir)}
        return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, env=environ)

    async def text(self, *args: str) -> str:
        done = await self.run(*args)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    async def rows(self, *args: str) -> list[dict[str, object]]:
        """Of a command with ``--json``."""
        return list(msgspec.json.decode(await self.text(*args, "--json")))

    async def one(self, *args: str) -> dict[str, object]:
        return dict(msgspec.json.decode(await self.text(*args, "--json")))

    async def refused(self, *args: str) -> str:
        """What it says when it does not do it: one message, no traceback."""
        done = await self.run(*args)
        assert done.returncode != 0
        assert b"Traceback" not in done.stderr
        return done.stderr.decode()


@asynccontextmanager
async def shell(kind: str, *args: str) -> AsyncIterator[Shell]:
    with short_directory() as directory:
        async with running_gateway(directory / "d", *args) as gateway:
            if kind == "running":
                yield Shell(gateway.data_dir, gateway)
                return
            assert await gateway.stop() == 0
        yield Shell(directory / "d", None)


on_both = pytest.mark.parametrize("kind", ["running", "stopped"])


@on_both
async def test_keys(kind: str) -> None:
    async with shell(kind) as sh:
        (first,) = await sh.rows("keys", "list")
        made = await sh.one("keys", "create", "team", "--rpm", "60", "--max-in-flight", "3", "--allow-model", "demo/*")
        assert str(made["key"]).startswith("sk-or-")
        shown = await sh.text("keys", "create", "second")
        assert shown.startswith("sk-or-")
        assert "only time the key is shown" in shown
        listed = {row["name"]: row for row in await sh.rows("keys", "list")}
        assert set(listed) == {first["name"], "team", "second"}
        assert (listed["team"]["requests_per_minute"], listed["team"]["max_in_flight"]) == (60, 3)
        table = await sh.text("keys", "list")
        assert "team" in table
        for text in (table, msgspec.json.encode(list(listed.values())).decode()):
            assert str(made["key"]) not in text
        assert "is revoked" in await sh.text("keys", "revoke", str(made["key_id"]))
        assert (await sh.one("keys", "revoke", "second"))["state"] == "revoked"
        states = {row["name"]: row["state"] for row in await sh.rows("keys", "list")}
        assert (states["team"], states["second"]) == ("revoked", "revoked")
        assert "nobody" in await sh.refused("keys", "revoke", "nobody")
        assert "scopes" in await sh.refused("keys", "create", "x", "--scope", "everything")
        assert "name" in await sh.refused("keys", "create", "")
        assert "--rpm" in await sh.refused("keys", "create", "x", "--rpm", "-1")


@on_both
async def test_providers(kind: str) -> None:
    with listening_mock() as (_, url):
        async with shell(kind) as sh:
            add = ("providers", "add", "acme", "--base-url", f"{url}/v1", "--key", "sk-acme-secret", "--model", "m")
            assert "--allow-private" in await sh.refused(*add)
            added = await sh.one(*add, "--allow-private", "--timeout", "first-byte=5", "--header", "x-team=a")
            assert added["provider"] == "acme"
            assert "sk-acme-secret" not in msgspec.json.encode(added).decode()
            listed = {row["provider"]: row for row in await sh.rows("providers", "list")}
            assert set(listed) == {"demo", "acme"}
            assert "acme" in await sh.text("providers", "list")
            tested = await sh.one("providers", "test", "acme")
            assert (tested["ok"], tested["stage"]) == (True, "done")
            assert (await sh.text("providers", "test", "acme")).startswith("ok: ")
            assert "already" in await sh.refused(*add, "--allow-private")
            # one that does not work says where it failed, and exits with 1
            await sh.one(
                "providers", "add", "dead", "--base-url", "http://127.0.0.1:9/v1", "--key", "", "--allow-private"
            )
            done = await sh.run("providers", "test", "dead")
            assert done.returncode == 1
            assert done.stdout.startswith(b"failed at tcp: ")
            assert "is removed" in await sh.text("providers", "remove", "dead")
            assert (await sh.one("providers", "remove", str(added["connection_id"])))["provider"] == "acme"
            assert [row["provider"] for row in await sh.rows("providers", "list")] == ["demo"]
            assert "acme" in await sh.refused("providers", "remove", "acme")
            for wrong, said in (
                (("--base-url", "ftp://x"), "base_url"),
                (("--base-url", "http://x/v1", "--timeout", "lunch=1"), "--timeout"),
                (("--base-url", "http://x/v1", "--timeout", "idle=soon"), "'soon' is not a number"),
                (("--base-url", "http://x/v1", "--header", "novalue"), "NAME=VALUE"),
                (("--base-url", "http://x/v1", "--proxy", "gopher://x"), "proxy"),
            ):
                assert said in await sh.refused("providers", "add", "bad", "--key", "", *wrong)


@on_both
async def test_settings(kind: str) -> None:
    async with shell(kind) as sh:
        assert (await sh.one("settings"))["heartbeat_s"] == 0
        assert (await sh.one("settings", "--heartbeat", "7.5"))["heartbeat_s"] == 7.5
        assert "7.5" in await sh.text("settings")
        assert "--max-attempts" in await sh.refused("settings", "--max-attempts", "0")


async def test_the_ledger_reads_the_same_from_a_running_and_from_a_stopped_gateway() -> None:
    with short_directory() as directory:
        async with running_gateway(directory / "d") as gateway:
            sh = Shell(gateway.data_dir, gateway)
            assert "Nothing yet" in await sh.text("ledger")
            report = await sh.one(
                "bench", "--url", gateway.url.removesuffix("/v1"), "--key", gateway.key, "--requests", "30"
            )
            assert report["ok"] == 30
            with trio.fail_after(5):
                while len(running := await sh.rows("ledger", "--limit", "100")) < 30:
                    await trio.lowlevel.checkpoint()
            assert await gateway.stop() == 0
        assert await sh.rows("ledger", "--limit", "100") == running
        assert len(await sh.rows("ledger", "--limit", "7")) == 7
        assert await sh.rows("ledger", "--outcome", "lost") == []
        totals = await sh.one("ledger", "--totals")
        assert totals["attempts"] == 30
        assert "demo/echo" in await sh.text("ledger")
        assert "ok" in await sh.text("ledger", "--totals")


async def test_bench_says_what_went_wrong_and_exits_with_1() -> None:
    async with shell("running") as sh:
        assert sh.gateway is not None
        url = sh.gateway.url.removesuffix("/v1")
        shown = await sh.text("bench", "--url", url, "--key", sh.gateway.key, "--requests", "10", "--no-stream")
        assert "10 of 10 answered" in shown
        assert "gateway's own time" in shown
        done = await sh.run("bench", "--url", url, "--key", "wrong", "--requests", "3")
        assert done.returncode == 1
        assert b"HTTP 401" in done.stderr


@on_both
async def test_doctor(kind: str) -> None:
    async with shell(kind) as sh:
        findings = {row["check"]: row for row in await sh.rows("doctor")}
        assert findings["gateway"]["found"] == (
            f"running (pid {sh.gateway.process.pid})" if sh.gateway else "not running"
        )
        assert {row["level"] for row in findings.values()} <= {"ok", "warning"}
        assert "API keys" in await sh.text("doctor")
        # something is wrong: it says what and how to mend it, and exits with 1
        (key,) = await sh.rows("keys", "list")
        await sh.text("keys", "revoke", str(key["key_id"]))
        assert await _wrong(sh) == {"API keys": "omniroute keys create NAME"}
        (sh.data_dir / "master.key").chmod(0o644)
        assert (await _wrong(sh))["secrets"] == f"chmod 600 {sh.data_dir / 'master.key'}"


async def _wrong(sh: Shell) -> dict[str, str]:
    """What doctor calls a problem, and how to mend it."""
    done = await sh.run("doctor", "--json")
    assert done.returncode == 1
    return {row["check"]: row["fix"] for row in msgspec.json.decode(done.stdout) if row["level"] == "problem"}


async def test_doctor_is_a_health_check() -> None:
    async with shell("running") as sh:
        assert '"status":"ready"' in await sh.text("doctor", "--ready")
        assert sh.gateway is not None
        assert await sh.gateway.stop() == 0
        await sh.refused("doctor", "--ready")


async def test_doctor_before_the_first_start(tmp_path: Path) -> None:
    sh = Shell(tmp_path / "none", None)
    findings = {row["check"]: row for row in await sh.rows("doctor")}
    assert "does not exist yet" in str(findings["data directory"]["found"])
    assert not sh.data_dir.exists()


async def test_a_stopped_gateway_that_never_was_can_be_set_up_first() -> None:
    """Keys and providers before the first start: it then makes no key of its own, and serves with these."""
    with short_directory() as directory:
        sh = Shell(directory / "d", None)
        made = await sh.one("keys", "create", "mine")
        async with running_gateway(sh.data_dir) as gateway:
            assert gateway.key == ""
            assert [row["key_id"] for row in await sh.rows("keys", "list")] == [made["key_id"]]


async def test_mock_refuses_a_script_it_cannot_read() -> None:
    sh = Shell(Path("unused"), None)
    said = await sh.refused("mock", "--port", "0", "--script", "pace=fast")
    assert "--script" in said
    assert "pace" in said


async def test_help_lists_every_command_and_every_variable() -> None:
    sh = Shell(Path("unused"), None)
    listed = await sh.text("--help")
    for command in ("serve", "keys", "providers", "ledger", "settings", "doctor", "mock", "bench"):
        assert f"\n  {command} " in listed
    told = await sh.text("serve", "--help")
    for name in ("OMNIROUTE_PORT (also PORT, API_PORT)", "OMNIROUTE_EDGE_HEAD_TIMEOUT_S", "OMNIROUTE_MASTER_KEY"):
        assert name in told
    assert "No such command" in await sh.refused("sevre")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_line_printed_at_the_first_start_streams_an_answer_when_pasted() -> None:
    with short_directory() as directory:
        async with running_gateway(directory / "d") as gateway:
            at = next(number for number, line in enumerate(gateway.lines) if line.lstrip().startswith("curl "))
            pasted = "\n".join(gateway.lines[at : at + 3])
            done = await trio.run_process(["sh", "-c", pasted], capture_stdout=True, capture_stderr=True)
            events = done.stdout.split(b"\n\n")
            assert events[-2] == b"data: [DONE]"
            said = [
                choice["delta"].get("content") or ""
                for event in events[:-2]
                for choice in msgspec.json.decode(event.removeprefix(b"data: "))["choices"]
            ]
            assert "".join(said) == "Hello from OmniRoute"
        async with running_gateway(directory / "d") as again:  # shown once
            assert again.key == ""
            assert not any("curl" in line for line in again.lines)
