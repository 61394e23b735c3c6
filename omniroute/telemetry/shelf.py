"""Where a worker puts answers to be kept: a spool of its own, made when the first one comes."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from omniroute._speedups.spool import SpoolWriter
from omniroute.domain import StoredResponse

_log: Final = logging.getLogger(__name__)
_encoder: Final = msgspec.msgpack.Encoder()


class Shelf:
    """The ``ports.ResponseShelf`` of one worker. Never waits; what does not fit is not kept, and said so once."""

    __slots__ = ("_directory", "_fd", "_path", "_refused", "_slot", "_spool")

    def __init__(self, directory: Path, slot: int) -> None:
        """``directory``: where control looks for spools, ``run/rings``."""
        self._directory = directory
        self._slot = slot
        self._spool: SpoolWriter | None = None
        self._fd = -1
        self._path = directory / f"spool-{slot}-{os.getpid()}.spool"
        self._refused = False

    def put(self, response: StoredResponse) -> bool:
        """Whether it will be kept: when this returns True, control finds it whatever dies.

        False if the spool is full (control is behind) or cannot be made (the disk is full), or the answer is too large.
        """
        if self._spool is None and not self._open():
            return False
        assert self._spool is not None
        kept = self._spool.append(_encoder.encode(response))
        if not kept and not self._refused:
            _log.warning("a response could not be stored: it is too large, or control is behind")
        self._refused = not kept
        return kept

    def shut(self) -> None:
        """Let go of the spool and its lock: control takes what is left and removes the file."""
        if self._spool is not None:
            self._spool.unmap()
            os.close(self._fd)
            self._spool = None

    def _open(self) -> bool:
        newborn = self._path.with_suffix(".new-spool")
        try:
            fd = os.open(newborn, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            self._say_why(exc)
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._spool = SpoolWriter(fd)
            newborn.rename(self._path)
        except OSError as exc:
            os.close(fd)
            newborn.unlink(missing_ok=True)
            self._spool = None
            self._say_why(exc)
            return False
        self._fd = fd
        return True

    def _say_why(self, exc: OSError) -> None:
        if not self._refused:
            _log.warning("responses cannot be stored: %s", exc)
        self._refused = True
