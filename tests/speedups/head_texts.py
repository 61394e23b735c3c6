"""Heads for tests: as SDKs and providers write them, and variations that cross every border of the common shape."""

from hypothesis import strategies as st

REQUEST = (
    b"POST /v1/chat/completions?a=%20b HTTP/1.1\r\nHost: gateway.example:20128\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Connection: keep-alive\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
    b"User-Agent: OpenAI/Python 1.99.9\r\nX-Stainless-Lang: python\r\nX-Stainless-OS: Linux\r\n"
    b"Authorization: Bearer sk-or-abc\r\nx-stainless-read-timeout: 600\r\nContent-Length: 1234\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nDate: Sat, 01 Nov 2025 10:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n"
    b"OpenAI-Processing-Ms: 312\r\nx-ratelimit-remaining-requests: 9999\r\nset-cookie: a=1; path=/\r\n"
    b'Set-Cookie: b=2\r\nServer: cloudflare\r\nCF-RAY: 98abc-FRA\r\nalt-svc: h3=":443"; ma=86400\r\n\r\n'
)

_NAMES = st.one_of(
    st.sampled_from(
        [
            b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"connection", b"Keep-Alive",
            b"Upgrade", b"Expect", b"X-A", b"x-a", b"Set-Cookie", b"Proxy-Connection", b"TE", b"Trailer", b"X_b",
            b"X.c", b"",
        ]
    ),
    st.binary(max_size=3),
)  # fmt: skip
_VALUES = st.one_of(
    st.sampled_from(
        [
            b"gw", b"gw:80", b"5", b"0", b"005", b"chunked", b"Chunked", b"gzip", b"close", b"Close", b"keep-alive",
            b"Keep-Alive", b"keep-alive, close", b"upgrade", b"h2c", b"timeout=5", b"Timeout=7, max=2", b"timeout=",
            b"max=1", b"100-continue", b"two words", b"", b"99999999999999999999", b"123456789012345678",
        ]
    ),
    st.binary(max_size=4),
)  # fmt: skip
_COMMON = st.sampled_from(
    [
        b"Content-Length: 12\r\n", b"content-length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n", b"connection:Keep-Alive \r\n", b"Keep-Alive: timeout=4, max=9\r\n",
        b"X-A: b:c, d\r\n", b"x-b:   1  \r\n", b"TE: x\r\n", b"Set-Cookie: a=b\r\n", b"Cookie: a=b; c\r\n",
        b"X_b: 1\r\n", b"Proxy-Connection: close\r\n", b"Trailer: x\r\n",
    ]
)  # fmt: skip
_FIELDS = st.tuples(
    _NAMES,
    st.sampled_from([b": ", b": ", b": ", b":", b":   ", b" : ", b":\t"]),
    _VALUES,
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"  \r\n", b"\t\r\n", b"\n", b"\r", b"\r\n "]),
).map(b"".join)
_SOME_FIELDS = st.one_of(
    st.lists(_COMMON, max_size=5).map(b"".join),
    st.tuples(st.lists(_COMMON, max_size=3).map(b"".join), _FIELDS).map(b"".join),
    st.lists(_FIELDS, max_size=3).map(b"".join),
)
_REQUEST_LINES = st.sampled_from(
    [
        *[b"POST /v1/x HTTP/1.1", b"GET /?a=b HTTP/1.1"] * 8, b"GET / HTTP/1.1", b"GET /a? HTTP/1.1",
        b"GET //a/../b HTTP/1.1", b"GET /%41 HTTP/1.1", b"GET /a?b#c HTTP/1.1", b"GET / HTTP/1.0",
        b"HEAD / HTTP/1.1", b"POST  / HTTP/1.1", b"GET /", b"GET /[x] HTTP/1.1", b"GET /a;b=c,d HTTP/1.1",
        b"GET /?a?%zz HTTP/1.1",
    ]
)  # fmt: skip
_STATUS_LINES = st.sampled_from(
    [
        *[b"HTTP/1.1 200 OK"] * 8, b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 x", b"HTTP/1.1 429 ", b"HTTP/1.1 500",
        b"HTTP/1.0 200 OK", b"HTTP/1.1 101 x", b"HTTP/1.1 103 x", b"HTTP/1.1 599 a b c", b"HTTP/1.1 700 x",
        b"HTTP/1.1  200 x", b"HTTP/1.1 200\tx",
    ]
)  # fmt: skip
_ENDS = st.sampled_from([b"\r\n"] * 12 + [b"", b"\n", b"\r\nX", b"\r\n\r\n"])


def request_heads() -> st.SearchStrategy[bytes]:
    """Heads of requests, most of them near the common shape."""
    hosts = st.sampled_from([b"Host: gw\r\n", b"Host: gw\r\n", b"host: gw:8\r\n", b"HOST:g-w_1.x\r\n", b""])
    return st.tuples(_REQUEST_LINES, st.just(b"\r\n"), hosts, _SOME_FIELDS, _ENDS).map(b"".join)


def response_heads() -> st.SearchStrategy[bytes]:
    """Heads of responses, most of them near the common shape."""
    return st.tuples(_STATUS_LINES, st.just(b"\r\n"), _SOME_FIELDS, _ENDS).map(b"".join)


def mutated(head: bytes) -> st.SearchStrategy[bytes]:
    """``head`` with a few bytes replaced, removed or put in."""

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = head
        for at, removed, put in edits:
            data = data[:at] + put + data[at + removed :]
        return data

    edit = st.tuples(st.integers(0, len(head)), st.integers(0, 3), st.binary(max_size=3))
    return st.lists(edit, max_size=3).map(apply)
