from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute._speedups import RingReader
from omniroute._speedups.ring_py import RECORD_BYTES, RING_BYTES
from omniroute.domain import AttemptRecord, OpenAttempt, Usage
from omniroute.errors import Overloaded
from omniroute.telemetry.journal import LARGEST_COUNT, RingJournal, create_journal

OPEN = OpenAttempt("a-1", "r-1", "k-1", "openai", "c-1", "gpt", 1.5, 1, True)
RECORD = AttemptRecord("a-1", "r-1", "k-1", "openai", "c-1", "gpt", 1.5, 1, "ok", 200, usage=Usage(3, known=True))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RingJournal]:
    made = create_journal(tmp_path / "run" / "rings", 3)
    yield made
    made.shut()


@pytest.fixture
def reader(journal: RingJournal) -> Iterator[RingReader]:
    with journal.path.open("r+b") as file:
        opened = RingReader(file.fileno())
        yield opened
        opened.unmap()


def records(reader: RingReader) -> list[AttemptRecord]:
    return [msgspec.msgpack.decode(record, type=AttemptRecord) for record in reader.read()]


def test_an_attempt_is_open_then_known_better_then_a_record(journal: RingJournal, reader: RingReader) -> None:
    slot = journal.open(OPEN)
    assert msgspec.msgpack.decode(reader.open_entries()[0], type=OpenAttempt) == OPEN
    later = msgspec.structs.replace(OPEN, head_ms=12)
    journal.amend(slot, later)
    assert msgspec.msgpack.decode(reader.open_entries()[0], type=OpenAttempt) == later
    assert journal.open_count() == 1
    journal.close(slot, RECORD)
    assert (records(reader), reader.open_entries()) == ([RECORD], [])
    assert (journal.open_count(), journal.used_bytes() > 0) == (0, True)


def fill(journal: RingJournal, record: AttemptRecord) -> None:
    for _ in range(RING_BYTES // 800):
        journal.close(journal.open(OPEN), record)


def test_a_full_journal_is_our_overload(journal: RingJournal, reader: RingReader) -> None:
    long = msgspec.structs.replace(RECORD, model="m" * 400, requested_model="n" * 400)
    with pytest.raises(Overloaded, match="ledger's reader is behind") as caught:
        fill(journal, long)
    assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (503, "journal_full", 1)
    reader.release(2)
    journal.close(journal.open(OPEN), long)


texts = st.text(st.characters(), max_size=20) | st.text(st.sampled_from("aé€😀\ud800"), max_size=2000)
counts = st.integers(0, 1 << 70)


def can_be_utf8(*texts: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in "".join(texts))


@settings(max_examples=40, deadline=None)
@given(ids=st.tuples(*[texts] * 6), attempt=st.integers(0, 1 << 60))
def test_no_open_attempt_is_too_long(
    journal_of_all: tuple[RingJournal, RingReader], ids: tuple[str, ...], attempt: int
) -> None:
    journal, reader = journal_of_all
    slot = journal.open(OpenAttempt(*ids, 1e300, attempt, True, 1 << 40))
    kept = msgspec.msgpack.decode(reader.open_entries()[0], type=OpenAttempt)
    assert (kept.attempt, kept.head_ms) == (attempt, 1 << 40)
    if sum(map(len, ids)) < 60 and can_be_utf8(*ids):
        assert msgspec.structs.astuple(kept)[:6] == ids  # what fits is not touched
    journal.close(slot, RECORD)
    reader.release(1)


@settings(max_examples=40, deadline=None)
@given(texts=st.tuples(*[texts] * 10), numbers=st.tuples(*[counts] * 8), small=st.integers(-1, 1 << 62))
def test_no_record_is_too_long_and_no_count_too_large(
    journal_of_all: tuple[RingJournal, RingReader], texts: tuple[str, ...], numbers: tuple[int, ...], small: int
) -> None:
    journal, reader = journal_of_all
    slot = journal.open(OPEN)
    record = AttemptRecord(
        *texts[:6],
        1e300,
        small,
        texts[6],
        small,
        texts[7],
        Usage(*numbers, known=True),
        *[small] * 6,
        True,
        texts[8],
        small,
        texts[9],
    )
    journal.close(slot, record)
    (kept,) = records(reader)
    reader.release(1)
    assert kept.usage == Usage(*(min(number, LARGEST_COUNT) for number in numbers), known=True)
    assert kept.total_ms == small
    if sum(map(len, texts)) < 100 and can_be_utf8(*texts):
        assert msgspec.structs.replace(kept, usage=record.usage) == record  # what fits is not touched


@pytest.fixture(scope="module")
def journal_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RingJournal, RingReader]]:
    journal = create_journal(tmp_path_factory.mktemp("rings"), 0)
    with journal.path.open("r+b") as file:
        reader = RingReader(file.fileno())
        yield journal, reader
        reader.unmap()
    journal.shut()


def test_characters_are_not_cut_in_two(journal: RingJournal, reader: RingReader) -> None:
    slot = journal.open(msgspec.structs.replace(OPEN, model="€" * 300))
    assert msgspec.msgpack.decode(reader.open_entries()[0], type=OpenAttempt).model == "€" * 20
    journal.close(slot, msgspec.structs.replace(RECORD, requested_model="€" * RECORD_BYTES))
    assert records(reader)[0].requested_model == "€" * 66


def test_the_file_is_locked_while_its_writer_lives_and_private(tmp_path: Path) -> None:
    journal = create_journal(tmp_path / "rings", 5)
    assert journal.path == tmp_path / "rings" / f"ring-5-{os.getpid()}.ring"
    assert journal.path.stat().st_mode & 0o777 == 0o600
    with journal.path.open("r+b") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        journal.shut()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_start_cleans_up_after_one_that_died_half_way(tmp_path: Path) -> None:
    (tmp_path / "ring-5-1.new").write_bytes(b"")
    (tmp_path / "ring-6-1.new").write_bytes(b"")
    journal = create_journal(tmp_path, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [journal.path.name, "ring-6-1.new"]
    journal.shut()


def test_no_room_on_the_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(OSError, match="No space"):
        create_journal(tmp_path, 5)
    assert list(tmp_path.iterdir()) == []
