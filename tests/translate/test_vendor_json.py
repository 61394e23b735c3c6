"""JSON of others: one error for whatever is wrong, and halves of surrogate pairs where streams may cut them."""

from __future__ import annotations

import pytest

from omniroute.translate.vendor_json import decode_event, decode_vendor, is_json


@pytest.mark.parametrize("raw", [b"", b"{", b'"\xff"', rb'"\ud800"', b"[" * 100_000, b"NaN", b'{"a":1}x'])
def test_what_cannot_be_read_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not readable"):
        decode_vendor(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ude00b"', "\\\ufffdb"),
        (rb'{"\ud800":1}', {"\ufffd": 1}),
    ],
)
def test_an_event_may_hold_half_of_a_pair(raw: bytes, value: object) -> None:
    assert decode_event(raw) == value


def test_numbers_of_any_size_are_json() -> None:
    for raw in (b"1e400", b'{"a":[1E+999,-0.0]}', b"9" * 6000):
        assert is_json(raw)
    for raw in (b"01", b"1.", b"NaN", b'"\xff"', rb'"\ud800"', b'{"\xff":1}', b"[" * 100_000, b"", b"1 2"):
        assert not is_json(raw)
    assert decode_event(b'{"a":1e400}') == {"a": float("inf")}


def test_nothing_else_is_mended() -> None:
    with pytest.raises(ValueError, match="not readable"):
        decode_event(b'"\xff"')
