"""Both halves of the shapes: what has a shape, what has not, and what is no shape."""

from types import ModuleType
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import ANY, CHOICE, EMPTY, FALSE, INDEX, NULL, STASH, TEXT, TRUE, Is, shapes_py
from tests.speedups.twins import maybe_compiled, twins

shapes_c = maybe_compiled("shapes")

WHOLE: Final = {
    "t": TEXT, "c": CHOICE, "i": INDEX, "any": ANY, "null": NULL, "false": FALSE, "empty": EMPTY, "stash": STASH,
    "is": Is(b"x y"), "true": TRUE, "in": {"list": [{"deep": ANY, "no": [NULL]}]},
}  # fmt: skip
NEEDED: Final = b'"t":"x","is":"x y","true":true'


@pytest.fixture(params=twins("shapes"))
def shapes(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def found(shapes: ModuleType, spec: object, data: bytes) -> tuple[bytes, int, int, bytes] | None:
    match = shapes.Shapes((spec,)).match(0, data)
    return None if match is None else (data[match.text_start : match.text_end], match.choice, match.index, match.stash)


def test_what_is_found(shapes: ModuleType) -> None:
    data = (
        b' { "in" : { "list" : [ { "no" : [ null ] , "deep" : {"a":[1,"}"]} } ] } , "stash" : {"n": [1] } , "c" : 255,'
        b'"true":true,"is":"x y","empty":[ ],"false":false,"null":null,"any":"\\q","i":65535,\t"t":"a\\"\\ud83d\xc3\xa9" }\r\n'
    )
    assert found(shapes, WHOLE, data) == (b'a\\"\\ud83d\xc3\xa9', 255, 65535, b'{"n": [1] }')
    assert found(shapes, WHOLE, b"{%b}" % NEEDED) == (b"x", 0, 0, b"")


@pytest.mark.parametrize(
    "more",
    [b'"c":0', b'"i":7', b'"any":[[]]', b'"empty":null', b'"empty":""', b'"empty":{ }', b'"in":{}', b'"in":{"list":[{}]}', b'"any":nul'],
)  # fmt: skip
def test_members_that_may_be_there(shapes: ModuleType, more: bytes) -> None:
    for data in (b"{%b,%b}" % (NEEDED, more), b"{%b,%b}" % (more, NEEDED)):
        assert found(shapes, WHOLE, data) is not None


@pytest.mark.parametrize(
    "more",
    [
        b'"c":256', b'"c":-1', b'"c":1.0', b'"c":1e1', b'"c":01', b'"c":"1"', b'"c":null', b'"c":', b'"i":65536',
        b'"i":999999999999999999999', b'"null":false', b'"null":nul', b'"false":true', b'"false":null', b'"empty":0',
        b'"empty":" "', b'"empty":[0]', b'"empty":{"a":1}', b'"empty":[}', b'"in":null', b'"in":[]', b'"in":{"list":[]}',
        b'"in":{"list":[{},{}]}', b'"in":{"list":{}}', b'"in":{"other":1}', b'"other":1', b'"\\u0063":1', b'"t":"y"',
        b'"any":1,"any":1', b'"any":[1', b'"any":]', b'"any":', b'"any"', b"any:1", b"", b",", b'"any":1,', b'"any":"x',
        b'"true":false', b'"is":"x"',
    ],
)  # fmt: skip
def test_members_that_may_not(shapes: ModuleType, more: bytes) -> None:
    assert found(shapes, WHOLE, b"{%b,%b}" % (NEEDED, more)) is None
    assert found(shapes, WHOLE, b"{%b}" % more) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{}", b"[]", b"null", b"1", b'{"is":"x y","true":true}', b'{"t":"x","true":true}',
        b'{"t":"x","is":"x y"}', b'{"t":"","is":"x y","true":true}', b'{"t":null,"is":"x y","true":true}',
        b'{"t":"x","is":"x\\u0020y","true":true}', b"{%b" % NEEDED, b"{%b}}" % NEEDED, b"{%b} 1" % NEEDED,
        b"\xef\xbb\xbf{%b}" % NEEDED, b"[{%b}]" % NEEDED, b"{%b,}" % NEEDED, b"{,%b}" % NEEDED,
    ],
)  # fmt: skip
def test_what_has_not_the_shape(shapes: ModuleType, data: bytes) -> None:
    assert found(shapes, WHOLE, data) is None


@pytest.mark.parametrize(
    ("text", "well"),
    [
        (b"a", True), (b"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uFFFF", True), (b"\\ud83d", True), (b"\\ude00", True),
        ("é€😀\x7f".encode(), True), (b"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\xe0\xa0\x80\xf0\x90\x80\x80\xc2\x80", True),
        (b"\\x", False), (b"\\", False), (b"\\u12", False), (b"\\u12g4", False), (b"\\U0041", False), (b"\x00", False),
        (b"a\x1f", False), (b"\n", False), (b"\x80", False), (b"\xc0\x80", False), (b"\xc1\xbf", False), (b"\xc3", False),
        (b"\xe0\x9f\xbf", False), (b"\xed\xa0\x80", False), (b"\xf0\x8f\xbf\xbf", False), (b"\xf4\x90\x80\x80", False),
        (b"\xf5\x80\x80\x80", False), (b"\xff", False), (b"\xe2\x82", False), (b"\xe2\x82x", False), (b"\xf0\x9f\x98", False),
    ],
)  # fmt: skip
def test_texts(shapes: ModuleType, text: bytes, well: bool) -> None:
    for padding in (b"", b"x" * 15, b"x" * 16, b"y" * 40):
        for whole in (padding + text, text + padding if text[-1:] != b"\\" else padding + text):
            assert found(shapes, {"t": TEXT}, b'{"t":"%b"}' % whole) == ((whole, 0, 0, b"") if well else None)


def test_nesting_is_bounded(shapes: ModuleType) -> None:
    for depth, fits in ((500, True), (511, True), (512, False), (100_000, False)):
        assert (
            found(shapes, {"t": TEXT, "a": ANY}, b'{"t":"x","a":%b1%b}' % (b"[" * depth, b"]" * depth)) is not None
        ) is fits


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"a": ANY}, "exactly one TEXT"), ({"a": TEXT, "b": TEXT}, "exactly one TEXT"), ([{"a": TEXT}], "dict"),
        ({"a": TEXT, "b": CHOICE, "c": {"d": CHOICE}}, "at most one CHOICE"), ({"a": TEXT, "b": [STASH], "c": STASH}, "STASH"),
        ({"a": TEXT, "b": []}, "one element"), ({"a": TEXT, "b": 1}, "neither"), ({"a": TEXT, 'b"': ANY}, "escapes"),
        ({"a": TEXT, 1: ANY}, "escapes"), ({"a": TEXT} | {f"m{i}": ANY for i in range(64)}, "at most 64"), (TEXT, "dict"),
    ],
)  # fmt: skip
def test_what_is_no_shape(shapes: ModuleType, spec: object, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        shapes.Shapes((spec,))


def test_a_shape_too_deep(shapes: ModuleType) -> None:
    spec: object = {"t": TEXT}
    for _ in range(20):
        spec = {"t": spec}
    with pytest.raises(ValueError, match="deeper"):
        shapes.Shapes((spec,))


def test_a_text_with_escapes_is_no_constant() -> None:
    for text in (b'a"', b"a\\", b"\n", "é".encode()):
        with pytest.raises(ValueError, match="escapes"):
            Is(text)


def test_several_shapes(shapes: ModuleType) -> None:
    several = shapes.Shapes([{"a": TEXT}, {"b": TEXT, "m": {"c": CHOICE}}])
    assert len(several) == 2
    assert several.match(0, b'{"a":"x"}') is not None
    assert several.match(1, b'{"a":"x"}') is None
    assert several.match(1, b'{"m":{"c":3},"b":"x"}').choice == 3


TAGS: Final = (b"<omniModel>", b"<o>", b"<")
PIECES: Final = (
    b"<",
    b"omni",
    b"o>",
    b"\\u003c",
    b"\\u003C",
    b"\\",
    b"\\/",
    b"Model>",
    b"x",
    b"\xc3\xa9",
    b"<omniModel>",
)


@pytest.mark.skipif(shapes_c is None, reason="shapes_c is not built")
@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join), st.lists(st.sampled_from(TAGS), max_size=2).map(tuple)
)
def test_twins_agree_on_tags(text: bytes, tags: tuple[bytes, ...]) -> None:
    assert shapes_py.may_hold(text, tags) is shapes_c.may_hold(text, tags)  # type: ignore[union-attr]
