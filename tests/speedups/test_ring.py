from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from types import ModuleType
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import ring_py
from omniroute._speedups.ring_py import OPEN_BYTES, OPEN_SLOTS, RECORD_BYTES, RING_BYTES, RingFullError

KILLS = 60
MOST = b"x" * RECORD_BYTES


def load(name: str) -> ModuleType:
    return pytest.importorskip(f"omniroute._speedups.{name}", reason="the extension is not built")


@pytest.fixture(params=["ring_py", "ring_c"])
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


@pytest.fixture
def fd() -> Iterator[int]:
    number = os.memfd_create("test-ring")
    yield number
    os.close(number)


def test_records_come_in_order_until_released(twin: ModuleType, fd: int) -> None:
    writer, reader = twin.RingWriter(fd), twin.RingReader(fd)
    first, second, third = (writer.open(b"") for _ in range(3))
    writer.close(second, b"one")
    writer.close(first, b"")
    writer.close(third, b"three")
    assert reader.read() == [b"one", b"", b"three"]
    assert reader.read(2) == [b"one", b""]
    reader.release(2)
    assert reader.read() == [b"three"]
    assert reader.backlog_bytes() == writer.used_bytes() == 16
    with pytest.raises(ValueError, match="no record"):
        reader.release(2)
    reader.release(1)
    assert (reader.read(), reader.backlog_bytes()) == ([], 0)


def test_open_entries_are_seen_changed_and_forgotten(twin: ModuleType, fd: int) -> None:
    writer, reader = twin.RingWriter(fd), twin.RingReader(fd)
    assert reader.open_entries() == []
    slots = [writer.open(b"a"), writer.open(b"b" * OPEN_BYTES)]
    assert sorted(reader.open_entries()) == [b"a", b"b" * OPEN_BYTES]
    writer.amend(slots[0], b"A2")
    assert sorted(reader.open_entries()) == [b"A2", b"b" * OPEN_BYTES]
    writer.amend(slots[0], b"")
    writer.close(slots[1], b"done")
    assert reader.open_entries() == [b""]
    assert writer.open_count() == 1
    assert writer.open(b"c") == slots[1]
    assert sorted(reader.open_entries()) == [b"", b"c"]


def test_misuse_is_told_and_changes_nothing(twin: ModuleType, fd: int) -> None:
    writer, reader = twin.RingWriter(fd), twin.RingReader(fd)
    slot = writer.open(b"entry")
    for call in (
        lambda: writer.open(b"x" * (OPEN_BYTES + 1)),
        lambda: writer.amend(slot, b"x" * (OPEN_BYTES + 1)),
        lambda: writer.close(slot, b"x" * (RECORD_BYTES + 1)),
        lambda: writer.close(slot + 1, b""),
        lambda: writer.close(-1, b""),
        lambda: writer.amend(OPEN_SLOTS, b""),
    ):
        with pytest.raises(ValueError, match=r"at most|not open"):
            call()
    assert (writer.open_count(), writer.used_bytes(), reader.open_entries()) == (1, 0, [b"entry"])
    writer.close(slot, MOST)
    with pytest.raises(ValueError, match="not open"):
        writer.close(slot, b"again")
    assert reader.read() == [MOST]
    writer.unmap()
    reader.unmap()
    writer.unmap()
    for call in (lambda: writer.open(b""), writer.used_bytes, reader.read, reader.open_entries):
        with pytest.raises(ValueError, match=r"unmapped|released"):
            call()


def test_slots_are_bounded(twin: ModuleType, fd: int) -> None:
    writer = twin.RingWriter(fd)
    slots = {writer.open(b"") for _ in range(OPEN_SLOTS)}
    assert len(slots) == OPEN_SLOTS
    with pytest.raises(RingFullError, match=f"{OPEN_SLOTS} attempts"):
        writer.open(b"")
    writer.close(7, b"")
    assert writer.open(b"") == 7


def test_a_full_ring_refuses_attempts_but_never_a_record(twin: ModuleType, fd: int) -> None:
    writer, reader = twin.RingWriter(fd), twin.RingReader(fd)
    held = [writer.open(b"") for _ in range(100)]
    room = RING_BYTES // (RECORD_BYTES + 8) - 100
    for _ in range(room):
        writer.close(writer.open(b""), MOST)
    with pytest.raises(RingFullError, match="wait for the reader"):
        writer.open(b"")
    for slot in held:
        writer.close(slot, MOST)
    assert len(reader.read(1 << 20)) == room + 100
    with pytest.raises(RingFullError):
        writer.open(b"")
    reader.release(1)
    writer.close(writer.open(b""), b"last")
    assert reader.read(1 << 20)[-1] == b"last"


def test_records_run_over_the_end_of_the_ring(twin: ModuleType, fd: int) -> None:
    writer, reader = twin.RingWriter(fd), twin.RingReader(fd)
    number = 0
    for length in (1000, 1017):  # 1017 is padded to 1024: the laps end at different bytes
        for _ in range(9):
            for _ in range(2000):
                writer.close(writer.open(b""), number.to_bytes(8, "big") * (length // 8) + b"-" * (length % 8))
                number += 1
            records = reader.read(4000)
            assert [int.from_bytes(r[:8], "big") for r in records] == list(range(number - 2000, number))
            assert all(r.startswith(r[:8] * (length // 8)) and len(r) == length for r in records)
            reader.release(len(records))
    assert number * 1008 > 2 * RING_BYTES


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("oacr"), st.integers(0, 7), st.binary(max_size=60)), max_size=60))
def test_both_twins_and_both_ends_agree_with_a_list(steps: list[tuple[str, int, bytes]]) -> None:
    for writes, reads in (("ring_py", "ring_c"), ("ring_c", "ring_py")):
        number = os.memfd_create("ring")
        writer, reader = load(writes).RingWriter(number), load(reads).RingReader(number)
        opened: dict[int, bytes] = {}
        kept: list[bytes] = []
        for step, which, data in steps:
            slots = sorted(opened)
            if step == "o":
                opened[writer.open(data)] = data
            elif step == "r":
                reader.release(min(which, len(kept)))
                del kept[:which]
            elif slots and step == "a":
                opened[slots[which % len(slots)]] = data
                writer.amend(slots[which % len(slots)], data)
            elif slots:
                writer.close(slots[which % len(slots)], data)
                kept.append(data)
                del opened[slots[which % len(slots)]]
            assert reader.read() == kept
        assert sorted(reader.open_entries()) == sorted(opened.values())
        assert writer.open_count() == len(opened)
        writer.unmap()
        reader.unmap()
        os.close(number)


def test_layout_versions_must_be_equal(twin: ModuleType, fd: int) -> None:
    with pytest.raises(ValueError, match="not a journal ring"):
        twin.RingReader(fd)
    twin.RingWriter(fd).unmap()
    os.pwrite(fd, (44).to_bytes(4, sys.byteorder), 8)
    with pytest.raises(ValueError, match=rf"version 44.*version {ring_py.LAYOUT_VERSION}"):
        twin.RingReader(fd)
    os.ftruncate(fd, 8192)
    os.pwrite(fd, ring_py.LAYOUT_VERSION.to_bytes(4, sys.byteorder), 8)
    with pytest.raises(ValueError, match="should have"):
        twin.RingReader(fd)


def test_a_corrupt_ring_is_told_not_followed(twin: ModuleType, fd: int) -> None:
    writer, reader = twin.RingWriter(fd), twin.RingReader(fd)
    writer.close(writer.open(b""), b"good")
    writer.close(writer.open(b""), b"bad")
    for length in (RECORD_BYTES + 1, 1000, (1 << 64) - 1):
        os.pwrite(fd, length.to_bytes(8, sys.byteorder), ring_py.RING_AT + 16)
        assert reader.read(1) == [b"good"]
        with pytest.raises(ValueError, match="corrupt"):
            reader.read()
    os.pwrite(fd, (1 << 60).to_bytes(8, sys.byteorder), ring_py.HEAD_AT)
    with pytest.raises(ValueError, match="no record"):
        reader.read()


def test_the_disk_space_is_taken_at_once(twin: ModuleType, tmp_path: Path) -> None:
    """A store into a hole of a full disk would be a SIGBUS."""
    with (tmp_path / "ring").open("w+b") as file:
        twin.RingWriter(file.fileno())
        assert os.fstat(file.fileno()).st_blocks * 512 >= ring_py.FILE_BYTES


# -- SIGKILL -----------------------------------------------------------------------------------------------------------

WRITER = """
import os, sys
from collections import deque
from zlib import crc32
from omniroute._speedups.{twin} import RingWriter
def say(kind, number, size):
    text = b"%s %d " % (kind, number) + bytes([number % 251]) * size
    return text + b"%010d" % crc32(text)
writer, number, held = RingWriter({fd}), 0, deque()
while True:
    held.append((number, writer.open(say(b"open", number, number % 300))))
    if number % 3 == 0:
        writer.amend(held[-1][1], say(b"head", number, number * 7 % 300))
    number += 1
    if len(held) > number % 11:
        told, slot = held.popleft()
        writer.close(slot, say(b"done", told, told * 13 % 900))
        if told % {told_every} == 0:
            os.write(1, b"%d\\n" % told)
"""


def heard(texts: list[bytes]) -> list[int]:
    """The numbers in what the writer said, each checked to be whole."""
    numbers = []
    for text in texts:
        assert int(text[-10:]) == crc32(text[:-10]), text
        numbers.append(int(text.split(b" ", 2)[1]))
    return numbers


@pytest.mark.slow
@pytest.mark.parametrize(("twin_name", "told_every"), [("ring_c", 1), ("ring_c", 64), ("ring_py", 1)])
def test_sigkill_at_any_instant_loses_no_closed_record_and_no_open_attempt(
    twin_name: str, told_every: int, tmp_path: Path
) -> None:
    load(twin_name)
    rng = random.Random(20128)
    with (tmp_path / "ring").open("w+b", buffering=0) as file:
        source = WRITER.format(twin=twin_name, fd=file.fileno(), told_every=told_every)
        for _ in range(KILLS // 3):
            with subprocess.Popen([sys.executable, "-c", source], pass_fds=(file.fileno(),), stdout=PIPE) as child:
                assert child.stdout is not None
                first = child.stdout.readline()
                time.sleep(rng.random() * 0.004)
                child.kill()
                told = [int(line) for line in (first + child.stdout.read()).split()]
            reader = load(twin_name).RingReader(file.fileno())
            done = heard(reader.read(1 << 20))
            still_open = heard(reader.open_entries())
            reader.unmap()
            assert done == list(range(len(done)))  # each once, in order
            assert set(told) <= set(done)
            assert len(set(still_open)) == len(still_open)
            # every attempt is a record or open; at most the one being closed is both
            assert len(set(done) & set(still_open)) <= 1
            assert set(done) | set(still_open) == set(range(max([*done, *still_open]) + 1))
