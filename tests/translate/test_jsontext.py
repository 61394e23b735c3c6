"""JSON that stays text: nothing is re-spelled, nothing raises."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translate import jsontext


@given(st.text())
def test_what_is_escaped_comes_back(text: str) -> None:
    assert jsontext.unescaped(jsontext.escaped(text)) == text


@given(st.binary())
def test_any_bytes_can_be_unescaped(text: bytes) -> None:
    assert isinstance(jsontext.unescaped(text), str)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"a\ud83d", "a\ufffd"),
        (rb"\ude00b", "\ufffdb"),
        (rb"\\ud83d", "\\ud83d"),
        (rb"x\qy", "x\ufffdy"),
        (rb"half \u12", "half \ufffd12"),
        (b"\xff", "\ufffd"),
        (b"end\\", "end\ufffd"),
    ],
)
def test_broken_text_says_what_it_can(text: bytes, said: str) -> None:
    assert jsontext.unescaped(text) == said


def test_compacting_spells_nothing_anew() -> None:
    raw = b'{ "a" : 1.0e5,\n "big":123456789012345678901234567890, "s" : "\\u00e9 \\/" }'

    assert jsontext.compact(raw) == b'{"a":1.0e5,"big":123456789012345678901234567890,"s":"\\u00e9 \\/"}'


@pytest.mark.parametrize("raw", [b"", b"{", b"[1,]", b"nonsense", b"[" * 100_000])
def test_what_is_not_json_is_refused_in_one_way(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not readable"):
        jsontext.compact(raw)


@pytest.mark.parametrize(
    ("arguments", "wrapped"),
    [
        ("", b"{}"),
        ("  ", b"{}"),
        ('{"a": 1.50}', b'{"a":1.50}'),
        ("[1]", b'{"_raw_arguments":"[1]"}'),
        ('{"a":', b'{"_raw_arguments":"{\\"a\\":"}'),
        ("null", b'{"_raw_arguments":"null"}'),
        ("\ud800", b'{"_raw_arguments":"?"}'),
    ],
)
def test_arguments_become_an_object_without_loss(arguments: str, wrapped: bytes) -> None:
    assert jsontext.arguments_object(arguments) == (wrapped, not wrapped.startswith(b'{"_raw'))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_a_value_is_complete_and_its_beginnings_are_not(value: object) -> None:
    text = msgspec.json.encode(value).decode()
    whole = jsontext.escaped(text)

    assert jsontext.is_complete(whole)
    if isinstance(value, dict | list):
        for cut in range(1, len(text)):
            assert not jsontext.is_complete(jsontext.escaped(text[:cut]))


def test_nothing_is_not_complete() -> None:
    assert not jsontext.is_complete(b"")
    assert not jsontext.is_complete(rb"\n ")


def test_only_strings_have_an_inside() -> None:
    assert jsontext.inner(b'"a\\n"') == b"a\\n"
    assert jsontext.inner(b'""') == b""
    assert jsontext.inner(b"null") is None
    assert jsontext.inner(b"") is None
