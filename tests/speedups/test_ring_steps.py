"""The journal's promise, instruction by instruction: a child is single-stepped and its ring read after every change."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
from itertools import groupby
from subprocess import PIPE

import pytest

from omniroute._speedups.ring_py import HEAD_AT, RING_AT, SLOT_BYTES, SLOTS_AT, RingReader

PTRACE_SINGLESTEP = 9
MAX_STEPS = 2_000_000

CHILD = """
import ctypes, os, signal
from omniroute._speedups.{twin} import RingWriter
writer = RingWriter({fd})
old, new, record = b"old" * 100, b"new" * 120, b"record" * 150
def work():
    slot = writer.open(old)
    writer.amend(slot, new)
    writer.close(slot, record)
if ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0):
    raise SystemExit(77)
os.kill(os.getpid(), signal.SIGSTOP)
work()
os.kill(os.getpid(), signal.SIGSTOP)
"""
OLD, NEW, RECORD = b"old" * 100, b"new" * 120, b"record" * 150


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ptrace is Linux's")
@pytest.mark.parametrize("twin_name", ["ring_c", "ring_py"])
def test_killed_after_any_instruction_the_ring_tells_one_story(twin_name: str) -> None:
    pytest.importorskip(f"omniroute._speedups.{twin_name}", reason="the extension is not built")
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.memfd_create("stepped")
    source = CHILD.format(twin=twin_name, fd=fd)
    seen: list[tuple[list[bytes], list[bytes]]] = []
    child = subprocess.Popen([sys.executable, "-c", source], pass_fds=(fd,), stderr=PIPE)
    try:
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 77:
            pytest.skip("this system lets no process trace another")
        assert os.WIFSTOPPED(status), child.stderr
        reader = RingReader(fd)
        # Looking at what changes is a thousand times cheaper than reading the ring: it is read when one of these did.
        watched = memoryview(mmap.mmap(fd, 0))
        places = [watched[at : at + size] for at, size in ((HEAD_AT, 8), (SLOTS_AT, SLOT_BYTES), (RING_AT, 1024))]
        before: list[bytes] = []
        for _ in range(MAX_STEPS):
            now = [bytes(place) for place in places]
            if now != before:
                seen.append((reader.read(), reader.open_entries()))
                before = now
            assert libc.ptrace(PTRACE_SINGLESTEP, child.pid, None, None) == 0
            _, status = os.waitpid(child.pid, 0)
            assert os.WIFSTOPPED(status)
            if os.WSTOPSIG(status) == signal.SIGSTOP:
                break
        else:
            pytest.fail("the child did not get to its end")
    finally:
        child.kill()
        child.communicate()
        os.close(fd)
    story = [state for state, _ in groupby(seen)]
    assert story == [([], []), ([], [OLD]), ([], [NEW]), ([RECORD], [NEW]), ([RECORD], [])]
    assert len(seen) > len(story)  # it was watched in between, too
