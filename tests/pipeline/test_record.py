"""The journal entry of an attempt: opened before, closed once."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from omniroute.domain import AttemptRecord, OpenAttempt, Target, Usage
from omniroute.errors import Overloaded
from omniroute.pipeline.recollection import Recollection
from omniroute.pipeline.record import Book
from omniroute.pipeline.values import Plan, Request, Served
from tests.pipeline.house import DOOR, caller, chat_body, connection, incoming, snapshot


class Pages:
    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.opened: list[OpenAttempt] = []
        self.closed: list[tuple[int, AttemptRecord]] = []

    def open(self, attempt: OpenAttempt) -> int:
        if self.full:
            raise Overloaded("full")
        self.opened.append(attempt)
        return 7

    def amend(self, slot: int, attempt: OpenAttempt) -> None:
        raise AssertionError("nothing to amend")

    def close(self, slot: int, record: AttemptRecord) -> None:
        self.closed.append((slot, record))


def asked() -> tuple[Request, Served]:
    target = Target(connection(), "m")
    body = chat_body("m", stream=True)
    request = Request(
        incoming(body),
        DOOR,
        DOOR.client.peek(incoming(body)),
        snapshot(epoch=9),
        caller(),
        Plan((target,)),
        Recollection(float),
    )
    return request, Served(target, 2, "att_1", trio.current_time(), 1.7e9)


async def test_the_record_says_what_happened(mock_clock: trio.testing.MockClock) -> None:
    pages, (request, served) = Pages(), asked()
    book = Book(pages, request, served)
    assert pages.opened == [OpenAttempt("att_1", "req_1", "key_1", "acme", "con_acme_one", "m", 1.7e9, 2, True)]
    served.status, served.outcome, served.usage = 200, "ok", Usage(7, output_total=3, known=True)
    started_at = served.started_at
    served.connect_ms, served.head_at, served.committed_at = 4, started_at + 0.25, started_at + 0.5
    served.body_bytes, served.bytes_out = 50, 60
    mock_clock.jump(1.0)
    book.close()
    assert pages.closed == [
        (
            7,
            AttemptRecord(
                "att_1", "req_1", "key_1", "acme", "con_acme_one", "m", 1.7e9, 2, "ok", 200, "",
                Usage(7, output_total=3, known=True), 4, 250, 500, 1000, 50, 60, True, "m", 9, "", "openai_chat", "openai_chat",
            ),
        )
    ]  # fmt: skip


async def test_what_did_not_happen_is_told_as_such(mock_clock: trio.testing.MockClock) -> None:
    mock_clock.jump(1.0)  # at 0 an instant cannot be told from none
    pages, (request, served) = Pages(), asked()
    Book(pages, request, served).close()
    (_, record) = pages.closed[0]
    assert (record.outcome, record.status, record.connect_ms) == ("cancelled", 0, -1)
    assert (record.head_ms, record.first_token_ms, record.total_ms) == (-1, -1, 0)
    assert not record.usage.known


async def test_the_first_record_stands() -> None:
    pages, (request, served) = Pages(), asked()
    book = Book(pages, request, served)
    served.outcome = "ok"
    book.close()
    served.outcome = "client_gone"
    book.close()
    assert [record.outcome for _, record in pages.closed] == ["ok"]


async def test_a_full_journal_refuses_before_anything_is_called() -> None:
    with pytest.raises(Overloaded):
        Book(Pages(full=True), *asked())
