"""Answers as bytes: framing, keep-alive, headers that cannot be forged."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import Status
from omniroute.edge.options import EdgeOptions
from omniroute.edge.reply import PLAIN, ClientReply
from omniroute.edge.routes import Routes
from omniroute.edge.state import EdgeState
from omniroute.errors import GatewayFault, Overloaded
from omniroute.ports import Reply
from omniroute.wire import WireError


class SentBytes:
    """A wire that keeps what is sent, or fails as one whose peer has left."""

    def __init__(self, *, broken: bool = False) -> None:
        self.data = b""
        self.sends = 0
        self.broken = broken

    async def send(self, parts: tuple[bytes, ...], deadline_at: float) -> None:
        assert deadline_at > 0
        if self.broken:
            raise WireError(Status.RESET)
        self.sends += 1
        self.data += b"".join(parts)


def make(*, draining: bool = False, broken: bool = False, **how: object) -> tuple[ClientReply, SentBytes]:
    state = EdgeState(EdgeOptions(), Routes(()), None, PLAIN)
    state.draining = draining
    wire = SentBytes(broken=broken)
    return ClientReply(state, wire, "req_1", **{"keep_alive": True, **how}), wire  # type: ignore[arg-type]


def split(data: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = [tuple(line.split(b": ", 1)) for line in lines]
    assert len(dict(pairs)) == len(pairs)
    return first, dict(pairs), body


async def test_whole_answer_in_one_send() -> None:
    reply, wire = make()
    port: Reply = reply
    await port.complete(200, ((b"content-type", b"a/b"),), (b"he", memoryview(b"llo")))
    first, headers, body = split(wire.data)
    assert (first, body, wire.sends) == (b"HTTP/1.1 200 OK", b"hello", 1)
    assert parsedate_to_datetime(headers.pop(b"date").decode()).tzinfo is not None
    assert headers == {b"x-request-id": b"req_1", b"content-type": b"a/b", b"content-length": b"5"}
    assert (reply.begun, reply.ended, reply.keep_alive) == (True, True, True)


@pytest.mark.parametrize(
    ("how", "connection", "kept"),
    [
        ({}, None, True),
        ({"keep_alive": False}, b"close", False),
        ({"http10": True}, b"keep-alive", True),
        ({"http10": True, "keep_alive": False}, b"close", False),
        ({"draining": True}, b"close", False),
    ],
)
async def test_connection_header(how: dict[str, bool], connection: bytes | None, *, kept: bool) -> None:
    reply, wire = make(**how)
    await reply.complete(200, (), (b"",))
    assert split(wire.data)[1].get(b"connection") == connection
    assert reply.keep_alive is kept


async def test_head_has_the_length_and_no_body() -> None:
    reply, wire = make(head_only=True)
    await reply.complete(200, (), (b"hello",))
    _, headers, body = split(wire.data)
    assert (headers[b"content-length"], body) == (b"5", b"")
    with pytest.raises(GatewayFault):
        make(head_only=True)[0].begin(200, ())


async def test_no_content_has_no_length() -> None:
    reply, wire = make()
    await reply.complete(204, (), ())
    assert b"content-length" not in split(wire.data)[1]
    assert wire.data.endswith(b"\r\n\r\n")


async def test_stream() -> None:
    reply, wire = make()
    head = reply.begin(200, ((b"content-type", b"text/event-stream"),))
    assert split(head)[1][b"transfer-encoding"] == b"chunked"
    assert reply.begun
    assert not reply.ended
    assert reply.frame(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert reply.frame(b"") == b""
    await reply.end(b"0\r\n\r\n")
    assert wire.data == b"0\r\n\r\n"
    assert (reply.ended, reply.keep_alive) == (True, True)


async def test_stream_in_http10_ends_with_the_connection() -> None:
    reply, wire = make(http10=True)
    assert reply.chunked is False
    headers = split(reply.begin(200, ()))[1]
    assert b"transfer-encoding" not in headers
    assert headers[b"connection"] == b"close"
    assert reply.frame(b"abc") == b"abc"
    await reply.end(b"")
    assert (wire.sends, reply.ended, reply.keep_alive) == (0, True, False)


@pytest.mark.parametrize(
    ("http10", "event", "sent"),
    [(False, b"oh", b"2\r\noh\r\n0\r\n\r\n"), (False, b"", b"0\r\n\r\n"), (True, b"oh", b"oh"), (True, b"", b"")],
)
async def test_abort(event: bytes, sent: bytes, *, http10: bool) -> None:
    reply, wire = make(http10=http10)
    reply.begin(200, ())
    await reply.abort(event)
    assert wire.data == sent
    assert (reply.ended, reply.keep_alive) == (True, False)


async def test_abort_of_a_client_that_left_is_silent() -> None:
    reply, _ = make(broken=True)
    reply.begin(200, ())
    await reply.abort(b"x")
    assert not reply.keep_alive


async def test_broken_client_is_told_to_the_caller() -> None:
    reply, _ = make(broken=True)
    with pytest.raises(WireError):
        await reply.complete(200, (), (b"x",))
    assert (reply.begun, reply.ended) == (True, False)


async def test_one_answer_only() -> None:
    reply, wire = make()
    await reply.complete(200, (), (b"x",))
    for again in (reply.begin, lambda status, headers: reply.begin_sized(status, headers, 1)):
        with pytest.raises(GatewayFault):
            again(200, ())
    with pytest.raises(GatewayFault):
        await reply.complete(200, (), (b"x",))
    assert wire.sends == 1


async def test_error() -> None:
    reply, wire = make()
    error = Overloaded("Full.", retry_after_s=0.2)
    await reply.fail(error, PLAIN)
    first, headers, body = split(wire.data)
    assert first == b"HTTP/1.1 503 Service Unavailable"
    assert (headers[b"retry-after"], headers[b"content-type"]) == (b"1", b"application/json")
    assert msgspec.json.decode(body) == {
        "error": {"message": "Full.", "type": "overloaded", "code": "overloaded", "request_id": "req_1"}
    }


async def test_extra_headers_and_unnamed_status() -> None:
    reply, wire = make(extra=((b"vary", b"Origin"),))
    await reply.complete(529, (), (b"",))
    first, headers, _ = split(wire.data)
    assert first == b"HTTP/1.1 529 "
    assert headers[b"vary"] == b"Origin"


HOSTILE = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([b"x-a", b"content-length", b"transfer-encoding", b"connection", b"x-request-id", b"date"]),
            st.binary(max_size=4),
        ),
        st.one_of(
            st.sampled_from([b"1", b"a\r\nx-evil: 1", b"a\nb", b"a\0b", b"\r\n\r\nHTTP/1.1 200 OK"]),
            st.binary(max_size=8),
        ),
    ),
    max_size=5,
)


@given(HOSTILE)
async def test_no_header_becomes_a_line_of_its_own(headers: list[tuple[bytes, bytes]]) -> None:
    reply, wire = make()
    await reply.complete(200, tuple(headers), (b"BODY",))
    head, _, body = wire.data.partition(b"\r\n\r\n")
    assert body == b"BODY"
    lines = head.split(b"\r\n")
    assert not any(mark in line for line in lines for mark in (b"\r", b"\n", b"\0"))
    assert sum(line.startswith((b"content-length:", b"transfer-encoding:")) for line in lines) == 1
    assert sum(line.startswith(b"connection:") for line in lines) == 0
    assert len(lines) <= 4 + len(headers)  # status, date, id, length
