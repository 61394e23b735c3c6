"""What cannot be printed by accident."""

from __future__ import annotations

import msgspec
from rich.pretty import pretty_repr

from omniroute.domain import Connection, Secret, SnapshotDocument, TlsProfile

HUSH = "hush-4711"
CONNECTION = Connection(
    "con_1", "main", "acme", "https://api.example", Secret(HUSH), headers=(("x-key", HUSH),), proxy=Secret(HUSH),
    tls=TlsProfile(client_key_pem=Secret(HUSH)),
)  # fmt: skip


def test_no_rendering_shows_a_credential() -> None:
    for value in (
        Secret(HUSH),
        CONNECTION,
        CONNECTION.tls,
        SnapshotDocument(1, HUSH.encode(), connections=(CONNECTION,)),
    ):
        assert HUSH not in f"{value} {value!r} {[value]}"
    assert HUSH not in pretty_repr(Secret(HUSH))


def test_it_is_there_for_who_needs_it() -> None:
    assert Secret(HUSH).reveal() == HUSH
    assert (bool(Secret(HUSH)), bool(Secret(""))) == (True, False)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(CONNECTION), type=Connection) == CONNECTION
