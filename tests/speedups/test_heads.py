"""Both halves of heads: what is taken, what is declined, that they never differ, and that no head written is torn."""

import re
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, heads_py
from tests.speedups.head_texts import REQUEST, RESPONSE, mutated, request_heads, response_heads
from tests.speedups.twins import maybe_compiled, twins

heads_c = maybe_compiled("heads")


@pytest.fixture(params=twins("heads"))
def heads(request: pytest.FixtureRequest) -> ModuleType:
    return request.param  # type: ignore[no-any-return]


def request_facts(heads: ModuleType, data: bytes, max_headers: int = 100, target_bytes: int = 8192) -> object:
    head = heads.parse_request_head(data, max_headers, target_bytes)
    if head is None:
        return None
    names = (
        "method",
        "target",
        "path",
        "query",
        "body",
        "length",
        "keep_alive",
        "http10",
        "expect_continue",
        "upgrade",
    )
    return {name: getattr(head, name) for name in names}, list(head.headers.items()), head.raw


def response_facts(heads: ModuleType, data: bytes, *, bodiless: bool = False) -> object:
    head = heads.parse_response_head(data, bodiless=bodiless)
    if head is None:
        return None
    names = ("status", "body_kind", "body_bytes", "keep_alive", "keep_alive_s")
    return {name: getattr(head, name) for name in names}, list(head.headers)


def test_a_request_of_an_sdk(heads: ModuleType) -> None:
    head = heads.parse_request_head(REQUEST, 100, 8192)
    assert (head.method, head.target, head.path, head.query) == (
        "POST", b"/v1/chat/completions?a=%20b", "/v1/chat/completions", b"a=%20b",
    )  # fmt: skip
    assert (head.body, head.length, head.keep_alive) == (BODY_LENGTH, 1234, True)
    assert (head.http10, head.expect_continue, head.upgrade) == (False, False, False)
    assert head.raw is REQUEST
    fields = head.headers
    assert fields[b"authorization"] == b"Bearer sk-or-abc"
    assert fields.get(b"x-stainless-os") == b"Linux"
    assert fields.get(b"Authorization") is None  # names are asked for in lower case
    assert fields.get(b"cookie", b"none") == b"none"
    assert b"host" in fields
    assert b"hos" not in fields
    assert "host" not in fields
    with pytest.raises(KeyError):
        fields[b"cookie"]
    assert len(fields) == REQUEST.count(b"\r\n") - 2
    assert list(fields) == list(fields.keys()) == [name for name, _ in fields.items()]
    assert list(fields.values()) == [fields[name] for name in fields]
    assert fields == dict(fields.items())
    assert fields != {}
    assert b"sk-or" not in repr(fields).encode() or heads is heads_py  # the dict of the plain half cannot help it


def test_a_response_of_a_provider(heads: ModuleType) -> None:
    head = heads.parse_response_head(RESPONSE, bodiless=False)
    assert (head.status, head.body_kind, head.body_bytes, head.keep_alive) == (200, BODY_CHUNKED, 0, True)
    assert head.keep_alive_s == 5.0
    assert head.headers[1] == (b"content-type", b"application/json")
    assert [value for name, value in head.headers if name == b"set-cookie"] == [b"a=1; path=/", b"b=2"]
    assert len(head.headers) == RESPONSE.count(b"\r\n") - 2
    assert head.headers == tuple(head.headers)


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (b"Content-Length: 0", (BODY_NONE, 0)),
        (b"Content-Length: 007", (BODY_LENGTH, 7)),
        (b"Content-Length: 999999999999999999", (BODY_LENGTH, 999999999999999999)),
        (b"transfer-encoding:Chunked  ", (BODY_CHUNKED, 0)),
        (b"X: y", (BODY_NONE, 0)),
    ],
)
def test_framing_of_requests(heads: ModuleType, line: bytes, body: tuple[int, int]) -> None:
    head = heads.parse_request_head(b"POST / HTTP/1.1\r\nHost: h\r\n" + line + b"\r\n\r\n", 9, 9)
    assert (head.body, head.length) == body


@pytest.mark.parametrize(
    ("status", "line", "bodiless", "body", "keep_alive"),
    [
        (200, b"Content-Length: 0", False, (BODY_NONE, 0), True),
        (200, b"X: y", False, (BODY_UNTIL_EOF, 0), False),
        (204, b"X: y", False, (BODY_NONE, 0), True),
        (304, b"Content-Length: 9", False, (BODY_NONE, 0), True),
        (200, b"Content-Length: 9", True, (BODY_NONE, 0), True),
        (599, b"Content-Length: 9\r\nConnection: Close", False, (BODY_LENGTH, 9), False),
    ],
)
def test_framing_of_responses(
    heads: ModuleType, status: int, line: bytes, body: tuple[int, int], *, bodiless: bool, keep_alive: bool
) -> None:
    head = heads.parse_response_head(b"HTTP/1.1 %d x\r\n%b\r\n\r\n" % (status, line), bodiless=bodiless)
    assert ((head.body_kind, head.body_bytes), head.keep_alive) == (body, keep_alive)


DECLINED_FIRST = [
    b"GET / HTTP/1.0", b"HEAD / HTTP/1.1", b"GET  / HTTP/1.1", b"GET /a%20b HTTP/1.1", b"GET /#x HTTP/1.1",
    b"GET * HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1", b"GET http://h/ HTTP/1.1", b"GET / HTTP/1.1 ", b"get / HTTP/1.1",
    b"GET /?\" HTTP/1.1", b"GET /",
]  # fmt: skip
DECLINED_LINES = [
    b"Host: i", b"Content-Length: 5\r\ncontent-length: 5", b"Content-Length: +5", b"Content-Length: 5, 5",
    b"Content-Length: " + b"1" * 19, b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Connection: upgrade", b"Connection: close, x", b"Upgrade: h2c",
    b"Expect: 100-continue", b"X:", b"X: ", b"X : y", b": y", b"X\t: y", b"X: a\tb", b"X: \xc3\xa9", b"X: a\r\n b",
    b"X: a\nY: b", b"X: a\rY: b", b"X: a\0b", b"X", b"X: 1\r\nx: 2", b"X" * 256 + b": y", b"X: " + b"y" * 0x10000,
    b"X!: y", b"\r\nX: y",
]  # fmt: skip


@pytest.mark.parametrize("first", DECLINED_FIRST)
def test_request_lines_that_are_declined(heads: ModuleType, first: bytes) -> None:
    assert heads.parse_request_head(first + b"\r\nHost: h\r\n\r\n", 100, 8192) is None


@pytest.mark.parametrize("line", DECLINED_LINES, ids=[repr(line[:30]) for line in DECLINED_LINES])
def test_request_headers_that_are_declined(heads: ModuleType, line: bytes) -> None:
    assert heads.parse_request_head(b"POST / HTTP/1.1\r\nHost: h\r\n" + line + b"\r\n\r\n", 100, 8192) is None


@pytest.mark.parametrize("host", [b"", b"h/", b"[::1]", b"h:123456", b"h:x", b":1", b"a b", b"a@b"])
def test_hosts_that_are_declined(heads: ModuleType, host: bytes) -> None:
    assert heads.parse_request_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", 100, 8192) is None


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.0 200 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 x", b"HTTP/1.1 600 x", b"HTTP/1.1 200",
        b"HTTP/1.1 20 x", b"HTTP/1.1 200 O\tK", b"HTTP/1.1 200 OK\r\nUpgrade: h2c",
        b"HTTP/1.1 200 OK\r\nConnection: x", b"HTTP/1.1 200 OK\r\nConnection: close\r\nconnection: close",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1", b"HTTP/1.1 200 OK\r\nKeep-Alive: max=3",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1234567890",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nKeep-Alive: timeout=2", b"HTTP/1.1 200 OK\r\nX: a\r\n b",
    ],
)  # fmt: skip
def test_responses_that_are_declined(heads: ModuleType, text: bytes) -> None:
    assert heads.parse_response_head(text + b"\r\n\r\n", bodiless=False) is None


def test_limits(heads: ModuleType) -> None:
    def taken(count: int, max_headers: int = 1000, target_bytes: int = 9) -> bool:
        data = (
            b"GET /12345678 HTTP/1.1\r\nHost: h\r\n" + b"".join(b"x-%d: 1\r\n" % at for at in range(1, count)) + b"\r\n"
        )
        return heads.parse_request_head(data, max_headers, target_bytes) is not None

    assert taken(heads_py.MAX_FIELDS)
    assert not taken(heads_py.MAX_FIELDS + 1)
    assert taken(3, max_headers=3)
    assert not taken(4, max_headers=3)
    assert not taken(3, target_bytes=8)
    assert heads.parse_request_head(b"", 9, 9) is None
    assert heads.parse_response_head(b"", bodiless=False) is None


@pytest.mark.skipif(heads_c is None, reason="heads_c is not built")
@given(st.one_of(request_heads(), mutated(REQUEST)), st.integers(0, 10), st.integers(0, 40))
def test_the_halves_read_requests_alike(data: bytes, max_headers: int, target_bytes: int) -> None:
    assert heads_c is not None
    assert request_facts(heads_c, data) == request_facts(heads_py, data)
    assert request_facts(heads_c, data, max_headers, target_bytes) == request_facts(
        heads_py, data, max_headers, target_bytes
    )


@pytest.mark.skipif(heads_c is None, reason="heads_c is not built")
@given(st.one_of(response_heads(), mutated(RESPONSE)), st.booleans())
def test_the_halves_read_responses_alike(data: bytes, bodiless: bool) -> None:
    assert heads_c is not None
    assert response_facts(heads_c, data, bodiless=bodiless) == response_facts(heads_py, data, bodiless=bodiless)


def test_every_cut_of_a_head_is_declined(heads: ModuleType) -> None:
    for at in range(len(REQUEST)):
        assert heads.parse_request_head(REQUEST[:at], 100, 8192) is None
    for at in range(len(RESPONSE)):
        assert heads.parse_response_head(RESPONSE[:at], bodiless=False) is None


def test_lines_are_relayed_but_for_those_dropped(heads: ModuleType) -> None:
    parsed = heads.parse_response_head(RESPONSE, bodiless=False).headers
    dropped = {b"date", b"set-cookie", b"transfer-encoding", b"connection", b"keep-alive", b"absent"}
    wanted = b"".join(b"%b: %b\r\n" % (name, value) for name, value in parsed if name not in dropped)
    assert heads.relayed_lines(parsed, heads.NameSet(dropped)) == wanted
    assert heads.relayed_lines(tuple(parsed), heads.NameSet(dropped)) == wanted
    assert heads.relayed_lines((), heads.NameSet(dropped)) == b""
    assert b"Date" not in heads.NameSet(dropped)
    assert sorted(heads.NameSet(dropped)) == sorted(dropped)


TEXTS = st.one_of(st.binary(max_size=6), st.sampled_from([b"x-a", b"DATE", b"date", b"1", b"a\r\nx: 1", b"long " * 9]))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_a_reply_head_holds_only_lines_that_were_meant(pairs: list[tuple[bytes, bytes]]) -> None:
    written = []
    for heads in filter(None, (heads_py, heads_c)):
        owned = heads.NameSet({b"date"})
        written.append(heads.write_reply_head(b"S: ", b"id", b"l: 1\r\n", tuple(pairs), owned, b"e: 2\r\n\r\n"))
    assert len(set(written)) == 1
    first, *lines, end, blank, nothing = written[0].split(b"\r\n")
    assert (first, lines[0], end, blank, nothing) == (b"S: id", b"l: 1", b"e: 2", b"", b"")
    token = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
    meant = [pair for pair in pairs if token.fullmatch(pair[0]) and pair[0].lower() != b"date"]
    assert [line.partition(b": ")[0] for line in lines[1:]] == [name for name, _ in meant]
    assert not re.search(rb"[\r\n\0]", b"".join(lines))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), st.sampled_from([-1, 0, 7, 1 << 40]))
def test_a_request_head_is_sound_or_refused(pairs: list[tuple[bytes, bytes]], length: int) -> None:
    bad = any(re.search(rb"[\r\n\0]", name + value) for name, value in pairs)
    end = b"" if length < 0 else b"Content-Length: %d\r\n" % length
    wanted = b"S\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in pairs) + end + b"\r\n"
    for heads in filter(None, (heads_py, heads_c)):
        if bad:
            with pytest.raises(ValueError, match="line break"):
                heads.write_request_head(b"S\r\n", tuple(pairs), length)
        else:
            assert heads.write_request_head(b"S\r\n", tuple(pairs), length) == wanted


@pytest.mark.skipif(heads_c is None, reason="heads_c is not built")
def test_the_compiled_half_refuses_what_is_no_header() -> None:
    assert heads_c is not None
    for pairs in ((("a", b"b"),), ((b"a", 1),)):
        with pytest.raises(TypeError):
            heads_c.write_request_head(b"", pairs, 0)
    for pairs in (((b"a",),), (None,)):
        with pytest.raises(ValueError, match="pair"):
            heads_c.write_request_head(b"", pairs, 0)
    with pytest.raises(ValueError, match="more than"):
        heads_c.NameSet([b"%d" % at for at in range(65)])
