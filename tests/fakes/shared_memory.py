"""What the snapshot needs of shared memory, in plain objects: the epoch, and two halves of documents."""

from __future__ import annotations


class FakeShared:
    def __init__(self) -> None:
        self.epochs = [0]

    def epoch(self) -> int:
        return self.epochs[-1]

    def publish_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)


class FakeArea:
    def __init__(self, capacity_bytes: int = 64 * 1024 * 1024) -> None:
        self._half_bytes = capacity_bytes // 2
        self.halves: list[tuple[int, bytes] | None] = [None, None]

    def write(self, epoch: int, document: bytes) -> None:
        if len(document) > self._half_bytes:
            raise OverflowError("document too large")
        self.halves[epoch & 1] = (epoch, document)

    def read(self, epoch: int) -> bytes | None:
        half = self.halves[epoch & 1]
        return half[1] if half is not None and half[0] == epoch else None
