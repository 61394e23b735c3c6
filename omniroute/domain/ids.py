"""Identifiers. Text ids are made by storage; 64-bit counter ids index shared memory."""

from __future__ import annotations

import hashlib


def counter_id(kind: str, ident: str) -> int:
    """The id under which ``ident`` (a key, a connection, ...) has its row in a table of ``kind``: 64 bits, never 0."""
    digest = hashlib.blake2b(f"{kind}:{ident}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
