"""Table ``meta``: what an installation is born with, and the epoch, which never goes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw
import msgspec

from omniroute.storage.vault import SALT_BYTES

PEPPER_BYTES: Final = 32
INSTALLATION_ID_BYTES: Final = 8


class Installation(msgspec.Struct, frozen=True):
    """Made once, at the first start."""

    installation_id: str
    pepper: bytes
    """Keys the digests of API keys."""
    salt: bytes
    """Of the vault's key."""

    def __repr__(self) -> str:
        return f"Installation({self.installation_id})"


def installation(connection: apsw.Connection, random_bytes: Callable[[int], bytes]) -> Installation:
    """This database's installation, made if the database is new. Within a transaction."""
    return Installation(
        installation_id=_born(connection, "installation_id", random_bytes(INSTALLATION_ID_BYTES)).hex(),
        pepper=_born(connection, "pepper", random_bytes(PEPPER_BYTES)),
        salt=_born(connection, "salt", random_bytes(SALT_BYTES)),
    )


def _born(connection: apsw.Connection, name: str, value: bytes) -> bytes:
    """The stored value; ``value`` becomes it if there is none."""
    connection.execute("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", (name, value))
    return msgspec.convert(connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).get, bytes)


def epoch(connection: apsw.Connection) -> int:
    """Number of the last snapshot built, 0 if none was."""
    return msgspec.convert(
        connection.execute("SELECT coalesce((SELECT value FROM meta WHERE name = 'epoch'), 0)").get, int
    )


def next_epoch(connection: apsw.Connection, *, above: int) -> int:
    """Count on to a number higher than any before and than ``above``; it is spent when the transaction commits."""
    number = max(epoch(connection), above) + 1
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', ?)", (number,))
    return number
