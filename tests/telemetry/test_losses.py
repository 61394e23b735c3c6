"""Losses are counted once they are in the ledger, by words that clients cannot make up, in bounded number."""

from __future__ import annotations

import pytest

from omniroute.domain import AttemptRecord
from omniroute.telemetry.losses import MAX_SERIES, OTHER, LossCounter, group, losses_of
from omniroute.translate import Notes, Unsupported, find_dialects
from tests.architecture.translation_page import PATHS, PROBES, Quirks, Request, request_of


class Ledger:
    """Says how many were new; or that there is no room."""

    def __init__(self) -> None:
        self.full = False

    async def append(self, records: list[AttemptRecord]) -> int:
        if self.full:
            raise OSError("no space left on device")
        return len(records)


def record(losses: str, client: str = "openai_chat", upstream: str = "anthropic") -> AttemptRecord:
    return AttemptRecord(
        "a", "r", "k", "p", "c", "m", 1.0, 1, "ok", 200, losses=losses, client_dialect=client, dialect=upstream
    )


def counts(counter: LossCounter) -> dict[tuple[str, ...], float]:
    return {tuple(value for _, value in reading.labels): reading.value for reading in counter.readings()}


async def test_losses_are_counted_by_pair_action_and_field() -> None:
    counter = LossCounter(Ledger())
    told = "dropped:seed;approximated:messages[2].content[0].cache_control;dropped:messages[0].name;dropped:messages[1].name;+3 more"
    assert await counter.append([record(told), record("dropped:seed", upstream="gemini"), record("")]) == 3
    await counter.append([record("dropped:seed")])
    assert counts(counter) == {
        ("openai_chat", "anthropic", "approximated", "messages.content"): 1,
        ("openai_chat", "anthropic", "dropped", "messages.name"): 2,
        ("openai_chat", "anthropic", "dropped", "seed"): 2,
        ("openai_chat", "gemini", "dropped", "seed"): 1,
    }


async def test_what_is_not_stored_is_not_counted() -> None:
    ledger = Ledger()
    ledger.full = True
    counter = LossCounter(ledger)
    with pytest.raises(OSError, match="no space"):
        await counter.append([record("dropped:seed")])
    assert counts(counter) == {}


async def test_names_that_clients_make_up_are_one_and_series_are_bounded() -> None:
    counter = LossCounter(Ledger())
    await counter.append([record(f"dropped:x_{number}") for number in range(50)])
    assert counts(counter) == {("openai_chat", "anthropic", "dropped", OTHER): 50}
    await counter.append([record("dropped:seed", client=f"c{number}") for number in range(MAX_SERIES + 10)])
    assert len(counts(counter)) <= 2 * MAX_SERIES
    assert sum(counts(counter).values()) == 50 + MAX_SERIES + 10
    before = len(counts(counter))
    await counter.append([record(f"dropped:{word}") for word in ("stop", "user", "store", "think")])
    assert len(counts(counter)) == before


@pytest.mark.parametrize("told", ["", "dropped", "+3 more", "sold:seed", ":seed", ";;"])
def test_what_is_no_loss_is_none(told: str) -> None:
    assert list(losses_of(told)) == []


@pytest.mark.parametrize("name", sorted(PROBES))
def test_what_translations_really_lose_has_a_name(name: str) -> None:
    """Each loss in the tables of docs/translation.md but that of the member nobody knows."""
    dialects = find_dialects()
    client = dialects[name].client
    assert client is not None
    unnamed = set()
    for _, patch in PROBES[name]:
        request = Request(PATHS[name], b"", {b"content-type": b"application/json"}, request_of(name, patch))
        for other in PROBES:
            upstream = dialects[other].upstream
            assert upstream is not None
            notes = Notes()
            try:
                upstream.write_request(client.read_request(request, client.peek(request)), Quirks(), notes)
            except Unsupported:
                continue
            unnamed |= {note.field for note in notes if group(note.field) == OTHER}
    assert unnamed <= {"x_unknown"}
