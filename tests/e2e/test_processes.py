"""Starting, stopping, reloading; what a start refuses, and in which words."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from tests.e2e.fleet import Caller, Fleet, alive, free_port, load, running_fleet, short_directory, until
from tests.e2e.gateway import running_gateway

pytestmark = pytest.mark.slow

SLOW = "mock/echo;pace=50ms;tokens=20"
"""A stream of a second."""
MODELS = ("mock/echo", "mock/echo;pace=4ms;tokens=12", "mock/echo;delay=15ms")


def has_begun(body: bytes) -> bool:
    return b'"content"' in body


async def begun_stream(fleet: Fleet, model: str = SLOW) -> Caller:
    """A client in the middle of a stream."""
    caller = fleet.caller()
    request = {"model": model, "stream": True, "messages": [{"role": "user", "content": "a b"}]}
    await caller.send("POST", "/v1/chat/completions", msgspec.json.encode(request))
    assert (await caller.receive(until=has_begun)).status == 200
    return caller


def serve(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """``omniroute serve`` that is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "omniroute", "serve", *args],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **(env or {})},
    )


# -- stopping -----------------------------------------------------------------------------------------------------------


async def test_sigterm_refuses_newcomers_lets_streams_finish_and_ends_with_0() -> None:
    async with running_fleet() as fleet:
        async with await begun_stream(fleet) as first, await begun_stream(fleet) as second:
            fleet.gateway.process.send_signal(signal.SIGTERM)
            await fleet.logged("stopping")
            await until(lambda: not _connectable(fleet.gateway.address))
            for caller in (first, second):
                rest = await caller.receive()
                assert rest.complete
                assert rest.body.endswith(b"data: [DONE]\n\n")
        with trio.fail_after(3):
            assert await fleet.gateway.process.wait() == 0
        rows = await fleet.gateway.cli("ledger", "--json")
        assert isinstance(rows, list)
        assert [row["outcome"] for row in rows] == ["ok", "ok"]


def _connectable(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


async def test_a_second_sigterm_ends_at_once() -> None:
    async with running_fleet() as fleet, await begun_stream(fleet, "mock/echo;pace=1s;tokens=30") as caller:
        pids = [fleet.gateway.process.pid, *fleet.gateway.pids("")]
        fleet.gateway.process.send_signal(signal.SIGTERM)
        await fleet.logged("stopping")
        fleet.gateway.process.send_signal(signal.SIGTERM)
        with trio.fail_after(1.5):
            assert await fleet.gateway.process.wait() != 0
        assert not any(map(alive, pids))
        assert not (await caller.receive()).complete
        # killed in the middle: the next start finds the attempt open and writes it down
        (row,) = await fleet.gateway.cli("ledger", "--json")  # type: ignore[misc]  # JSON list
        assert row["outcome"] == "lost"


async def test_streams_that_outlast_the_drain_time_are_cut_and_recorded() -> None:
    async with running_fleet("--drain-seconds", "0.5") as fleet:
        async with await begun_stream(fleet, "mock/echo;pace=1s;tokens=30") as caller:
            fleet.gateway.process.send_signal(signal.SIGTERM)
            started_at = trio.current_time()
            with trio.fail_after(5):
                assert await fleet.gateway.process.wait() == 0
            assert trio.current_time() - started_at >= 0.5
            assert not (await caller.receive()).complete
        (row,) = await fleet.gateway.cli("ledger", "--json")  # type: ignore[misc]  # JSON list
        assert row["outcome"] == "cancelled"


async def test_ctrl_c_in_a_terminal_is_a_sigterm() -> None:
    """The whole process group gets SIGINT; only the supervisor acts on it."""
    async with running_fleet() as fleet, await begun_stream(fleet) as caller:
        for pid in [*fleet.gateway.pids(""), fleet.gateway.process.pid]:
            os.kill(pid, signal.SIGINT)
        assert (await caller.receive()).complete
        with trio.fail_after(3):
            assert await fleet.gateway.process.wait() == 0


# -- reloading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept alive", "a connection each"])
async def test_sighup_replaces_the_workers_without_a_failed_request(keep_alive: bool) -> None:
    async with running_fleet(workers=2) as fleet:
        before = set(fleet.workers())
        async with load(fleet, 6, *MODELS, keep_alive=keep_alive) as tally, await begun_stream(fleet) as caller:
            fleet.gateway.process.send_signal(signal.SIGHUP)
            await fleet.logged("worker_replaced", 2)
            assert (await caller.receive()).complete
            with trio.fail_after(10):
                while set(fleet.workers()) & before:
                    await trio.sleep(0.02)
            during = len(tally.complete)
            await until(lambda: len(tally.complete) > during + 20)
        assert tally.failures == []
        assert len(fleet.workers()) == 2
        rows = await fleet.settled_rows(lambda rows: len(rows) == len(tally.complete) + 1)
        assert {row["outcome"] for row in rows} == {"ok"}


async def test_a_terminal_that_hangs_up_kills_no_child() -> None:
    """The whole process group gets SIGHUP; only the supervisor acts on it, by a reload."""
    async with running_fleet(workers=1) as fleet, await begun_stream(fleet) as caller:
        for pid in [*fleet.gateway.pids(""), fleet.gateway.process.pid]:
            os.kill(pid, signal.SIGHUP)
        await fleet.logged("worker_replaced")
        assert (await caller.receive()).complete
        assert {line["process"] for line in fleet.log_lines("process_ended")} <= {"worker-0"}


async def test_two_sighups_at_once_are_two_reloads_one_after_the_other() -> None:
    async with running_fleet(workers=2) as fleet:
        before = set(fleet.workers())
        fleet.gateway.process.send_signal(signal.SIGHUP)
        await trio.sleep(0.05)  # two signals at the same instant would be one
        fleet.gateway.process.send_signal(signal.SIGHUP)
        await fleet.logged("worker_replaced", 4)
        with trio.fail_after(10):
            while len(fleet.workers()) != 2 or set(fleet.workers()) & before:
                await trio.sleep(0.02)
        async with fleet.caller() as caller:
            assert (await caller.chat("mock/echo")).status == 200


# -- what a start takes and refuses -------------------------------------------------------------------------------------


async def test_workers_are_as_many_as_asked_for() -> None:
    async with running_fleet(workers=3) as fleet:
        assert len(fleet.workers()) == 3
        assert await fleet.metric("workers") == 3


@pytest.mark.parametrize("variable", ["PORT", "API_PORT", "OMNIROUTE_PORT"])
async def test_the_port_comes_from_the_environment(variable: str) -> None:
    port = free_port()
    with short_directory() as directory:
        command = [sys.executable, "-m", "omniroute", "serve", "--workers", "1", "--data-dir", str(directory / "d")]
        environ = {name: value for name, value in os.environ.items() if not name.endswith("PORT")}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**environ, variable: str(port)}
        ) as process:
            assert process.stdout is not None
            try:
                assert f"ready on http://127.0.0.1:{port}/v1" in process.stdout.readline()
            finally:
                process.terminate()
                process.communicate(timeout=10)
        assert process.returncode == 0


async def test_a_second_instance_on_the_same_data_directory_is_refused() -> None:
    async with running_fleet(workers=1) as fleet:
        done = await trio.to_thread.run_sync(lambda: serve("--port", "0", "--data-dir", str(fleet.gateway.data_dir)))
        assert done.returncode == 1
        assert f"pid {fleet.gateway.process.pid}" in done.stderr
        assert "--data-dir" in done.stderr
        assert "Traceback" not in done.stderr
        async with fleet.caller() as caller:
            assert (await caller.chat("mock/echo")).status == 200


def test_a_port_in_use_is_named() -> None:
    with short_directory() as directory, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve("--port", str(port), "--data-dir", str(directory / "d"))
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use. Is another program there? Try --port.\n"
    )


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for wrong in (file, file / "below"):
        done = serve("--port", "0", env={"OMNIROUTE_DATA_DIR": str(wrong)})
        assert done.returncode == 1
        assert f"cannot use {wrong} as the data directory" in done.stderr
        assert "--data-dir" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_database_that_is_none_refuses_the_start_and_is_left_as_it_is() -> None:
    with short_directory() as directory:
        database = directory / "d" / "omniroute.sqlite"
        database.parent.mkdir(mode=0o700)
        database.write_bytes(b"not a database, but somebody's file " * 100)
        before = database.read_bytes()
        done = serve("--port", "0", "--workers", "1", "--data-dir", str(database.parent))
        assert done.returncode == 1
        assert "not an SQLite database" in done.stderr
        assert "Traceback" not in done.stderr
        assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "env", "said"),
    [
        (("--port", "notaport"), {}, "--port"),
        ((), {"OMNIROUTE_PORT": "http"}, "OMNIROUTE_PORT='http'"),
        ((), {"OMNIROUTE_EDGE_HEAD_TIMEOUT_S": "-1"}, "OMNIROUTE_EDGE_HEAD_TIMEOUT_S='-1': must not be negative"),
        (("--host", "no such host"), {}, "--host 'no such host' cannot be resolved"),
        (("--admin-bind", "nonsense"), {}, "--admin-bind nonsense"),
    ],
)
def test_a_bad_setting_is_named(flags: tuple[str, ...], env: dict[str, str], said: str) -> None:
    with short_directory() as directory:
        done = serve("--data-dir", str(directory / "d"), "--workers", "1", "--port", "0", *flags, env=env)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gateway_whose_workers_cannot_start_says_so_and_ends() -> None:
    with short_directory() as directory:
        for slot in (1, 2):  # where a worker's leftovers are removed stands what cannot be
            (directory / "d" / "run" / "rings" / f"ring-{slot}-0.new").mkdir(parents=True)
        done = serve("--data-dir", str(directory / "d"), "--workers", "2", "--port", "0")
    assert done.returncode == 1
    assert "no worker could start" in done.stderr
    assert "is ready" not in done.stdout


def test_an_admin_address_in_use_is_named() -> None:
    with short_directory() as directory, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = serve("--port", "0", "--workers", "1", "--admin-bind", bind, "--data-dir", str(directory / "d"))
    assert done.returncode == 1
    assert f"Cannot listen on --admin-bind {bind}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


async def test_other_machines_are_not_let_in_without_an_active_key() -> None:
    with short_directory() as directory:
        async with running_gateway(directory / "d") as gateway:
            (key,) = await gateway.cli("keys", "list", "--json")  # type: ignore[misc]  # JSON list
            await gateway.cli("keys", "revoke", key["key_id"])
        refused = serve("--host", "0.0.0.0", "--port", "0", "--workers", "1", "--data-dir", str(directory / "d"))
        assert refused.returncode == 1
        assert "--host 0.0.0.0 can be reached from other machines" in refused.stderr
        assert "omniroute keys create" in refused.stderr
        await gateway.cli("keys", "create", "mine")
        async with running_gateway(directory / "d", "--host", "0.0.0.0") as again:
            assert again.url.startswith("http://127.0.0.1:")


# -- management's own listener ------------------------------------------------------------------------------------------


async def test_admin_bind_moves_management_off_the_public_port_but_leaves_health_there() -> None:
    port = free_port()
    async with running_fleet("--admin-bind", f"127.0.0.1:{port}", workers=1) as fleet:
        created = await fleet.gateway.cli("keys", "create", "boss", "--scope", "manage", "--json")
        assert isinstance(created, dict)
        async with fleet.caller(created["key"]) as public:
            for path, status in (
                ("/health/live", 200), ("/health/ready", 200), ("/api/keys", 404), ("/metrics", 404), ("/", 404),
            ):  # fmt: skip
                assert (await public.ask("GET", path)).status == status, path
        headers = {"authorization": f"Bearer {created['key']}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            assert (await http.get("/health/ready")).status_code == 200
            assert (await http.get("/metrics")).status_code == 200
            assert (await http.get("/api/keys")).status_code == 401
            assert (
                await http.get("/api/keys", headers={"authorization": f"Bearer {fleet.gateway.key}"})
            ).status_code == 403
            assert len((await http.get("/api/keys", headers=headers)).json()["data"]) == 2
            assert (await http.post("/v1/chat/completions", headers=headers, json={})).status_code == 404


async def test_without_admin_bind_one_port_serves_everything() -> None:
    async with running_fleet(workers=1) as fleet:
        created = await fleet.gateway.cli("keys", "create", "boss", "--scope", "manage", "--json")
        assert isinstance(created, dict)
        async with fleet.caller(created["key"]) as boss, fleet.caller() as user:
            assert (await boss.ask("GET", "/api/keys")).status == 200
            assert (await user.ask("GET", "/api/keys")).status == 403
            assert (await user.ask("GET", "/metrics")).status == 403
            assert (await user.ask("GET", "/health/live")).status == 200


# -- the log ------------------------------------------------------------------------------------------------------------


async def test_the_json_log_has_one_line_per_request_and_neither_prompts_nor_keys() -> None:
    prompt = "the-quick-brown-prompt"
    async with running_fleet(workers=2) as fleet:
        created = await fleet.gateway.cli("keys", "create", "boss", "--scope", "manage", "--json")
        assert isinstance(created, dict)
        asked: list[str] = []
        async with fleet.caller() as caller, fleet.caller("sk-or-wrong-secret") as stranger:
            for stream in (False, True):
                asked.append((await caller.chat("mock/echo", stream=stream, content=prompt)).request_id)
            asked.append((await caller.chat("mock/echo;status=503", content=prompt)).request_id)
            asked.append((await caller.chat("nobody/knows", content=prompt)).request_id)
            asked.append((await stranger.chat("mock/echo", content=prompt)).request_id)
            asked.append(
                (
                    await caller.ask("POST", f"/v1/chat/completions?key={fleet.gateway.key}", b"{" + prompt.encode())
                ).request_id
            )
            await caller.ask("GET", f"/api/keys?key={fleet.gateway.key}")
        lines = await fleet.logged("request", len(asked))
        assert sorted(str(line["request_id"]) for line in lines) == sorted(asked)
        by_id = {line["request_id"]: line for line in lines}
        assert [by_id[request_id]["status"] for request_id in asked] == [200, 200, 503, 404, 401, 400]
        assert await fleet.gateway.stop() == 0
        text = fleet.log_text()
        assert all(line.startswith("{") for line in text.splitlines()), text
        for secret in (prompt, fleet.gateway.key, created["key"], "sk-upstream", "sk-or-wrong-secret"):
            assert secret not in text


async def test_the_limit_of_open_files_is_raised_for_all_processes() -> None:
    with short_directory() as directory:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            async with running_gateway(directory / "d") as gateway:
                for pid in [gateway.process.pid, *gateway.pids("")]:
                    assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] == min(hard, 1 << 20)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
