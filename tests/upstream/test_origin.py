"""Origins, routes and request heads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.domain import Connection, Secret, TlsProfile
from omniroute.errors import GatewayFault, UpstreamError
from omniroute.ports import Headers, WireRequest
from omniroute.upstream.origin import Origin, OriginKey, Route, key_of, split_base_url
from omniroute.upstream.routes import RouteTable


def connection(
    base_url: str, *, proxy: str = "", allow_private: bool = False, tls: TlsProfile | None = None
) -> Connection:
    return Connection(
        connection_id="c1",
        label="main",
        provider="acme",
        base_url=base_url,
        proxy=Secret(proxy),
        allow_private=allow_private,
        tls=tls or TlsProfile(),
    )


def key(base_url: str, *, proxy: str = "", allow_private: bool = False, tls: TlsProfile | None = None) -> OriginKey:
    made = connection(base_url, proxy=proxy, allow_private=allow_private, tls=tls)
    return key_of(made, split_base_url(made))


def head(
    base_url: str, path: str, *, method: bytes = b"POST", headers: Headers = (), body: bytes = b"{}"
) -> list[bytes]:
    made = connection(base_url)
    url = split_base_url(made)
    request = WireRequest(made, method, path, headers, (body,) if body else (), len(body))
    data = Route(made, Origin(key_of(made, url)), url).head(request)
    assert data.endswith(b"\r\n\r\n")
    return data[:-4].split(b"\r\n")


def test_the_head_is_request_line_host_headers_length() -> None:
    lines = head(
        "https://api.example.com/v1",
        "/chat/completions",
        headers=((b"authorization", b"Bearer k"), (b"content-type", b"application/json")),
    )
    assert lines == [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: api.example.com",
        b"authorization: Bearer k",
        b"content-type: application/json",
        b"Content-Length: 2",
    ]


@pytest.mark.parametrize(
    ("base_url", "path", "target", "host"),
    [
        ("https://h", "/x", b"/x", b"h"),
        ("https://h/", "/x", b"/x", b"h"),
        ("https://h", "", b"/", b"h"),
        ("https://h/v1/", "/x", b"/v1/x", b"h"),
        ("https://h:443/v1", "/x", b"/v1/x", b"h"),
        ("https://h:8443/v1", "/x", b"/v1/x", b"h:8443"),
        ("http://h:80", "/x", b"/x", b"h"),
        ("http://h:443", "/x", b"/x", b"h:443"),
        ("http://[2001:db8::1]:8080/v1", "/x", b"/v1/x", b"[2001:db8::1]:8080"),
        ("https://bücher.example/v1", "/x", b"/v1/x", b"xn--bcher-kva.example"),
        ("https://H.Example/V1", "/X", b"/V1/X", b"h.example"),
        ("https://h/o?api-version=1", "/x", b"/o/x?api-version=1", b"h"),
        ("https://h/o?api-version=1", "/x?alt=sse", b"/o/x?api-version=1&alt=sse", b"h"),
        ("https://h", "/models/a b:go", b"/models/a%20b:go", b"h"),
        ("https://h", "/models/a%2Fb", b"/models/a%2Fb", b"h"),
        ("https://h", "/m\r\nX: y", b"/m%0D%0AX:%20y", b"h"),
        ("https://h", "/ü", b"/%C3%BC", b"h"),
    ],
)
def test_target_and_host(base_url: str, path: str, target: bytes, host: bytes) -> None:
    lines = head(base_url, path)
    assert lines[0] == b"POST " + target + b" HTTP/1.1"
    assert lines[1] == b"Host: " + host


def test_length_is_left_out_only_where_no_body_is_usual() -> None:
    assert head("https://h", "/x", method=b"GET", body=b"")[-1] == b"Host: h"
    assert head("https://h", "/x", method=b"POST", body=b"")[-1] == b"Content-Length: 0"
    assert head("https://h", "/x", method=b"DELETE", body=b"{}")[-1] == b"Content-Length: 2"


@given(st.binary(), st.binary())
def test_no_header_can_become_two(name: bytes, value: bytes) -> None:
    dangerous = any(byte in name + value for byte in b"\r\n\0")
    if dangerous:
        with pytest.raises(GatewayFault):
            head("https://h", "/x", headers=((name, value),))
    else:
        assert len(head("https://h", "/x", headers=((name, value),))) == 4


def test_equal_destinations_share_an_origin() -> None:
    assert key("https://h/v1") == key("https://h:443/other?x=1")
    different = [
        key("https://h"),
        key("http://h"),
        key("https://h:444"),
        key("https://h", proxy="http://p"),
        key("https://h", proxy="socks5://p"),
        key("https://h", proxy="http://u:1@p"),
        key("https://h", proxy="http://u:2@p"),
        key("https://h", allow_private=True),
        key("https://h", tls=TlsProfile(server_name="x")),
    ]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize(
    ("base_url", "proxy", "field"),
    [
        ("ftp://h", "", "base_url"),
        ("h/v1", "", "base_url"),
        ("https://", "", "base_url"),
        ("https://h:99999", "", "base_url"),
        ("https://[::1", "", "base_url"),
        ("https://user:hunter2@h", "", "base_url"),
        ("https://a b", "", "base_url"),
        ("https://a\\b", "", "base_url"),
        ("https://h", "https://u:hunter2@p", "proxy"),
        ("https://h", "u:hunter2@p", "proxy"),
        ("https://h", "http://u:hunter2@p:x", "proxy"),
        ("https://h", "http://u:hunter2@[p", "proxy"),
    ],
)
def test_what_cannot_be_called_says_which_field_and_no_secret(base_url: str, proxy: str, field: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        key(base_url, proxy=proxy)
    assert field in caught.value.message
    assert caught.value.scope == "connection"
    assert "hunter2" not in repr(caught.value.__cause__) + caught.value.message


def test_proxy_credentials_are_decoded_and_not_printed() -> None:
    proxy = key("https://h", proxy="socks5h://us%40er:p%3Aw@proxy").proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.host, proxy.port) == ("socks5", "proxy", 1080)
    assert (proxy.user.reveal(), proxy.password.reveal()) == ("us@er", "p:w")
    assert "p:w" not in repr(key("https://h", proxy="socks5h://us%40er:p%3Aw@proxy"))


def test_routes_are_derived_once_shared_by_origin_bounded_and_forgotten() -> None:
    table = RouteTable(max_routes=2)
    first, second, third = (connection(f"https://h/{n}") for n in range(3))
    route = table.of(first, 1.0)
    assert table.of(first, 2.0) is route
    assert table.of(second, 2.0).origin is route.origin
    assert table.of(third, 2.0).origin is route.origin
    assert len(table) == 2
    assert route.origin.routes == 2
    assert table.of(first, 3.0) is not route  # it was the one remembered longest
    table.forget_unused(2.5)
    assert len(table) == 1
    route.origin.open = 1
    table.forget_unused(9.0)
    assert list(table.origins()) == [route.origin]  # a wire still needs it
    route.origin.open = 0
    table.forget_unused(9.0)
    assert not list(table.origins())
