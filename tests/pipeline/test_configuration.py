from __future__ import annotations

import sys

import msgspec
import pytest

from omniroute.domain import Caller, SnapshotDocument
from omniroute.errors import Overloaded
from omniroute.pipeline.configuration import READ_TRIES, SharedConfiguration
from tests.fakes.shared_memory import FakeArea, FakeShared


def encoded(epoch: int) -> bytes:
    document = SnapshotDocument(
        epoch=epoch, key_pepper=b"p" * 32, callers=(Caller(f"key_{epoch}", "n", bytes([epoch])),)
    )
    return msgspec.msgpack.encode(document)


class CountingArea(FakeArea):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def read(self, epoch: int) -> bytes | None:
        self.reads += 1
        return super().read(epoch)


@pytest.fixture
def shared() -> FakeShared:
    return FakeShared()


@pytest.fixture
def area() -> CountingArea:
    return CountingArea()


@pytest.fixture
def configuration(shared: FakeShared, area: CountingArea) -> SharedConfiguration:
    return SharedConfiguration(shared, area)  # type: ignore[arg-type]  # the fakes have the methods used


def publish(shared: FakeShared, area: FakeArea, epoch: int, data: bytes | None = None) -> None:
    area.write(epoch, encoded(epoch) if data is None else data)
    shared.publish_epoch(epoch)


def test_before_the_first_snapshot_requests_are_put_off(configuration: SharedConfiguration) -> None:
    with pytest.raises(Overloaded) as caught:
        configuration.current()
    assert caught.value.status == 503
    assert caught.value.retry_after_s


def test_a_snapshot_is_read_once_per_epoch(
    configuration: SharedConfiguration, shared: FakeShared, area: CountingArea
) -> None:
    publish(shared, area, 1)
    first = configuration.current()
    assert first.epoch == 1
    assert first.callers[b"\x01"].key_id == "key_1"
    assert configuration.current() is first
    assert area.reads == 1
    publish(shared, area, 2)
    second = configuration.current()
    assert (second.epoch, second.callers.keys()) == (2, {b"\x02"})
    assert first.callers.keys() == {b"\x01"}  # a request that began under it keeps it
    assert (area.reads, configuration.failures) == (2, 0)


def test_a_document_overwritten_under_our_hands_is_passed_over(shared: FakeShared) -> None:
    class Racing(FakeArea):
        """Control publishes two more just when the first is read."""

        def read(self, epoch: int) -> bytes | None:
            if epoch == 1:
                publish(shared, self, 2)
                publish(shared, self, 3)
            return super().read(epoch)

    area = Racing()
    configuration = SharedConfiguration(shared, area)  # type: ignore[arg-type]  # the fakes have the methods used
    publish(shared, area, 1)
    assert configuration.current().epoch == 3
    assert configuration.failures == 0


@pytest.mark.parametrize("data", [b"", b"\xc1", encoded(2)[:-1], encoded(3), msgspec.msgpack.encode({"epoch": 2})])
def test_a_corrupt_document_leaves_the_last_good_one_in_force(
    configuration: SharedConfiguration, shared: FakeShared, area: CountingArea, data: bytes
) -> None:
    publish(shared, area, 1)
    good = configuration.current()
    publish(shared, area, 2, data)
    assert configuration.current() is good
    assert configuration.current() is good
    assert (configuration.failures, area.reads) == (1, 2)  # looked at once, not at each request
    publish(shared, area, 3)
    assert configuration.current().epoch == 3


def test_a_missing_document_is_looked_for_again_at_the_next_request(
    configuration: SharedConfiguration, shared: FakeShared, area: CountingArea
) -> None:
    publish(shared, area, 1)
    good = configuration.current()
    shared.publish_epoch(2)
    assert configuration.current() is good
    assert (configuration.failures, area.reads) == (1, 1 + READ_TRIES)
    area.write(2, encoded(2))
    assert configuration.current().epoch == 2


def test_a_restarted_control_may_only_go_on_from_there(
    configuration: SharedConfiguration, shared: FakeShared, area: CountingArea
) -> None:
    publish(shared, area, 41)
    assert configuration.current().epoch == 41
    publish(shared, area, 50)
    assert configuration.current().epoch == 50


@pytest.mark.slow
def test_a_worker_does_not_load_the_database() -> None:
    import subprocess  # noqa: PLC0415 - only this test starts a process

    script = (
        "import omniroute.pipeline.configuration, sys;"
        "assert not {'apsw', 'nacl', 'starlette', 'hypercorn', 'httpx', 'omniroute.storage'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
