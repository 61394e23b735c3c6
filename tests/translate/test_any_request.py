"""Requests no client should send: refused by the name of the field, or carried; never a fault, always soon."""

from __future__ import annotations

import random
import time

import msgspec
import pytest

from omniroute.domain import Quirks
from omniroute.errors import ClientError, OmniRouteError
from omniroute.translate import find_dialects
from omniroute.translate.dialect import Dialect
from omniroute.translate.notes import Notes
from omniroute.translate.trial import Request
from tests.architecture.translation_page import PATHS
from tests.architecture.translation_probes import PROBES, request_of
from tests.translate.matching import parse

DIALECTS = find_dialects()
CLIENTS = [name for name, dialect in DIALECTS.items() if dialect.client and name in PATHS]

ROUNDS = 12
"""Wrong requests made of each probe."""
WRONG = [
    b"null", b"true", b"-1", b"0", b"1e400", b"123456789012345678901234567890", b"1.5", b'""', b'"x"', b"[]", b"{}", b"[[]]",
    b'[{}]', b'{"type":"x"}', b'[null]', b'"\\ud800"', b'"\\u0000"', b"[" * 600 + b"]" * 600, b'{"a":' * 600 + b"1" + b"}" * 600,
    b'[{"type":"text"}]', b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,!!!"}}]', b'"data:,"',
]  # fmt: skip


def run(name: str, body: bytes, upstreams: list[Dialect]) -> None:
    """Every way from a client to an upstream: JSON comes out, or a refusal that can be told in the client's dialect."""
    client = DIALECTS[name].client
    assert client is not None
    request = Request(PATHS[name], b"", {b"content-type": b"application/json"}, body)
    try:
        canonical = client.read_request(request, client.peek(request))
    except OmniRouteError as error:
        check_refusal(name, error)
        return
    for upstream in upstreams:
        assert upstream.upstream is not None
        try:
            outgoing = upstream.upstream.write_request(canonical, Quirks(), Notes())
        except OmniRouteError as error:
            check_refusal(name, error)
        else:
            assert isinstance(parse(b"".join(outgoing.body)), dict)


def check_refusal(name: str, error: OmniRouteError) -> None:
    client = DIALECTS[name].client
    assert client is not None
    assert isinstance(error, ClientError), error
    assert client.error_status(error) in (400, 404, 413)
    assert error.message
    assert len(error.message) < 2001
    assert isinstance(parse(client.error_body(error, "req_1")), dict)


def upstreams() -> list[Dialect]:
    return [dialect for dialect in DIALECTS.values() if dialect.upstream]


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Paths of all values inside ``value``."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [path, *(found for key, item in inner for found in places(item, (*path, key)))]
        if path
        else [found for key, item in inner for found in places(item, (key,))]
    )


def put(value: object, path: tuple[object, ...], new: bytes) -> bytes:
    """``value`` as JSON with ``new`` at ``path``."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        members = (
            msgspec.json.encode(name)
            + b":"
            + (put(item, tuple(rest), new) if name == key else msgspec.json.encode(item))
            for name, item in value.items()
        )
        return b"{" + b",".join(members) + b"}"
    assert isinstance(value, list)
    items = (put(item, tuple(rest), new) if n == key else msgspec.json.encode(item) for n, item in enumerate(value))
    return b"[" + b",".join(items) + b"]"


@pytest.mark.parametrize("name", CLIENTS)
def test_a_value_that_is_wrong_anywhere_is_refused_or_carried(name: str) -> None:
    dice = random.Random(name)
    found = upstreams()
    for _, patch in PROBES[name]:
        body = msgspec.json.decode(request_of(name, patch))
        for _ in range(ROUNDS):
            wrong = put(body, dice.choice(places(body)), dice.choice(WRONG))
            run(name, wrong, dice.sample(found, 2))


@pytest.mark.parametrize("name", CLIENTS)
def test_bytes_that_are_wrong_are_refused_or_carried(name: str) -> None:
    dice = random.Random(name)
    found = upstreams()
    for _, patch in PROBES[name]:
        body = request_of(name, patch)
        at = dice.randrange(len(body))
        wrong = [body[:at], body[:at] + body[at + 1 :], body[:at] + dice.randbytes(2) + body[at + 2 :], body + b"x"]
        for one in wrong:
            run(name, one, dice.sample(found, 1))


MANY = 300_000
HUGE = {
    "openai_chat": {
        "messages": b'{"model":"m","messages":[' + b",".join([b'{"role":"user","content":"x"}'] * 50_000) + b"]}",
        "stop": b'{"model":"m","messages":[{"role":"user","content":"x"}],"stop":['
        + b",".join([b'"x"'] * MANY)
        + b"]}",
        "nesting": b'{"model":"m","messages":[{"role":"user","content":"x"}],"metadata":'
        + b"[" * MANY
        + b"]" * MANY
        + b"}",
        "schema": b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"x":"'
        + b"y" * 5_000_000
        + b'"}}}]}',
    },
    "anthropic": {
        "stop_sequences": b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stop_sequences":['
        + b",".join([b'"x"'] * MANY)
        + b"]}",
        "nesting": b'{"model":"m","max_tokens":9,"messages":' + b"[" * MANY + b"]" * MANY + b"}",
        "blocks": b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":['
        + b",".join([b'{"type":"text","text":"x"}'] * 50_000)
        + b"]}]}",
    },
    "gemini": {
        "parts": b'{"contents":[{"role":"user","parts":[' + b",".join([b'{"text":"x"}'] * 50_000) + b"]}]}",
        "nesting": b'{"contents":' + b"[" * MANY + b"]" * MANY + b"}",
    },
    "openai_responses": {
        "input": b'{"model":"m","input":[' + b",".join([b'{"role":"user","content":"x"}'] * 50_000) + b"]}",
        "nesting": b'{"model":"m","input":' + b"[" * MANY + b"]" * MANY + b"}",
    },
    "ollama": {
        "messages": b'{"model":"m","messages":[' + b",".join([b'{"role":"user","content":"x"}'] * 50_000) + b"]}",
        "nesting": b'{"model":"m","messages":' + b"[" * MANY + b"]" * MANY + b"}",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), [(name, what) for name, bodies in HUGE.items() for what in bodies])
def test_what_is_far_too_much_is_decided_soon(name: str, what: str) -> None:
    for upstream in upstreams():
        start = time.perf_counter()
        run(name, HUGE[name][what], [upstream])
        assert time.perf_counter() - start < 4, upstream.name
