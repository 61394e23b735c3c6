"""Who may read our answers from a browser."""

from __future__ import annotations

from omniroute.edge.cors import Cors


def test_nobody_by_default() -> None:
    cors = Cors(())
    assert cors.headers(b"https://app.example") == ()
    asked = {b"origin": b"https://app.example", b"access-control-request-method": b"POST"}
    assert cors.preflight(asked, b"POST, OPTIONS") == ((b"allow", b"POST, OPTIONS"),)


def test_listed_origin_is_exact() -> None:
    cors = Cors(("https://app.example",))
    assert dict(cors.headers(b"https://app.example")) == {
        b"access-control-allow-origin": b"https://app.example",
        b"access-control-expose-headers": b"*",
        b"vary": b"Origin",
    }
    for origin in (None, b"", b"https://app.example.evil", b"http://app.example", b"https://APP.example", b"null"):
        assert cors.headers(origin) == ()


def test_preflight_allows_authorization_by_name() -> None:
    asked = {b"origin": b"https://app.example", b"access-control-request-headers": b"authorization, x-a"}
    headers = dict(Cors(("https://app.example",)).preflight(asked, b"POST, OPTIONS"))
    assert headers[b"access-control-allow-origin"] == b"https://app.example"
    assert headers[b"access-control-allow-methods"] == b"POST, OPTIONS"
    assert headers[b"access-control-allow-headers"] == b"authorization, x-a"
    assert headers[b"vary"] == b"Origin, Access-Control-Request-Headers"
    assert int(headers[b"access-control-max-age"]) > 0


def test_any_origin() -> None:
    cors = Cors(("*",))
    assert dict(cors.headers(b"https://a.example"))[b"access-control-allow-origin"] == b"*"
    assert cors.headers(None) == ()
