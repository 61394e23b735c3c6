"""The disk is full: traffic goes on, nothing is lost, it says so, and it recovers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.e2e.fleet import load, running_fleet, short_directory, until

pytestmark = pytest.mark.slow

DISK_MIB = 48
"""Room for two workers' journals (16 MiB and their tables each) and a little database."""


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own. Skips where that takes rights we do not have."""
    with short_directory() as directory:
        if os.geteuid() != 0:
            pytest.skip("mounting a small file system takes root")
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", str(directory)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
        try:
            yield directory
        finally:
            subprocess.run(["umount", str(directory)], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


async def test_a_full_disk_stops_neither_traffic_nor_loses_a_record() -> None:
    with small_disk() as disk:
        async with running_fleet(workers=2, directory=disk) as fleet, fleet.caller() as caller:
            async with load(fleet, 4, "mock/echo", "mock/echo;pace=2ms;tokens=8") as tally:
                await until(lambda: len(tally.complete) > 50)
                fill(disk / "filler")
                with trio.fail_after(20):
                    while (await caller.ask("GET", "/health/ready")).status == 200:
                        await trio.sleep(0.05)
                assert (await caller.ask("GET", "/health/live")).status == 200
                ready = await fleet.admin("/health/ready")
                assert isinstance(ready, dict)
                assert "the disk is full" in ready["missing"][0]
                assert await fleet.metric("ledger_stalled") == 1
                during = len(tally.complete)
                await until(lambda: len(tally.complete) > during + 200)
                assert await fleet.metric("journal_backlog_bytes") > 0
                # a change of configuration is refused in words, and changes nothing
                refused = await fleet.gateway.cli("keys", "create", "late", check=False)
                assert "the disk is full" in str(refused)
                (disk / "filler").unlink()
                with trio.fail_after(20):
                    while (await caller.ask("GET", "/health/ready")).status != 200:
                        await trio.sleep(0.05)
            assert tally.failures == []
            rows = await fleet.settled_rows(lambda rows: len(rows) >= len(tally.complete))
            assert len(rows) == len(tally.complete)
            assert sorted(str(row["request_id"]) for row in rows) == sorted(a.request_id for a in tally.complete)
            assert await fleet.metric("ledger_stalled") == 0
            await fleet.logged("the ledger takes records again")
            said = [str(line["event"]) for line in fleet.log_lines() if line["source"] == "control"]
            assert sum("takes no records" in line and "disk is full" in line for line in said) == 1
            assert sum("takes records again" in line for line in said) == 1
