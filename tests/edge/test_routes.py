"""The route table: exact paths, rests with slashes, forgiving forms; everything else is control's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.edge import PLAIN, Endpoint, Routes
from omniroute.ports import Incoming, Reply


async def handler(incoming: Incoming, reply: Reply) -> None:
    await reply.complete(200, (), (incoming.path.encode(),))


def endpoint(method: str, pattern: str, name: str = "x") -> Endpoint:
    return Endpoint(method=method, pattern=pattern, name=name, handler=handler, errors=PLAIN)


ROUTES = Routes(
    [
        endpoint("POST", "/v1/chat/completions", "chat"),
        endpoint("GET", "/v1/models", "models"),
        endpoint("GET", "/v1/models/{id}", "model"),
        endpoint("DELETE", "/v1/models/{id}", "forget"),
        endpoint("GET", "/v1/models/special/{id}", "special"),
    ]
)


@pytest.mark.parametrize(
    ("path", "proper", "name"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", "chat"),
        ("/chat/completions", "/v1/chat/completions", "chat"),
        ("/v1/v1/chat/completions", "/v1/chat/completions", "chat"),
        ("/v1/v1/v1/chat/completions/", "/v1/chat/completions", "chat"),
        ("//v1/chat//completions", "/v1/chat/completions", "chat"),
        ("/v1/models", "/v1/models", "models"),
        ("/v1/models/", "/v1/models", "models"),
        ("/models", "/v1/models", "models"),
        ("/models/", "/v1/models", "models"),
        ("/v1/models/openai/gpt-4o", "/v1/models/openai/gpt-4o", "model"),
        ("/models/a/b/c", "/v1/models/a/b/c", "model"),
        ("/v1/v1/models/a:b", "/v1/models/a:b", "model"),
        ("/v1/models/special/x", "/v1/models/special/x", "special"),
        ("/v1/models/special", "/v1/models/special", "model"),
    ],
)
def test_found(path: str, proper: str, name: str) -> None:
    found = ROUTES.find(path)
    assert found is not None
    assert found[0] == proper
    assert name in {served.name for served in found[1].endpoints.values()}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v1",
        "/v1/",
        "/v1/v1",
        "/api/models",
        "/v1/chat",
        "/v1/chat/completions/x",
        "/V1/models",
        "/v1models",
        "/modelsx",
    ],
)
def test_control_has_the_rest(path: str) -> None:
    assert ROUTES.find(path) is None


def test_methods_and_allow() -> None:
    found = ROUTES.find("/v1/models/x")
    assert found is not None
    assert found[1].allow == b"DELETE, GET, HEAD, OPTIONS"
    assert found[1].endpoints["HEAD"] is found[1].endpoints["GET"]
    assert "POST" not in found[1].endpoints


@pytest.mark.parametrize("pattern", ["v1", "/v1/{id}/x", "/v1/x{id}", "{id}", ""])
def test_bad_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a path pattern"):
        Routes([endpoint("GET", pattern)])


def test_claimed_twice() -> None:
    with pytest.raises(ValueError, match="GET /v1/models is claimed twice"):
        Routes([endpoint("GET", "/v1/models"), endpoint("GET", "/v1/models")])
    with pytest.raises(ValueError, match="HEAD /v1/models is claimed twice"):
        Routes([endpoint("HEAD", "/v1/models"), endpoint("GET", "/v1/models")])


def claimed_by(name: str, mark: bytes) -> Endpoint:
    claims = (lambda asked: mark in asked.headers) if mark else (lambda _asked: True)
    return Endpoint("GET", "/v1/models", name, handler, PLAIN, claims=claims)


@pytest.mark.parametrize(
    ("headers", "name"), [({}, "last"), ({b"b": b""}, "second"), ({b"a": b"", b"b": b""}, "first")]
)
def test_a_path_of_several_belongs_to_the_first_that_claims_the_request(headers: dict[bytes, bytes], name: str) -> None:
    routes = Routes([claimed_by("first", b"a"), claimed_by("second", b"b"), claimed_by("last", b"")])
    found = routes.find("/models")
    assert found is not None
    asked = Incoming("req_1", "GET", "/v1/models", b"", headers, b"", 0.0, "", None)  # type: ignore[arg-type]
    assert found[1].endpoints["GET"].chosen(asked).name == name
    assert found[1].endpoints["HEAD"].chosen(asked).name == name


def test_one_that_claims_everything_has_no_rivals() -> None:
    with pytest.raises(ValueError, match="claimed twice"):
        Routes([endpoint("GET", "/v1/models"), claimed_by("second", b"b")])


@pytest.mark.parametrize(
    ("path", "proper"),
    [
        ("/v1/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("/v1beta/models/a/m:generateContent", "/v1beta/models/a/m:generateContent"),
        ("/v1/api/tags", "/api/tags"),
        ("/api/tags/", "/api/tags"),
    ],
)
def test_a_needless_v1_is_taken_away(path: str, proper: str) -> None:
    routes = Routes([endpoint("POST", "/v1beta/models/{model}"), endpoint("GET", "/api/tags")])
    found = routes.find(path)
    assert found is not None
    assert found[0] == proper


@given(
    st.lists(st.sampled_from(["/", "v1", "/v1", "models", "chat", "completions", "x", "."]), max_size=60).map("".join)
)
def test_folding_ends_and_keeps_its_word(path: str) -> None:
    found = ROUTES.find(path)
    if found is not None:
        assert ROUTES.find(found[0]) == found  # a proper form is its own proper form
