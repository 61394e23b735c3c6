"""``omniroute doctor``: what is wrong with this installation, and how to fix it."""

from __future__ import annotations

import os
import resource
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal

import click
import msgspec

from omniroute.cli import admin, output
from omniroute.errors import OmniRouteError

if TYPE_CHECKING:
    from omniroute.paths import DataPaths

WANTED_FILES: Final = 4096
"""Open files a worker should be allowed: two per running request, and some."""


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at."""

    check: str
    level: Literal["ok", "warning", "problem"]
    found: str
    fix: str = ""


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", version)


def _speedups() -> Iterator[Finding]:
    from omniroute._speedups import COMPILED

    if COMPILED:
        yield Finding("compiled parts", "ok", "loaded")
    elif _plain_wanted():
        yield Finding("compiled parts", "warning", "switched off by OMNIROUTE_NO_SPEEDUPS", "Unset it for production.")
    else:
        yield Finding(
            "compiled parts",
            "problem",
            "not built: the gateway runs on plain Python, many times slower, with one worker",
            "Install a C compiler and run 'pip install --force-reinstall --no-deps .' (or 'make serve').",
        )


def _plain_wanted() -> bool:
    from omniroute.config import plain_twins_wanted

    return plain_twins_wanted()


def _files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < WANTED_FILES:
        yield Finding(
            "open files", "warning", f"limit {hard}", f"Raise it (ulimit -n, LimitNOFILE=) to {WANTED_FILES} or more."
        )
    else:
        yield Finding("open files", "ok", f"limit {max(soft, hard)}")


def _environment() -> Iterator[Finding]:
    from omniroute.config import unknown_variables

    for name in unknown_variables():
        yield Finding(
            "environment",
            "warning",
            f"{name} is not a setting",
            "See 'omniroute serve --help' for the names there are.",
        )


def _data(paths: DataPaths) -> Iterator[Finding]:
    if not paths.data.exists():
        yield Finding("data directory", "ok", f"{paths.data} does not exist yet; 'omniroute serve' makes it")
        return
    mode = stat.S_IMODE(paths.data.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "data directory",
            "warning",
            f"{paths.data} can be entered by others (mode {mode:04o})",
            f"chmod 700 {paths.data}",
        )
    else:
        yield Finding("data directory", "ok", str(paths.data))
    if not os.access(paths.data, os.W_OK):
        yield Finding(
            "data directory",
            "problem",
            f"this user cannot write to {paths.data}",
            "Run as its owner, or give another --data-dir.",
        )
    for secret in (paths.master_key, paths.database):
        if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & 0o077:
            yield Finding("secrets", "problem", f"{secret.name} can be read by others", f"chmod 600 {secret}")
    room = os.statvfs(paths.data)
    free_mib = room.f_bavail * room.f_frsize // 2**20
    if free_mib < 256:
        yield Finding(
            "disk", "problem", f"{free_mib} MiB free", "Make room: the ledger cannot grow, and the journals fill up."
        )
    else:
        yield Finding("disk", "ok", f"{free_mib} MiB free")


LOCAL: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (_python, _speedups, _files, _environment)


async def _installation(data_dir: str | None, paths: DataPaths) -> list[Finding]:
    """What the store or the running gateway says of itself."""
    from omniroute.processes.lock import holder_pid

    findings = []
    pid = holder_pid(paths) if paths.lock.exists() else 0
    findings.append(Finding("gateway", "ok", f"running (pid {pid})" if pid else "not running"))
    if not paths.database.exists():
        return findings
    try:
        if pid:
            findings += _health(await admin.call(data_dir, "GET", "/health/ready", fine=(503,)))
        providers = await admin.call(data_dir, "GET", "/api/providers")
        keys = await admin.call(data_dir, "GET", "/api/keys")
    except (click.ClickException, OmniRouteError) as exc:
        message = exc.message
        return [*findings, Finding("store", "problem", message, "See the message; nothing was changed.")]
    findings.append(Finding("store", "ok", str(paths.database)))
    findings += _connections(providers)
    active = [k for k in admin.rows(keys) if k["state"] == "active"]
    findings.append(
        Finding("API keys", "ok", f"{len(active)} active") if active
        else Finding("API keys", "problem", "none is active: every request is refused", "omniroute keys create NAME")
    )  # fmt: skip
    return findings


def _health(health: object) -> list[Finding]:
    missing = admin.record(health)["missing"]
    assert isinstance(missing, list)
    if not missing:
        return [Finding("readiness", "ok", "ready")]
    return [Finding("readiness", "problem", str(reason), "See the gateway's log.") for reason in missing]


def _connections(providers: object) -> list[Finding]:
    found = admin.rows(providers)
    findings = [
        Finding(
            "connections",
            "problem",
            f"{c['provider']}/{c['label']}: {c['problem']}",
            "Remove it and add it again, or start with the right master key.",
        )
        for c in found
        if c["problem"]
    ]
    active = [c for c in found if c["active"] and not c["problem"]]
    findings.append(
        Finding("connections", "ok", f"{len(active)} active") if active
        else Finding("connections", "warning", "none is active", "omniroute providers add NAME --base-url URL")
    )  # fmt: skip
    return findings


@click.command("doctor", short_help="Say what is wrong with this installation and how to fix it.")
@admin.options
@click.option(
    "--ready", is_flag=True, help="Only ask whether the gateway is ready; exit status 0 or 1 (for health checks)."
)
@admin.runs
async def COMMAND(data_dir: str | None, as_json: bool, ready: bool) -> None:  # noqa: N802 - the name discovery looks for
    """Look at everything that commonly goes wrong. Exit status 1 if something is."""
    if ready:
        from omniroute.processes.lock import holder_pid

        if not holder_pid(admin.data_paths(data_dir)):  # its store is not opened for this: a start may be under way
            raise click.ClickException("The gateway is not running.")
        health = await admin.call(data_dir, "GET", "/health/ready", fine=(503,))
        click.echo(msgspec.json.encode(health).decode())
        if admin.record(health)["missing"]:
            sys.exit(1)
        return
    paths = admin.data_paths(data_dir)
    findings = [finding for check in LOCAL for finding in check()]
    findings += _data(paths)
    findings += await _installation(data_dir, paths)
    if as_json:
        output.print_json(findings)
    else:
        from rich.text import Text

        colours = {"ok": "green", "warning": "yellow", "problem": "red"}
        output.print_table(
            ("", "check", "found", "what to do"),
            [(Text(f.level, colours[f.level]), f.check, f.found, f.fix) for f in findings],
            "",
        )
    if any(f.level == "problem" for f in findings):
        sys.exit(1)
