"""Vendors' JSON read member by member: slices as they are spelled, and nothing raises."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translate.members import count, items, member, members, text, word


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"a": 1.50 ,"b":null,"c":[1]}', (b"1.50", b"", b"[1]", b"")),
        (b'{"a":"\\ud83d","a":"x"}', (b'"x"', b"", b"", b"")),
        (b"[1]", (b"", b"", b"", b"")),
        (b"", (b"", b"", b"", b"")),
        (b'{"a":1', (b"", b"", b"", b"")),
    ],
)
def test_members(raw: bytes, found: tuple[bytes, ...]) -> None:
    assert members(raw, (b"a", b"b", b"c", b"d")) == found
    assert member(raw, b"a") == found[0]


@pytest.mark.parametrize(
    ("raw", "found"),
    [(b'[1, "a" ,{}]', (b"1", b'"a"')), (b"[]", ()), (b"{}", ()), (b"", ()), (b"[1", ()), (b"[1,]", ())],
)
def test_items(raw: bytes, found: tuple[bytes, ...]) -> None:
    assert items(raw, 2) == found


@pytest.mark.parametrize(
    ("raw", "escaped", "said"),
    [
        (b'"a\\n"', b"a\\n", "a\n"),
        (b'"\\ud83d"', b"\\ud83d", "\ufffd"),
        (b'"\xff"', "\ufffd".encode(), "\ufffd"),
        (b'"\\x"', "\ufffd".encode(), "\ufffd"),
        (b'""', b"", ""),
        (b"7", b"", ""),
        (b"", b"", ""),
    ],
)
def test_texts(raw: bytes, escaped: bytes, said: str) -> None:
    assert (text(raw), word(raw)) == (escaped, said)


@pytest.mark.parametrize(
    ("raw", "number"),
    [(b"0", 0), (b"12", 12), (b"-1", None), (b"1.0", None), (b'"1"', None), (b"9" * 16, None), (b"", None)],
)
def test_counts(raw: bytes, number: int | None) -> None:
    assert count(raw) == number


@given(st.text())
def test_text_is_what_stood_between_the_quotes(said: str) -> None:
    raw = msgspec.json.encode(said)
    assert text(raw) == raw[1:-1]
    assert word(raw) == said


@given(st.binary(max_size=30))
def test_nothing_raises_and_text_is_always_sound(raw: bytes) -> None:
    found = text(b'"' + raw + b'"')
    found.decode()
    word(raw)
    members(raw, (b"a",))
    items(raw, 5)
