"""Arguments in pieces."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.translate.dialects.gemini.partial_args import MAX_GAPS, MAX_STEPS, Arguments
from omniroute.translate.dialects.gemini.told import Piece, read_piece


def _built(*pieces: object) -> object:
    arguments = Arguments()
    for piece in pieces:
        arguments.add(read_piece(msgspec.json.encode(piece)))
    return msgspec.json.decode(arguments.json())


def test_values_of_all_kinds_at_their_paths() -> None:
    assert _built(
        {"jsonPath": "$.location", "stringValue": "Bos", "willContinue": True},
        {"jsonPath": "$.location", "stringValue": "ton"},
        {"jsonPath": "$.n", "numberValue": 2},
        {"jsonPath": "$.l[1].k", "boolValue": True},
        {"jsonPath": "$.z", "nullValue": "NULL_VALUE"},
        {"jsonPath": "$['a b']", "stringValue": "q"},
        {"jsonPath": '$["c\\"d"][0]', "stringValue": "r"},
    ) == {"location": "Boston", "n": 2, "l": [None, {"k": True}], "z": None, "a b": "q", 'c"d': ["r"]}


def test_numbers_and_escapes_keep_their_spelling() -> None:
    arguments = Arguments()
    for raw in (
        b'{"jsonPath":"$.n","numberValue":1.50e10}',
        b'{"jsonPath":"$.s","stringValue":"\\ud83d"}',
        b'{"jsonPath":"$.s","stringValue":"\\ude00\\/"}',
    ):
        arguments.add(read_piece(raw))
    assert arguments.json() == b'{"n":1.50e10,"s":"\\ud83d\\ude00\\/"}'


@pytest.mark.parametrize(
    "path", ["", "location", "$", "$.", "$..a", "$[", "$[x]", "$.a b[", "$" + ".a" * (MAX_STEPS + 1), None, 5]
)
def test_a_path_that_cannot_be_followed_changes_nothing(path: object) -> None:
    assert _built({"jsonPath": path, "stringValue": "x"}) == {}


def test_a_place_that_holds_something_else_stays_as_it_is() -> None:
    assert _built(
        {"jsonPath": "$.a", "stringValue": "x"},
        {"jsonPath": "$.a.b", "stringValue": "y"},
        {"jsonPath": "$.l[0]", "stringValue": "z"},
        {"jsonPath": "$.l.k", "stringValue": "y"},
    ) == {"a": "x", "l": ["z"]}


def test_a_large_index_costs_nothing() -> None:
    assert _built({"jsonPath": "$.l[999999999]", "stringValue": "x"}) == {"l": []}
    pieces = [{"jsonPath": f"$.l{number}[{MAX_GAPS}]", "stringValue": "x"} for number in range(3)]
    built = _built(*pieces)
    assert isinstance(built, dict)
    assert [len(value) for value in built.values()] == [MAX_GAPS + 1, 0, 0]


def test_whole_arguments_come_first() -> None:
    arguments = Arguments()
    arguments.start(b'{"a": 1, "b": {"c": 2}}')
    arguments.start(b"[1]")
    arguments.add(Piece("$.a", None, b"3"))
    assert arguments.json() == b'{"a":3,"b":{"c": 2}}'
