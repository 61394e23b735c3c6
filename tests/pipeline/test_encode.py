"""What an upstream gets to see of a request."""

from __future__ import annotations

import msgspec
import pytest

from omniroute.domain import Connection, Secret, Target
from omniroute.pipeline.encode import encode
from omniroute.pipeline.recollection import Recollection
from omniroute.pipeline.values import Plan, Request
from omniroute.pipeline.way import FORWARDED
from omniroute.ports import WireRequest
from tests.pipeline.house import DOOR, KEY, caller, connection, incoming, snapshot


def encoded(body: bytes, to: Connection | None = None, headers: dict[bytes, bytes] | None = None) -> WireRequest:
    target = Target(to or connection(), "m")
    arrived = incoming(body)
    if headers:
        arrived = msgspec.structs.replace(arrived, headers=arrived.headers | headers)
    request = Request(
        arrived, DOOR, DOOR.client.peek(arrived), snapshot(), caller(), Plan((target,)), Recollection(float)
    )
    return encode(request, target, "att_1").wire


def test_only_the_fields_we_own_differ() -> None:
    body = b'{ "seed": 1.0e3 ,"model" : "acme/m", "new_field":[1,{"a":null}],"messages":[]}'
    wire_request = encoded(body)
    assert b"".join(wire_request.body) == body.replace(b"acme/m", b"m")
    assert wire_request.body_bytes == sum(map(len, wire_request.body))
    assert (wire_request.method, wire_request.path) == (b"POST", "/chat/completions")


def test_the_upstream_gets_its_own_credential_and_never_the_clients_key() -> None:
    secrets = {b"x-api-key": KEY.encode(), b"x-goog-api-key": KEY.encode(), b"cookie": b"session=1"}
    sent = encoded(b'{"model":"m","messages":[]}', headers=secrets).headers
    assert dict(sent)[b"authorization"] == b"Bearer secret-of-one"
    assert dict(sent)[b"x-omniroute-attempt"] == b"att_1"
    assert KEY.encode() not in b"".join(value for _, value in sent)
    assert b"cookie" not in dict(sent)


def test_a_connection_without_a_credential_sends_none() -> None:
    sent = encoded(b'{"model":"m","messages":[]}', connection(credential=Secret(""))).headers
    assert b"authorization" not in dict(sent)


def test_client_headers_on_the_list_ride_along_and_no_others() -> None:
    listed = {*FORWARDED, b"openai-beta", b"openai-organization", b"openai-project"}
    given = dict.fromkeys(listed, b"v") | {b"user-agent": b"x", b"x-forwarded-for": b"1.2.3.4", b"host": b"h"}
    sent = dict(encoded(b'{"model":"m","messages":[]}', headers=given).headers)
    assert {name for name in given if name in sent} == listed


@pytest.mark.parametrize(("provider", "sees"), [("acme", False), ("mock", True), ("demo", True)])
def test_only_a_mock_is_told_how_to_behave(provider: str, sees: bool) -> None:
    sent = encoded(b'{"model":"m","messages":[]}', connection(provider=provider), {b"x-mock": b"error=500"}).headers
    assert (b"x-mock" in dict(sent)) is sees


def test_a_connections_own_headers_are_added() -> None:
    sent = encoded(b'{"model":"m","messages":[]}', connection(headers=(("x-title", "ours"),))).headers
    assert (b"x-title", b"ours") in sent


def test_a_stream_is_asked_for_as_one() -> None:
    whole = dict(encoded(b'{"model":"m","messages":[]}').headers)
    stream = encoded(b'{"model":"m","stream":true,"messages":[]}')
    assert whole[b"accept"] == b"application/json"
    assert dict(stream.headers)[b"accept"] == b"text/event-stream"
    assert dict(stream.headers)[b"accept-encoding"] == b"identity"  # what is compressed cannot be read along
    assert b'"include_usage":true' in b"".join(stream.body)
