"""All or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import apsw

T = TypeVar("T")


def transaction(connection: apsw.Connection, work: Callable[[apsw.Connection], T]) -> T:
    """Run ``work`` in one transaction that owns the write lock from its start, so that it cannot lack it half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors (disk full among them).
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
