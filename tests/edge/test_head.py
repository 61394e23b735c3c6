"""Heads: what is understood, what is refused and how, and that no head has two framings."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE
from omniroute.edge.head import RequestHead, header_lines, parse_head
from omniroute.edge.options import EdgeOptions
from omniroute.errors import ClientError

OPTIONS = EdgeOptions()


def head(
    *lines: bytes, first: bytes = b"POST /v1/chat/completions HTTP/1.1", host: bytes | None = b"Host: gw"
) -> bytes:
    return b"\r\n".join([first, *([host] if host is not None else []), *lines]) + b"\r\n\r\n"


def parse(data: bytes, options: EdgeOptions = OPTIONS) -> RequestHead:
    return parse_head(data, options)


def test_plain_request() -> None:
    got = parse(
        b"POST /v1/chat/completions?key=a%20b&x HTTP/1.1\r\nHost: gw.example:20128\r\nAuthorization: Bearer sk-1\r\n"
        b"Content-Type:application/json\r\nContent-Length: 12 \t\r\nX-Odd: \xc3\xa9\r\n\r\n"
    )
    assert (got.method, got.path, got.query) == ("POST", "/v1/chat/completions", b"key=a%20b&x")
    assert got.target == b"/v1/chat/completions?key=a%20b&x"
    assert got.headers == {
        b"host": b"gw.example:20128",
        b"authorization": b"Bearer sk-1",
        b"content-type": b"application/json",
        b"content-length": b"12",
        b"x-odd": b"\xc3\xa9",
    }
    assert (got.body, got.length) == (BODY_LENGTH, 12)
    assert (got.keep_alive, got.http10, got.expect_continue, got.upgrade) == (True, False, False, False)


@pytest.mark.parametrize(
    ("lines", "body", "length"),
    [
        ((), BODY_NONE, 0),
        ((b"Content-Length: 0",), BODY_NONE, 0),
        ((b"Content-Length: 007",), BODY_LENGTH, 7),
        ((b"Transfer-Encoding: chunked",), BODY_CHUNKED, 0),
        ((b"transfer-encoding:  Chunked ",), BODY_CHUNKED, 0),
    ],
)
def test_framing(lines: tuple[bytes, ...], body: int, length: int) -> None:
    got = parse(head(*lines))
    assert (got.body, got.length) == (body, length)


@pytest.mark.parametrize(
    ("first", "lines", "keep_alive"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"Connection: keep-alive, Close",), False),
        (b"GET / HTTP/1.1", (b"Connection: keep-alive", b"Connection: close"), False),
        (b"GET / HTTP/1.1", (b"Connection: closed",), True),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"Connection: Keep-Alive",), True),
        (b"GET / HTTP/1.0", (b"Connection: keep-alive, close",), False),
    ],
)
def test_keep_alive(first: bytes, lines: tuple[bytes, ...], *, keep_alive: bool) -> None:
    assert parse(head(*lines, first=first)).keep_alive is keep_alive


def test_http10_needs_no_host_and_knows_no_interim_answer() -> None:
    got = parse(head(b"Expect: 100-continue", b"Content-Length: 1", first=b"POST / HTTP/1.0", host=None))
    assert got.http10
    assert not got.expect_continue
    assert parse(head(b"Expect: 100-Continue", b"Content-Length: 1")).expect_continue


def test_repeated_headers() -> None:
    got = parse(head(b"Accept: a", b"X-A: 1", b"accept: b", b"x-a: 2", b"Cookie: c=1", b"Cookie: d=2"))
    assert got.headers[b"accept"] == b"a, b"
    assert got.headers[b"x-a"] == b"2"
    assert got.headers[b"cookie"] == b"c=1; d=2"
    assert header_lines(got) == [
        (b"host", b"gw"),
        (b"accept", b"a"),
        (b"x-a", b"1"),
        (b"accept", b"b"),
        (b"x-a", b"2"),
        (b"cookie", b"c=1"),
        (b"cookie", b"d=2"),
    ]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/v1/models/openai%2Fgpt-4o", "/v1/models/openai/gpt-4o", b""),
        (b"/a%C3%A9?q=%00", "/aé", b"q=%00"),
        (b"/?", "/", b""),
        (b"/a?b?c", "/a", b"b?c"),
        (b"//double", "//double", b""),
        (b"http://GW/v1/models?x=1", "/v1/models", b"x=1"),
        (b"http://gw", "/", b""),
        (b"https://gw?x=1", "/", b"x=1"),
    ],
)
def test_targets(target: bytes, path: str, query: bytes) -> None:
    got = parse(head(first=b"GET %b HTTP/1.1" % target))
    assert (got.path, got.query) == (path, query)
    assert got.target.startswith(b"/")


def test_upgrade_is_an_offer_even_with_a_body() -> None:
    got = parse(head(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"Content-Length: 5"))
    assert got.upgrade
    assert (got.body, got.length) == (BODY_LENGTH, 5)
    assert not parse(head(b"Upgrade: websocket")).upgrade  # without Connection it is no offer


CL5, TE = b"Content-Length: 5", b"Transfer-Encoding: chunked"
REFUSED = {
    "CL.TE": (head(CL5, TE), 400),
    "TE.CL": (head(TE, CL5), 400),
    "CL twice, same": (head(CL5, CL5), 400),
    "CL twice, other": (head(CL5, b"Content-Length: 6"), 400),
    "CL list": (head(b"Content-Length: 5, 5"), 400),
    "CL plus": (head(b"Content-Length: +5"), 400),
    "CL minus": (head(b"Content-Length: -5"), 400),
    "CL hex": (head(b"Content-Length: 0x5"), 400),
    "CL blank inside": (head(b"Content-Length: 5 5"), 400),
    "CL empty": (head(b"Content-Length:"), 400),
    "CL beyond 64 bits": (head(b"Content-Length: 18446744073709551621"), 400),
    "CL beyond sense": (head(b"Content-Length: 9999999999999999999"), 400),
    "CL other digits": (head(b"Content-Length: \xd9\xa5"), 400),
    "TE twice": (head(TE, TE), 400),
    "TE list": (head(b"Transfer-Encoding: gzip, chunked"), 501),
    "TE after chunked": (head(b"Transfer-Encoding: chunked, identity"), 400),
    "TE unknown": (head(b"Transfer-Encoding: xchunked"), 400),
    "TE gzip": (head(b"Transfer-Encoding: gzip"), 400),
    "TE identity": (head(b"Transfer-Encoding: identity"), 400),
    "TE empty": (head(b"Transfer-Encoding:"), 400),
    "TE vertical tab": (head(b"Transfer-Encoding:\x0bchunked"), 400),
    "TE quoted": (head(b'Transfer-Encoding: "chunked"'), 400),
    "TE in 1.0": (head(TE, first=b"POST / HTTP/1.0"), 400),
    "TE name with blank": (head(b"Transfer-Encoding : chunked"), 400),
    "TE folded": (head(b"X: 1\r\n Transfer-Encoding: chunked"), 400),
    "obs-fold": (head(b"X: 1", b"\tb"), 400),
    "fold before the first": (head(b" X: 1", host=None), 400),
    "bare LF between": (b"GET / HTTP/1.1\nHost: gw\r\n\r\n", 400),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: gw\n\n", 400),
    "CR LF LF": (b"GET / HTTP/1.1\r\nHost: gw\r\n\n", 400),
    "bare CR": (head(b"X: a\rb"), 400),
    "NUL in value": (head(b"X: a\0b"), 400),
    "NUL in name": (head(b"X\0: b"), 400),
    "control in value": (head(b"X: \x01"), 400),
    "no colon": (head(b"X"), 400),
    "no name": (head(b": x"), 400),
    "two heads": (head() + head(), 400),
    "head and body": (head(CL5) + b"12345", 400),
    "no end": (b"GET / HTTP/1.1\r\nHost: gw\r\n", 400),
    "nothing": (b"", 400),
    "blank": (b"\r\n\r\n", 400),
    "0.9": (b"GET /\r\n\r\n", 400),
    "0.9 with version": (head(first=b"GET / HTTP/0.9"), 400),
    "two spaces": (head(first=b"GET  / HTTP/1.1"), 400),
    "space after version": (head(first=b"GET / HTTP/1.1 "), 400),
    "space in target": (head(first=b"GET /a b HTTP/1.1"), 400),
    "tab for space": (head(first=b"GET\t/ HTTP/1.1"), 400),
    "small http": (head(first=b"GET / http/1.1"), 400),
    "RTSP": (head(first=b"DESCRIBE / RTSP/1.0"), 400),
    "1.2": (head(first=b"GET / HTTP/1.2"), 505),
    "2.0": (head(first=b"GET / HTTP/2.0"), 505),
    "3.7": (head(first=b"GET / HTTP/3.7"), 505),
    "preface": (b"PRI * HTTP/2.0\r\n\r\n", 505),
    "no Host": (head(host=None), 400),
    "two Hosts": (head(b"Host: gw"), 400),
    "empty Host": (head(host=b"Host:"), 400),
    "Host list": (head(host=b"Host: a, b"), 400),
    "Host with path": (head(host=b"Host: a/b"), 400),
    "Host with user": (head(host=b"Host: a@b"), 400),
    "Host port": (head(host=b"Host: a:http"), 400),
    "empty Host in 1.0": (head(host=b"Host:", first=b"GET / HTTP/1.0"), 400),
    "other authority": (head(first=b"GET http://other/ HTTP/1.1"), 400),
    "user in authority": (head(first=b"GET http://u@gw/ HTTP/1.1"), 400),
    "no authority": (head(first=b"GET http:/// HTTP/1.1"), 400),
    "other scheme": (head(first=b"GET ftp://gw/ HTTP/1.1"), 400),
    "target without slash": (head(first=b"GET v1 HTTP/1.1"), 400),
    "CONNECT": (head(first=b"CONNECT gw:443 HTTP/1.1"), 501),
    "TRACE": (head(first=b"TRACE / HTTP/1.1"), 501),
    "PROPFIND": (head(first=b"PROPFIND / HTTP/1.1"), 501),
    "unknown method": (head(first=b"BREW / HTTP/1.1"), 501),
    "small method": (head(first=b"get / HTTP/1.1"), 501),
    "method no token": (head(first=b"G(T / HTTP/1.1"), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "OPTIONS *": (head(first=b"OPTIONS * HTTP/1.1"), 501),
    "GET *": (head(first=b"GET * HTTP/1.1"), 400),
    "fragment": (head(first=b"GET /a#b HTTP/1.1"), 400),
    "fragment in query": (head(first=b"GET /a?b#c HTTP/1.1"), 400),
    "escaped NUL": (head(first=b"GET /a%00 HTTP/1.1"), 400),
    "escaped LF": (head(first=b"GET /a%0a HTTP/1.1"), 400),
    "half an escape": (head(first=b"GET /a%4 HTTP/1.1"), 400),
    "no escape": (head(first=b"GET /100% HTTP/1.1"), 400),
    "escape not UTF-8": (head(first=b"GET /%ff HTTP/1.1"), 400),
    "raw 8-bit": (head(first=b"GET /\xff HTTP/1.1"), 400),
    "expectation": (head(b"Expect: 200-ok"), 417),
    "expectations": (head(b"Expect: 100-continue", b"Expect: x"), 417),
    "long target": (head(first=b"GET /" + b"a" * 8192 + b" HTTP/1.1"), 414),
    "many headers": (head(*[b"X-%d: 1" % n for n in range(100)]), 431),
    "many equal headers": (head(*[b"X: 1"] * 100), 431),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(data: bytes, status: int) -> None:
    with pytest.raises(ClientError) as caught:
        parse(data)
    assert caught.value.status == status
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


def test_refusals_have_their_codes_and_quote_nothing() -> None:
    secret = b"sk-very-secret"
    for data, code in [
        (head(b"Authorization: " + secret, CL5, TE), "bad_request"),
        (head(b"Authorization: " + secret + b"\x01"), "bad_request"),
        (head(first=b"GET /?key=" + secret + b"#x HTTP/1.1"), "bad_request"),
        (head(first=b"GET /%ff?key=" + secret + b" HTTP/1.1"), "bad_request"),
        (head(first=secret + b" / HTTP/1.1"), "not_implemented"),
        (b"PRI * HTTP/2.0\r\n\r\n", "http_version_not_supported"),
        (head(first=b"GET /" + b"a" * 8192 + b" HTTP/1.1"), "uri_too_long"),
        (head(*[b"X: 1"] * 100), "headers_too_large"),
        (head(b"Expect: a"), "expectation_failed"),
    ]:
        with pytest.raises(ClientError) as caught:
            parse(data)
        assert caught.value.code == code
        assert secret.decode() not in caught.value.message


def test_limits_are_options() -> None:
    tight = EdgeOptions(max_headers=2, target_bytes=4)
    parse(head(b"A: 1", first=b"GET /abc HTTP/1.1"), tight)
    with pytest.raises(ClientError, match="More than 2 header lines"):
        parse(head(b"A: 1", b"B: 1", first=b"GET /abc HTTP/1.1"), tight)
    with pytest.raises(ClientError, match="longer than 4 bytes"):
        parse(head(first=b"GET /abcd HTTP/1.1"), tight)


NAMES = st.sampled_from(
    [
        b"Content-Length",
        b"content-length",
        b"Transfer-Encoding",
        b"TRANSFER-ENCODING",
        b"Host",
        b"Connection",
        b"X",
        b"Expect",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [b"5", b"0", b"chunked", b"Chunked", b"gzip, chunked", b"chunked, chunked", b"identity", b"gw", b"close"]
    ),
    st.binary(max_size=6),
)
SEPARATORS = st.sampled_from([b": ", b":", b" : ", b":\t", b":\r\n "])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\t"])
FIRSTS = st.sampled_from([b"POST / HTTP/1.1", b"GET / HTTP/1.1", b"POST / HTTP/1.0", b"POST  / HTTP/1.1", b"GET /"])


@given(FIRSTS, st.lists(st.tuples(NAMES, SEPARATORS, VALUES, ENDS), max_size=4))
@example(b"POST / HTTP/1.1", [(b"Host", b": ", b"gw", b"\r\n"), (b"Content-Length", b": ", b"5", b"\r\n")])
def test_what_is_accepted_is_framed_as_a_second_reader_frames_it(
    first: bytes, fields: list[tuple[bytes, bytes, bytes, bytes]]
) -> None:
    """h11 stands for the load balancer before us: what both accept, both end at the same byte."""
    data = first + b"\r\n" + b"".join(b"".join(field) for field in fields) + b"\r\n"
    try:
        got = parse(data)
    except ClientError:  # and never another exception
        return
    framing = [
        name for name in (name.lower() for name, *_ in fields) if name in {b"content-length", b"transfer-encoding"}
    ]
    assert len(framing) <= 1
    assert (got.body == BODY_NONE) or framing
    other = h11.Connection(h11.SERVER)
    other.receive_data(data)
    try:
        other.next_event()
    except h11.RemoteProtocolError:
        return  # refused there
    body = b"5\r\nhello\r\n0\r\n\r\n" if got.body == BODY_CHUNKED else b"x" * got.length
    other.receive_data(body + b"GET /next HTTP/1.1\r\n")
    taken = 0
    while isinstance(event := other.next_event(), h11.Data):
        taken += len(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert taken == (5 if got.body == BODY_CHUNKED else got.length)
    assert other.trailing_data[0] == b"GET /next HTTP/1.1\r\n"


@given(st.binary(max_size=200))
def test_garbage_is_a_client_error(data: bytes) -> None:
    for candidate in (data, data + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: gw\r\n" + data + b"\r\n\r\n"):
        try:
            got = parse(candidate)
        except ClientError:
            continue
        assert got.raw == candidate
        assert candidate.index(b"\r\n\r\n") == len(candidate) - 4
