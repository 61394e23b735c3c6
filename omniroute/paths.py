"""Where a gateway keeps its files. Cheap to import: the supervisor needs it before anything else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from omniroute.errors import OmniRouteError

DIRECTORY_MODE: Final = 0o700

MAX_SOCKET_PATH_BYTES: Final = 107
"""``sun_path`` of ``struct sockaddr_un`` holds 108 bytes on Linux, the last one NUL (unix(7))."""


class DataDirectoryError(OmniRouteError):
    """The data directory cannot hold a gateway; the message says why and what to change."""

    code = "data_directory"


class DataPaths(msgspec.Struct, frozen=True):
    """The layout of a data directory. Once the gateway has stopped, ``run/`` holds nothing of worth but the rings."""

    data: Path

    @property
    def database(self) -> Path:
        """Configuration and ledger."""
        return self.data / "omniroute.sqlite"

    @property
    def backups(self) -> Path:
        """Copies of the database made before it was migrated."""
        return self.data / "backups"

    @property
    def master_key(self) -> Path:
        """The key of credentials at rest, unless the environment gives one."""
        return self.data / "master.key"

    @property
    def run(self) -> Path:
        """Sockets, lock and rings."""
        return self.data / "run"

    @property
    def rings(self) -> Path:
        """Journals of workers; one not yet drained outlives its worker and the gateway."""
        return self.run / "rings"

    @property
    def control_socket(self) -> Path:
        """Where workers relay to control what is not theirs to answer."""
        return self.run / "control.sock"

    @property
    def admin_socket(self) -> Path:
        """Where the command line talks to a running gateway; reaching the file is the authorisation."""
        return self.run / "admin.sock"

    @property
    def lock(self) -> Path:
        """Held by the one process that owns the directory."""
        return self.run / "gateway.lock"

    def create(self) -> None:
        """Make the directories, closed to everybody else. A data directory that exists keeps its mode.

        Raises:
            DataDirectoryError: no permission, a file in the way, or a path too long for a Unix socket.
        """
        socket_bytes = max(len(os.fsencode(path)) for path in (self.control_socket, self.admin_socket))
        if socket_bytes > MAX_SOCKET_PATH_BYTES:
            raise DataDirectoryError(
                f"the path of the data directory is {socket_bytes - MAX_SOCKET_PATH_BYTES} bytes too long for the Unix "
                f"sockets in it: choose a shorter --data-dir than {self.data}"
            )
        try:
            self.data.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            for directory in (self.run, self.rings):
                directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
                directory.chmod(DIRECTORY_MODE)
        except OSError as exc:
            raise DataDirectoryError(
                f"cannot use {self.data} as the data directory: {exc.strerror or exc}; "
                "choose another with --data-dir, or give this user the right to write there"
            ) from exc
