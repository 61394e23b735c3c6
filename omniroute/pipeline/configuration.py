"""The worker's side of the snapshot: notice that the epoch moved, read, decode, keep.

A worker that cannot read the newest document goes on with the last good one and counts that as a failure; it never
serves a mix of two, and never waits for control.
"""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute._speedups import Shared, SnapshotArea
from omniroute.domain import Snapshot, SnapshotDocument
from omniroute.errors import Overloaded

READ_TRIES: Final = 8
"""Documents that may be overwritten under our hands in one reload: control would publish twice in each read's time."""

_DECODER: Final = msgspec.msgpack.Decoder(SnapshotDocument)


class SharedConfiguration:
    """Implements ``ports.Configuration`` over shared memory."""

    __slots__ = ("_area", "_seen", "_shared", "_snapshot", "failures")

    def __init__(self, shared: Shared, area: SnapshotArea) -> None:
        self._shared = shared
        self._area = area
        self._seen = 0
        """The epoch that was last dealt with: loaded, or found to be unusable. 0: none yet."""
        self._snapshot: Snapshot | None = None
        self.failures = 0
        """Reloads that found no usable document."""

    def current(self) -> Snapshot:
        """The snapshot of this instant: one load and a comparison, and a reload only when the epoch moved.

        Raises:
            Overloaded: none was ever published; 503, since control is about to.
        """
        epoch = self._shared.epoch()
        if epoch != self._seen:
            self._reload(epoch)
        if self._snapshot is None:
            raise Overloaded(
                "the gateway is starting and has no configuration yet: try again in a second", retry_after_s=1
            )
        return self._snapshot

    def _reload(self, epoch: int) -> None:
        for _ in range(READ_TRIES):
            data = self._area.read(epoch)
            if data is not None:
                self._take(epoch, data)
                return
            epoch = self._shared.epoch()
        # Not marked as seen: the document may be there at the next request, and looking for it costs little.
        self.failures += 1

    def _take(self, epoch: int, data: bytes) -> None:
        # Good or not, it is the same at the next request: a bad one must not be decoded again for each.
        self._seen = epoch
        try:
            document = _DECODER.decode(data)
        except msgspec.MsgspecError:
            self.failures += 1
            return
        if document.epoch != epoch:
            self.failures += 1
            return
        self._snapshot = Snapshot(document)
