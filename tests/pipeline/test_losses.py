"""Lists of what a translation lost: bounded, counted, and safe in a header whatever a client calls its fields."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omniroute.pipeline.losses import HEADER_BYTES, lost_fields, translation
from omniroute.translate import Notes


def noted(*fields: str) -> Notes:
    notes = Notes()
    for field in fields:
        notes.add(field, "dropped", "the target has no such thing")
    return notes


def test_a_loss_is_listed_once_and_what_changes_nothing_is_no_loss() -> None:
    notes = noted("logprobs", "seed", "seed")
    notes.add("seed", "approximated", "rounded")
    notes.add("max_tokens", "synthesised", "the target demands it", info=True)
    assert lost_fields(notes) == b"logprobs, seed"
    assert translation(notes) == "dropped:logprobs;dropped:seed;approximated:seed;synthesised:max_tokens"


def test_nothing_lost_is_nothing_said() -> None:
    assert lost_fields(Notes()) == b""
    assert translation(Notes()) == ""


def test_what_does_not_fit_is_counted() -> None:
    notes = noted(*(f"messages[{number}].name" for number in range(200)))
    for listed in (lost_fields(notes).decode(), translation(notes)):
        assert len(listed) <= HEADER_BYTES
        shown, _, count = listed.rpartition("+")
        assert shown.count("messages[") + int(count.removesuffix(" more")) == 200
    assert len(translation(notes, 100)) <= 100


@given(st.lists(st.text(min_size=1, max_size=2000), max_size=50))
def test_no_field_name_breaks_a_header(fields: list[str]) -> None:
    notes = noted(*fields)
    for listed in (lost_fields(notes), translation(notes).encode()):
        assert len(listed) <= HEADER_BYTES
        assert all(0x20 <= byte <= 0x7E for byte in listed)


def test_what_was_too_much_to_note_is_counted_too() -> None:
    notes = noted(*(f"s{number}" for number in range(1000)))
    shown, _, count = translation(notes).rpartition("+")
    assert shown.count("dropped:") + int(count.removesuffix(" more")) == 1000
