"""Both halves of jsonspan: where members are, what is refused, and that the halves never differ."""

import re
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import jsonspan_py
from tests.speedups.twins import maybe_compiled, twins

jsonspan_c = maybe_compiled("jsonspan")


@pytest.fixture(params=twins("jsonspan"))
def jsonspan(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def values(jsonspan: ModuleType, data: bytes, *keys: bytes) -> list[bytes | None]:
    return [None if span is None else data[slice(*span)] for span in jsonspan.spans(data, keys)]


@pytest.mark.parametrize(
    ("data", "key", "value"),
    [
        (b'{"a":1}', b"a", b"1"),
        (b'{"a":1}', b"b", None),
        (b"{}", b"a", None),
        (b' \t\r\n{ "a" : "x" , "b" : [ ] } \n', b"b", b"[ ]"),
        (b'\xef\xbb\xbf{"a":null}', b"a", b"null"),
        (b'{"a":1,"a":2}', b"a", b"2"),
        (b'{"b":{"a":1},"c":["a",{"a":2}],"a":3}', b"a", b"3"),
        (b'{"b":{"a":1}}', b"a", None),
        (b'{"b":"\\",\\"a\\":1","a":2}', b"a", b"2"),
        (b'{"b":"\\\\","a":2}', b"a", b"2"),
        (b'{"a":"}]{["}', b"a", b'"}]{["'),
        (b'{"mod\\u0065l":"x"}', b"model", b'"x"'),
        (b'{"\\u006Dodel":"x"}', b"model", b'"x"'),
        (b'{"mod\\u0065ls":"x"}', b"model", None),
        (b'{"mod\\x65l":"x"}', b"model", None),
        (b'{"mod\\u006":"x"}', b"mod\\u006", None),
        (b'{"a\\/b\\n\\t\\b\\f\\r\\"\\\\":1}', b'a/b\n\t\b\f\r"\\', b"1"),
        (b'{"\\u00e9\\u20ac\\ud83d\\ude00":1}', "é€😀".encode(), b"1"),
        (b'{"\\ud83d":1}', b"\xed\xa0\xbd", None),
        (b'{"\\ude00":1}', b"\xed\xb8\x80", None),
        (b'{"\\ud83d\\u0041":1}', b"A", None),
        (b'{"\\u0041\\ude00":1}', b"A", None),
        (b'{"":1}', b"", b"1"),
        (b'{"a":-1.5e9,"b":tru}', b"b", b"tru"),
    ],
)
def test_value_is_found(jsonspan: ModuleType, data: bytes, key: bytes, value: bytes | None) -> None:
    assert values(jsonspan, data, key) == [value]


def test_several_keys_keep_their_order(jsonspan: ModuleType) -> None:
    data = b'{"stream":true,"model":"m"}'
    assert values(jsonspan, data, b"model", b"n", b"stream") == [b'"m"', None, b"true"]


def test_a_repeated_member_is_refused_once_the_document_is_known_to_be_one(jsonspan: ModuleType) -> None:
    keys = (b"n", b"model")
    assert jsonspan.unique_spans(b'{"model":1,"x":2,"x":3}', keys) == (None, (9, 10))
    for data, key in (
        (b'{"model":1,"model":1}', b"model"),
        (b'{"model":1,"mod\\u0065l":2,"n":1,"n":2}', b"model"),
        (b'{"n":1,"n":2,"model":1,"model":2}', b"n"),
    ):
        with pytest.raises(ValueError, match="more than one member") as caught:
            jsonspan.unique_spans(data, keys)
        assert caught.value.key == key  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"at byte 21$"):
        jsonspan.unique_spans(b'{"model":1,"model":1,}', keys)


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", 0),
        (b"  ", 2),
        (b"[]", 0),
        (b'"a"', 0),
        (b"{", 1),
        (b'{"a"', 4),
        (b'{"a":', 5),
        (b'{"a":}', 5),
        (b'{"a" 1}', 5),
        (b'{"a":1', 6),
        (b'{"a":1,}', 7),
        (b"{,}", 1),
        (b"{1:2}", 1),
        (b'{"a":1 "b":2}', 7),
        (b'{"a":1}x', 7),
        (b'{"a":1}{}', 7),
        (b'{"a":"x}', 5),
        (b'{"a":"x\\"}', 5),
        (b'{"a":"x\\', 5),
        (b'{"a', 1),
        (b'{"a":[1,]}', 8),
        (b'{"a":[1 2]}', 8),
        (b'{"a":[1}}', 7),
        (b'{"a":{"b":1]}', 11),
        (b'{"a":{"b"}}', 9),
        (b'{"a":[[[[}', 9),
        (b'{"a":[', 6),
        (b'{"a":{', 6),
    ],
)
def test_fault_names_the_offset(jsonspan: ModuleType, data: bytes, offset: int) -> None:
    with pytest.raises(ValueError, match=rf"at byte {offset}$"):
        jsonspan.spans(data, (b"a",))


def test_depth_has_a_bound(jsonspan: ModuleType) -> None:
    deepest = b'{"a":' + b"[" * 511 + b"]" * 511 + b"}"
    assert values(jsonspan, deepest, b"a") == [deepest[5:-1]]
    with pytest.raises(ValueError, match=r"nested deeper than 512 at byte 516$"):
        jsonspan.spans(b'{"a":' + b"[" * 512 + b"]" * 512 + b"}", (b"a",))
    with pytest.raises(ValueError, match=r"nested deeper than 512"):
        jsonspan.spans(b'{"a":' * 100_000, (b"a",))


def test_a_string_of_backslashes_takes_linear_time(jsonspan: ModuleType) -> None:
    data = b'{"a":"' + b"\\\\" * 500_000 + b'","b":1}'
    assert values(jsonspan, data, b"b") == [b"1"]


def test_member_span_runs_from_the_key_to_the_end_of_the_value(jsonspan: ModuleType) -> None:
    data = b'{"a" : {"a":1} ,"b":2}'
    assert jsonspan.member_spans(data, (b"a", b"b", b"c")) == ((1, 14), (16, 21), None)
    assert jsonspan.member_spans(b'{"\\u0061":[]}', (b"a",)) == ((1, 12),)


def test_item_spans(jsonspan: ModuleType) -> None:
    assert jsonspan.item_spans(b" [ ] ") == ()
    assert jsonspan.item_spans(b'[1, {"a":[2]} ,"]"]') == ((1, 2), (4, 13), (15, 18))
    for data, offset in ((b"{}", 0), (b"[1,]", 3), (b"[,]", 1), (b"[1", 2), (b"[1]1", 3), (b"[", 1), (b"[1}", 2)):
        with pytest.raises(ValueError, match=rf"at byte {offset}$"):
            jsonspan.item_spans(data)


def test_patch_replaces_inserts_and_deletes_without_copying_the_rest(jsonspan: ModuleType) -> None:
    data = b'{"model":"a","x":1}'
    parts = jsonspan.patch(data, ((1, 1, b'"n":2,'), (9, 12, b'"bcd"'), (12, 18, b"")))
    assert b"".join(parts) == b'{"n":2,"model":"bcd"}'
    kept = [part for part in parts if isinstance(part, memoryview)]
    assert all(part.obj is data for part in kept)
    assert jsonspan.patch(data, ()) == (data,)
    assert b"".join(jsonspan.patch(data, ((0, len(data), b"{}"),))) == b"{}"


@pytest.mark.parametrize("edits", [((3, 2, b""),), ((0, 99, b""),), ((5, 6, b""), (4, 7, b"")), ((-1, 2, b""),)])
def test_patch_refuses_edits_that_do_not_fit(jsonspan: ModuleType, edits: tuple[tuple[int, int, bytes], ...]) -> None:
    with pytest.raises(ValueError, match="overlaps another or leaves the document"):
        jsonspan.patch(b'{"a":1}', edits)


def test_open_brace_and_is_empty_object(jsonspan: ModuleType) -> None:
    assert jsonspan.open_brace(b'{"a":1}') == 1
    assert jsonspan.open_brace(b"\xef\xbb\xbf \n{}") == 6
    assert jsonspan.is_empty_object(b"{ \n }")
    assert not jsonspan.is_empty_object(b'{ "a":1}')
    assert not jsonspan.is_empty_object(b"{ ")
    for data in (b"", b"[]", b" 1"):
        with pytest.raises(ValueError, match="expected an object at byte"):
            jsonspan.open_brace(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "é", 'q"', "n\n"]) | st.text(max_size=3), json_values, max_size=6))
def test_spans_hold_what_a_parser_reads(document: dict[str, object]) -> None:
    data = msgspec.json.encode(document)
    keys = tuple(key.encode() for key in document)
    for half in filter(None, (jsonspan_py, jsonspan_c)):
        found = {
            key.decode(): msgspec.json.decode(data[slice(*span)])
            for key, span in zip(keys, half.spans(data, keys), strict=True)
        }
        assert found == document


soup = st.lists(
    st.sampled_from(
        [
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"',
            b"\\",
            b'"a"',
            b'"usage"',
            b"1",
            b"null",
            b" ",
            b"\n",
            b"\\u0061",
            b'{"a":',
            b'{"a":[1,{}]}',
        ]
    )
    | st.binary(max_size=2),
    max_size=14,
).map(b"".join)


@pytest.mark.skipif(jsonspan_c is None, reason="jsonspan_c is not built")
@given(soup | soup.map(lambda inner: b'{"a":' + inner + b"}") | soup.map(lambda inner: b'{"' + inner + b'":0}'))
def test_twins_agree_on_any_bytes(data: bytes) -> None:
    keys = (b"a", b"usage", b"")
    for function in ("spans", "member_spans"):
        assert told(getattr(jsonspan_py, function), data, keys) == told(getattr(jsonspan_c, function), data, keys)
    for function in ("item_spans", "open_brace", "is_empty_object"):
        assert told(getattr(jsonspan_py, function), data) == told(getattr(jsonspan_c, function), data)
    listed = b"[" + data + b"]"
    assert told(jsonspan_py.item_spans, listed) == told(jsonspan_c.item_spans, listed)  # type: ignore[union-attr]


def told(function: object, *arguments: object) -> object:
    """What a call answers, or what it refuses with."""
    assert callable(function)
    try:
        return function(*arguments)
    except ValueError as error:
        return re.sub(r"^", "refused: ", str(error))


@pytest.mark.parametrize("gap", [0, 1, 14, 15, 16, 17, 31, 32, 33, 59, 63, 64, 65, 130])
@pytest.mark.parametrize("after", [0, 1, 15, 16, 63, 64, 90])
def test_a_needle_is_found_wherever_it_stands(jsonspan: ModuleType, gap: int, after: int) -> None:
    assert jsonspan.holds(b"o" * gap + b"omr1:" + b":" * after, b"omr1:")
    assert not jsonspan.holds(b"o" * gap + b"omr1;" + b":" * after, b"omr1:")
    assert not jsonspan.holds(b"o" * gap + b"omr1", b"omr1:")


@given(
    data=st.text("omr1:x", max_size=200).map(str.encode),
    needle=st.sampled_from([b"omr1:", b"omn", b"oo", b"x", b""]),
)
def test_what_holds_is_what_the_twin_says(data: bytes, needle: bytes) -> None:
    if jsonspan_c is None:
        pytest.skip("not compiled")
    assert jsonspan_c.holds(data, needle) == jsonspan_py.holds(data, needle)
