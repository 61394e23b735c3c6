import pytest

from omniroute.mock import counts as books
from omniroute.mock.counts import Counts


def test_begun_is_the_sum_of_what_became_of_it() -> None:
    counts = Counts()
    for outcome in ("full", "full", "faulty", "gone"):
        tally = counts.begin("m", "", 2)
        counts.spoke(tally, 3)
        counts.end(tally, outcome, 200)
    counts.begin("m", "", 2)
    total = counts.total
    assert (total.begun, total.full, total.faulty, total.gone, total.open) == (5, 2, 1, 1, 1)
    assert (total.prompt_tokens, total.completion_tokens) == (10, 12)
    assert counts.by_status == {200: 4}
    assert counts.by_model["m"] == total


def test_reset_keeps_what_is_open() -> None:
    counts = Counts()
    counts.end(counts.begin("done", "a", 1), "full", 200)
    tally = counts.begin("open", "b", 1)
    counts.reset()
    assert (counts.total.begun, counts.total.open, counts.by_request) == (1, 1, {})
    counts.end(tally, "full", 200)
    assert (counts.total.begun, counts.total.full, counts.total.open) == (1, 1, 0)
    assert list(counts.by_model) == ["open"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MAX_MODELS", 2)
    monkeypatch.setattr(books, "MAX_REQUEST_IDS", 2)
    counts = Counts()
    for name in ("a", "b", "c", "d"):
        counts.begin(name, name, 0)
    assert {name: tally.begun for name, tally in counts.by_model.items()} == {"a": 1, "b": 1, "(other)": 2}
    assert counts.by_request == {"c": 1, "d": 1}
    assert counts.request_ids_dropped == 2
