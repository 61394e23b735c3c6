"""Files mapped by several processes: how one is made and how one is recognised. Shared by both twins of every mapping.

The first 32 bytes of each: magic (8), layout version (u32), 4 spare, size (u64), 8 spare; native byte order, since a
mapping never leaves its machine. The magic is stored last: a mapping without it was never finished and holds nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Final

HEAD: Final = struct.Struct("=8sI4xQ8x")
HEADER_BYTES: Final = 4096
"""A page before the data of every mapping."""

MAGIC_BYTES: Final = 8


def create_mapping(fd: int, size_bytes: int, version: int, *, reserve: bool = False) -> mmap.mmap:
    """Empty ``fd``, grow it to ``size_bytes`` of zeros and map it. It is not valid until :func:`seal_mapping`.

    ``reserve`` takes the disk space now: a store into a hole of a full disk would kill the process with SIGBUS.
    Raises ``OSError`` (ENOSPC) then. Nobody else may have the file mapped.
    """
    os.ftruncate(fd, 0)
    if reserve:
        os.posix_fallocate(fd, 0, size_bytes)
    else:
        os.ftruncate(fd, size_bytes)
    mapping = mmap.mmap(fd, size_bytes)
    HEAD.pack_into(mapping, 0, bytes(MAGIC_BYTES), version, size_bytes)
    return mapping


def seal_mapping(mapping: mmap.mmap, magic: bytes) -> None:
    """Declare a mapping complete."""
    mapping[:MAGIC_BYTES] = magic


def open_mapping(fd: int, magic: bytes, version: int, what: str) -> mmap.mmap:
    """Map an existing ``what``, at the size its header says. Raises ``ValueError`` if it is not one of this layout."""
    size_bytes = os.fstat(fd).st_size
    if size_bytes < HEADER_BYTES:
        raise ValueError(f"not a {what}: {size_bytes} bytes are less than its header")
    found_magic, found_version, found_bytes = HEAD.unpack(os.pread(fd, HEAD.size, 0))
    if found_magic != magic:
        raise ValueError(f"not a {what}: it begins with {found_magic!r}")
    if found_version != version:
        raise ValueError(f"{what} has layout version {found_version}, this build has version {version}")
    if found_bytes != size_bytes:
        raise ValueError(f"{what} should have {found_bytes} bytes and has {size_bytes}")
    return mmap.mmap(fd, size_bytes)


def is_sealed(fd: int, magic: bytes) -> bool:
    """Whether ``fd`` holds a complete mapping of this kind, of whatever version."""
    return os.pread(fd, MAGIC_BYTES, 0) == magic
