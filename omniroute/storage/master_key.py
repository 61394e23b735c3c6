"""Where the key of credentials at rest comes from: the environment, or a file that nobody else can read."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from omniroute.domain import Secret
from omniroute.storage.faults import MasterKeyError
from omniroute.storage.vault import KEY_BYTES

FILE_MODE: Final = 0o600

_MAX_FILE_BYTES: Final = 256
_MAKE_ONE: Final = "32 random bytes in hex or base64, as `openssl rand -hex 32` prints"


def load(given: Secret, path: Path, *, sealed_rows: bool, random_bytes: Callable[[int], bytes]) -> bytes:
    """The master key: ``given`` (``OMNIROUTE_MASTER_KEY``) if set, else the file at ``path``, made at the first start.

    Args:
        given: the operator's key in text, empty for none.
        path: the key file, mode 0600.
        sealed_rows: the database holds secrets. Then no new key is made: it could not open them.
        random_bytes: the source of a new key.

    Raises:
        MasterKeyError: malformed, readable by others, or lost.
    """
    if given:
        return _decode(given.reveal(), "OMNIROUTE_MASTER_KEY")
    try:
        return _read(path)
    except FileNotFoundError:
        if sealed_rows:
            raise MasterKeyError(
                f"{path} is missing, and the database holds credentials sealed with it: put the file back, "
                "or set OMNIROUTE_MASTER_KEY to its content"
            ) from None
    return _create(path, random_bytes(KEY_BYTES))


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise MasterKeyError(f"{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")
        text = os.read(fd, _MAX_FILE_BYTES).decode("ascii", "replace")
    finally:
        os.close(fd)
    return _decode(text, str(path))


def _create(path: Path, key: bytes) -> bytes:
    """Write the key under another name first: a file cut short by a crash would pass for a damaged key for ever."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        os.write(fd, key.hex().encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return key


def _decode(text: str, source: str) -> bytes:
    """32 bytes from hex or base64 of either alphabet. A passphrase is refused: it would be guessed offline."""
    stripped = text.strip()
    try:
        if len(stripped) == 2 * KEY_BYTES:
            key = bytes.fromhex(stripped)
        else:
            key = base64.b64decode(stripped.translate(str.maketrans("-_", "+/")), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyError(f"{source} does not hold a key: it takes {_MAKE_ONE}")
    return key
