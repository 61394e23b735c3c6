"""Requests that are not the data plane's, relayed to control over its Unix socket.

Both directions stream through the relay's pumps, so no body is held and no body limit applies: control has its own. A
connection per request: on a Unix socket that is two system calls, and a pool would be one more thing to drain.

While control works, the client is watched; when it leaves, control's connection closes, which is how control notices.
"""

from __future__ import annotations

import contextlib
from typing import Final

import trio

from omniroute._speedups import BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_EOF, Status
from omniroute.edge.control_door import ControlDoor, ResponseHead
from omniroute.edge.head import RequestHead, header_lines
from omniroute.edge.options import EdgeOptions
from omniroute.edge.reply import CONTINUE, ClientReply
from omniroute.errors import ClientError, OmniRouteError
from omniroute.ports import HOP_BY_HOP, ClientGone
from omniroute.wire import Driver, PumpLimits, Wire, WireError

PEER_HEADER: Final = b"x-omniroute-peer"
"""The client's address, for control. Ours alone: whatever a client sends under this name is dropped."""

_OURS: Final = frozenset({b"content-length", b"expect", b"x-request-id", PEER_HEADER})
"""Written anew on the way to control; Content-Length too, so that ``Connection: content-length`` unframes no body."""


class ControlProxy:
    """The way to control."""

    def __init__(self, socket_path: str, driver: Driver, options: EdgeOptions) -> None:
        self._door = ControlDoor(socket_path, driver, options)
        self._options = options

    async def relay(self, head: RequestHead, client: Wire, reply: ClientReply, peer: str, request_id: str) -> None:
        """Send the request to control and its answer to the client, whose body framing has been declared.

        Raises ``Overloaded`` (control is away), ``OmniRouteError`` (before an answer was begun), ``WireError`` or
        ``ClientGone`` (the client left). Returns with ``reply.ended`` False if the answer broke off.
        """
        control = self._door.open()
        try:
            control.watch = client
            request = _encode_request(head, peer, request_id)
            if head.body == BODY_NONE:
                await self._send(control, (request,))
                await self._answer(head, control, client, reply)
            else:
                await self._both_ways(head, request, control, client, reply)
        finally:
            control.close()

    async def _both_ways(
        self, head: RequestHead, request: bytes, control: Wire, client: Wire, reply: ClientReply
    ) -> None:
        """Stream the request's body while the answer comes: control may answer before it has read all of it."""
        failures: list[Exception] = []
        async with trio.open_nursery() as nursery:  # two directions at once; a request without a body needs none

            async def send_body() -> None:
                failure = await self._upload(head, request, control, client)
                if failure is not None:
                    failures.append(failure)
                    nursery.cancel_scope.cancel()

            nursery.start_soon(send_body)
            try:
                await self._answer(head, control, client, reply)
            except (OmniRouteError, ClientGone, WireError) as exc:
                failures.append(exc)
            nursery.cancel_scope.cancel()
        if failures:
            raise failures[0]

    async def _upload(self, head: RequestHead, request: bytes, control: Wire, client: Wire) -> Exception | None:
        """Send head and body to control; what the client did wrong, if it did."""
        options = self._options
        limits = PumpLimits(idle_s=options.body_grace_s, write_s=options.write_timeout_s)
        try:
            if head.expect_continue and not client.buffered():
                await self._send(client, (CONTINUE,))
            status = await client.pump(control, None, limits, first=request, chunked=head.body == BODY_CHUNKED)
            if status is Status.OK and client.result:
                await self._send(control, (client.result,))
        except WireError:
            return None  # as for SINK_BROKEN below; a client that left is noticed by the other direction
        match status:
            case Status.OK | Status.SINK_BROKEN | Status.SINK_STALLED:
                return None  # if control reads no more, its answer, if it gave one, is on its way
            case Status.MALFORMED:
                return ClientError(f"The request body's chunks are malformed: {client.detail}.")
            case Status.DEADLINE:
                return ClientError(
                    "The request body stopped arriving.", status=408, code="request_timeout", kind="timeout"
                )
            case _:
                return ClientGone()

    async def _answer(self, head: RequestHead, control: Wire, client: Wire, reply: ClientReply) -> None:
        answer = await self._door.read_head(control, head.method, upgrade=_offers_upgrade(head))
        if answer.status == 101:
            await self._tunnel(answer, control, client, reply)
            return
        control.set_body(answer.body, answer.length or 0)
        if answer.body in {BODY_CHUNKED, BODY_UNTIL_EOF}:
            first = reply.begin(answer.status, answer.headers)
        else:
            first = reply.begin_sized(answer.status, answer.headers, answer.length)
        if answer.body == BODY_NONE:
            await reply.end(first)
            return
        # no idle limit: event streams of the dashboard are silent for as long as nothing happens
        limits = PumpLimits(write_s=self._options.write_timeout_s)
        status = await control.pump(client, None, limits, first=first, chunked=reply.chunked)
        if status is Status.OK:
            await reply.end(control.result)
        elif status is Status.WATCHED_GONE:
            raise ClientGone
        # else cut short: no last chunk, no padding; the close that follows tells the client

    async def _tunnel(self, answer: ResponseHead, control: Wire, client: Wire, reply: ClientReply) -> None:
        """Bytes both ways until one side closes."""
        client.set_body(BODY_UNTIL_EOF)
        control.set_body(BODY_UNTIL_EOF)
        limits = PumpLimits(write_s=self._options.write_timeout_s)
        first = reply.begin_upgrade(answer.headers, answer.protocol)
        async with trio.open_nursery() as nursery:  # two directions, neither ends before the other by rule

            async def move(source: Wire, sink: Wire, first: bytes) -> None:
                status = await source.pump(sink, None, limits, first=first, chunked=False)
                if status is Status.OK and source.result:
                    with contextlib.suppress(WireError):  # the other side is gone, which ends the tunnel all the same
                        await self._send(sink, (source.result,))
                nursery.cancel_scope.cancel()

            nursery.start_soon(move, client, control, b"")
            await move(control, client, first)

    async def _send(self, wire: Wire, parts: tuple[bytes, ...]) -> None:
        await wire.send(parts, trio.current_time() + self._options.write_timeout_s)


def _encode_request(head: RequestHead, peer: str, request_id: str) -> bytes:
    """The head control gets: end-to-end headers as sent, framing and the edge's own headers written anew."""
    dropped = HOP_BY_HOP | _OURS
    nominated = head.headers.get(b"connection")
    if nominated is not None:
        dropped |= {token.strip().lower() for token in nominated.split(b",")} - {b"host"}
    lines = [b"%b %b HTTP/1.1" % (head.method.encode(), head.target)]
    if b"host" not in head.headers:
        lines.append(b"host: localhost")  # HTTP/1.0 has none, 1.1 must
    for name, value in header_lines(head):
        # "_" and "-" are one character to much that reads headers as variables
        if name not in dropped and name.replace(b"_", b"-") != PEER_HEADER:
            lines.append(b"%b: %b" % (name, value))
    lines.append(b"%b: %b" % (PEER_HEADER, peer.encode()))
    lines.append(b"x-request-id: %b" % request_id.encode())
    if head.body == BODY_CHUNKED:
        lines.append(b"transfer-encoding: chunked")
    elif head.body == BODY_LENGTH or b"content-length" in head.headers:
        lines.append(b"content-length: %d" % head.length)
    if _offers_upgrade(head):
        lines.append(b"connection: upgrade\r\nupgrade: %b" % head.headers[b"upgrade"])
    else:
        lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _offers_upgrade(head: RequestHead) -> bool:
    """True for an upgrade that may reach control: without a body, and not to HTTP/2, which is more than one tunnel."""
    protocol = head.headers.get(b"upgrade")
    return head.upgrade and head.body == BODY_NONE and protocol is not None and b"h2c" not in protocol.lower()
