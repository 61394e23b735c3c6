from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from omniroute._speedups.shared_py import SNAPSHOT_VERSION, SnapshotArea


@pytest.fixture
def fd() -> Iterator[int]:
    number = os.memfd_create("test-snapshot")
    yield number
    os.close(number)


def test_a_document_is_read_by_its_epoch_until_its_half_is_written_again(fd: int) -> None:
    writer = SnapshotArea(fd, create=True, capacity_bytes=4096)
    reader = SnapshotArea(fd)
    assert reader.read(1) is None
    writer.write(1, b"one")
    writer.write(2, b"two" * 100)
    assert (reader.read(1), reader.read(2)) == (b"one", b"two" * 100)
    writer.write(3, b"")
    assert (reader.read(1), reader.read(2), reader.read(3)) == (None, b"two" * 100, b"")
    writer.close()
    writer.close()
    assert reader.read(3) == b""
    reader.close()


def test_half_the_capacity_is_the_limit(fd: int) -> None:
    area = SnapshotArea(fd, create=True, capacity_bytes=4096)
    area.write(1, b"x" * 2048)
    area.write(2, b"y" * 2048)
    assert area.read(1) == b"x" * 2048
    with pytest.raises(OverflowError, match="2049 bytes"):
        area.write(3, b"z" * 2049)
    assert area.read(1) == b"x" * 2048
    assert area.read(2) == b"y" * 2048


def test_a_half_torn_by_its_writers_death_is_not_read(fd: int) -> None:
    area = SnapshotArea(fd, create=True, capacity_bytes=4096)
    area.write(2, b"whole document")
    at = os.pread(fd, 65536, 0).index(b"whole")
    os.pwrite(fd, b"W", at)
    assert area.read(2) is None
    area.write(2, b"whole document")
    assert area.read(2) == b"whole document"


def test_other_layouts_are_refused(fd: int) -> None:
    with pytest.raises(ValueError, match="not a snapshot area"):
        SnapshotArea(fd)
    SnapshotArea(fd, create=True, capacity_bytes=4096).close()
    os.pwrite(fd, (7).to_bytes(4, sys.byteorder), 8)
    with pytest.raises(ValueError, match=f"version 7.*version {SNAPSHOT_VERSION}"):
        SnapshotArea(fd)
