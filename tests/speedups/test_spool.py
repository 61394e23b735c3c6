"""The spool: what was appended is read, in order, whatever its size and wherever the ring ends."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import spool
from omniroute._speedups.mapping import HEADER_BYTES
from omniroute._speedups.spool import RECORD_BYTES, SPOOL_BYTES, SpoolReader, SpoolWriter


@pytest.fixture
def fd() -> Iterator[int]:
    made = os.memfd_create("spool")
    yield made
    os.close(made)


def test_records_come_out_as_they_went_in(fd: int) -> None:
    writer, reader = SpoolWriter(fd), SpoolReader(fd)

    assert reader.read() is None
    assert writer.append(b"one")
    assert writer.append(b"")
    first = reader.read()
    assert first is not None
    assert first[0] == b"one"
    second = reader.read(first[1])
    assert second is not None
    assert second[0] == b""
    assert reader.read(first[1] + second[1]) is None
    reader.release(first[1] + second[1])
    assert reader.read() is None
    assert reader.used_bytes() == 0


def test_what_was_not_released_is_there_for_the_next_reader(fd: int) -> None:
    SpoolWriter(fd).append(b"kept")
    SpoolReader(fd).read()

    found = SpoolReader(fd).read()

    assert found is not None
    assert found[0] == b"kept"


def test_a_full_spool_and_a_huge_record_are_refused(fd: int) -> None:
    writer = SpoolWriter(fd)
    assert not writer.append(bytes(RECORD_BYTES + 1))

    taken = 0
    while writer.append(bytes(RECORD_BYTES)):
        taken += 1

    assert taken == SPOOL_BYTES // RECORD_BYTES - 1  # each has its length before it
    assert writer.append(b"small")


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 300_000), min_size=1, max_size=60), seed=st.integers(0, 255))
def test_records_wrap_around_the_ring(sizes: list[int], seed: int) -> None:
    fd = os.memfd_create("spool")
    try:
        writer, reader = SpoolWriter(fd), SpoolReader(fd)
        # As if many had passed: the next record begins just before the end of the ring.
        start = (SPOOL_BYTES - 8 * (seed + 1)) // 8 * 8
        for words in (writer, reader):
            words._words[spool._HEAD] = words._words[spool._TAIL] = start  # noqa: SLF001 - a state that takes 32 MiB to reach
        expected: deque[bytes] = deque()
        for number, size in enumerate(sizes):
            record = bytes([(number + seed) % 256]) * size
            assert writer.append(record)
            expected.append(record)
            if number % 3 == 2:
                found = reader.read()
                assert found is not None
                assert found[0] == expected.popleft()
                reader.release(found[1])
        while expected:
            found = reader.read()
            assert found is not None
            assert found[0] == expected.popleft()
            reader.release(found[1])
        assert reader.read() is None
    finally:
        os.close(fd)


def test_a_broken_file_is_said_to_be_one(fd: int) -> None:
    with pytest.raises(ValueError, match="spool"):
        SpoolReader(fd)
    writer = SpoolWriter(fd)
    writer.append(b"x")
    writer._words[HEADER_BYTES // 8] = 1 << 40  # noqa: SLF001 - the disk's doing
    with pytest.raises(ValueError, match="corrupt"):
        SpoolReader(fd).read()
