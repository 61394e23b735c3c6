"""What is remembered within a snapshot, and what must never be."""

from __future__ import annotations

import pytest

from omniroute.errors import Unauthenticated, UnknownModel
from omniroute.pipeline import memory
from omniroute.pipeline.memory import Memory
from tests.pipeline.house import KEY, caller, connection, incoming, snapshot

BEARER = b"Bearer " + KEY.encode()


def test_a_caller_and_a_plan_are_looked_up_once_in_a_snapshot() -> None:
    remembers, known = Memory(), snapshot()
    first = remembers.caller(incoming(), known, 0.0)
    assert remembers.caller(incoming(), known, 0.0) is first
    assert remembers.plan("m", first, known) is remembers.plan("m", first, known)


def test_a_revoked_key_and_a_removed_connection_are_gone_with_their_snapshot() -> None:
    remembers, before = Memory(), snapshot(connection("one"), connection("two"))
    asking = remembers.caller(incoming(), before, 0.0)
    assert len(remembers.plan("m", asking, before).targets) == 2
    after = snapshot(connection("two"), epoch=2)
    asking = remembers.caller(incoming(), after, 0.0)
    assert [target.connection.label for target in remembers.plan("m", asking, after).targets] == ["two"]
    with pytest.raises(Unauthenticated):
        remembers.caller(incoming(), snapshot(callers=[], epoch=3), 0.0)


def test_a_key_that_ends_is_looked_at_each_time() -> None:
    remembers, until_10 = Memory(), snapshot(callers=[caller(expires_epoch_s=10.0)])
    remembers.caller(incoming(), until_10, 9.0)
    with pytest.raises(Unauthenticated):
        remembers.caller(incoming(), until_10, 11.0)


def test_a_header_that_brought_no_key_opens_no_door() -> None:
    remembers, known = Memory(), snapshot()
    for useless in (b"Basic eDp5", b"Bearer ", b""):
        both = {b"authorization": useless, b"x-api-key": KEY.encode()}
        assert remembers.caller(incoming(headers=both), known, 0.0).key_id == "key_1"
        with pytest.raises(Unauthenticated):
            remembers.caller(incoming(headers={b"authorization": useless}), known, 0.0)


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_REMEMBERED", 2)
    remembers, known = Memory(), snapshot(connection(models=()))
    for padding in range(5):
        spaced = {b"authorization": b"Bearer " + b" " * padding + KEY.encode()}
        asking = remembers.caller(incoming(headers=spaced), known, 0.0)
        assert remembers.plan(f"acme/m{padding}", asking, known).targets[0].model == f"m{padding}"
    assert remembers.statistics() == (1, 1)


def test_a_header_blown_up_with_blanks_is_served_but_not_kept() -> None:
    remembers, known = Memory(), snapshot()
    blown_up = {b"authorization": b"Bearer " + b" " * memory.MAX_HEADER_BYTES + KEY.encode()}
    assert remembers.caller(incoming(headers=blown_up), known, 0.0).key_id == "key_1"
    assert remembers.statistics() == (0, 0)


def test_refusals_are_not_remembered() -> None:
    remembers, known = Memory(), snapshot()
    asking = remembers.caller(incoming(), known, 0.0)
    for _ in range(2):
        with pytest.raises(UnknownModel):
            remembers.plan("nobody/has-it", asking, known)
    assert remembers.statistics() == (1, 0)
