"""A client is only ever sent JSON."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.translate import jsontext
from omniroute.translate.canonical import Citation, Opaque, Text
from omniroute.translate.events import Cite, Close, Delta, Probabilities, Whole
from omniroute.translate.sound import sound, sound_text


@given(st.text())
def test_sound_text_stays_as_it_is_spelled(text: str) -> None:
    escaped = jsontext.escaped(text.encode("utf-8", "replace").decode())
    assert sound_text(escaped) is escaped


@pytest.mark.parametrize("text", [b"", b"\\ud83d", b"\\u00e9\\/", b"\\n\\\\"])
def test_so_does_every_escape_there_is(text: bytes) -> None:
    assert sound_text(text) is text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (b"a\\Ub", "a\ufffdb"),
        (b"a\xffb", "a\ufffdb"),
        (b"\\u12", "\ufffd12"),
        (b"a\\", "a\ufffd"),
        (b"a\nb", "a\nb"),
        (b'a"b', 'a"b'),
    ],
)
def test_what_is_broken_is_replaced(text: bytes, mended: str) -> None:
    assert msgspec.json.decode(b'"' + sound_text(text) + b'"') == mended


@given(st.binary())
def test_whatever_comes_what_goes_is_a_json_string(text: bytes) -> None:
    found = sound(Delta(0, 0, text))
    assert isinstance(found, Delta)
    assert isinstance(jsontext.unescaped(found.text), str)
    jsontext.compact(b'"' + found.text + b'"')
    found.text.decode()


def test_other_events() -> None:
    assert sound(Close(0, 0)) == Close(0, 0)
    assert sound(Probabilities(0, 0, b"[]")) == Probabilities(0, 0, b"[]")
    assert sound(Probabilities(0, 0, b'[{"bytes":[1,,2]}]')) is None
    assert sound(Probabilities(0, 0, b'""')) is None
    assert sound(Cite(0, 0, Citation(url="u", raw=b"{"))) == Cite(0, 0, Citation(url="u"))
    assert sound(Cite(0, 0, Citation(url="u", raw=b"{}"))) == Cite(0, 0, Citation(url="u", raw=b"{}"))
    assert sound(Whole(block=0, value=Opaque(origin="x", raw=b'{"a":\xff}'))) is None
    assert sound(Whole(block=0, value=Text(text="a"))) == Whole(block=0, value=Text(text="a"))
