"""One gateway per data directory: an advisory lock that the kernel drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from omniroute.errors import Kind
from omniroute.paths import DataDirectoryError, DataPaths

LOCK_MODE: Final = 0o600
MAX_PID_BYTES: Final = 32


class LockedError(DataDirectoryError):
    """Another process holds the data directory."""

    status = 409
    kind: Kind = "conflict"
    code = "data_directory_in_use"

    def __init__(self, message: str, *, pid: int) -> None:
        super().__init__(message)
        self.pid = pid
        """Of the holder; 0 if it has not written it yet."""


def holder_pid(paths: DataPaths) -> int:
    """The pid of the process that holds ``paths``, 0 if none does (or it has only just taken the lock)."""
    try:
        fd = os.open(paths.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(fd)
    else:
        return 0
    finally:
        os.close(fd)


class DataDirectoryLock:
    """Owns the data directory for the length of a ``with`` block; the directories in it are made if need be.

    Children do not inherit the descriptor: a supervisor that is killed frees the directory even if a worker outlives it
    for a moment. The file is never removed, since a second opener could then lock a name that no longer leads to it.
    """

    def __init__(self, data_dir: str | Path) -> None:
        self.paths = DataPaths(Path(data_dir))
        self._fd = -1

    def __enter__(self) -> DataPaths:
        """Take the lock.

        Raises:
            LockedError: naming the directory and the pid of the holder.
            DataDirectoryError: the directory cannot be used.
        """
        self.paths.create()
        try:
            fd = os.open(self.paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE)
        except OSError as exc:
            raise DataDirectoryError(
                f"cannot open {self.paths.lock}: {exc.strerror or exc}; give this user the right to write there, "
                "or choose another directory with --data-dir"
            ) from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            pid = _read_pid(fd)
            os.close(fd)
            raise LockedError(
                f"another gateway (pid {pid or 'not known yet'}) is running on {self.paths.data}: "
                "stop it, or give this one its own --data-dir",
                pid=pid,
            ) from exc
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return self.paths

    def __exit__(self, *exc: object) -> None:
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def _read_pid(fd: int) -> int:
    text = os.pread(fd, MAX_PID_BYTES, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdigit() else 0
