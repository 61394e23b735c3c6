"""What a conversion lost: bounded whatever a client sends, and never hidden from a strict one."""

from __future__ import annotations

import pytest

from omniroute.translate import Notes
from omniroute.translate.notes import MAX_FIELD_CHARS, MAX_INFOS, MAX_NAMED, MAX_NOTES, Unsupported


def test_what_makes_no_difference_is_no_reason_to_refuse() -> None:
    notes = Notes()
    notes.add("messages[0].name", "dropped", "nobody reads it", info=True)

    notes.refuse_if_strict()
    assert not notes.warnings()


def test_notes_are_bounded_and_counted() -> None:
    notes = Notes()
    for number in range(MAX_NOTES + 10):
        notes.add(f"seed[{number}]", "dropped", "it has none")

    assert len(list(notes)) == MAX_NOTES
    assert len(notes) == MAX_NOTES + 10


def test_a_refusal_names_a_few_and_counts_the_rest() -> None:
    notes = Notes()
    for number in range(MAX_NAMED + 2):
        notes.add(f"s[{number}]", "dropped", "it has none")
        notes.add(f"s[{number}]", "approximated", "it has another")

    with pytest.raises(Unsupported) as caught:
        notes.refuse_if_strict()
    assert caught.value.param == "s[0]"
    assert f"s[{MAX_NAMED - 1}] and 2 more." in caught.value.message
    assert f"s[{MAX_NAMED}]" not in caught.value.message


def test_many_that_make_no_difference_hide_none_that_does() -> None:
    notes = Notes()
    for number in range(2 * MAX_NOTES):
        notes.add(f"messages[{number}].name", "dropped", "nobody reads it", info=True)
    notes.add("seed", "dropped", "it has none")

    assert len(list(notes)) == MAX_INFOS + 1
    with pytest.raises(Unsupported, match="seed"):
        notes.refuse_if_strict()


def test_the_graver_of_two_reasons_counts() -> None:
    notes = Notes()
    notes.add("thinking", "dropped", "shown or not", info=True)
    notes.add("thinking", "dropped", "it has none")
    notes.add("thinking", "dropped", "shown or not", info=True)

    (note,) = notes
    assert (note.severity, note.reason) == ("warning", "it has none")


def test_names_that_clients_made_up_are_cut() -> None:
    notes = Notes()
    notes.add("x" * 1_000_000, "dropped", "nobody knows it")

    (note,) = notes
    assert len(note.field) == MAX_FIELD_CHARS
