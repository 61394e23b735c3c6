"""Response heads: bytes in, framing out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF
from omniroute.upstream.response import MalformedHeadError, parse_response_head

OK = b"HTTP/1.1 200 OK\r\n"


def test_names_are_lowered_values_and_order_kept() -> None:
    head = parse_response_head(
        OK + b"X-B: 1\r\nSet-Cookie: a=1\r\nx-a:  two words \r\nset-cookie: b=2\r\nContent-Length: 3\r\n\r\n", b"POST"
    )
    assert head.status == 200
    assert head.headers == (
        (b"x-b", b"1"),
        (b"set-cookie", b"a=1"),
        (b"x-a", b"two words"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"3"),
    )


FRAMING = [
    ("length", OK + b"Content-Length: 5\r\n", b"POST", BODY_LENGTH, 5, True),
    ("length with zeros", OK + b"Content-Length: 005\r\n", b"POST", BODY_LENGTH, 5, True),
    ("length 0", OK + b"Content-Length: 0\r\n", b"POST", BODY_NONE, 0, True),
    ("chunked", OK + b"Transfer-Encoding: chunked\r\n", b"POST", BODY_CHUNKED, 0, True),
    ("chunked, other case", OK + b"Transfer-Encoding: Chunked \r\n", b"POST", BODY_CHUNKED, 0, True),
    ("neither", OK, b"POST", BODY_UNTIL_EOF, 0, False),
    ("neither, keep-alive claimed", OK + b"Connection: keep-alive\r\n", b"POST", BODY_UNTIL_EOF, 0, False),
    ("204", b"HTTP/1.1 204 No Content\r\n", b"POST", BODY_NONE, 0, True),
    ("204 with length", b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n", b"POST", BODY_NONE, 0, True),
    ("304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n", b"GET", BODY_NONE, 0, True),
    ("HEAD", OK + b"Content-Length: 9\r\n", b"HEAD", BODY_NONE, 0, True),
    ("HEAD of a chunked one", OK + b"Transfer-Encoding: chunked\r\n", b"HEAD", BODY_NONE, 0, True),
    ("close", OK + b"Content-Length: 5\r\nConnection: close\r\n", b"POST", BODY_LENGTH, 5, False),
    ("close among others", OK + b"Content-Length: 5\r\nConnection: x, Close\r\n", b"POST", BODY_LENGTH, 5, False),
    (
        "close in a second line",
        OK + b"Connection: keep-alive\r\nConnection: close\r\nContent-Length: 5\r\n",
        b"POST",
        BODY_LENGTH,
        5,
        False,
    ),
    ("1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n", b"POST", BODY_LENGTH, 5, False),
    (
        "1.0 keep-alive",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n",
        b"POST",
        BODY_LENGTH,
        5,
        True,
    ),
    ("1.0 to the end", b"HTTP/1.0 200 OK\r\n", b"POST", BODY_UNTIL_EOF, 0, False),
    ("no reason phrase", b"HTTP/1.1 429\r\nContent-Length: 5\r\n", b"POST", BODY_LENGTH, 5, True),
    ("interim", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n", b"POST", BODY_NONE, 0, True),
]


@pytest.mark.parametrize(
    ("data", "method", "kind", "length", "keep_alive"), [c[1:] for c in FRAMING], ids=[c[0] for c in FRAMING]
)
def test_framing(data: bytes, method: bytes, kind: int, length: int, keep_alive: bool) -> None:
    head = parse_response_head(data + b"\r\n", method)
    assert (head.body_kind, head.body_bytes, head.keep_alive) == (kind, length, keep_alive)


MALFORMED = [
    ("length and chunked", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    ("chunked and length", OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ("two lengths", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n"),
    ("two equal lengths", OK + b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    ("list of lengths", OK + b"Content-Length: 5, 6\r\n"),
    ("signed length", OK + b"Content-Length: +5\r\n"),
    ("negative length", OK + b"Content-Length: -5\r\n"),
    ("hexadecimal length", OK + b"Content-Length: 0x5\r\n"),
    ("empty length", OK + b"Content-Length: \r\n"),
    ("huge length", OK + b"Content-Length: 99999999999999999999999\r\n"),
    ("gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n"),
    ("chunked twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("identity", OK + b"Transfer-Encoding: identity\r\n"),
    ("chunked in 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"),
    ("space before colon", OK + b"Content-Length : 5\r\n"),
    ("folded", OK + b"X: a\r\n b\r\n"),
    ("NUL", OK + b"X: a\0b\r\n"),
    ("bare CR", OK + b"X: a\rContent-Length: 3\r\n"),
    ("HTTP/2", b"HTTP/2 200 OK\r\n"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\n"),
    ("a request", b"GET / HTTP/1.1\r\n"),
    ("status of two digits", b"HTTP/1.1 99 x\r\n"),
    ("switching protocols", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"),
    ("switching protocols without saying to what", b"HTTP/1.1 101 Switching Protocols\r\n"),
    ("banner", b"SSH-2.0-OpenSSH_9.7\r\n"),
]


@pytest.mark.parametrize("data", [case[1] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_ambiguous_or_foreign_heads_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedHeadError):
        parse_response_head(data + b"\r\n", b"POST")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5.0),
        (b"timeout=5, max=100", 5.0),
        (b"max=9, Timeout = 7", 7.0),
        (b"timeout=x", 0.0),
        (b"timeout=-1", 0.0),
        (b"timeout=99999999999999999999", 0.0),
        (b"", 0.0),
    ],
)
def test_announced_keep_alive(value: bytes, seconds: float) -> None:
    head = parse_response_head(OK + b"Content-Length: 1\r\nKeep-Alive: " + value + b"\r\n\r\n", b"POST")
    assert head.keep_alive_s == seconds


@given(st.binary(max_size=200), st.sampled_from([b"", OK, OK + b"X: ", OK + b"Transfer-Encoding: "]))
def test_any_bytes_give_a_head_or_malformed(noise: bytes, start: bytes) -> None:
    noise = noise.replace(b"\n", b"\r\n")
    try:
        head = parse_response_head(start + noise + b"\r\n\r\n", b"POST")
    except MalformedHeadError:
        return
    assert head.status >= 100
    assert head.body_kind in (BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_EOF)
