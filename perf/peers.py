"""What is measured: nginx and the gateway, started and stopped here, each a proxy in front of the same upstream."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from perf import machine
from perf.machine import CannotMeasureError

START_S: Final = 20.0
STOP_S: Final = 10.0
POLL_S: Final = 0.002
UPSTREAMS: Final = {
    "openai_chat": ("bench", "/v1"),
    "anthropic": ("bench-anthropic", "/v1"),
    "gemini": ("bench-gemini", "/v1beta"),
}
"""The provider for each dialect the upstream speaks, and the path of its base URL."""
LIMITS: Final = ("--rpm", "60000000", "--max-in-flight", "100000")
"""Limits that are never met: checking them is part of what is measured."""

NGINX_CONF: Final = """
worker_processes 1; worker_cpu_affinity {mask}; worker_rlimit_nofile {files};
daemon off; pid nginx.pid; error_log stderr error;
events {{ worker_connections {connections}; use epoll; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  client_body_buffer_size 256k; client_max_body_size 64m;
  keepalive_requests 100000000; keepalive_timeout 300s;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 300s;
  upstream bench {{
    server 127.0.0.1:{upstream};
    keepalive 8192; keepalive_requests 100000000; keepalive_timeout 300s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://bench; }}
  }}
  server {{
    listen 127.0.0.1:{stream_port} backlog=4096;
    location / {{ proxy_pass http://bench; proxy_buffering off; }}
  }}
}}
"""


@dataclass(frozen=True)
class Peer:
    """One running proxy."""

    name: str
    port: int
    stream_port: int
    worker: int
    """Process whose CPU time and memory are read."""
    members: tuple[int, ...] = ()
    """All of its processes but a demo upstream."""
    key: str = "x"
    model: str = "m"
    models: Mapping[str, str] = field(default_factory=dict)
    """Its models behind upstreams of each dialect; empty: it translates nothing."""
    start_s: float = 0.0
    """From spawn until it said it was ready."""


@dataclass(frozen=True)
class Product:
    """How to start the gateway."""

    command: str = ""
    """A command line with {port}, {upstream} and {data_dir}; "" is this repository's ``omniroute serve``."""
    key: str = "x"
    model: str = "m"
    ready_path: str = "/health/ready"
    worker_match: str = r"\bworker"
    """Finds the worker among the process tree by its command line; the root process if nothing matches."""
    serve_args: Sequence[str] = field(default_factory=tuple)


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""


@contextmanager
def _process(command: Sequence[str], log: Path, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own: stopped politely at the end, its group killed if it does not go."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=cwd, start_new_session=True
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with contextlib.suppress(ProcessLookupError):  # whatever it left behind in its session
                os.killpg(process.pid, signal.SIGKILL)


def _await_ready(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> float:
    began = time.monotonic()
    while not _answers(port, path):
        if process.poll() is not None:
            raise CannotMeasureError(f"{process.args!r} ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() - began > START_S:
            raise CannotMeasureError(f"not ready on port {port}{path} within {START_S:g} s:\n{_tail(log)}")
        time.sleep(POLL_S)
    return time.monotonic() - began


@contextmanager
def upstream() -> Iterator[int]:
    """The benchmark's upstream; its port."""
    command = [*machine.on_core(machine.OTHER_CORE), str(machine.BUILD / "upstream")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            if len(said) != 2:
                raise CannotMeasureError("perf/build/upstream did not start")
            yield int(said[1])
        finally:
            process.kill()


@contextmanager
def nginx(upstream_port: int, folder: Path, name: str = "nginx") -> Iterator[Peer]:
    """nginx, its one worker on the peer core."""
    folder.mkdir(parents=True, exist_ok=True)
    files = min(os.sysconf("SC_OPEN_MAX"), 65536)
    port, stream_port = free_port(), free_port()
    conf = folder / "nginx.conf"
    mask = f"{1 << machine.PEER_CORE:b}"
    text = NGINX_CONF.format(
        mask=mask, files=files, connections=files - 64, upstream=upstream_port, port=port, stream_port=stream_port
    )
    conf.write_text(("user root;" if os.geteuid() == 0 else "") + text)
    log = folder / "nginx.log"
    with _process([machine.nginx(), "-p", str(folder), "-c", str(conf), "-e", "stderr"], log, folder) as process:
        start_s = _await_ready(process, stream_port, "/", log)
        members = tuple(machine.tree(process.pid))
        worker = next(pid for pid in members if "worker" in machine.command_of(pid))
        machine.pin(worker, machine.PEER_CORE)
        yield Peer(name, port, stream_port, worker, members, start_s=start_s)


def _product_cli(arguments: Sequence[str], data_dir: Path) -> str:
    command = [sys.executable, "-m", "omniroute", *arguments, "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=machine.HERE.parent)
    if done.returncode:
        raise CannotMeasureError(
            f"{shlex.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}{done.stdout[-500:]}"
        )
    return done.stdout


def prepare(product: Product, upstream_port: int, data_dir: Path) -> str:
    """Set up a data directory with a provider of each dialect and one key; the key.

    Nothing to do for another command line.
    """
    if product.command:
        return product.key
    data_dir.mkdir(parents=True)
    for dialect, (provider, path) in UPSTREAMS.items():
        words = ["--base-url", f"http://127.0.0.1:{upstream_port}{path}", "--dialect", dialect, "--key", "x"]
        _product_cli(["providers", "add", provider, *words, "--model", product.model, "--allow-private"], data_dir)
    return str(msgspec.json.decode(_product_cli(["keys", "create", "bench", "--json", *LIMITS], data_dir))["key"])


@contextmanager
def gateway(product: Product, upstream_port: int, data_dir: Path, key: str) -> Iterator[Peer]:
    """The gateway: its worker on the peer core, its other processes on the other one."""
    port = free_port()
    if product.command:
        words = product.command.format(port=port, upstream=upstream_port, data_dir=data_dir)
        command = shlex.split(words)
    else:
        command = [
            sys.executable,
            "-m",
            "omniroute",
            "serve",
            "--workers",
            "1",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += ["--data-dir", str(data_dir), *product.serve_args]
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir.with_suffix(".log")
    with _process(command, log, machine.HERE.parent) as process:
        start_s = _await_ready(process, port, product.ready_path, log)
        members = tuple(pid for pid in machine.tree(process.pid) if "child demo" not in machine.command_of(pid))
        found = [pid for pid in members if re.search(product.worker_match, machine.command_of(pid))]
        worker = found[-1] if found else process.pid
        for pid in members:
            machine.pin(pid, machine.PEER_CORE if pid == worker else machine.OTHER_CORE)
        asked = {dialect: f"{provider}/{product.model}" for dialect, (provider, _) in UPSTREAMS.items()}
        if product.command:  # another gateway: how it tells its upstreams apart is not known here
            asked = dict.fromkeys(asked, product.model)
        model = asked["openai_chat"]
        yield Peer("gateway", port, port, worker, members, key, model, asked, start_s)


@contextmanager
def all_of(product: Product | None, upstream_port: int, folder: Path) -> Iterator[tuple[Peer, Peer]]:
    """nginx and the gateway (None: a second nginx, which proves the harness), both running."""
    with ExitStack() as stack:
        first = stack.enter_context(nginx(upstream_port, folder / "nginx"))
        yield first, stack.enter_context(fresh(product, upstream_port, folder / "gateway"))


@contextmanager
def fresh(product: Product | None, upstream_port: int, folder: Path) -> Iterator[Peer]:
    """A gateway that has served nothing yet. A folder that exists is started from again."""
    if product is None:
        with nginx(upstream_port, folder, "nginx again") as peer:
            yield peer
        return
    key_file = folder.with_suffix(".key")
    if not key_file.exists():
        key_file.write_text(prepare(product, upstream_port, folder))
        key_file.chmod(0o600)
    with gateway(product, upstream_port, folder, key_file.read_text()) as peer:
        yield peer
