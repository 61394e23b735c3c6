"""The machine under the benchmark: compilers, cores, process trees, memory, and what to say about it."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
BUILD: Final = HERE / "build"
PEER_CORE: Final = 0
"""Where nginx's worker and the gateway's worker run; everything else runs on ``OTHER_CORE``."""
OTHER_CORE: Final = 1
TOOLS: Final = ("upstream", "load")


class CannotMeasureError(Exception):
    """The machine lacks something; the message says what to do."""


def check() -> None:
    """Raises CannotMeasureError unless everything the benchmark needs is here."""
    if sys.platform != "linux":
        raise CannotMeasureError("the benchmark reads /proc and pins cores: run it on Linux")
    if len(os.sched_getaffinity(0)) < 2:
        raise CannotMeasureError("two cores are needed: one for what is measured, one for upstream and load")
    if shutil.which("cc") is None:
        raise CannotMeasureError("no C compiler: apt-get install gcc (or: dnf install gcc, apk add build-base)")
    nginx()


def nginx() -> str:
    """Path of nginx. Raises CannotMeasureError without one."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CannotMeasureError(
            "nginx is what the gateway is measured against, and it is not installed: "
            "apt-get install nginx-light (or: dnf install nginx, apk add nginx). It need not be running."
        )
    return found


def compile_tools() -> None:
    """Build the upstream and the load generator. Raises CannotMeasureError with the compiler's words."""
    BUILD.mkdir(exist_ok=True)
    for tool in TOOLS:
        command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(BUILD / tool), str(HERE / f"{tool}.c"), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotMeasureError(f"{' '.join(command)}\n{done.stderr}")


def on_core(core: int) -> list[str]:
    """The words before a command that pin it."""
    return ["taskset", "-c", str(core)]


def pin(pid: int, core: int) -> None:
    """Move every thread of a process to one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def command_of(pid: int) -> str:
    """Its command line, "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def tree(pid: int) -> list[int]:
    """A process and all its descendants, parents first."""
    found = [pid]
    for one in found:  # grows while it is read
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def descriptors() -> int:
    """How many this process and its children may open; the soft limit is raised to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = min(hard, 1_000_000) if hard != resource.RLIM_INFINITY else 1_000_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pss_kb(pid: int) -> int:
    """Proportional set size."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    if found is None:
        raise CannotMeasureError("/proc/PID/smaps_rollup has no Pss: the kernel is older than 4.14")
    return int(found[1])


def describe() -> list[str]:
    """One line per fact that a number depends on."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    version = subprocess.run([nginx(), "-v"], capture_output=True, text=True, check=False).stderr
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("trio", "httptools", "msgspec"))
    return [
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        f"Python {platform.python_version()}, {packages}, {version.strip().removeprefix('nginx version: ')}",
        f"1-minute load before the run: {os.getloadavg()[0]:.2f}",
    ]
